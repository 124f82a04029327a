//! What the engine has the store write down.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::alert::{LimitedReport, ToldGroup};
use super::event::{EventSeq, NewEvent};
use super::poll::{PollStep, ReportEnd};
use super::run::{Outcome, RunId, Version};
use crate::config::LockstepEvent;
use crate::steps::{Agreed, AuditEntry, CallId, CallOutcome, FieldKey, Intent, Spent};
use crate::value::Value;

/// One change. Several that are handed over together come to disk together or not at all.
#[derive(Debug, Clone)]
pub enum Change {
    /// What came of a call: journal, audit and identities; its open intents are closed.
    Called {
        /// The run.
        run: RunId,
        /// The run's client.
        client: Arc<str>,
        /// When.
        at: Timestamp,
        /// What came of it.
        outcome: CallOutcome,
    },
    /// An intent is taken back: the system answered that it did not do it.
    Withdrawn {
        /// The run.
        run: RunId,
        /// The call.
        call: CallId,
    },
    /// Somebody else was heard to change these fields: what reports their old value again is no echo of ours.
    NotOurs(Vec<FieldKey>),
    /// A run has ended. Its open intents are closed.
    Ended {
        /// The run.
        run: RunId,
        /// When.
        at: Timestamp,
        /// Attempts that failed, this one included when it did.
        attempts: u32,
        /// How.
        outcome: Outcome,
        /// Why, for a person. Empty when all steps were done.
        reason: String,
        /// The records among which a person has to choose.
        candidates: Vec<Value>,
        /// What the run has applied, for the stale rule; `None` too when that was kept before it ended.
        applied: Option<Applied>,
    },
    /// A run has begun to apply its event, for the stale rule.
    Applied(Applied),
    /// A run keeps its lane and is tried again later.
    Held {
        /// The run.
        run: RunId,
        /// When it is tried again; `None`: when `connection` is back.
        due: Option<Timestamp>,
        /// The paused connection that it needs.
        connection: Option<Arc<str>>,
        /// Failed attempts so far.
        attempts: u32,
        /// What steps with rules of their own have used up.
        spent: Spent,
        /// Why, for a person.
        reason: String,
    },
    /// A run has left its lane, to be tried again later.
    Waiting {
        /// The run.
        run: RunId,
        /// When it is tried again.
        due: Timestamp,
        /// What steps with rules of their own have used up, this wait included.
        spent: Spent,
        /// What it waits for.
        reason: String,
    },
    /// A run stands behind another of its lane.
    Blocked {
        /// The run.
        run: RunId,
    },
    /// A run goes on with another version of its pipeline. Allowed only before its first journalled call.
    Versioned {
        /// The run.
        run: RunId,
        /// The version.
        version: Version,
    },
    /// A connection's circuit has changed.
    Connection(ConnectionState),
    /// A connection is back: the runs that wait for it are due.
    Released {
        /// The client.
        client: Arc<str>,
        /// The connection.
        connection: Arc<str>,
        /// When they are due.
        due: Timestamp,
        /// How many of them, those that wait longest first; all when `None`.
        at_most: Option<u32>,
    },
    /// A connection keeps a secret, in the place of the one before.
    SecretKept(SealedSecret),
    /// lockstep reports about its own work: an event, with the runs that it starts.
    Reported(NewEvent),
    /// The same, to a pipeline that is started only so often: an event, or one more of a group.
    Limited(Box<LimitedReport>),
    /// A group of such reports is told.
    Told(Box<ToldGroup>),
    /// A part of a poll: what it found, what it saw, how far it has got.
    Polled(Box<PollStep>),
    /// All runs of a poll have ended.
    PollReported(ReportEnd),
}

