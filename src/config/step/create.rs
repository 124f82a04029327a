//! `create`: one new record, once.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::config::words::ObjectRef;
use crate::config::written::{Fields, Written};

/// Writes one new record. If a record with its key exists, the outcome is `found` and nothing is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateStep {
    /// Which object.
    pub object: ObjectRef,
    /// What makes it the same record again, however often the run is repeated.
    #[serde(default)]
    pub key: Option<Key>,
    /// What is written: target field -> value expression.
    pub fields: Fields,
    /// What is passed beside the fields.
    #[serde(default)]
    pub params: Params,
}

/// What makes a created record the same one again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Key {
    /// Fields that are written with the record, and by which it is looked up.
    Fields(Fields),
    /// A value that lockstep keeps in its own store, where the system has no field for it.
    Value(Written),
}
