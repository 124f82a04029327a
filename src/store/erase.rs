//! Erasing what events brought and what came of them, while it stays known that they were there.
//!
//! An event and all that came of it are erased together: its payload, what its runs journalled, their reasons, order
//! keys and candidates, and the values in the audit. What stays are ids, types, times, outcomes and the names of the
//! fields that were written. The event's id stays too: a late delivery of it is still a duplicate.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::event::EventSeq;
use super::run::RunId;
use crate::steps::AuditEntry;

/// Why something was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Erasure {
    /// It was older than it is to be kept.
    Retention,
    /// Somebody asked for it.
    Request,
}

impl Erasure {
    /// The word of columns and of the JSON of commands.
    pub fn word(self) -> &'static str {
        match self {
            Self::Retention => "retention",
            Self::Request => "request",
        }
    }

    /// The erasure that a column names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Retention, Self::Request].into_iter().find(|erasure| erasure.word() == word)
    }

    /// What stands where something was, for people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Retention => "erased by retention",
            Self::Request => "erased on request",
        }
    }
}

/// Which events are to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasureFilter {
    /// Those that came, and whose runs had ended, before this.
    Before {
        /// The moment.
        before: Timestamp,
        /// Of this client alone.
        client: Option<Arc<str>>,
    },
    /// Those that an id occurs in: as their object, anywhere in their payload, or in what their runs did.
    About {
        /// The id, in the words of whichever system.
        id: Arc<str>,
        /// Of this client alone.
        client: Option<Arc<str>>,
    },
}

/// An event that a filter wants erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasable {
    /// The event.
    pub seq: EventSeq,
    /// Bytes of its payload.
    pub bytes: u64,
    /// Journalled calls of its runs.
    pub calls: u64,
    /// Audit entries of its runs.
    pub entries: u64,
    /// Why it stays, although it is old enough to go; nothing when it can be erased.
    pub kept: Option<Kept>,
}

/// Why an event cannot be erased yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// This run of it has not ended and needs it.
    Unfinished(RunId),
    /// This run of it is a dead letter: a person retries or dismisses it first.
    Dead(RunId),
}

/// Events that are to be erased: one stretch of a walk over all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasablePage {
    /// Those that the filter wants, the oldest first.
    pub events: Vec<Erasable>,
    /// Where the walk goes on; `None` at its end.
    pub next: Option<EventSeq>,
}

/// An event that is not erased yet, as a store finds it on its walk.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) client: Arc<str>,
    pub(super) received: Timestamp,
    /// When the last of its runs ended.
    pub(super) ended: Option<Timestamp>,
    /// Whether the id that is asked for occurs in it.
    pub(super) is_about: bool,
    pub(super) event: Erasable,
}

impl ErasablePage {
    /// What a filter wants of a stretch of `limit` events at most, which lie in the order in which they came.
    pub(super) fn of(filter: &ErasureFilter, found: Vec<Found>, limit: usize) -> Self {
        let last = found.last().filter(|_| found.len() == limit);
        let next = match filter {
            // Whatever follows is younger still.
            ErasureFilter::Before { before, .. } => last.filter(|last| last.received < *before),
            ErasureFilter::About { .. } => last,
        };
        let next = next.map(|last| last.event.seq);
        let events = found.into_iter().filter(|found| filter.wants(found)).map(|found| found.event).collect();
        Self { events, next }
    }
}

impl ErasureFilter {
    /// The id that is asked for.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Before { .. } => None,
            Self::About { id, .. } => Some(id),
        }
    }

    /// The client that it is narrowed to.
    pub(super) fn client(&self) -> Option<&str> {
        match self {
            Self::Before { client, .. } | Self::About { client, .. } => client.as_deref(),
        }
    }

    fn wants(&self, found: &Found) -> bool {
        let (client, wanted) = match self {
            // What ended a moment ago has not been kept for its time yet, however long ago its event came.
            Self::Before { before, client } => {
                let over = found.event.kept.is_some() || found.ended.is_none_or(|ended| ended < *before);
                (client, found.received < *before && over)
            }
            Self::About { client, .. } => (client, found.is_about),
        };
        wanted && client.as_ref().is_none_or(|client| *client == found.client)
    }
}

/// Events to be erased, and who says so.
#[derive(Debug, Clone)]
pub struct Erasing {
    /// The events.
    pub events: Vec<EventSeq>,
    /// Why.
    pub why: Erasure,
    /// When.
    pub at: Timestamp,
    /// Who, for the audit.
    pub by: Arc<str>,
}

impl Erasing {
    /// What the audit says of it, for each client: it comes to disk with the erasure or not at all.
    pub(super) fn entries(&self, erased: &[(EventSeq, Arc<str>)]) -> BTreeMap<Arc<str>, AuditEntry> {
        let mut of_client: BTreeMap<Arc<str>, Vec<i64>> = BTreeMap::new();
        for (seq, client) in erased {
            of_client.entry(Arc::clone(client)).or_default().push(seq.0);
        }
        of_client.into_iter().map(|(client, events)| (client, self.entry(&events))).collect()
    }

    fn entry(&self, events: &[i64]) -> AuditEntry {
        let note = match events {
            [one] => format!("{}: event number {one}", self.why.in_words()),
            [first, .., last] => {
                format!("{}: {} events, number {first} to {last}", self.why.in_words(), events.len())
            }
            [] => self.why.in_words().to_owned(),
        };
        AuditEntry {
            connection: "lockstep".into(),
            object: "event".into(),
            // Not the id that was asked for: it may be an e-mail address, and it was to go.
            record: None,
            verb: "erase",
            step: Arc::clone(&self.by),
            changes: Vec::new(),
            left_alone: Vec::new(),
            note: Some(note.into()),
        }
    }
}
