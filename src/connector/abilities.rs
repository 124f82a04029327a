//! What a connector can do and what may be relied on: facts that the engine and the checks read off a manifest
//! instead of knowing a system by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Action, ActionKind};
use super::events::{EventType, matches_type};
use super::file::{Amounts, ParamKind};

/// The name under which a manifest describes every object that it does not list.
pub const ANY_OBJECT: &str = "*";

/// All that a connector can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities {
    pub(super) objects: IndexMap<Arc<str>, ObjectFacts>,
    pub(super) operations: IndexMap<Arc<str>, OperationFacts>,
    /// What is known of its events.
    pub(super) events: EventFacts,
    /// How it takes money.
    pub(super) amounts: Amounts,
    /// How an id may be written; as it is when nothing says otherwise.
    pub(super) ids: Option<IdForm>,
    /// An account's own field names behind words of its client: object -> word -> field.
    pub(super) words: IndexMap<String, IndexMap<String, String>>,
}

/// What is known of a system's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFacts {
    /// The types that there are; none when the connector names none.
    pub types: IndexMap<Arc<str>, EventType>,
    /// True when an event only names its record.
    pub read_back: bool,
}

impl EventFacts {
    /// The types that a pattern stands for.
    pub fn matching<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = (&'a Arc<str>, &'a EventType)> {
        self.types.iter().filter(move |(name, _)| matches_type(pattern, name))
    }
}

/// How the ids of a system may be written: long and short forms of one id are known to be the same.
#[derive(Debug, Clone)]
pub struct IdForm(pub(super) Regex);

impl IdForm {
    /// The part of an id that counts; `None` for what is no id.
    pub fn core<'a>(&self, text: &'a str) -> Option<&'a str> {
        Some(self.0.captures(text)?.get(1)?.as_str())
    }
}

impl PartialEq for IdForm {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for IdForm {}

impl Abilities {
    /// Abilities of these objects and operations, by name.
    pub fn new<N: Into<Arc<str>>, M: Into<Arc<str>>>(
        objects: impl IntoIterator<Item = (N, ObjectFacts)>,
        operations: impl IntoIterator<Item = (M, OperationFacts)>,
    ) -> Self {
        Self {
            objects: objects.into_iter().map(|(name, facts)| (name.into(), facts)).collect(),
            operations: operations.into_iter().map(|(name, facts)| (name.into(), facts)).collect(),
            ..Self::default()
        }
    }

    /// The same, of an account whose client has words for some of its fields: object -> word -> field.
    #[must_use]
    pub fn with_words(self: &Arc<Self>, words: &IndexMap<String, IndexMap<String, String>>) -> Arc<Self> {
        if words.is_empty() {
            return Arc::clone(self);
        }
        Arc::new(Self { words: words.clone(), ..Self::clone(self) })
    }

    /// What is known of its events.
    pub fn events(&self) -> &EventFacts {
        &self.events
    }

    /// How the system takes money.
    pub fn amounts(&self) -> Amounts {
        self.amounts
    }

    /// How an id may be written, where there is more than one way.
    pub fn ids(&self) -> Option<&IdForm> {
        self.ids.as_ref()
    }

    /// The system's own name of a field, where `name` is a word of the client for it.
    pub fn field<'a>(&'a self, object: &str, name: &'a str) -> &'a str {
        self.words.get(object).and_then(|words| words.get(name)).map_or(name, String::as_str)
    }

    /// Why a person should think before `action` is done.
    pub fn danger(&self, action: &Action) -> Option<&Arc<str>> {
        match action {
            Action::Operation { name, .. } => self.operation(name)?.dangerous.as_ref(),
            Action::Link { object, relation, .. } | Action::Unlink { object, relation, .. } => {
                self.object(object)?.relations.get(relation)?.as_ref()
            }
            other => self.object(other.object()?)?.actions.get(&other.kind()?)?.dangerous.as_ref(),
        }
    }

    /// The facts of `object`: its own, else those of `"*"`.
    pub fn object(&self, object: &str) -> Option<&ObjectFacts> {
        self.objects.get(object).or_else(|| self.objects.get(ANY_OBJECT))
    }

    /// The named objects, without `"*"`.
    pub fn objects(&self) -> impl Iterator<Item = (&str, &ObjectFacts)> {
        self.objects.iter().map(|(name, facts)| (&**name, facts)).filter(|(name, _)| *name != ANY_OBJECT)
    }

    /// True when objects may have names that the manifest does not list.
    pub fn any_object(&self) -> bool {
        self.objects.contains_key(ANY_OBJECT)
    }

    /// The facts of a named operation.
    pub fn operation(&self, name: &str) -> Option<&OperationFacts> {
        self.operations.get(name)
    }

    /// The named operations.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &OperationFacts)> {
        self.operations.iter().map(|(name, facts)| (&**name, facts))
    }

    /// The facts of what `action` would use; `None` when the connector cannot do it.
    pub fn of(&self, action: &Action) -> Option<&OperationFacts> {
        match action {
            Action::Find { object, identity, .. } => {
                self.object(object)?.find(identity.keys().map(|name| self.field(object, name)))
            }
            Action::Operation { name, .. } => self.operation(name),
            Action::Events { .. } => None,
            Action::Get { object, .. }
            | Action::List { object, .. }
            | Action::Create { object, .. }
            | Action::Update { object, .. }
            | Action::Delete { object, .. }
            | Action::Upsert { object, .. }
            | Action::Link { object, .. }
            | Action::Unlink { object, .. } => self.object(object)?.action(action.kind()?),
        }
    }
}

