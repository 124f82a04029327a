//! `for_each`: steps once for each element of a list.

use schemars::JsonSchema;
use serde::Deserialize;

use super::StepFile;
use crate::config::words::Identifier;
use crate::config::written::Written;

/// Runs steps once for each element of a list, in order. At most 1,000 elements.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForEachStep {
    /// The list.
    #[serde(rename = "in")]
    pub list: Written,
    /// The name of the element in the steps: `$.<as>`.
    #[serde(rename = "as")]
    pub name: Identifier,
    /// What is done with each.
    #[schemars(length(min = 1))]
    pub steps: Vec<StepFile>,
    /// True when the elements have nothing to do with each other: they are worked on side by side, and what they ask of a
    /// system goes there as few requests as its connector can make of it. Each element still has its own outcome; one that fails
    /// keeps none of the others from being done.
    #[serde(default)]
    pub batch: bool,
}
