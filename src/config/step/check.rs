//! `check`: end a run, with words.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::written::{Script, Written};

/// Ends the run, with words, when a condition does not hold.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckStep {
    /// The Rhai condition that must hold.
    pub that: Script,
    /// How the run ends when it does not.
    #[serde(default, rename = "else")]
    pub otherwise: Otherwise,
    /// Why, in words for the person who reads it.
    #[serde(default)]
    pub reason: Option<Written>,
}

/// What a condition that does not hold leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// A person decides: the run ends as a conflict, with `reason`.
    #[default]
    Conflict,
    /// The run ends as skipped.
    Skip,
    /// The run ends as a dead letter, without retries.
    Fail,
}
