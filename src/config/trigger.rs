//! Triggers: where a pipeline's events come from.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{Identifier, ObjectRef, Rate};
use super::written::Written;
use crate::diagnostic::Path;

/// Where a pipeline's events come from; the key names the kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TriggerFile {
    /// Events of Stripe.
    Stripe(StripeTrigger),
    /// What lockstep itself reports: alerts are pipelines too.
    Lockstep(LockstepTrigger),
}

impl TriggerFile {
    /// What is read when a run begins, and where it is written.
    pub fn read(&self) -> Option<(Path, &ReadFile)> {
        match self {
            Self::Stripe(trigger) => trigger
                .read
                .as_ref()
                .map(|read| (Path::root().key("trigger").key("stripe").key("read"), read)),
            Self::Lockstep(_) => None,
        }
    }

    /// The connection whose events these are, where it is written, and the types; `None` for lockstep's own reports.
    pub fn events(&self) -> Option<(Path, &Identifier, &[String])> {
        match self {
            Self::Stripe(trigger) => {
                let path = Path::root().key("trigger").key("stripe").key("connection");
                Some((path, &trigger.connection, &trigger.events))
            }
            Self::Lockstep(_) => None,
        }
    }

    /// Which of lockstep's own reports these are.
    pub fn reports(&self) -> Option<&LockstepTrigger> {
        match self {
            Self::Lockstep(trigger) => Some(trigger),
            Self::Stripe(_) => None,
        }
    }
}

/// Events of Stripe.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StripeTrigger {
    /// The connection whose events these are.
    #[serde(default = "stripe")]
    pub connection: Identifier,
    /// Event types; `customer.*` stands for all that begin so.
    #[schemars(length(min = 1))]
    pub events: Vec<String>,
    /// How the events come here.
    #[serde(default)]
    pub delivery: Delivery,
    /// What `object` is, when it is not the event's own object: it is read when the run begins.
    #[serde(default)]
    pub read: Option<ReadFile>,
}

fn stripe() -> Identifier {
    Identifier("stripe".into())
}

/// How events come here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Stripe posts them to `/hooks/<client>/<connection>`.
    #[default]
    Webhook,
}

/// The object that a pipeline is about, read when the run begins.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadFile {
    /// Which object is read.
    pub object: ObjectRef,
    /// The record's id.
    pub record: Written,
    /// What is not a field: `expand` and the like.
    #[serde(default)]
    pub params: IndexMap<String, Written>,
}

/// What lockstep itself reports.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockstepTrigger {
    /// Which reports.
    #[schemars(length(min = 1))]
    pub events: Vec<LockstepEvent>,
    /// At most so many runs in so long; the rest are counted in the next one (`object.grouped`).
    #[serde(default)]
    pub at_most: Option<Rate>,
}

/// A report of lockstep about its own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum LockstepEvent {
    /// A run has used up its retries, or met a permanent failure.
    #[serde(rename = "run.dead")]
    RunDead,
    /// A run met a business ambiguity and waits for a person.
    #[serde(rename = "run.conflict")]
    RunConflict,
    /// A connection failed so often, or so finally, that it is paused.
    #[serde(rename = "connection.down")]
    ConnectionDown,
}

impl LockstepEvent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RunDead, Self::RunConflict, Self::ConnectionDown];

    /// The event's type, as pipelines name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunDead => "run.dead",
            Self::RunConflict => "run.conflict",
            Self::ConnectionDown => "connection.down",
        }
    }
}
