//! The JSON shape of each thing that is listed. Times are RFC 3339 in UTC.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::store::{AuditRow, CallRow, Erasure, EventDetail, EventRow, ReportRow, RunDetail, RunRow};
use crate::value::Value;

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventView {
    /// Its number in this store.
    pub seq: i64,
    /// The sender's id: `evt_...`.
    pub id: Arc<str>,
    /// Its client.
    pub client: Arc<str>,
    /// The connection that it came over.
    pub connection: Arc<str>,
    /// Its type: `invoice.paid`.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// The id of the object that it is about.
    pub object: Option<Arc<str>>,
    /// How it came here: `webhook`, `poll` or `lockstep`.
    pub source: &'static str,
    /// When it happened, by the sender's clock.
    pub created: Timestamp,
    /// When it reached us.
    pub received: Timestamp,
    /// How it ended, when it started no run.
    pub outcome: Option<&'static str>,
    /// Why it started no run.
    pub reason: Option<String>,
    /// `retention` or `request` when its content and all that came of it are erased.
    pub erased: Option<&'static str>,
    /// Where its runs stand.
    pub runs: Vec<RunBrief>,
}

/// A run in one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunBrief {
    /// Its number.
    pub id: i64,
    /// Its pipeline.
    pub pipeline: Arc<str>,
    /// Where it stands.
    pub state: &'static str,
}

impl RunBrief {
    fn of(row: &RunRow) -> Self {
        Self { id: row.id.0, pipeline: Arc::clone(&row.pipeline), state: row.state.word() }
    }
}

impl EventView {
    /// The event, with where its runs stand.
    pub(super) fn new<'a>(row: EventRow, runs: impl IntoIterator<Item = &'a RunRow>) -> Self {
        let (outcome, reason) = row.ended.map(|(outcome, reason)| (outcome.word(), reason)).unzip();
        let reason = reason.map(|reason| match row.erased {
            Some(erased) if reason.is_empty() => erased.in_words().to_owned(),
            _ => reason,
        });
        Self {
            seq: row.seq.0,
            id: row.id,
            client: row.client,
            connection: row.connection,
            kind: row.kind,
            object: row.object,
            source: row.source.word(),
            created: row.created,
            received: row.received,
            outcome,
            reason,
            erased: row.erased.map(Erasure::word),
            runs: runs.into_iter().map(RunBrief::of).collect(),
        }
    }
}

/// An event with its content and everything that came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventDetailView {
    /// The event.
    #[serde(flatten)]
    pub event: EventView,
    /// What its runs did and changed.
    #[serde(rename = "run_details")]
    pub runs: Vec<RunDetailView>,
    /// Its content, as it was received, without card data; null when it is erased.
    pub body: Value,
}

