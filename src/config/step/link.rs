//! `link` and `unlink`: sets and groups.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::config::words::ObjectRef;
use crate::config::written::{Fields, Written};

/// Puts a record into a set or beside another one (`link`), or takes it out again (`unlink`): tags,
/// associations, memberships. Doing it twice does nothing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkStep {
    /// Which object the record is.
    pub object: ObjectRef,
    /// The record's id.
    pub record: Written,
    /// Which of the object's relations; see `lockstep connectors <name>`.
    pub relation: String,
    /// What it is linked to: an id or name, or a list of them.
    pub to: Written,
    /// What is written on the link itself, where the system keeps something there.
    #[serde(default)]
    pub fields: Fields,
    /// What is passed beside all that.
    #[serde(default)]
    pub params: Params,
}
