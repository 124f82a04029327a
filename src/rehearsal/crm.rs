//! Systems in memory: what a pipeline test's or a dry run's calls act on.
//!
//! They hold the records that were given, find by equality, and note every write in order. What an object's id is
//! called is read off its connector's abilities; nothing else of a system is imitated. The simulators of `sandbox`
//! are for that.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use indexmap::IndexMap;

use crate::connector::{
    Abilities, Action, Call, Class, Failure, Fields, Gateway, IdForm, ObjectFacts, Record, Repeat, Reply,
    Select, values_after,
};
use crate::steps::same_identity;
use crate::value::{Map, Value};

/// Systems in memory, one client's.
pub struct Crm {
    connections: IndexMap<Arc<str>, Arc<Abilities>>,
    state: Mutex<State>,
}

/// Connection and object.
pub(super) type ObjectName = (Arc<str>, Arc<str>);

/// Connection, object, id and relation.
pub(super) type SetName = (Arc<str>, Arc<str>, Arc<str>, Arc<str>);

/// What systems hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    /// Records by connection and object, then by id.
    pub(super) objects: BTreeMap<ObjectName, IndexMap<Arc<str>, Map>>,
    /// What is in the sets of a record.
    pub(super) links: BTreeMap<SetName, Vec<Value>>,
}

#[derive(Default)]
struct State {
    /// Records by connection and object, then by id, in the order in which they came.
    objects: BTreeMap<ObjectName, IndexMap<Arc<str>, Map>>,
    /// What is in the sets of a record.
    links: BTreeMap<SetName, Vec<Value>>,
    /// What calls with idempotency keys were answered, by connection and key.
    answered: BTreeMap<(Arc<str>, Arc<str>), Reply>,
    writes: Vec<Write>,
    created: usize,
}

/// One write, as it reached the system.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// `create`, `update`, `delete`, `link`, `unlink` or `call`.
    pub verb: &'static str,
    /// The connection.
    pub connection: Arc<str>,
    /// The object, or the operation of a call.
    pub object: Arc<str>,
    /// The record's id.
    pub id: Option<Arc<str>>,
    /// The relation of a link.
    pub relation: Option<Arc<str>>,
    /// What was written, or the parameters of a call.
    pub fields: Fields,
}

impl Crm {
    /// Empty systems behind these connections.
    pub fn new(connections: IndexMap<Arc<str>, Arc<Abilities>>) -> Self {
        Self { connections, state: Mutex::default() }
    }

    /// Adds a record that is there before. One without an id gets one.
    pub fn give(&self, connection: &str, object: &str, record: &Map) {
        let name = self.id_field(connection, object);
        let record = settled(self.facts(connection, object), record, None);
        let mut state = self.state();
        let id = record.get(&*name).and_then(Value::to_text);
        let id = id.unwrap_or_else(|| state.new_id(object));
        state.insert(&connection.into(), &object.into(), &name, id, record);
    }

    /// Everything that was written, in order.
    pub fn writes(&self) -> Vec<Write> {
        self.state().writes.clone()
    }

    /// The records of an object, in the order in which they came.
    pub fn records(&self, connection: &str, object: &str) -> Vec<Value> {
        let key = (Arc::from(connection), Arc::from(object));
        let state = self.state();
        let records = state.objects.get(&key).into_iter().flat_map(IndexMap::values);
        records.map(|record| Value::from(record.clone())).collect()
    }

    /// What was written from the write of this number on.
    pub(super) fn writes_from(&self, first: usize) -> Vec<Write> {
        self.state().writes.get(first..).map(<[Write]>::to_vec).unwrap_or_default()
    }

    /// How many writes there were.
    pub(super) fn written(&self) -> usize {
        self.state().writes.len()
    }

