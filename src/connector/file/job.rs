//! `job:`, how a system lists in the background.

use schemars::JsonSchema;
use serde::Deserialize;

use super::operation::OperationFile;
use crate::words::Span;
use crate::written::Written;

/// How the system lists in the background: what is wanted is said, the system works on it, and the records are read when it is
/// done. A schedule whose `list` says `bulk: true` lists so.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    /// Begins it. Expressions see what those of the list see; `response.id` is the job's id.
    pub start: Box<OperationFile>,
    /// Asks how far it is. Here and below, expressions see the job's id as `job`. `response.result` is the system's word for it.
    pub ask: Box<OperationFile>,
    /// The words that say that it is done.
    pub done: Vec<String>,
    /// The words that say that it has ended and there is nothing to read. With any other word it is under way.
    #[serde(default)]
    pub failed: Vec<String>,
    /// Why it failed, read off the answer of `ask`.
    #[serde(default)]
    pub why: Option<Written>,
    /// Reads a page of the records, as a list does: with `records`, and `next` or `next_url`.
    pub page: Box<OperationFile>,
    /// Throws it away, with its records, once they are read or it has failed. What cannot be thrown away is left to the system.
    #[serde(default)]
    pub end: Option<Box<OperationFile>>,
    /// Stops it, when it is not wanted any more before it is done; `end` follows.
    #[serde(default)]
    pub abort: Option<Box<OperationFile>>,
    /// How long it may take; it is then stopped, and the poll fails. A day when left out.
    #[serde(default)]
    pub within: Option<Span>,
    /// True when it cannot give all fields, so that a schedule has to name those that it wants.
    #[serde(default)]
    pub named: bool,
    /// How many jobs the system takes in a day: what `lockstep quota` compares with. It holds nothing back.
    #[serde(default)]
    pub daily: Option<u64>,
}
