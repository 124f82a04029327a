//! `list`: many records.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::config::words::ObjectRef;
use crate::config::written::Fields;

/// Reads many records. More than `limit` is a conflict, not a cut.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListStep {
    /// Which object.
    pub object: ObjectRef,
    /// Only records whose fields equal these; all when left out.
    #[serde(default, rename = "match")]
    pub matching: Fields,
    /// How many there may be at the most.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
    /// What is passed beside the filter: `expand`, an order and the like.
    #[serde(default)]
    pub params: Params,
}

fn hundred() -> u32 {
    100
}