    /// Everything that the systems hold: records by object, and what is in the sets of records.
    pub(super) fn held(&self) -> Held {
        let state = self.state();
        Held { objects: state.objects.clone(), links: state.links.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two calls, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn facts(&self, connection: &str, object: &str) -> Option<&ObjectFacts> {
        self.connections.get(connection)?.object(object)
    }

    fn id_field(&self, connection: &str, object: &str) -> Arc<str> {
        let facts = self.facts(connection, object);
        facts.map(|facts| Arc::clone(&facts.id)).filter(|id| !id.is_empty()).unwrap_or_else(|| "id".into())
    }

    fn carry_out(&self, call: &Call) -> Result<Reply, Failure> {
        let abilities = self
            .connections
            .get(&call.connection)
            .ok_or_else(|| Failure::permanent(format!("there is no connection `{}`", call.connection)))?;
        let Some(facts) = abilities.of(&call.action) else {
            return Err(Failure::permanent(format!("`{}` cannot do that", call.connection)));
        };
        // A system that knows idempotency keys answers a repeat with the first result.
        let key =
            call.idempotency_key.as_ref().filter(|_| matches!(facts.repeat, Repeat::HarmlessWithKey(_)));
        let key = key.map(|key| (Arc::clone(&call.connection), Arc::clone(key)));
        if let Some(first) = key.as_ref().and_then(|key| self.state().answered.get(key).cloned()) {
            return Ok(first);
        }
        let id_field = match call.action.object() {
            Some(object) => self.id_field(&call.connection, object),
            None => "id".into(),
        };
        let facts = call.action.object().and_then(|object| abilities.object(object));
        let mut state = self.state();
        let reply = state.act(&call.connection, (&id_field, abilities.ids(), facts), &call.action)?;
        if let Some(key) = key {
            state.answered.insert(key, reply.clone());
        }
        Ok(reply)
    }
}

impl Gateway for Crm {
    fn call<'a>(&'a self, _: &'a str, call: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>> {
        async move { self.carry_out(call) }.boxed()
    }

    fn abilities(&self, _: &str, connection: &str) -> Option<Arc<Abilities>> {
        self.connections.get(connection).map(Arc::clone)
    }
}

impl fmt::Debug for Crm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crm({:?})", self.connections.keys().collect::<Vec<_>>())
    }
}

impl State {
    fn act(
        &mut self,
        connection: &Arc<str>,
        (id_field, ids, facts): (&Arc<str>, Option<&IdForm>, Option<&ObjectFacts>),
        action: &Action,
    ) -> Result<Reply, Failure> {
        let mut at = At { state: self, connection, id_field, ids, facts };
        match action {
            Action::Find { object, identity, select, limit } => {
                Ok(records(at.matching(object, identity, select, *limit)))
            }
            Action::List { object, filter, select, limit, .. } => {
                Ok(records(at.matching(object, filter, select, *limit)))
            }
            // What a pipeline's systems hold are records; events are what it is run for.
            Action::Events { .. } => Ok(Reply::default()),
            Action::Get { object, id, select } => at.get(object, id, select),
            Action::Create { object, fields } => Ok(at.create(object, fields)),
            Action::Update { object, id, fields } => at.update(object, id, fields),
            Action::Delete { object, id } => at.delete(object, id),
            Action::Upsert { object, key, fields } => at.upsert(object, key, fields),
            Action::Link { object, id, relation, to, fields } => {
                at.link(object, id, relation, to, fields.clone())
            }
            Action::Unlink { object, id, relation, to } => at.unlink(object, id, relation, to),
            Action::Operation { name, params } => {
                let fields = params.as_map().cloned().unwrap_or_default();
                at.note("call", name, None, fields);
                Ok(Reply::default())
            }
        }
    }

    fn new_id(&mut self, object: &str) -> Arc<str> {
        self.created += 1;
        format!("{object}-{}", self.created).into()
    }

