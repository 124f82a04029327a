//! `update`: change one record.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::config::words::ObjectRef;
use crate::config::written::{Fields, Written};

/// Changes one record by its id: reads it, compares, and sends only what differs. A record that was read in the
/// same run counts as read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateStep {
    /// Which object.
    pub object: ObjectRef,
    /// The record's id.
    pub record: Written,
    /// What is written: target field -> value expression.
    pub fields: Fields,
    /// Sends all fields without reading the record first.
    #[serde(default)]
    pub blind: bool,
    /// What is passed beside the fields: proration and the like.
    #[serde(default)]
    pub params: Params,
}
