//! A manifest file, from the top.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::AuthFile;
use super::batch::BatchFile;
use super::endpoints::EndpointsFile;
use super::errors::ErrorsFile;
use super::events::{EventsFile, WebhookFile};
use super::mail::Transport;
use super::object::ObjectFile;
use super::operation::OperationFile;
use super::request::{Encoding, Method};
use super::setting::SettingFile;
use crate::words::{Identifier, Name, Rate, Span};
use crate::written::Written;

/// A connector: how one kind of system is talked to. The built-in ones are files of this format too.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// The connector's name; the same as the file's.
    pub name: Name,
    /// The system's name, for people.
    pub title: String,
    /// What the system is, and what to know before using it.
    #[serde(default)]
    pub description: Option<String>,
    /// What a connection has to be told: the keys of its `config`.
    #[serde(default)]
    pub config: IndexMap<Identifier, SettingFile>,
    /// How the system is reached: requests over `http`, or mails over `smtp`.
    #[serde(default)]
    pub transport: Transport,
    /// The address that every request begins with.
    pub base_url: Written,
    /// Hosts that requests may go to besides those of the settings: `api.example.com`, `*.example.com`. What an answer
    /// names (the address beside a token, the next page) is held to this list.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Hosts that a redirect may lead to: `*.example.com`. The request is then sent there as it is, body and credentials
    /// included. A redirect to anywhere else is not followed, and a failure; so is every one when this is left out.
    #[serde(default)]
    pub redirects: Vec<String>,
    /// How a request shows who sends it.
    #[serde(default)]
    pub auth: AuthFile,
    /// What holds for every request that does not say otherwise.
    #[serde(default)]
    pub defaults: DefaultsFile,
    /// How much the system takes.
    #[serde(default)]
    pub limits: LimitsFile,
    /// How the system knows a repeated request.
    #[serde(default)]
    pub idempotency: Option<IdempotencyFile>,
    /// How an id may be written, where there is more than one way: a regular expression for a whole text, whose first group
    /// is what counts. Two texts that match are one id when their groups are equal: `'([0-9A-Za-z]{15})([A-Z0-5]{3})?'`.
    #[serde(default)]
    pub ids: Option<String>,
    /// How the system takes money: with it `validate` finds amounts that are a hundred times what was meant.
    #[serde(default)]
    pub amounts: Amounts,
    /// Query languages and text formats, by the name that `quoted` and `escaped` use.
    #[serde(default)]
    pub languages: IndexMap<Identifier, LanguageFile>,
    /// How failures read.
    #[serde(default)]
    pub errors: ErrorsFile,
    /// Calls that are made beforehand and whose answers are kept, by the name under which expressions read them as
    /// `prelude.<name>`: the ids of fields, options, stages and tags of this account. One is made when something first needs it.
    #[serde(default)]
    pub preludes: IndexMap<Identifier, PreludeFile>,
    /// How several calls go out as one request, by the name that `batch` of an operation uses: for loops that say
    /// `batch: true`.
    #[serde(default)]
    pub batches: IndexMap<Identifier, BatchFile>,
    /// What several objects have in common, by the name that `like` uses.
    #[serde(default)]
    pub shapes: IndexMap<Identifier, ObjectFile>,
    /// The kinds of records; `"*"` stands for every one that is not named.
    #[serde(default)]
    pub objects: IndexMap<String, ObjectFile>,
    /// Other operations, by the name that `call` uses.
    #[serde(default)]
    pub operations: IndexMap<String, OperationFile>,
    /// A harmless request that proves that the connection works.
    #[serde(default)]
    pub health: Option<OperationFile>,
    /// What the account says of the fields of `object`: a list of maps, of which `name` and `type` are a must. `type` is one of text,
    /// number, integer, boolean, date, datetime, option (one of `options`), options (any of them), reference (the id of a record),
    /// other (not to be checked). Beside them: `label`; `required` (no record is created without it); `create` and `update` (false when
    /// it cannot be given then); `unique` (left out when the system does not say); `multiple` (it holds several values); `length` of
    /// a text; `options`, and `open` when other values are taken too; `also`, another name under which it may be written.
    #[serde(default)]
    pub describe: Option<OperationFile>,
    /// How the system's deliveries are known to be its own.
    #[serde(default)]
    pub webhook: Option<WebhookFile>,
    /// How its events read.
    #[serde(default)]
    pub events: Option<EventsFile>,
    /// Where it is told to send them.
    #[serde(default)]
    pub endpoints: Option<EndpointsFile>,
}

