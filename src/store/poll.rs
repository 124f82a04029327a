//! Polls: how far each one has got, what it saw last, and what came of it.
//!
//! A poll lists what a system holds, page by page. What it found on a page (events with their runs) comes to disk
//! together with what it saw there and how far it has got, as one [`PollStep`]: after a crash nothing is listed as new
//! twice and nothing is passed over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::event::NewEvent;
use super::query::PageLimit;
use super::run::{Outcome, RunId, RunState};
use crate::value::Value;

/// So many reports of a poll are kept, the newest: those of a day, when it polls every minute.
pub(super) const REPORTS_KEPT: i64 = 1_440;

/// Names a poll: that of a pipeline's schedule has the pipeline's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PollName {
    /// Its client.
    pub client: Arc<str>,
    /// Its name within the client.
    pub poll: Arc<str>,
}

impl fmt::Display for PollName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.client, self.poll)
    }
}

/// One poll of many: `acme/members/37`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PollId {
    /// Which poll.
    pub name: PollName,
    /// Its number, from 1.
    pub number: i64,
}

impl fmt::Display for PollId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.number)
    }
}

/// 128 bits that stand for a record's content, a value that must be unique, or a group of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest in a column; `None` when it is of another length.
    pub(super) fn of_column(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// How far a poll has got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PollState {
    /// The number of the newest poll that has left anything behind; 0 before the first.
    pub number: i64,
    /// False when that one was cut off before its report.
    pub reported: bool,
    /// True once a poll has come to its end: what is listed from then on is news.
    pub primed: bool,
    /// When the newest poll that has a report began.
    pub began: Option<Timestamp>,
    /// The newest change that was listed, by the system's clock; nothing for polls that list everything.
    pub cursor: Option<Timestamp>,
    /// How many polls in a row have failed.
    pub failures: u32,
    /// The job by which the system makes the listing, while it is under way or its records are read.
    pub job: Option<PollJob>,
}

/// A job by which a system makes the listing of a poll: after a stop its poll goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollJob {
    /// The system's id of it.
    pub id: Arc<str>,
    /// The connection that it was begun on.
    pub connection: Arc<str>,
    /// The object that it lists.
    pub object: Arc<str>,
    /// What was asked for: one that asks for something else is of no use.
    pub asked: Digest,
    /// When the poll began that began it.
    pub began: Timestamp,
}

impl PollJob {
    /// As a column keeps it.
    pub(super) fn to_column(&self) -> String {
        let text = |text: &Arc<str>| Value::from(Arc::clone(text));
        let asked = Value::list(self.asked.0.map(|byte| Value::Int(byte.into())));
        let parts = [
            ("id", text(&self.id)),
            ("connection", text(&self.connection)),
            ("object", text(&self.object)),
            ("asked", asked),
            ("began", Value::Int(self.began.as_microsecond())),
        ];
        Value::map(parts).to_json()
    }

    /// What [`to_column`](Self::to_column) has written; `None` for anything else, and then another job is begun.
    pub(super) fn of_column(text: &str) -> Option<Self> {
        let value = Value::from_json(text.as_bytes()).ok()?;
        let part = |key: &str| value.get(key)?.to_text();
        let asked = value.get("asked")?.as_list()?.iter();
        let asked: Vec<u8> = asked.map(|byte| u8::try_from(byte.as_i64()?).ok()).collect::<Option<_>>()?;
        Some(Self {
            id: part("id")?,
            connection: part("connection")?,
            object: part("object")?,
            asked: Digest::of_column(&asked)?,
            began: Timestamp::from_microsecond(value.get("began")?.as_i64()?).ok()?,
        })
    }
}

/// What becomes of the job of a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobNote {
    /// It was begun.
    Begun(PollJob),
    /// Nobody will ask for it any more.
    Over,
}

impl JobNote {
    /// As a column keeps it.
    pub(super) fn column(&self) -> Option<String> {
        match self {
            Self::Begun(job) => Some(job.to_column()),
            Self::Over => None,
        }
    }
}

/// What a poll saw of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The record's id.
    pub record: Arc<str>,
    /// Its content.
    pub digest: Digest,
    /// The value of it that must be unique.
    pub key: Option<Digest>,
    /// The group of records with which it shares that value, when it may not run because of them.
    pub group: Option<Digest>,
    /// When it changed last, as far as that is known.
    pub changed: Timestamp,
    /// How often it was tried again since it was seen.
    pub tries: u32,
    /// The record as JSON, where somebody will ask what it was.
    pub body: Option<Bytes>,
}

/// What a poll saw of a record, with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRow {
    /// What it saw.
    pub seen: Seen,
    /// The run that it started last, where that stands, and when it ended.
    pub run: Option<(RunId, RunState, Option<Timestamp>)>,
}

