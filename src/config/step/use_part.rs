//! `use`: the steps of a part.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::words::{Identifier, Name};
use crate::config::written::Written;

/// Runs the steps of `<part>.part.yaml` as if they stood here; later steps see their ids.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UseStep {
    /// The part's name: its file is `<part>.part.yaml` beside the pipeline, or in `pipelines/`.
    pub part: Name,
    /// What the part takes: its steps read it as `$.with.<name>`.
    #[serde(default)]
    pub with: IndexMap<Identifier, Written>,
}
