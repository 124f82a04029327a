//! Triggers: where a pipeline's events come from.

use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::schedule::ScheduleTrigger;
use super::words::{Identifier, ObjectRef, Rate, Span};
use super::written::Written;
use crate::diagnostic::Path;

/// How often events are asked for, when the pipeline does not say.
const EVERY: Duration = Duration::from_mins(1);

/// Where a pipeline's events come from; the key names the kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TriggerFile {
    /// Events of Stripe.
    Stripe(StripeTrigger),
    /// Events of any other system, which calls us: a CRM's webhooks.
    Webhook(WebhookTrigger),
    /// Times, and what a system lists then.
    Schedule(Box<ScheduleTrigger>),
    /// What lockstep itself reports: alerts are pipelines too.
    Lockstep(LockstepTrigger),
}

/// A trigger that listens to the events of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Listening<'a> {
    /// The trigger's key: `stripe` or `webhook`.
    pub key: &'static str,
    /// The connection.
    pub connection: &'a Identifier,
    /// The types, or patterns of them.
    pub events: &'a [String],
    /// What is read when a run begins.
    pub read: Option<&'a ReadFile>,
}

impl Listening<'_> {
    /// Where the trigger is written.
    pub fn path(&self) -> Path {
        Path::root().key("trigger").key(self.key)
    }
}

impl TriggerFile {
    /// What is read when a run begins, and where it is written.
    pub fn read(&self) -> Option<(Path, &ReadFile)> {
        let listening = self.listening()?;
        Some((listening.path().key("read"), listening.read?))
    }

    /// The events of a connection that it listens to, when those are what it starts on.
    pub fn listening(&self) -> Option<Listening<'_>> {
        let (key, connection, events, read) = match self {
            Self::Stripe(trigger) => ("stripe", &trigger.connection, &trigger.events, &trigger.read),
            Self::Webhook(trigger) => ("webhook", &trigger.connection, &trigger.events, &trigger.read),
            Self::Schedule(_) | Self::Lockstep(_) => return None,
        };
        Some(Listening { key, connection, events, read: read.as_ref() })
    }

    /// The connection whose events these are, where it is written, and the types; `None` for lockstep's own reports.
    pub fn events(&self) -> Option<(Path, &Identifier, &[String])> {
        let listening = self.listening()?;
        Some((listening.path().key("connection"), listening.connection, listening.events))
    }

    /// The times, and what is listed then; `None` for what comes by itself.
    pub fn schedule(&self) -> Option<&ScheduleTrigger> {
        match self {
            Self::Schedule(schedule) => Some(schedule),
            Self::Stripe(_) | Self::Webhook(_) | Self::Lockstep(_) => None,
        }
    }

    /// How often events are asked for; `None` when they come by themselves alone.
    pub fn polled(&self) -> Option<Duration> {
        match self {
            Self::Stripe(trigger) if trigger.delivery == Delivery::Poll => {
                Some(trigger.every.map_or(EVERY, |every| every.0))
            }
            Self::Stripe(_) | Self::Webhook(_) | Self::Schedule(_) | Self::Lockstep(_) => None,
        }
    }

    /// Which of lockstep's own reports these are.
    pub fn reports(&self) -> Option<&LockstepTrigger> {
        match self {
            Self::Lockstep(trigger) => Some(trigger),
            Self::Stripe(_) | Self::Webhook(_) | Self::Schedule(_) => None,
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
    /// With `delivery: poll`, how often they are asked for; a minute when left out.
    #[serde(default)]
    pub every: Option<Span>,
    /// What `object` is, when it is not the event's own object: it is read when the run begins.
    #[serde(default)]
    pub read: Option<ReadFile>,
}

/// Events of any other system, posted to `/hooks/<client>/<connection>` and known to be its own as its connector says.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookTrigger {
    /// The connection whose events these are.
    pub connection: Identifier,
    /// Event types, as the connector names them (`lockstep connectors NAME`); `*` stands for any text.
    #[schemars(length(min = 1))]
    pub events: Vec<String>,
    /// What `object` is, when it is not what the event is about: it is read when the run begins. An event that only names its
    /// record has that read without being told to.
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
    /// We ask Stripe for them: no public address is needed. An event that comes by a webhook as well is taken once.
    Poll,
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
    /// A poll, and all that came of it, is over: `object` has the counts.
    #[serde(rename = "poll.report")]
    PollReport,
}

impl LockstepEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::RunDead, Self::RunConflict, Self::ConnectionDown, Self::PollReport];

    /// The event's type, as pipelines name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RunDead => "run.dead",
            Self::RunConflict => "run.conflict",
            Self::ConnectionDown => "connection.down",
            Self::PollReport => "poll.report",
        }
    }
}
