//! An object of a connection, with what its connector can do with it.

use std::fmt;
use std::sync::Arc;

use crate::connector::{Abilities, ActionKind, Fields, IdForm, ObjectFacts, OperationFacts, Record};
use crate::value::{Map, Value};

/// An object that a step acts on: known to exist, its connector's facts at hand.
#[derive(Debug, Clone)]
pub struct Target {
    /// The connection's name.
    pub connection: Arc<str>,
    /// The object's name in that system.
    pub object: Arc<str>,
    pub(super) abilities: Arc<Abilities>,
    /// True when what is written there comes back to a pipeline of the client as news.
    pub(super) heard: bool,
}

impl Target {
    pub(super) fn facts(&self) -> Option<&ObjectFacts> {
        self.abilities.object(&self.object)
    }

    /// The facts of one action; `None` when the connector cannot do it.
    pub(super) fn action(&self, kind: ActionKind) -> Option<&OperationFacts> {
        self.facts()?.action(kind)
    }

    /// The facts of the look-up that `identity` would use.
    pub(super) fn finder(&self, identity: &Fields) -> Option<&OperationFacts> {
        self.facts()?.find(identity.keys().map(|name| self.field(name)))
    }

    /// The system's own name of a field that may be named by a word of the client.
    pub(super) fn field<'a>(&'a self, name: &'a str) -> &'a str {
        self.abilities.field(&self.object, name)
    }

    /// Of a field that holds several values: the key of an element that holds its value.
    pub(super) fn many(&self, name: &str) -> Option<&str> {
        self.facts()?.many.get(self.field(name)).map(|key| &**key)
    }

    /// How the system may write an id.
    pub(super) fn ids(&self) -> Option<&IdForm> {
        self.abilities.ids()
    }

    /// What counts of an id, so that it is the same however it is written.
    pub(super) fn id_core<'a>(&self, id: &'a str) -> &'a str {
        self.ids().and_then(|ids| ids.core(id)).unwrap_or(id)
    }

    /// The field of a record that holds its id.
    pub(super) fn id_field(&self) -> &str {
        self.facts().map_or("id", |facts| &facts.id)
    }

    /// The record as steps read it: its fields, and its id under the system's own name for it.
    pub(super) fn record(&self, record: &Record) -> Value {
        self.with_id(&record.fields, record.id.as_ref())
    }

    /// `fields` with the id among them.
    pub(super) fn with_id(&self, fields: &Value, id: Option<&Arc<str>>) -> Value {
        let (Some(id), name) = (id, self.id_field()) else { return fields.clone() };
        if name.is_empty() || fields.get(name).is_some_and(|known| !known.is_blank()) {
            return fields.clone();
        }
        let mut map = Map::from_iter([(name.into(), Value::from(Arc::clone(id)))]);
        map.extend(
            fields
                .as_map()
                .into_iter()
                .flatten()
                .filter(|(key, _)| &***key != name)
                .map(|(key, value)| (Arc::clone(key), value.clone())),
        );
        map.into()
    }
}

/// As the YAML names it: `salesforce.Account`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.connection, self.object)
    }
}
