//! `delete`: take one record away.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::config::words::ObjectRef;
use crate::config::written::Written;

/// Deletes one record by its id. A record that is gone already is fine: the outcome is `missing`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteStep {
    /// Which object.
    pub object: ObjectRef,
    /// The record's id.
    pub record: Written,
    /// What is passed beside the id.
    #[serde(default)]
    pub params: Params,
}
