//! `get`: one record by its id.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::config::words::{NoneFound, ObjectRef};
use crate::config::written::Written;

/// Reads one record by its id.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetStep {
    /// Which object.
    pub object: ObjectRef,
    /// The record's id.
    pub record: Written,
    /// What it leads to when there is no such record.
    #[serde(default)]
    pub none: NoneFound,
    /// The words of the skip, conflict or failure that `none` leads to.
    #[serde(default)]
    pub reason: Option<Written>,
    /// What is passed beside the id: `expand` and the like.
    #[serde(default)]
    pub params: Params,
}
