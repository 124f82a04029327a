//! `endpoints:`, where the system is told to send its events.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::written::{Fields, Script, Written};

/// Where the system is told to send its events, for systems that are told through their API: `lockstep endpoints` keeps exactly
/// one for each connection. Expressions see `config`, `url` (where events are to go), `events` (the types that pipelines need, a
/// list) and `mark` (`<client>/<connection>`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointsFile {
    /// What an endpoint is: one of `objects`, with `list`, `create` and `update`.
    pub object: String,
    /// Holds of the `endpoint` that is this connection's, by its address or by a mark that was put on it.
    pub ours: Script,
    /// What it is to be: field -> value. Lists are compared without their order, of maps the entries that are written here.
    pub fields: Fields,
    /// What can be said only when it is made.
    #[serde(default)]
    pub on_create: Fields,
    /// What can be said only of one that is there.
    #[serde(default)]
    pub on_update: Fields,
    /// How a field of an `endpoint` reads, where that is not its own name.
    #[serde(default)]
    pub present: Fields,
    /// Where the new `endpoint` tells by which secret its events are signed.
    #[serde(default)]
    pub secret: Option<Written>,
    /// How many endpoints the system allows for one account.
    #[serde(default)]
    pub most: Option<usize>,
}