/// Which of the records that a poll has seen are wanted.
#[derive(Debug, Clone)]
pub enum SeenBy {
    /// Those with these ids.
    Records(Vec<Arc<str>>),
    /// Those with these values.
    Keys(Vec<Digest>),
    /// Those that are kept back because of others.
    Grouped,
    /// Those after this one in an order of the store's own, at most so many.
    After(Option<Arc<str>>, usize),
}

/// A record that waits for its poll to have listed everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// What is seen of it, its body included.
    pub seen: Seen,
    /// Where it stands in its listing.
    pub place: i64,
}

/// Which staged records of a poll are wanted.
#[derive(Debug, Clone)]
pub enum StagedBy {
    /// Those with these values.
    Keys(Vec<Digest>),
    /// The oldest changes first, and those of one moment in reverse order of the listing, at most so many.
    Oldest(usize),
    /// In the order of the listing, at most so many.
    Listed(usize),
}

/// Something that a poll found.
#[derive(Debug, Clone)]
pub struct Find {
    /// The event, with the runs that it starts; nothing for what is only taken note of.
    pub event: Option<NewEvent>,
    /// The records among which a person has to choose, of a run that ended at once as a conflict.
    pub candidates: Vec<Value>,
    /// What was seen of its record.
    pub seen: Option<Seen>,
}

/// A part of a poll that comes to disk together.
#[derive(Debug, Clone)]
pub struct PollStep {
    /// Which poll.
    pub id: PollId,
    /// When.
    pub at: Timestamp,
    /// What it found.
    pub finds: Vec<Find>,
    /// Records that wait for the end of the listing.
    pub staged: Vec<Staged>,
    /// Records that wait no more.
    pub unstaged: Vec<Arc<str>>,
    /// Records that were seen and are listed no more: they are forgotten.
    pub gone: Vec<Arc<str>>,
    /// Runs that died or met a conflict, each with its record: they go again.
    pub again: Vec<(RunId, Arc<str>)>,
    /// What becomes of the job that lists for it.
    pub job: Option<JobNote>,
    /// How the poll ended, with its last step.
    pub end: Option<PollEnd>,
}

impl PollStep {
    /// A step in which nothing happens yet.
    pub fn new(id: PollId, at: Timestamp) -> Self {
        Self {
            id,
            at,
            finds: Vec::new(),
            staged: Vec::new(),
            unstaged: Vec::new(),
            gone: Vec::new(),
            again: Vec::new(),
            job: None,
            end: None,
        }
    }

    /// About how many bytes this takes, in memory and on disk.
    pub fn weight(&self) -> usize {
        let body = |seen: &Seen| 128 + seen.body.as_ref().map_or(0, Bytes::len);
        let of_find = |find: &Find| {
            find.event.as_ref().map_or(0, NewEvent::weight) + find.seen.as_ref().map_or(0, body)
        };
        let finds: usize = self.finds.iter().map(of_find).sum();
        let staged: usize = self.staged.iter().map(|staged| body(&staged.seen)).sum();
        512 + finds + staged + 128 * (self.unstaged.len() + self.gone.len() + self.again.len())
    }
}

/// How a poll ended.
#[derive(Debug, Clone)]
pub struct PollEnd {
    /// Whether it came to its end, now or before.
    pub primed: bool,
    /// When it began.
    pub began: Timestamp,
    /// How far it has got.
    pub cursor: Option<Timestamp>,
    /// How many polls in a row have failed, this one included.
    pub failures: u32,
    /// What was seen of records that changed before this is forgotten.
    pub forget_before: Option<Timestamp>,
    /// The connection that it listed.
    pub connection: Option<Arc<str>>,
    /// What is known of it before its runs have ended.
    pub tally: Tally,
    /// True when it has started no run: its report is ended with it.
    pub over: bool,
    /// Why it failed.
    pub error: Option<String>,
}

/// What came of the records that a poll listed: each is counted once beside `listed`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many it listed.
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

/// More reasons than these are not told apart in one report.
const REASONS_MAX: usize = 20;

/// What stands for the others.
const OTHERS: &str = "other reasons";

/// What a run has done, as a report counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It has created something.
    Created,
    /// It has changed something.
    Updated,
    /// Nothing.
    None,
}

impl Tally {
    /// Counts `count` runs that ended so.
    pub fn add(&mut self, outcome: Outcome, effect: Effect, reason: &str, count: u64) {
        match (outcome, effect) {
            (Outcome::Succeeded, Effect::Created) => self.created += count,
            (Outcome::Succeeded, Effect::Updated) => self.updated += count,
            (Outcome::Succeeded, Effect::None) => self.unchanged += count,
            (Outcome::Skipped, _) => by_reason(&mut self.skipped, reason, count),
            (Outcome::Conflict, _) => by_reason(&mut self.conflicts, reason, count),
            (Outcome::Dead, _) => by_reason(&mut self.failed, reason, count),
        }
    }

