//! `call`: any other operation that a connector names.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::config::words::Identifier;
use crate::config::written::Written;

/// Calls an operation that the connector names.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallStep {
    /// Which connection.
    pub connection: Identifier,
    /// Which operation; see `lockstep connectors <name>`.
    pub operation: String,
    /// What is passed.
    #[serde(default)]
    pub params: Params,
    /// What makes it the same call again: a call that succeeded with this key is not sent a second time.
    #[serde(default)]
    pub key: Option<Written>,
    /// Failures that are taken as success: the answer's class becomes the step's outcome.
    #[serde(default)]
    pub accept: Vec<AcceptedClass>,
}

/// A class of failure that a call may take as success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AcceptedClass {
    /// It exists already.
    Duplicate,
    /// There is no such record.
    Missing,
    /// The system refuses it.
    Permanent,
}
