//! `request:` and `response:` of an operation.

use schemars::JsonSchema;
use serde::Deserialize;

use super::errors::BodyKind;
use crate::words::Span;
use crate::written::{Script, Written};

/// A request, as data. Whatever an expression puts into it is escaped for the place where it stands: it can
/// change a value, never the structure.
///
/// Expressions see `config`, `auth` (what the token's answer kept), `vars` (of the object), `object`, `id`, `fields`,
/// `identity` (of a find), `filter` (of a list), `key` (of an upsert), `params`, `rest` (params that the operation does not declare), `select` (a list of names; nothing
/// for all), `limit`, `cursor`, `relation` and `to` (of a link), and, where there is exactly one field to look
/// for, its `name` and `value`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestFile {
    /// The HTTP method.
    pub method: Method,
    /// What follows `base_url`: `/sobjects/${object}/${id}`. What an expression gives is one segment, whatever is in it; a
    /// list gives several. Also a list of segments, in which `{ segments: ... }` is split at its slashes.
    pub path: Written,
    /// Query parameters, a map. Nothing leaves one out; lists and maps become brackets: `created[gte]=1`. The forms of
    /// `body` work here too.
    #[serde(default)]
    pub query: Option<Written>,
    /// Headers besides those of `defaults`, a map. Nothing leaves one out.
    #[serde(default)]
    pub headers: Option<Written>,
    /// The body. Besides the forms of any value expression: `{ quoted: <language>, text: [...] }` is text in a query
    /// language; `{ escaped: <language>, value: ..., keys: [...] }` escapes texts; `{ merge: [a, b], without: [c] }` lays
    /// maps over each other and leaves keys out; `{ given: {...} }` is a map without the entries that are nothing.
    #[serde(default)]
    pub body: Option<Written>,
    /// How the body is written; that of `defaults` when left out.
    #[serde(default)]
    pub encoding: Option<Encoding>,
    /// How long to wait for the answer; that of `defaults` when left out.
    #[serde(default)]
    pub timeout: Option<Span>,
}

/// How rows of text are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowFormat {
    /// Values with commas between them, below a row of names (RFC 4180). `Account.Name` is the `Name` of what `Account` refers to.
    Csv,
    /// A map of JSON in each line.
    JsonLines,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, or anything else.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `application/json`.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`; lists and maps become brackets: `items[0][price]=price_1`. Nothing is
    /// written as an empty value.
    Form,
    /// `{"query": ..., "variables": {...}}`: the body is a map with these two keys.
    Graphql,
    /// A JSON-RPC 2.0 envelope: the body is a map with `method` and `params`.
    Jsonrpc,
    /// `text/plain`.
    Text,
}

/// How an answer reads. Expressions see all that those of the request see, and `response.status`, `response.headers`
/// (names in lower case) and `response.body`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseFile {
    /// What must hold besides a 2xx status for the call to have succeeded.
    pub success: Option<Script>,
    /// What kind of body a success has; JSON when left out. Any other kind (a proxy's page) is a failure, an empty
    /// body never.
    pub body: Option<BodyKind>,
    /// How a body that is rows of text is read: expressions then see it as a list of records.
    pub format: Option<RowFormat>,
    /// With `format: csv`, of what type each field is, so that `true` and `45.00` are not texts: a list of maps with `name` and `type`,
    /// as `describe` gives it. Without it, and where a value is not of its field's type, it is text. An empty cell is nothing.
    pub types: Option<Written>,
    /// The record's id. Of a find or a list: the id of each `record`, where it is not the object's `id` field.
    pub id: Option<Written>,
    /// The record, of a get or of a write that answers with it.
    pub record: Option<Written>,
    /// The records, of a find or a list.
    pub records: Option<Written>,
    /// What an operation gives; the body when left out.
    pub result: Option<Written>,
    /// Whether an upsert created the record.
    pub created: Option<Written>,
    /// Of a find: true to keep only records whose fields equal those that were asked for. For systems that pass over
    /// parameters they do not know, and then give everything. With `partial`, a record that lacks one of these fields is read first.
    pub exact: bool,
    /// Of a find: true when the records that it gives lack fields. One that lacks a field that is asked for is then read by the
    /// object's `get`.
    pub partial: bool,
    /// Keys of records that are not fields.
    pub drop: Vec<String>,
    /// The cursor of the next page; nothing after the last one. The next request sees it as `cursor`.
    pub next: Option<Written>,
    /// The address of the next page, absolute or from the root; nothing after the last one. It is asked for as
    /// it is, when its host is one that requests may go to. Where `next` gives something, that is followed instead.
    pub next_url: Option<Written>,
}
