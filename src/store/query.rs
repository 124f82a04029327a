//! What people ask of a store: filters, and the rows that answer them, newest first.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::erase::Erasure;
use super::event::{EventSeq, Source};
use super::run::{Outcome, RunId, RunState, Version};
use crate::steps::AuditEntry;
use crate::value::Value;

/// How many rows are wanted at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit(u32);

impl PageLimit {
    /// More rows than these are never given at once: listings are held in memory (invariant 7).
    pub const MOST: u32 = 10_000;

    /// So many, but not more than [`MOST`](Self::MOST).
    pub fn new(rows: u32) -> Self {
        Self(rows.min(Self::MOST))
    }

    /// As many as there can be.
    pub fn most() -> Self {
        Self(Self::MOST)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(50)
    }
}

/// Which events are wanted. What is `None` does not narrow.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this client.
    pub client: Option<Arc<str>>,
    /// Over this connection.
    pub connection: Option<Arc<str>>,
    /// Of this type.
    pub kind: Option<Arc<str>>,
    /// With this id, in the sender's words.
    pub id: Option<Arc<str>>,
    /// Ended so without any run.
    pub ended: Option<Outcome>,
    /// Received at or after this.
    pub since: Option<Timestamp>,
    /// Only those before this one: the next page.
    pub before: Option<EventSeq>,
    /// How many at most.
    pub limit: PageLimit,
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its number.
    pub seq: EventSeq,
    /// Its client.
    pub client: Arc<str>,
    /// The connection that it came over.
    pub connection: Arc<str>,
    /// The sender's id.
    pub id: Arc<str>,
    /// Its type.
    pub kind: Arc<str>,
    /// The id of the object that it is about.
    pub object: Option<Arc<str>>,
    /// How it came here.
    pub source: Source,
    /// When it happened.
    pub created: Timestamp,
    /// When it reached us.
    pub received: Timestamp,
    /// How it ended when it started no run, and why.
    pub ended: Option<(Outcome, String)>,
    /// Why its content is gone, when it is.
    pub erased: Option<Erasure>,
}

/// An event with everything that came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDetail {
    /// The event.
    pub event: EventRow,
    /// Its content; nothing when it is erased.
    pub body: Value,
    /// Its runs.
    pub runs: Vec<RunDetail>,
}

/// Which runs are wanted. What is `None` does not narrow.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this client.
    pub client: Option<Arc<str>>,
    /// Of this pipeline.
    pub pipeline: Option<Arc<str>>,
    /// In this state: `Ended(Dead)` are the dead letters, `Ended(Conflict)` the conflicts.
    pub state: Option<RunState>,
    /// Of this event.
    pub event: Option<EventSeq>,
    /// Received at or after this.
    pub since: Option<Timestamp>,
    /// Only those before this one: the next page.
    pub before: Option<RunId>,
    /// How many at most.
    pub limit: PageLimit,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its number.
    pub id: RunId,
    /// Its event's number.
    pub event: EventSeq,
    /// The sender's id of the event.
    pub event_id: Arc<str>,
    /// The event's type.
    pub kind: Arc<str>,
    /// Its client.
    pub client: Arc<str>,
    /// Its pipeline.
    pub pipeline: Arc<str>,
    /// The version of the pipeline.
    pub version: Version,
    /// Its lane.
    pub lane: Arc<str>,
    /// Its order key.
    pub key: Arc<str>,
    /// Where it stands.
    pub state: RunState,
    /// Failed attempts.
    pub attempts: u32,
    /// Why it is where it is, for a person. Empty when there is nothing to say.
    pub reason: String,
    /// The records among which a person has to choose.
    pub candidates: Vec<Value>,
    /// When its event happened.
    pub created: Timestamp,
    /// When its event reached us.
    pub received: Timestamp,
    /// When it is tried again, when it waits for a time.
    pub due: Option<Timestamp>,
    /// The paused connection that it waits for.
    pub connection: Option<Arc<str>>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why its reason, order key, candidates and calls are gone, when they are.
    pub erased: Option<Erasure>,
}

/// A run with what it has done.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDetail {
    /// The run.
    pub run: RunRow,
    /// Its journalled calls, in the order of their steps.
    pub calls: Vec<CallRow>,
    /// What it changed.
    pub audit: Vec<AuditRow>,
}

/// A journalled call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRow {
    /// The call's place in its run.
    pub call: Arc<str>,
    /// What it gave; `None` when it was only intended so far.
    pub result: Option<Value>,
}

/// Which audit entries are wanted. What is `None` does not narrow.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this client.
    pub client: Option<Arc<str>>,
    /// Of this pipeline.
    pub pipeline: Option<Arc<str>>,
    /// Of this run.
    pub run: Option<RunId>,
    /// Of this connection.
    pub connection: Option<Arc<str>>,
    /// About this kind of object.
    pub object: Option<Arc<str>>,
    /// About this record.
    pub record: Option<Arc<str>>,
    /// That did this: `delete`, `erase`.
    pub verb: Option<Arc<str>>,
    /// Written at or after this.
    pub since: Option<Timestamp>,
    /// How many at most.
    pub limit: PageLimit,
}

/// An audit entry: who changed which record's which field, from what to what, when and why.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// The client.
    pub client: Arc<str>,
    /// The run that did it, its pipeline and the sender's id of its event; `None` for what was done without a run.
    pub origin: Option<Origin>,
    /// The call's place in its run.
    pub call: Arc<str>,
    /// What was changed.
    pub entry: AuditEntry,
    /// Why its values are gone, when they are.
    pub erased: Option<Erasure>,
}

/// Which run did something, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The run.
    pub run: RunId,
    /// Its pipeline.
    pub pipeline: Arc<str>,
    /// The sender's id of its event.
    pub event_id: Arc<str>,
}

/// How many runs are where: for metrics and for `readyz`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Unfinished runs by client: ready, blocked, held and waiting together.
    pub unfinished: BTreeMap<Arc<str>, u64>,
    /// The unfinished run whose event reached us first, if there is one.
    pub oldest: Option<Timestamp>,
}
