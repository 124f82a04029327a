//! A pipeline file: a trigger, conditions and steps; and the part file, steps that several pipelines use.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::step::StepFile;
use super::trigger::TriggerFile;
use super::words::{Backoff, Identifier, Name};
use super::written::{Script, Written};

/// What happens for one kind of event: a trigger, a condition and steps.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineFile {
    /// The pipeline's name; the same as its file's.
    pub name: Name,
    /// What it does and why, in a sentence for people.
    #[serde(default)]
    pub description: Option<String>,
    /// `false` switches the pipeline off: it is checked, and never runs.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where its events come from.
    pub trigger: TriggerFile,
    /// Which runs go one after another, and what becomes of an event that is older than one already applied.
    #[serde(default)]
    pub order: Option<OrderFile>,
    /// A Rhai condition over the event; when it gives false, the run is skipped.
    #[serde(default)]
    pub when: Option<Script>,
    /// How often and how long a failed run is tried again.
    #[serde(default)]
    pub retry: RetryFile,
    /// What is done, in order.
    #[schemars(length(min = 1))]
    pub steps: Vec<StepFile>,
}

fn yes() -> bool {
    true
}

/// Which runs go one after another.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderFile {
    /// Runs with an equal key go one at a time. The trigger's own key when left out: a Stripe event's customer,
    /// else its object's id, else the event's.
    #[serde(default)]
    pub key: Option<Written>,
    /// Pipelines that name one lane share their order. Each pipeline is its own lane when left out.
    #[serde(default)]
    pub lane: Option<Name>,
    /// What an event does that is older than one already applied to the same object: one word, or a word for each
    /// event type (`{ invoice.paid: apply, "*": skip }`).
    #[serde(default)]
    pub stale: Option<StaleFile>,
}

/// What a stale event does: one word, or one for each event type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StaleFile {
    /// For every event type.
    All(Stale),
    /// By event type; `*` stands for the rest.
    ByType(IndexMap<String, Stale>),
}

/// What an event does that is older than one already applied to the same object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stale {
    /// The run ends as skipped. The default for states of an object (created, updated, deleted).
    Skip,
    /// The run goes on. The default for occurrences (a failed payment, a refund).
    Apply,
    /// The object is read anew, and the run goes on with its present state.
    Refetch,
}

/// How often and how long something is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryFile {
    /// How often a run is tried before it becomes a dead letter. Waiting for a throttled or paused connection
    /// uses up none.
    #[serde(default = "eight")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u32,
    /// The delay after the first failure, doubled up to the longest, with full jitter.
    #[serde(default)]
    pub backoff: Backoff,
}

fn eight() -> u32 {
    8
}

impl Default for RetryFile {
    fn default() -> Self {
        Self { attempts: eight(), backoff: Backoff::default() }
    }
}

/// A part: steps that several pipelines use by `use: { part: <name> }`. They run as if they stood there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartFile {
    /// What it does, in a sentence for people.
    #[serde(default)]
    pub description: Option<String>,
    /// What its users hand over in `with:`: name -> what it is. The steps read it as `$.with.<name>`.
    #[serde(default)]
    pub takes: IndexMap<Identifier, String>,
    /// What is done, in order.
    #[schemars(length(min = 1))]
    pub steps: Vec<StepFile>,
}
