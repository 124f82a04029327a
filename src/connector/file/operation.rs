//! One operation: a request, how its answer reads, and what may be relied on.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::errors::ErrorsFile;
use super::job::JobFile;
use super::mail::MailFile;
use super::request::{RequestFile, ResponseFile};
use crate::connector::AfterUnknown;
use crate::words::{Identifier, Rate, Span};

/// One operation: a request (or a mail), how its answer reads, and what may be relied on.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationFile {
    /// What it does, for people.
    #[serde(default)]
    pub description: Option<String>,
    /// The request.
    #[serde(default)]
    pub request: Option<RequestFile>,
    /// The mail, over `transport: smtp`.
    #[serde(default)]
    pub mail: Option<MailFile>,
    /// How the answer reads.
    #[serde(default)]
    pub response: ResponseFile,
    /// How its failures read, where they differ from the manifest's.
    #[serde(default)]
    pub errors: ErrorsFile,
    /// Of a find: the fields it can look up by, all of them or any part; any field when left out.
    #[serde(default)]
    pub by: Option<Vec<String>>,
    /// Of a find or an upsert: true when it looks by exactly one field, `name` with its `value`.
    #[serde(default)]
    pub single: bool,
    /// Of a find or a list: false when it asks an index that lags behind writes. Finding nothing then proves nothing.
    #[serde(default = "yes")]
    pub consistent: bool,
    /// What doing it twice does. When left out: reads, updates, deletes, upserts, links and unlinks are harmless; anything
    /// else is harmless with an idempotency key where the manifest has one, and otherwise doubles.
    #[serde(default)]
    pub repeat: Option<RepeatFile>,
    /// What follows when the answer was lost. When left out: `look_up`, for a message `send_again`.
    #[serde(default)]
    pub after_unknown: Option<AfterUnknown>,
    /// True when it tells a person something and leaves no record, so that it needs no identity.
    #[serde(default)]
    pub message: bool,
    /// Why a person should think before using it: it mails somebody, deletes for good.
    #[serde(default)]
    pub dangerous: Option<String>,
    /// Of a named operation: the parameters it knows. Those it does not know are `rest` in the request; when the
    /// request does not use `rest`, they are refused.
    #[serde(default)]
    pub params: IndexMap<String, ParamFile>,
    /// Of a list: how it is narrowed to records that changed since a moment. The request sees `since`, when that is asked
    /// for: `since.field`, `since.at` (RFC 3339, UTC, whole seconds), and both as one condition `since.from`, a map.
    #[serde(default)]
    pub since: Option<SinceFile>,
    /// Of a list of an object: how the system does it in the background, for listings that are large.
    #[serde(default)]
    pub job: Option<JobFile>,
    /// How several calls of it go out as one request: one of `batches`.
    #[serde(default)]
    pub batch: Option<Identifier>,
    /// Its own rate limit, besides the connection's.
    #[serde(default)]
    pub rate: Option<Rate>,
}

fn yes() -> bool {
    true
}

/// How a list is narrowed to records that changed since a moment.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SinceFile {
    /// The fields that can tell when a record changed; any field when left out.
    pub fields: Vec<String>,
    /// For how long a change may be listed late, by clocks and transactions that take their time: polls ask again for so
    /// much before the last change that they saw. 2 minutes when left out.
    pub overlap: Option<Span>,
}

/// One parameter of a named operation.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParamFile {
    /// What it is.
    pub description: String,
    /// True when the operation cannot do without it.
    #[serde(default)]
    pub required: bool,
    /// Of which kind its value is: `validate` refuses another one that is written out. Any, when left out.
    #[serde(default, rename = "type")]
    pub kind: Option<ParamKind>,
}

/// The kinds of values that a parameter can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParamKind {
    /// Text, or what can be written as one.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List,
    /// A map.
    Map,
}

impl ParamKind {
    /// The kind in a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "a whole number",
            Self::Boolean => "`true` or `false`",
            Self::List => "a list",
            Self::Map => "a map",
        }
    }
}

/// What doing something twice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepeatFile {
    /// No more than doing it once.
    Harmless,
    /// It is done twice.
    Doubles,
}
