//! `upsert`: find, then create or update.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::config::words::ObjectRef;
use crate::config::written::{Fields, Match, Script, Written};

/// Finds a record by `match`; creates it when there is none, updates only what differs when there is one, and is
/// a conflict when there are several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpsertStep {
    /// Which object.
    pub object: ObjectRef,
    /// What identifies the record. The fields of the first alternative with a value are written when it is created.
    #[serde(rename = "match")]
    pub matching: Match,
    /// A Rhai condition over `found`, the record that was found; when it does not hold, the run is a conflict.
    #[serde(default)]
    pub guard: Option<Script>,
    /// What is written: target field -> value expression.
    pub fields: Fields,
    /// Leaves it all to the system's own upsert, without reading the record first.
    #[serde(default)]
    pub blind: bool,
    /// The words of the conflict.
    #[serde(default)]
    pub reason: Option<Written>,
    /// What is passed beside the fields.
    #[serde(default)]
    pub params: Params,
}