/// A call that is made beforehand, and whose answer is kept.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreludeFile {
    /// How long an answer is kept; an hour when left out.
    #[serde(default)]
    pub keep: Option<Span>,
    /// The call; what is kept is its `response.result`, unless that is nothing. A parameter that it declares is what the call that
    /// needs it sees under that name, and it is made for each value: `object` for each object (whose `vars` it sees), `to` for each
    /// thing that is linked, `id` for each record.
    pub call: OperationFile,
    /// A call that makes what the first one did not find, with the same parameters; the first is then made again. For what a system
    /// wants to have before it can be referred to: a tag, a store.
    #[serde(default)]
    pub create: Option<OperationFile>,
}

/// What holds for every request that does not say otherwise.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DefaultsFile {
    /// Headers of every request, a map. Nothing leaves one out.
    pub headers: Option<Written>,
    /// How bodies are written; JSON when left out.
    pub encoding: Encoding,
    /// How long to wait for an answer; 30 seconds when left out.
    pub timeout: Option<Span>,
    /// The batch of every operation that names none, lists aside: for systems that take any calls together.
    pub batch: Option<Identifier>,
    /// How many bytes an answer may have; 8 MB when left out, and never more than 64 MB.
    #[schemars(range(min = 1, max = 67_108_864))]
    pub max_response: Option<u32>,
}

/// How much the system takes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsFile {
    /// So many requests in so long; all of them hold. As many may go at once, and then evenly: `2/s` is two at once, `40/20s` forty
    /// at once and then two a second.
    pub rates: Vec<Rate>,
    /// What is read off each good answer and kept for the operation: `last` in the expressions of `errors`, for systems that
    /// say beforehand how long a refusal will last. A map.
    pub remember: Option<Written>,
    /// How many requests may be under way at once; 16 when left out.
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: Option<u32>,
    /// How many calls the system takes in a day, of an account such as most have: what `lockstep quota` compares with when no rate says
    /// it. It holds nothing back.
    pub daily: Option<u64>,
    /// Where the system says how much of a quota is used up.
    pub usage: Option<UsageFile>,
}

/// Where the system says how much of a quota is used up.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageFile {
    /// The header.
    pub header: String,
    /// A regular expression with two groups: what is used, and of how much.
    pub pattern: String,
}

/// How the system knows a repeated request.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdempotencyFile {
    /// The header that carries the key.
    pub header: String,
    /// How long the system remembers a key.
    pub valid: Span,
    /// The methods for which it does.
    pub methods: Vec<Method>,
}

/// How a system takes money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Amounts {
    /// In the currency's own unit: `45.00`.
    #[default]
    Decimal,
    /// In whole numbers of its smallest unit: `4500`.
    Minor,
    /// One way here, the other there: nothing is said about it.
    Any,
}

/// How values are written in a query language or a text format, so that no value can change the text's structure.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageFile {
    /// What stands before and after a text; nothing for a format without quotes.
    pub quote: String,
    /// What is written for a character: `{ "'": "\\'" }`. Each character is replaced once.
    pub escape: IndexMap<String, String>,
    /// True to refuse control characters that `escape` does not name.
    pub printable: bool,
    /// A regular expression that a whole name (of a field, of an object) has to match; without it there are no names.
    pub name: Option<String>,
    /// A regular expression: a text that matches as a whole is written without quotes (dates, in some languages).
    pub bare: Option<String>,
    /// How nothing is written; refused when left out.
    pub nothing: Option<String>,
    /// How lists are written; refused when left out, and an empty one always.
    pub list: Option<ListLiteralFile>,
}

/// How a list is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListLiteralFile {
    /// What stands before it.
    pub open: String,
    /// What stands between its elements.
    pub separator: String,
    /// What stands after it.
    pub close: String,
}
