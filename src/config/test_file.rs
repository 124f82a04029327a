//! `*.test.yaml`: tests of the pipelines beside them.

use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{Name, ObjectRef};
use crate::value::Value;

/// Tests of one pipeline.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    /// The pipeline under test.
    pub pipeline: Name,
    /// The cases; each begins with an empty store.
    #[schemars(length(min = 1))]
    pub cases: Vec<TestCase>,
}

/// One case: what happens, what the systems hold before, and what is expected.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestCase {
    /// What the case shows, as a sentence.
    pub name: String,
    /// The event: values laid over a full sample of its type, or the path of a JSON file beside this one.
    #[serde(default)]
    pub event: Option<TestEvent>,
    /// Several events, one after another, in place of `event`.
    #[serde(default)]
    pub events: Vec<TestEvent>,
    /// True: the events are tried in other orders too, twice, and with a process that dies before and after each call. All of it
    /// must leave the same records behind, with as many creates. An event that does not say when it was `created` happens a
    /// second after the one before it.
    #[serde(default)]
    pub converge: bool,
    /// In place of an event, of a pipeline with a schedule: the records that a poll lists, as the system gives them. There
    /// was a poll before it, which listed nothing.
    #[serde(default)]
    pub listing: Option<Vec<IndexMap<String, Value>>>,
    /// Several polls, one after another, in place of `listing`.
    #[serde(default)]
    pub polls: Vec<PollCase>,
    /// What the systems hold before: connection and object -> records.
    #[serde(default)]
    pub given: IndexMap<ObjectRef, Vec<IndexMap<String, Value>>>,
    /// The time at which the case happens; the event's own time when left out.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub now: Option<Timestamp>,
    /// What is expected.
    pub expect: Expectation,
}

/// One poll of a case.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PollCase {
    /// The records that it lists, as the system gives them.
    pub listing: Vec<IndexMap<String, Value>>,
    /// When it happens; a minute after the one before when left out.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub now: Option<Timestamp>,
}

/// An event of a test.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TestEvent {
    /// The path of a JSON file with a whole event, relative to the test file.
    File(String),
    /// Values laid over a sample of the type.
    Given(Box<GivenEvent>),
}

/// An event as values laid over a full sample of its type.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct GivenEvent {
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Laid over the sample's `data.object`; null takes a key away.
    #[serde(default)]
    pub object: IndexMap<String, Value>,
    /// Laid over the sample's `data.previous_attributes`.
    #[serde(default)]
    pub previous: IndexMap<String, Value>,
    /// Any other key is laid over the envelope: `id`, `created`, `livemode`, ...
    #[serde(flatten)]
    pub envelope: IndexMap<String, Value>,
}

/// What a case expects.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// How the run ends; the last one, when there are several events.
    #[serde(default)]
    pub outcome: Option<ExpectedOutcome>,
    /// A part of the reason that the run ends with.
    #[serde(default)]
    pub reason: Option<String>,
    /// What the last poll comes to for each record, by its id.
    #[serde(default)]
    pub records: IndexMap<String, ExpectedRecord>,
    /// All writes, in order; of each, the named fields must agree.
    #[serde(default)]
    pub writes: Option<Vec<ExpectedWrite>>,
}

/// What a poll comes to for a record.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectedRecord {
    /// How its run ends; `unchanged` when there is none.
    pub outcome: Option<ExpectedOutcome>,
    /// A part of the reason that the run ends with.
    pub reason: Option<String>,
    /// The ids among which a person has to choose, in any order.
    pub candidates: Option<Vec<Value>>,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedOutcome {
    /// All steps were done.
    Succeeded,
    /// There was nothing to do.
    Skipped,
    /// A person must decide.
    Conflict,
    /// It failed for good.
    Dead,
    /// It waits for something that is not there yet.
    Waiting,
    /// There is no run: nothing is new about the record.
    Unchanged,
}

/// One write: exactly one of the verbs, and what it wrote.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedWrite {
    /// A record of this object was created.
    #[serde(default)]
    pub create: Option<ObjectRef>,
    /// A record of this object was changed.
    #[serde(default)]
    pub update: Option<ObjectRef>,
    /// A record of this object was deleted.
    #[serde(default)]
    pub delete: Option<ObjectRef>,
    /// A record of this object was linked.
    #[serde(default)]
    pub link: Option<ObjectRef>,
    /// A record of this object was unlinked.
    #[serde(default)]
    pub unlink: Option<ObjectRef>,
    /// An operation was called: `<connection>.<operation>`.
    #[serde(default)]
    pub call: Option<ObjectRef>,
    /// The record's id.
    #[serde(default)]
    pub id: Option<Value>,
    /// The relation of a link.
    #[serde(default)]
    pub relation: Option<String>,
    /// What was written, or the parameters of a call. `null` says that the field was not written.
    #[serde(default)]
    pub fields: IndexMap<String, Value>,
}