impl From<EventDetail> for EventDetailView {
    fn from(detail: EventDetail) -> Self {
        Self {
            event: EventView::new(detail.event, detail.runs.iter().map(|run| &run.run)),
            runs: detail.runs.into_iter().map(Into::into).collect(),
            body: detail.body,
        }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunView {
    /// Its number in this store.
    pub id: i64,
    /// The sender's id of its event.
    pub event: Arc<str>,
    /// Its event's number in this store.
    pub event_seq: i64,
    /// Its event's type.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// Its client.
    pub client: Arc<str>,
    /// Its pipeline.
    pub pipeline: Arc<str>,
    /// The version of the client's files that it runs with.
    pub version: Arc<str>,
    /// Its lane.
    pub lane: Arc<str>,
    /// Its order key: runs of one lane and key go one after another.
    pub key: Arc<str>,
    /// `ready`, `blocked`, `held` or `waiting`; once it has ended: `succeeded`, `skipped`, `conflict` or `dead`.
    pub state: &'static str,
    /// Attempts that failed.
    pub attempts: u32,
    /// Why it is where it is.
    pub reason: String,
    /// The records among which a person has to choose.
    pub candidates: Vec<Value>,
    /// When its event happened, by the sender's clock.
    pub created: Timestamp,
    /// When its event reached us.
    pub received: Timestamp,
    /// When it is tried again.
    pub due: Option<Timestamp>,
    /// The paused connection that it waits for.
    pub connection: Option<Arc<str>>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// `retention` or `request` when its order key, candidates and calls are erased, and the values that it wrote.
    pub erased: Option<&'static str>,
}

impl From<RunRow> for RunView {
    fn from(row: RunRow) -> Self {
        Self {
            id: row.id.0,
            event: row.event_id,
            event_seq: row.event.0,
            kind: row.kind,
            client: row.client,
            pipeline: row.pipeline,
            version: row.version.0,
            lane: row.lane,
            key: row.key,
            state: row.state.word(),
            attempts: row.attempts,
            reason: match row.erased {
                Some(erased) if row.reason.is_empty() => erased.in_words().to_owned(),
                _ => row.reason,
            },
            candidates: row.candidates,
            created: row.created,
            received: row.received,
            due: row.due,
            connection: row.connection,
            ended: row.ended,
            erased: row.erased.map(Erasure::word),
        }
    }
}

/// A run with what it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunDetailView {
    /// The run.
    #[serde(flatten)]
    pub run: RunView,
    /// Its journalled calls, in the order of their steps.
    pub calls: Vec<CallView>,
    /// What it changed, in the order of its steps.
    pub changes: Vec<AuditView>,
}

impl From<RunDetail> for RunDetailView {
    fn from(detail: RunDetail) -> Self {
        let RunDetail { run, mut calls, mut audit } = detail;
        calls.sort_by_cached_key(|row| numbers(&row.call));
        audit.sort_by_cached_key(|row| numbers(&row.call));
        Self {
            run: run.into(),
            calls: calls.into_iter().map(Into::into).collect(),
            changes: audit.into_iter().map(Into::into).collect(),
        }
    }
}

/// The numbers in a call's place: as text, step 10 would stand before step 2.
fn numbers(call: &str) -> Vec<u64> {
    let digits = call.split(|letter: char| !letter.is_ascii_digit());
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

/// A journalled call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallView {
    /// The place of its step; in scripts with the call's number behind it.
    pub call: Arc<str>,
    /// `done`, or `intended` while nobody knows whether it was.
    pub state: &'static str,
    /// What it gave.
    pub result: Option<Value>,
}

impl From<CallRow> for CallView {
    fn from(row: CallRow) -> Self {
        let state = if row.result.is_some() { "done" } else { "intended" };
        Self { call: row.call, state, result: row.result }
    }
}

/// An audit entry: who changed what, from what to what, when and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditView {
    /// When.
    pub at: Timestamp,
    /// The client.
    pub client: Arc<str>,
    /// The pipeline; null for what no run did.
    pub pipeline: Option<Arc<str>>,
    /// The run's number.
    pub run: Option<i64>,
    /// The sender's id of the event.
    pub event: Option<Arc<str>>,
    /// The step's place in its pipeline, and its id when it has one; who did it, when it was no step.
    pub step: Arc<str>,
    /// `create`, `update`, `delete`, `link`, `unlink` or `call`; `dismiss`, `resolve` or `erase` when it was no step.
    pub verb: &'static str,
    /// The connection.
    pub connection: Arc<str>,
    /// The object, or the operation.
    pub object: Arc<str>,
    /// The record.
    pub record: Option<Arc<str>>,
    /// Each field that was written.
    pub fields: Vec<ChangeView>,
    /// Fields of the mapping that were left alone because their value was nothing.
    pub left_alone: Vec<Arc<str>>,
    /// What else is worth knowing: `possibly repeated`.
    pub note: Option<Arc<str>>,
    /// `retention` or `request` when the values of its fields are erased.
    pub erased: Option<&'static str>,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        let (entry, origin) = (row.entry, row.origin);
        let changes = entry.changes.into_iter();
        Self {
            at: row.at,
            client: row.client,
            pipeline: origin.as_ref().map(|origin| Arc::clone(&origin.pipeline)),
            run: origin.as_ref().map(|origin| origin.run.0),
            event: origin.map(|origin| origin.event_id),
            step: entry.step,
            verb: entry.verb,
            connection: entry.connection,
            object: entry.object,
            record: entry.record,
            fields: changes
                .map(|change| ChangeView { field: change.field, before: change.before, after: change.after })
                .collect(),
            left_alone: entry.left_alone,
            note: entry.note,
            erased: row.erased.map(Erasure::word),
        }
    }
}

/// One field before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangeView {
    /// The field's name in its system.
    pub field: Arc<str>,
    /// Its value before; null when it was empty or not read.
    pub before: Value,
    /// Its value after.
    pub after: Value,
}

/// What came of a poll: of the records that it listed, each counts once among what follows `listed`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportView {
    /// Names it: client, poll and number.
    pub id: String,
    /// Its client.
    pub client: Arc<str>,
    /// Its poll: a pipeline, or the events of a connection.
    pub poll: Arc<str>,
    /// Its number, from 1.
    pub number: i64,
    /// The connection that it listed.
    pub connection: Option<Arc<str>>,
    /// When it began.
    pub began: Timestamp,
    /// When it had listed everything, or failed.
    pub listed_by: Timestamp,
    /// When the last run that it started had ended; nothing as long as one has not.
    pub ended: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// How many records it listed.
    pub listed: u64,
    /// Whose runs have created something.
    pub created: u64,
    /// Whose runs have changed something.
    pub updated: u64,
    /// Of which nothing was new, or whose runs found everything as it should be.
    pub unchanged: u64,
    /// Whose runs were skipped, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Of which a person has to decide, by reason.
    pub conflicts: BTreeMap<String, u64>,
    /// Whose runs failed, by reason.
    pub failed: BTreeMap<String, u64>,
}

impl From<ReportRow> for ReportView {
    fn from(row: ReportRow) -> Self {
        Self {
            id: row.id.to_string(),
            client: row.id.name.client,
            poll: row.id.name.poll,
            number: row.id.number,
            connection: row.connection,
            began: row.began,
            listed_by: row.listed,
            ended: row.ended,
            error: row.error,
            listed: row.tally.listed,
            created: row.tally.created,
            updated: row.tally.updated,
            unchanged: row.tally.unchanged,
            skipped: row.tally.skipped,
            conflicts: row.tally.conflicts,
            failed: row.tally.failed,
        }
    }
}
