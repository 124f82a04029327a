//! What is kept of customers beside events, and how it is erased.
//!
//! Polls keep what they saw of records, their reports keep reasons, and alerts that are told later keep what they will
//! say. None of it belongs to one event, so it is walked over by itself. What stays is what polls know records by:
//! their ids and digests. A record that is listed again is not news; what it was before is not known any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::erase::{Erasure, ErasureFilter};
use super::poll::Tally;
use crate::steps::AuditEntry;
use crate::value::{Map, Value};

/// What is kept beside events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoteKind {
    /// What a poll saw of a record.
    Seen,
    /// A record that waits for its poll to have listed everything.
    Staged,
    /// The words in the report of a poll.
    Report,
    /// What is told later, with others (`at_most`).
    Alert,
}

impl NoteKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Seen, Self::Staged, Self::Report, Self::Alert];

    fn counted(self, number: usize) -> String {
        let (one, many) = match self {
            Self::Seen | Self::Staged => ("record of a poll", "records of polls"),
            Self::Report => ("report of a poll", "reports of polls"),
            Self::Alert => ("alert", "alerts"),
        };
        format!("{number} {}", if number == 1 { one } else { many })
    }
}

/// Names a note.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NoteId {
    /// What it is.
    pub kind: NoteKind,
    /// Its client.
    pub client: Arc<str>,
    /// The poll, or the pipeline that is told.
    pub name: Arc<str>,
    /// Which one of these, in the store's own words.
    pub part: Arc<str>,
}

/// A note that a filter wants erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasableNote {
    /// Which one.
    pub id: NoteId,
    /// About how many bytes it takes.
    pub bytes: u64,
}

/// Notes that are to be erased: one stretch of a walk over all of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotePage {
    /// Those that the filter wants.
    pub notes: Vec<ErasableNote>,
    /// Where the walk goes on; `None` at its end.
    pub next: Option<NoteId>,
}

/// A note as a store finds it on its walk.
#[derive(Debug)]
pub(super) struct FoundNote {
    pub(super) note: ErasableNote,
    /// When it was kept.
    pub(super) noted: Timestamp,
    /// Whether the id that is asked for occurs in it, as far as the store can tell.
    pub(super) is_about: bool,
    /// What it says, where the id has to be looked for here.
    pub(super) words: Option<String>,
}

impl NotePage {
    /// What a filter wants of a stretch of `limit` notes at most.
    pub(super) fn of(filter: &ErasureFilter, found: Vec<FoundNote>, limit: usize) -> Self {
        let next = found.last().filter(|_| found.len() == limit).map(|last| last.note.id.clone());
        let notes = found.into_iter().filter(|found| wants(filter, found)).map(|found| found.note).collect();
        Self { notes, next }
    }
}

fn wants(filter: &ErasureFilter, found: &FoundNote) -> bool {
    match filter {
        ErasureFilter::Before { before, .. } => found.noted < *before,
        ErasureFilter::About { id, .. } => {
            found.is_about || found.words.as_deref().is_some_and(|words| occurs(words, id))
        }
    }
}

/// True when an id stands in a text, not as a part of a longer one.
fn occurs(text: &str, id: &str) -> bool {
    let goes_on = |next: Option<char>| next.is_some_and(|next| next.is_alphanumeric() || "_-".contains(next));
    let escaped = Value::from(id).to_json();
    let escaped = escaped.trim_matches('"');
    [id, escaped].into_iter().any(|id| {
        text.match_indices(id).any(|(at, found)| {
            let (before, after) = (&text[..at], &text[at + found.len()..]);
            !goes_on(before.chars().next_back()) && !goes_on(after.chars().next())
        })
    })
}

/// Notes to be erased, and who says so.
#[derive(Debug, Clone)]
pub struct ErasingNotes {
    /// The notes.
    pub notes: Vec<NoteId>,
    /// Why.
    pub why: Erasure,
    /// When.
    pub at: Timestamp,
    /// Who, for the audit.
    pub by: Arc<str>,
}