impl Change {
    /// About how many bytes it writes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Polled(step) => step.weight(),
            Self::Reported(event) => event.weight(),
            _ => 512,
        }
    }

    /// True when it says what has become of a run, or what a poll has found: only the process that carries the run out, or
    /// polls, may say that.
    pub(super) fn is_of_a_run(&self) -> bool {
        match self {
            Self::Called { .. }
            | Self::Withdrawn { .. }
            | Self::NotOurs(_)
            | Self::Ended { .. }
            | Self::Applied(_)
            | Self::Held { .. }
            | Self::Waiting { .. }
            | Self::Blocked { .. }
            | Self::Versioned { .. }
            | Self::Polled(_) => true,
            Self::Connection(_)
            | Self::Released { .. }
            | Self::SecretKept(_)
            | Self::Reported(_)
            | Self::Limited(_)
            | Self::Told(_)
            | Self::PollReported(_) => false,
        }
    }
}

/// What a connection has to remember and nobody may see, sealed before it comes here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The client.
    pub client: Arc<str>,
    /// The connection.
    pub connection: Arc<str>,
    /// What no store can read.
    pub sealed: Vec<u8>,
    /// When.
    pub at: Timestamp,
}

/// What a person has decided about a dead letter or a conflict: it is ended for good.
#[derive(Debug, Clone)]
pub struct Settled {
    /// What it is about.
    pub matter: Matter,
    /// How it had ended until now: anything else is [`StoreError::Assumption`](super::StoreError::Assumption).
    pub was: Outcome,
    /// Its client.
    pub client: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// How it has ended from now on.
    pub outcome: Outcome,
    /// Why, for a person.
    pub reason: String,
    /// What the audit says of it.
    pub entry: AuditEntry,
}

impl Settled {
    /// What it was taken for.
    pub(super) fn was_in_words(&self) -> &'static str {
        match self.was {
            Outcome::Dead => "a dead letter",
            Outcome::Conflict => "a conflict",
            other => other.word(),
        }
    }
}

/// Something that waited for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// A run.
    Run(RunId),
    /// An event that started none.
    Event(EventSeq),
}

impl fmt::Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(run) => write!(f, "run {run}"),
            Self::Event(event) => write!(f, "event number {event}"),
        }
    }
}

/// What was agreed on last about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgreedRow {
    /// The field and its value.
    pub agreed: Agreed,
    /// The run that found or made it so.
    pub run: RunId,
}

/// The newest event that a pipeline has applied to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The client.
    pub client: Arc<str>,
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// The object's id.
    pub object: Arc<str>,
    /// When the event happened.
    pub created: Timestamp,
    /// Its lifecycle rank.
    pub rank: u32,
}

/// What a run is about to do; see [`Intent`].
#[derive(Debug, Clone)]
pub struct NewIntent {
    /// The run.
    pub run: RunId,
    /// Its client: identities are unique within one.
    pub client: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// What it is about to do.
    pub intent: Intent,
}

/// What is known of a connection's health; the same for every process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionState {
    /// The client.
    pub client: Arc<str>,
    /// The connection.
    pub connection: Arc<str>,
    /// Whether calls are let through.
    pub circuit: CircuitState,
    /// Since when.
    pub since: Timestamp,
    /// What the system said last, for a person.
    pub reason: String,
}

/// Whether calls to a connection are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// They are.
    Closed,
    /// None is, but for one now and then that tries whether it is back.
    Open {
        /// How often in a row it was found still down; the pauses grow with it.
        probes: u32,
        /// When the next one tries.
        probe_at: Timestamp,
    },
}

/// A stretch of time in which a pipeline that listens for reports is started only so often (`at_most`).
#[derive(Debug, Clone, PartialEq)]
pub struct AlertWindow {
    /// The client.
    pub client: Arc<str>,
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// When it ends.
    pub ends: Timestamp,
    /// Runs that were started in it.
    pub started: u32,
    /// Reports that started none and are not told yet.
    pub grouped: u32,
    /// The last of these, by which the others are told when the window ends.
    pub untold: Option<UntoldReport>,
}

/// A report that is told later.
#[derive(Debug, Clone, PartialEq)]
pub struct UntoldReport {
    /// What it reports.
    pub what: LockstepEvent,
    /// What it says: a map.
    pub object: Value,
}
