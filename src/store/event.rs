//! Events on their way in.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::run::{Outcome, Place, RunId, Version};
use crate::config::Stale;

/// An event's number in this store, in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventSeq(pub i64);

impl fmt::Display for EventSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How an event came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// It was posted to us.
    Webhook,
    /// We asked for it.
    Poll,
    /// lockstep reports about its own work.
    Lockstep,
}

impl Source {
    /// The word of scripts (`event.source`), columns and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Poll => "poll",
            Self::Lockstep => "lockstep",
        }
    }

    /// The source that a column names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Webhook, Self::Poll, Self::Lockstep].into_iter().find(|source| source.word() == word)
    }
}

/// An event to be kept, with the runs that it starts. Both are stored, or neither is (invariant 1).
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Whose it is.
    pub client: Arc<str>,
    /// The connection that it came over.
    pub connection: Arc<str>,
    /// The sender's id for it: unique within the connection; a second event with it is a duplicate.
    pub id: Arc<str>,
    /// Its type, in the sender's words.
    pub kind: Arc<str>,
    /// What kind of object it is about, where it is about one.
    pub object_kind: Option<Arc<str>>,
    /// The id of the object that it is about.
    pub object: Option<Arc<str>>,
    /// How it came here.
    pub source: Source,
    /// When it happened, by the sender's clock.
    pub created: Timestamp,
    /// When it reached us.
    pub received: Timestamp,
    /// The whole event as JSON, without card data.
    pub body: Bytes,
    /// How the event ended when it starts no run: nothing listens, or it cannot be used as it is. `None` when its
    /// runs tell.
    pub ended: Option<(Outcome, String)>,
    /// The runs that it starts.
    pub runs: Vec<NewRun>,
}

impl NewEvent {
    /// About how many bytes this takes, in memory and on disk.
    pub fn weight(&self) -> usize {
        self.body.len() + 256 + self.runs.len() * 256
    }
}

/// A run to be.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// The version of the pipeline that matched the event.
    pub version: Version,
    /// Where it stands among the runs of its lane.
    pub place: Place,
    /// What it does when a newer event was applied to its object already.
    pub stale: Stale,
    /// How it ended, when it could not even begin: its order key cannot be computed.
    pub ended: Option<(Outcome, String)>,
}

/// What became of an event that was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is on disk, and so are its runs.
    New {
        /// Its number.
        seq: EventSeq,
        /// Its runs' ids, in the order of [`NewEvent::runs`].
        runs: Vec<RunId>,
    },
    /// It was there already, with its runs.
    Duplicate,
}
