//! `choose`: the first branch that holds.

use schemars::JsonSchema;
use serde::Deserialize;

use super::StepFile;
use crate::config::written::Script;

/// Branches, of which the first whose condition holds is run; none, when none holds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ChooseStep(pub Vec<Branch>);

/// One branch of a choice.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// A Rhai condition; a branch without one always holds, and stands last.
    #[serde(default)]
    pub when: Option<Script>,
    /// What is done.
    #[schemars(length(min = 1))]
    pub steps: Vec<StepFile>,
}
