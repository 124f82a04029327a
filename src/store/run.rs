//! Runs: their states, and what the engine needs to carry one out.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::event::{EventSeq, Source};
use super::parts::Part;
use crate::config::Stale;
use crate::steps::{CallId, Entry, Spent};

/// A run's number in this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names what a client's files said: a hash over them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(pub Arc<str>);

impl Version {
    /// Stands for whatever the client's files say when the run goes on: a dead letter that a person has made ready
    /// again, most often after mending its pipeline.
    pub(super) const PRESENT: &str = "";

    /// True when the run takes the present version.
    pub fn is_present(&self) -> bool {
        &*self.0 == Self::PRESENT
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a run, or an event without runs, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// All steps were done.
    Succeeded,
    /// There was nothing to do.
    Skipped,
    /// A business ambiguity, for a person to decide.
    Conflict,
    /// It has used up its retries, or can never work: kept whole for a person.
    Dead,
}

impl Outcome {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Succeeded, Self::Skipped, Self::Conflict, Self::Dead];

    /// The word of columns, metrics, logs and commands.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Skipped => "skipped",
            Self::Conflict => "conflict",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where a run stands. No state says "running": a run that was not ended is carried on by whoever starts next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RunState {
    /// It goes when its turn comes.
    Ready,
    /// It stands behind another run of its lane, and is called when that one is done.
    Blocked,
    /// It is at the head of its lane and is tried again later: after a failure, or when its connection is back.
    /// Those behind it wait with it.
    Held,
    /// It has left its lane, to be tried again later: something that it needs is not there yet.
    Waiting,
    /// It has ended.
    Ended(Outcome),
}

impl RunState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ready,
        Self::Blocked,
        Self::Held,
        Self::Waiting,
        Self::Ended(Outcome::Succeeded),
        Self::Ended(Outcome::Skipped),
        Self::Ended(Outcome::Conflict),
        Self::Ended(Outcome::Dead),
    ];

    /// The word of metrics, logs and commands.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Blocked => "blocked",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Ended(outcome) => outcome.word(),
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where a run stands among others: which lane, with which key, and when its event happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The lane: a name that pipelines share, or the pipeline's own.
    pub lane: Arc<str>,
    /// Runs of one lane with one key go one after another.
    pub key: Arc<str>,
    /// When the event happened, by the sender's clock: the first thing that decides who goes first.
    pub created: Timestamp,
    /// Where the event stands in its object's life, for events of one moment: created before updated.
    pub rank: u32,
}

/// An unfinished run, as the scheduler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedRun {
    /// The run.
    pub id: RunId,
    /// Its client.
    pub client: Arc<str>,
    /// Its pipeline.
    pub pipeline: Arc<str>,
    /// The version of the pipeline that it began with.
    pub version: Version,
    /// Where it stands among others.
    pub place: Place,
    /// What it does when a newer event was applied to its object already.
    pub stale: Stale,
    /// Its state in the store.
    pub state: RunState,
    /// Failed attempts so far.
    pub attempts: u32,
    /// What steps with rules of their own have used up so far.
    pub spent: Spent,
    /// When it was accepted.
    pub received: Timestamp,
    /// True when a held run of the same lane and key comes before it.
    pub behind: bool,
    /// About how many bytes its event takes.
    pub weight: usize,
    /// The partition that its lane belongs to; always the same one when one process has all.
    pub part: Part,
}

impl QueuedRun {
    /// Lane order: by created time, then lifecycle rank, then arrival.
    pub fn cmp_in_lane(&self, other: &Self) -> Ordering {
        let key = |run: &Self| (run.place.created, run.place.rank, run.id);
        key(self).cmp(&key(other))
    }
}

/// What a run is carried out with.
#[derive(Debug, Clone)]
pub struct RunBody {
    /// The run.
    pub id: RunId,
    /// Its event's number.
    pub event: EventSeq,
    /// The sender's id of the event.
    pub event_id: Arc<str>,
    /// The event's type.
    pub kind: Arc<str>,
    /// The connection that the event came over.
    pub connection: Arc<str>,
    /// How the event came here.
    pub source: Source,
    /// What kind of object the event is about.
    pub object_kind: Option<Arc<str>>,
    /// The id of the object that the event is about.
    pub object: Option<Arc<str>>,
    /// The event as JSON.
    pub body: Bytes,
    /// What the run has done so far.
    pub journal: HashMap<CallId, Entry>,
}

/// A due run, and what it is carried out with where the store had that at hand.
#[derive(Debug, Clone)]
pub struct DueRun {
    /// The run.
    pub run: QueuedRun,
    /// Absent for a run that has done something already, and for a large event: it is loaded when its turn comes.
    pub ahead: Option<Ahead>,
}

/// What a run is carried out with, read ahead of its turn.
#[derive(Debug, Clone)]
pub struct Ahead {
    /// The event; the journal is empty.
    pub body: RunBody,
    /// What its pipeline has applied to its object, as far as the store knew then.
    pub applied: Told,
}

/// What [`Store::applied`](super::Store::applied) would have said at an earlier moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was not asked.
    Nothing,
    /// The newest event that was applied, if any: when it happened, and its rank.
    Applied(Option<(Timestamp, u32)>),
}

/// Events up to so many bytes are read ahead: with hundreds of runs in memory they are a few megabytes.
pub const READ_AHEAD_BYTES: i64 = 16 << 10;

/// What a client's unfinished runs look like to the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The client.
    pub client: Arc<str>,
    /// True when a run is due, whether or not it is in somebody's memory already.
    pub due_now: bool,
    /// When the next held or waiting run will be due.
    pub next: Option<Timestamp>,
}