/// What is known of one kind of object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectFacts {
    /// What it is, for people.
    pub description: Option<Arc<str>>,
    /// The field of a record that holds its id.
    pub id: Arc<str>,
    /// The ways to look a record up, in the order in which they are tried.
    pub finders: Vec<Finder>,
    /// The other actions.
    pub actions: BTreeMap<ActionKind, OperationFacts>,
    /// The sets that `link` and `unlink` know, each with why a person should think before putting something into it.
    pub relations: IndexMap<Arc<str>, Option<Arc<str>>>,
    /// The fields that hold several values, each with the key of an element that holds its value.
    pub many: IndexMap<Arc<str>, Arc<str>>,
    /// The field of a record that says when it was made.
    pub created: Option<Arc<str>>,
    /// The fields that the system itself sets at each change.
    pub stamps: Vec<Arc<str>>,
    /// True when the connector's `describe`, where it has one, can tell its fields.
    pub described: bool,
}

impl ObjectFacts {
    /// The facts of one action; for `find` those of the first way to look up.
    pub fn action(&self, kind: ActionKind) -> Option<&OperationFacts> {
        match kind {
            ActionKind::Find => self.finders.first().map(|finder| &finder.facts),
            _ => self.actions.get(&kind),
        }
    }

    /// The facts of the look-up that an identity of these fields would use.
    pub fn find<'a>(&self, fields: impl IntoIterator<Item = &'a str>) -> Option<&OperationFacts> {
        let fields: Vec<&str> = fields.into_iter().collect();
        self.finders.iter().find(|finder| finder.fits(&fields)).map(|finder| &finder.facts)
    }
}

/// One way to look a record up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finder {
    /// The fields that it can look up by; `None` when it can do any.
    pub by: Option<Vec<Arc<str>>>,
    /// What may be relied on.
    pub facts: OperationFacts,
}

impl Finder {
    /// True when it can look up by all of these fields together.
    pub fn fits(&self, fields: &[&str]) -> bool {
        (!self.facts.single || fields.len() == 1)
            && self
                .by
                .as_ref()
                .is_none_or(|by| fields.iter().all(|field| by.iter().any(|known| **known == **field)))
    }
}

/// What may be relied on when one operation is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read by its name")]
pub struct OperationFacts {
    /// What it does, for people.
    pub description: Option<Arc<str>>,
    /// What a second call with the same content does.
    pub repeat: Repeat,
    /// For reads: false when the answer comes from an index that lags behind writes, so that finding nothing
    /// proves nothing.
    pub consistent: bool,
    /// What follows when nobody knows whether it was done.
    pub after_unknown: AfterUnknown,
    /// True when it tells a person something and leaves no record: it needs no identity.
    pub message: bool,
    /// Why a person should think before using it: it mails somebody, deletes for good.
    pub dangerous: Option<Arc<str>>,
    /// True when it looks by exactly one field.
    pub single: bool,
    /// The parameters that it knows.
    pub params: Vec<ParamFacts>,
    /// True when it takes other parameters too.
    pub open: bool,
    /// Of a list: how it is narrowed to what changed.
    pub since: Option<SinceFacts>,
    /// Of a list: what is known of how the system does it in the background, where it can.
    pub job: Option<Arc<JobFacts>>,
    /// Of a look-up: true when it gives a part of a record, and the rest is read by a second call.
    pub partial: bool,
    /// Of a read: true when it can ask for some of the fields.
    pub selects: bool,
    /// How many calls of it go out as one request, at most; `None` when each goes alone.
    pub batch: Option<usize>,
    /// True when its request reads what is passed as `params`.
    pub reads_params: bool,
}

/// How a list is narrowed to what changed since a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinceFacts {
    /// The fields that can tell when a record changed; none: any field.
    pub fields: Vec<Arc<str>>,
    /// For how long a change may be listed late.
    pub overlap: Duration,
}

/// What is known of listings that a system makes in the background.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read by its name")]
pub struct JobFacts {
    /// True when the fields have to be named.
    pub named: bool,
    /// How long one may take.
    pub within: Duration,
    /// True when one can be thrown away.
    pub ends: bool,
    /// How many the system takes in a day, where that is known.
    pub daily: Option<u64>,
    /// True when it can ask for some of the fields.
    pub selects: bool,
    /// True when it reads what is passed as `params`.
    pub reads_params: bool,
}

/// One parameter of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamFacts {
    /// Its name.
    pub name: Arc<str>,
    /// What it is.
    pub description: Arc<str>,
    /// True when the operation cannot do without it.
    pub required: bool,
    /// Of which kind its value is, where that is fixed.
    pub kind: Option<ParamKind>,
}

/// What a second call with the same content does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing more than the first: reads, and writes that set a state.
    Harmless,
    /// Nothing more than the first, as long as both carry one idempotency key and come within this time.
    HarmlessWithKey(Duration),
    /// It is done twice.
    #[default]
    Doubles,
}

/// What follows when a call's answer was lost and nobody knows whether it was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterUnknown {
    /// The record is looked for by its identity, and sent again only when it is not there.
    #[default]
    LookUp,
    /// It is sent again: better twice than never. The audit marks it as possibly repeated.
    SendAgain,
    /// A person decides: the run becomes a dead letter.
    GiveUp,
}
