//! `client.yaml`: one client's connections, variables and who owns which field.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{Identifier, Name, ObjectRef, Rate, Span, Zone};
use crate::value::Value;

/// A client: the systems it uses, the variables of its mappings, and who may write what.
///
/// `${NAME}` in a scalar is an environment variable, `${file:/run/secrets/x}` a file's content.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientFile {
    /// The client's name; the same as its folder's.
    pub name: Name,
    /// A sentence about the client, for people.
    #[serde(default)]
    pub description: Option<String>,
    /// The zone of schedules and dates; an IANA name. UTC when left out.
    #[serde(default)]
    pub timezone: Zone,
    /// Values that mappings and scripts read as `vars.<name>`.
    #[serde(default)]
    pub vars: IndexMap<Identifier, Value>,
    /// The accounts this client's pipelines read and write, by the name that pipelines use.
    pub connections: IndexMap<Identifier, ConnectionFile>,
    /// Who may write a field: connection and object -> field (or `"*"`) -> owner.
    #[serde(default)]
    pub ownership: IndexMap<ObjectRef, IndexMap<String, Owner>>,
}

/// One configured account of a connector.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionFile {
    /// The connector's name: a built-in one, or a file in `connectors/`.
    pub connector: String,
    /// What the connector asks for; see `lockstep connectors <name>`.
    #[serde(default)]
    pub config: IndexMap<String, Value>,
    /// Tighter than the connector's own rate limit.
    #[serde(default)]
    pub rate_limit: Option<Rate>,
    /// How many calls may be under way at once; tighter than the connector's own.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: Option<u32>,
    /// How long to wait for an answer, in place of the connector's own time: `10s`. A call that has no answer by then
    /// counts as lost, and is looked up or repeated as its step allows.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// True when nothing may be written there: a pipeline that would is an error of `validate`, and a script that tries is refused.
    #[serde(default)]
    pub read_only: bool,
    /// This account's field names behind words of ours: object -> word -> field.
    #[serde(default)]
    pub fields: IndexMap<String, IndexMap<String, String>>,
}

/// Who may write a field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Owner {
    /// Only values that come from this connection.
    One(Identifier),
    /// Two-way: several sides may write; one wins when both changed it.
    Both(SharedOwner),
}

/// A field that several sides may write.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedOwner {
    /// The connections that may write it.
    pub both: Vec<Identifier>,
    /// Who wins when both sides changed it.
    pub tie: Identifier,
}

/// `client.<env>.yaml`: what differs in one environment. Maps are laid over the client's key by key, anything
/// else replaces it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientOverlay {
    /// The zone of schedules and dates in this environment.
    #[serde(default)]
    pub timezone: Option<Zone>,
    /// Variables that differ or are added.
    #[serde(default)]
    pub vars: IndexMap<Identifier, Value>,
    /// Connections that differ or are added.
    #[serde(default)]
    pub connections: IndexMap<Identifier, ConnectionOverlay>,
}

/// What differs of one connection.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectionOverlay {
    /// Another connector.
    #[serde(default)]
    pub connector: Option<String>,
    /// Configuration keys that differ or are added.
    #[serde(default)]
    pub config: IndexMap<String, Value>,
    /// Another rate limit.
    #[serde(default)]
    pub rate_limit: Option<Rate>,
    /// Another bound of calls under way at once.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: Option<u32>,
    /// Another time to wait for an answer.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// Field names that differ or are added: object -> word -> field.
    #[serde(default)]
    pub fields: IndexMap<String, IndexMap<String, String>>,
}
