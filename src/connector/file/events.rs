//! `webhook:` and `events:`, what a system tells us of itself.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::operation::OperationFile;
use crate::words::{Identifier, Span};
use crate::written::{Script, Written};

/// How the system's deliveries are known to be its own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookFile {
    /// The secrets by which a delivery is known; several while one is replaced by the next. Without any, none is taken.
    pub secrets: Written,
    /// How a delivery is signed with one of them. Exactly one of `signature`, `token` and `basic` is given.
    #[serde(default)]
    pub signature: Option<SignatureFile>,
    /// Where a delivery carries one of them as it is: an expression over `event` (the body), `headers` (names in lower case) and
    /// `query` (the address's parameters).
    #[serde(default)]
    pub token: Option<Written>,
    /// The user's name of HTTP basic authentication; the secrets are its passwords.
    #[serde(default)]
    pub basic: Option<Written>,
    /// How the body is written.
    #[serde(default)]
    pub body: DeliveryBody,
    /// The address under which the system reaches this one, `https://hooks.example.com`, for signatures over it; the request's own
    /// host when left out.
    #[serde(default)]
    pub url: Option<Written>,
    /// Keys of an event that are thrown away once it is known to be genuine: tokens beside what is told.
    #[serde(default)]
    pub forget: Vec<String>,
    /// The key under which each event is given an `id` of its own and the time at which it was `received`, in unix seconds: for
    /// systems whose deliveries carry none. Each delivery is then an event by itself.
    #[serde(default)]
    pub stamp: Option<Identifier>,
}

/// How the body of a delivery is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryBody {
    /// JSON: one event, or a list of them.
    #[default]
    Json,
    /// A form; brackets in its names are maps and lists.
    Form,
}

/// How a delivery is signed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureFile {
    /// The header that carries the signature.
    pub header: String,
    /// How the header reads.
    pub scheme: SignatureScheme,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: SignatureEncoding,
    /// How old, or how far ahead of our clock, a signed time may be; 5 minutes when left out. Has no meaning for a
    /// scheme without a time.
    #[serde(default)]
    pub tolerance: Option<Span>,
}

/// How a signature header reads. The signature is always an HMAC-SHA256.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SignatureScheme {
    /// `t=<unix seconds>,v1=<signature>,...`: the time, a full stop and the raw body are signed. Several signatures may
    /// stand there; keys other than these two are passed over.
    Timestamped {
        /// The key of the time.
        time: String,
        /// The key of a signature.
        signature: String,
    },
    /// The signature alone, perhaps behind a prefix: the raw body is signed.
    Plain {
        /// What stands before the signature: `sha256=`.
        #[serde(default)]
        prefix: String,
    },
    /// The signature alone: parts of the request, one after another, are signed.
    Request {
        /// The parts, in order.
        parts: Vec<SignedPart>,
        /// The header of the time, unix seconds or milliseconds.
        #[serde(default)]
        time: Option<String>,
    },
}

/// A part of a request that is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignedPart {
    /// `POST`.
    Method,
    /// The whole address, as the system called it.
    Url,
    /// The raw body.
    Body,
    /// The time, as its header says it.
    Time,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignatureEncoding {
    /// Lower-case hexadecimal.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// How an event reads: the same for a delivery and for a listing. Expressions see `event`, the whole body.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsFile {
    /// The events of one delivery, a list, where they stand somewhere inside of its body. A body that is a list needs no word.
    #[serde(default)]
    pub each: Option<Written>,
    /// What makes two deliveries the same event.
    pub id: Written,
    /// The event's type: `invoice.paid`.
    #[serde(rename = "type")]
    pub kind: Written,
    /// When it happened: unix seconds or milliseconds, or RFC 3339.
    pub created: Written,
    /// What the event is about.
    pub object: Written,
    /// The id of that record.
    pub object_id: Written,
    /// The name of that kind of record among the manifest's `objects`, by which it can be read anew.
    #[serde(default)]
    pub object_type: Option<Written>,
    /// The old values of what changed.
    #[serde(default)]
    pub previous: Option<Written>,
    /// What runs are kept in order by; the record's id when left out or nothing.
    #[serde(default)]
    pub order_key: Option<Written>,
    /// Whether it is about real money.
    #[serde(default)]
    pub livemode: Option<Written>,
    /// The account it belongs to.
    #[serde(default)]
    pub account: Option<Written>,
    /// The version of the API whose shape it has.
    #[serde(default)]
    pub api_version: Option<Written>,
    /// The idempotency key of the request that caused it: how an echo of our own write is known.
    #[serde(default)]
    pub mark: Option<Written>,
    /// Holds when the event has no record in it, only the address of one.
    #[serde(default)]
    pub thin: Option<Script>,
    /// True when an event only names its record: `object` is read when a run begins, unless the type says that it is `gone`.
    #[serde(default)]
    pub read_back: bool,
    /// The types that there are: what `validate` holds a trigger's `events` to. Any, when left out.
    #[serde(default)]
    pub types: IndexMap<String, EventTypeFile>,
    /// What a connection expects of its events, from its `config`; an event that differs is foreign.
    #[serde(default)]
    pub expect: ExpectFile,
    /// Types that tell of an occurrence (a payment failed) rather than of a record's state (it was updated): by default
    /// they are applied even when something newer was seen before. `*` stands for any text.
    #[serde(default)]
    pub occurrences: Vec<String>,
    /// The order of types within one moment of time: the first entry that fits decides.
    #[serde(default)]
    pub ranks: Vec<EventRankFile>,
    /// Where the record itself tells how far it is: what decides between events of one moment and one rank.
    #[serde(default)]
    pub stages: Vec<StagesFile>,
    /// Reads a page of past events, newest first. The request sees `types` (a list, in which `*` stands for any text), `since`,
    /// `limit` and `cursor`; what is not of these types is passed over.
    #[serde(default)]
    pub list: Option<OperationFile>,
}

/// One type of event.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventTypeFile {
    /// What it tells.
    pub description: Option<String>,
    /// The kind of record that it is about, one of the manifest's `objects`.
    pub object: Option<String>,
    /// True when the record is not there any more.
    pub gone: bool,
}

/// What a connection expects of its events. Expressions see `config`; nothing means that anything is right.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectFile {
    /// Whether they are about real money.
    pub livemode: Option<Written>,
    /// The account they belong to.
    pub account: Option<Written>,
    /// The version of the API whose shape they have.
    pub api_version: Option<Written>,
}

/// How far a record is, by a field of its own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagesFile {
    /// The kind of record, as `object_type` names it.
    pub object: String,
    /// The field that tells.
    pub field: String,
    /// Its values, the earliest stage first; values of one stage stand together: `[[draft], [open], [paid, void]]`.
    pub order: Vec<Vec<String>>,
}

/// Where in a record's life some event types stand.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventRankFile {
    /// The types; `*` stands for any text.
    pub types: Vec<String>,
    /// Lower comes first; 50 is the rank of every type that no entry fits.
    pub rank: u8,
}