    fn insert(
        &mut self,
        connection: &Arc<str>,
        object: &Arc<str>,
        id_field: &Arc<str>,
        id: Arc<str>,
        mut record: Map,
    ) {
        record.insert(Arc::clone(id_field), Value::from(Arc::clone(&id)));
        let key = (Arc::clone(connection), Arc::clone(object));
        self.objects.entry(key).or_default().insert(id, record);
    }
}

/// One connection's part of the state.
struct At<'a> {
    state: &'a mut State,
    connection: &'a Arc<str>,
    id_field: &'a Arc<str>,
    /// How the system may write an id.
    ids: Option<&'a IdForm>,
    /// What the connector says of the object.
    facts: Option<&'a ObjectFacts>,
}

impl At<'_> {
    fn of(&mut self, object: &Arc<str>) -> &mut IndexMap<Arc<str>, Map> {
        self.state.objects.entry((Arc::clone(self.connection), Arc::clone(object))).or_default()
    }

    fn matching(&mut self, object: &Arc<str>, identity: &Fields, select: &Select, limit: u32) -> Vec<Record> {
        let (id_field, ids) = (Arc::clone(self.id_field), self.ids);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let fits = |record: &Map| {
            identity.iter().all(|(name, wanted)| {
                record.get(name).is_some_and(|held| !held.is_blank() && same_identity(ids, wanted, held))
            })
        };
        let found = self.of(object).iter().filter(|(_, record)| fits(record)).take(limit);
        found
            .map(|(id, record)| Record {
                id: Some(Arc::clone(id)),
                fields: selected(record, select, &id_field),
            })
            .collect()
    }

    fn get(&mut self, object: &Arc<str>, id: &Arc<str>, select: &Select) -> Result<Reply, Failure> {
        let id_field = Arc::clone(self.id_field);
        let record = self.of(object).get(id).ok_or_else(|| missing(object, id))?;
        let record = Some(selected(record, select, &id_field));
        Ok(Reply { id: Some(Arc::clone(id)), record, ..Reply::default() })
    }

    fn create(&mut self, object: &Arc<str>, fields: &Fields) -> Reply {
        let id = self.state.new_id(object);
        let fields = settled(self.facts, fields, None);
        self.state.insert(self.connection, object, self.id_field, Arc::clone(&id), fields.clone());
        self.note("create", object, Some(&id), fields);
        Reply { id: Some(id), created: Some(true), ..Reply::default() }
    }

    fn update(&mut self, object: &Arc<str>, id: &Arc<str>, fields: &Fields) -> Result<Reply, Failure> {
        let facts = self.facts;
        let record = self.of(object).get_mut(id).ok_or_else(|| missing(object, id))?;
        let fields = settled(facts, fields, Some(record));
        lay_over(record, &fields);
        self.note("update", object, Some(id), fields);
        Ok(Reply { id: Some(Arc::clone(id)), created: Some(false), ..Reply::default() })
    }

    fn delete(&mut self, object: &Arc<str>, id: &Arc<str>) -> Result<Reply, Failure> {
        self.of(object).shift_remove(id).ok_or_else(|| missing(object, id))?;
        self.note("delete", object, Some(id), Fields::new());
        Ok(Reply { id: Some(Arc::clone(id)), ..Reply::default() })
    }

    fn upsert(&mut self, object: &Arc<str>, key: &Fields, fields: &Fields) -> Result<Reply, Failure> {
        let found = self.matching(object, key, &Select::Fields(Vec::new()), 2);
        let ids: Vec<Arc<str>> = found.into_iter().filter_map(|record| record.id).collect();
        match ids.as_slice() {
            [] => {
                let all: Fields =
                    key.iter().chain(fields).map(|(name, value)| (Arc::clone(name), value.clone())).collect();
                Ok(self.create(object, &all))
            }
            [id] => self.update(object, id, fields),
            _ => {
                let mut failure = Failure::new(Class::Duplicate, format!("several {object} have this key"));
                failure.candidates = ids.into_iter().map(Value::from).collect();
                Err(failure)
            }
        }
    }

    fn link(
        &mut self,
        object: &Arc<str>,
        id: &Arc<str>,
        relation: &Arc<str>,
        to: &Value,
        fields: Fields,
    ) -> Result<Reply, Failure> {
        let members = self.members(object, id, relation);
        if members.contains(to) {
            return Err(Failure::new(Class::Duplicate, format!("{to} is in {relation} already")));
        }
        members.push(to.clone());
        self.note_link("link", object, id, relation, to, fields);
        Ok(Reply::default())
    }

    fn unlink(
        &mut self,
        object: &Arc<str>,
        id: &Arc<str>,
        relation: &Arc<str>,
        to: &Value,
    ) -> Result<Reply, Failure> {
        let members = self.members(object, id, relation);
        let place = members.iter().position(|member| member == to);
        let place =
            place.ok_or_else(|| Failure::new(Class::Missing, format!("{to} is not in {relation}")))?;
        members.remove(place);
        self.note_link("unlink", object, id, relation, to, Fields::new());
        Ok(Reply::default())
    }

    fn members(&mut self, object: &Arc<str>, id: &Arc<str>, relation: &Arc<str>) -> &mut Vec<Value> {
        let key = (Arc::clone(self.connection), Arc::clone(object), Arc::clone(id), Arc::clone(relation));
        self.state.links.entry(key).or_default()
    }

    fn note(&mut self, verb: &'static str, object: &Arc<str>, id: Option<&Arc<str>>, fields: Fields) {
        self.state.writes.push(Write {
            verb,
            connection: Arc::clone(self.connection),
            object: Arc::clone(object),
            id: id.map(Arc::clone),
            relation: None,
            fields,
        });
    }

    fn note_link(
        &mut self,
        verb: &'static str,
        object: &Arc<str>,
        id: &Arc<str>,
        relation: &Arc<str>,
        to: &Value,
        mut fields: Fields,
    ) {
        fields.insert("to".into(), to.clone());
        self.state.writes.push(Write {
            verb,
            connection: Arc::clone(self.connection),
            object: Arc::clone(object),
            id: Some(Arc::clone(id)),
            relation: Some(Arc::clone(relation)),
            fields,
        });
    }
}