    /// As a value, for columns, scripts and people.
    pub fn to_value(&self) -> Value {
        let number = |count: u64| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
        let reasons = |reasons: &BTreeMap<String, u64>| {
            Value::map(reasons.iter().map(|(reason, count)| (reason.as_str(), number(*count))))
        };
        Value::map([
            ("listed", number(self.listed)),
            ("created", number(self.created)),
            ("updated", number(self.updated)),
            ("unchanged", number(self.unchanged)),
            ("skipped", reasons(&self.skipped)),
            ("conflicts", reasons(&self.conflicts)),
            ("failed", reasons(&self.failed)),
        ])
    }

    /// What [`to_value`](Self::to_value) has written.
    pub fn of_value(value: &Value) -> Self {
        let number = |value: &Value| value.as_i64().unwrap_or(0).unsigned_abs();
        let count = |key: &str| value.get(key).map_or(0, number);
        let reasons = |key: &str| {
            let entries = value.get(key).and_then(Value::as_map).into_iter().flatten();
            entries.map(|(reason, count)| (reason.to_string(), number(count))).collect()
        };
        Self {
            listed: count("listed"),
            created: count("created"),
            updated: count("updated"),
            unchanged: count("unchanged"),
            skipped: reasons("skipped"),
            conflicts: reasons("conflicts"),
            failed: reasons("failed"),
        }
    }
}

fn by_reason(reasons: &mut BTreeMap<String, u64>, reason: &str, count: u64) {
    let reason = if reasons.contains_key(reason) || reasons.len() < REASONS_MAX { reason } else { OTHERS };
    *reasons.entry(reason.to_owned()).or_default() += count;
}

/// What came of a poll.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportRow {
    /// Which poll.
    pub id: PollId,
    /// The connection that it listed.
    pub connection: Option<Arc<str>>,
    /// When it began.
    pub began: Timestamp,
    /// When it had listed everything, or failed.
    pub listed: Timestamp,
    /// When the last run that it started had ended; `None` as long as one has not.
    pub ended: Option<Timestamp>,
    /// What came of the records.
    pub tally: Tally,
    /// Why it failed.
    pub error: Option<String>,
}

/// A report that can be ended: all its runs have.
#[derive(Debug, Clone, PartialEq)]
pub struct DueReport {
    /// The report so far.
    pub report: ReportRow,
    /// How its runs ended: outcome, effect, reason, number; what happened most often first.
    pub runs: Vec<(Outcome, Effect, String, u64)>,
}

/// The end of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportEnd {
    /// Which poll.
    pub id: PollId,
    /// When its last run had ended.
    pub at: Timestamp,
    /// What came of all its records.
    pub tally: Tally,
}

/// Which reports are wanted. What is `None` does not narrow.
#[derive(Debug, Clone, Default)]
pub struct ReportFilter {
    /// Of this client.
    pub client: Option<Arc<str>>,
    /// Of this poll.
    pub poll: Option<Arc<str>>,
    /// With this number.
    pub number: Option<i64>,
    /// Only those that failed.
    pub failed: bool,
    /// Begun at or after this.
    pub since: Option<Timestamp>,
    /// How many at most.
    pub limit: PageLimit,
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_job_reads_back_as_it_was_written() {
        let job = PollJob {
            id: "750\"1".into(),
            connection: "crm".into(),
            object: "Account".into(),
            asked: Digest([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 254, 255]),
            began: "2026-11-22T06:00:00.123456Z".parse().unwrap(),
        };
        assert_eq!(PollJob::of_column(&job.to_column()), Some(job));
        for other in ["", "{}", r#"{"id":"1","connection":"c","object":"o","asked":[1],"began":0}"#] {
            assert_eq!(PollJob::of_column(other), None, "{other}");
        }
    }

    #[test]
    fn a_tally_reads_back_as_it_was_written() {
        let mut tally = Tally { listed: 7, ..Tally::default() };
        tally.add(Outcome::Succeeded, Effect::Created, "", 1);
        tally.add(Outcome::Succeeded, Effect::Updated, "", 2);
        tally.add(Outcome::Succeeded, Effect::None, "", 1);
        tally.add(Outcome::Skipped, Effect::None, "no plan", 1);
        tally.add(Outcome::Conflict, Effect::Updated, "two contacts", 1);
        tally.add(Outcome::Dead, Effect::Created, "refused", 1);
        assert_eq!(Tally::of_value(&tally.to_value()), tally);
        assert_eq!((tally.created, tally.updated, tally.unchanged), (1, 2, 1));
    }

    #[test]
    fn a_report_does_not_grow_with_its_reasons() {
        let mut tally = Tally::default();
        for number in 0..100 {
            tally.add(Outcome::Skipped, Effect::None, &format!("no plan for {number}"), 1);
        }
        assert_eq!(tally.skipped.len(), REASONS_MAX + 1);
        assert_eq!(tally.skipped[OTHERS], 80);
    }
}