impl ErasingNotes {
    /// What the audit says of it, for each client: it comes to disk with the erasure or not at all.
    pub(super) fn entries(&self, erased: &[NoteId]) -> BTreeMap<Arc<str>, AuditEntry> {
        let mut of_client: BTreeMap<Arc<str>, BTreeMap<NoteKind, usize>> = BTreeMap::new();
        for note in erased {
            *of_client.entry(Arc::clone(&note.client)).or_default().entry(note.kind).or_default() += 1;
        }
        of_client.into_iter().map(|(client, kinds)| (client, self.entry(&kinds))).collect()
    }

    fn entry(&self, kinds: &BTreeMap<NoteKind, usize>) -> AuditEntry {
        let counted: Vec<String> = kinds.iter().map(|(kind, number)| kind.counted(*number)).collect();
        AuditEntry {
            connection: "lockstep".into(),
            object: "note".into(),
            // Not the record: its id may be an e-mail address, and was to go.
            record: None,
            verb: "erase",
            step: Arc::clone(&self.by),
            changes: Vec::new(),
            left_alone: Vec::new(),
            note: Some(format!("{}: {}", self.why.in_words(), counted.join(", ")).into()),
        }
    }
}

/// A report's counts and its error, without the words that came from data.
pub(super) fn without_words(tally: &Value, error: Option<&str>, why: Erasure) -> (String, Option<String>) {
    let mut tally = Tally::of_value(tally);
    for reasons in [&mut tally.skipped, &mut tally.conflicts, &mut tally.failed] {
        let all: u64 = reasons.values().sum();
        reasons.clear();
        if all > 0 {
            reasons.insert(why.in_words().to_owned(), all);
        }
    }
    (tally.to_value().to_json(), error.map(|_| why.in_words().to_owned()))
}

/// What stays of an alert that is told later: which run, pipeline, connection or poll it is about.
const ALERT_KEEPS: [&str; 9] =
    ["run", "pipeline", "outcome", "attempts", "connection", "since", "poll", "number", "began"];

/// What an alert says, without the words that came from data.
pub(super) fn without_matter(object: &Value, why: Erasure) -> String {
    let kept = object.as_map().into_iter().flatten();
    let kept = kept.filter(|(key, _)| ALERT_KEEPS.contains(&&***key));
    let mut kept: Map = kept.map(|(key, value)| (Arc::clone(key), value.clone())).collect();
    kept.insert("reason".into(), Value::from(why.in_words()));
    Value::from(kept).to_json()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn an_id_is_found_as_a_whole_and_not_as_a_part() {
        for text in ["cus_1", "who is cus_1?", r#"{"reason":"cus_1"}"#, "a cus_12, cus_1"] {
            assert!(occurs(text, "cus_1"), "{text}");
        }
        for text in ["", "cus_12", "xcus_1", "cus_1-a", "Cus_1"] {
            assert!(!occurs(text, "cus_1"), "{text}");
        }
        assert!(occurs(r#"{"no \"x\" here":1}"#, r#""x""#), "as JSON has it");
    }

    #[test]
    fn a_report_keeps_its_numbers_and_loses_its_words() {
        let mut tally = Tally { listed: 4, created: 1, ..Tally::default() };
        tally.skipped = [("Ann".to_owned(), 1), ("Bob".to_owned(), 1)].into();
        let (words, error) = without_words(&tally.to_value(), Some("Carl"), Erasure::Request);
        let tally = Tally::of_value(&Value::from_json(words.as_bytes()).unwrap());
        assert_eq!((tally.listed, tally.created, tally.failed.len()), (4, 1, 0));
        assert_eq!(tally.skipped, [("erased on request".to_owned(), 2)].into());
        assert_eq!(error.as_deref(), Some("erased on request"));
    }

    #[test]
    fn an_alert_keeps_what_it_is_about() {
        let object =
            r#"{"run":7,"pipeline":"sync","reason":"who is Ann?","candidates":["Ann"],"event":{"id":"e"}}"#;
        let kept = without_matter(&Value::from_json(object.as_bytes()).unwrap(), Erasure::Retention);
        assert_eq!(kept, r#"{"run":7,"pipeline":"sync","reason":"erased by retention"}"#);
    }
}