/// Fields as a record holds them: of those that hold several values, all that they then hold.
fn settled(facts: Option<&ObjectFacts>, fields: &Map, present: Option<&Map>) -> Map {
    let mut fields = fields.clone();
    for (name, key) in facts.into_iter().flat_map(|facts| &facts.many) {
        if let Some(written) = fields.get(name).filter(|written| !written.is_nothing()) {
            let held = present.and_then(|record| record.get(name)).unwrap_or(&Value::Null);
            let values = values_after(key, written, held);
            fields.insert(Arc::clone(name), Value::list(values));
        }
    }
    fields
}

fn records(records: Vec<Record>) -> Reply {
    Reply { records, ..Reply::default() }
}

fn missing(object: &str, id: &str) -> Failure {
    Failure::new(Class::Missing, format!("there is no {object} {id}"))
}

/// What a system answers: the wanted fields and the id.
fn selected(record: &Map, select: &Select, id_field: &Arc<str>) -> Value {
    match select {
        Select::All => record.clone().into(),
        Select::Fields(wanted) => {
            let kept = record.iter().filter(|(name, _)| *name == id_field || wanted.contains(name));
            Value::map(kept.map(|(name, value)| (Arc::clone(name), value.clone())))
        }
    }
}

/// Nothing clears a field; a map changes the keys it names.
fn lay_over(record: &mut Map, fields: &Fields) {
    for (name, value) in fields {
        match (value, record.get_mut(name)) {
            (Value::Null, _) => drop(record.shift_remove(name)),
            (Value::Map(over), Some(Value::Map(under))) => lay_over(Arc::make_mut(under), over),
            _ => drop(record.insert(Arc::clone(name), value.clone())),
        }
    }
}
