//! `errors:`, how a failure reads and what class it is.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::connector::Class;
use crate::value::Value;
use crate::written::{Script, Written};

/// How a failure reads, and what class it is. Expressions see `response.status`, `response.headers` (names in
/// lower case) and `response.body`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ErrorsFile {
    /// The system's own code.
    pub code: Option<Written>,
    /// What it says to people.
    pub message: Option<Written>,
    /// The field or fields it complains about.
    pub fields: Option<Written>,
    /// The id of the record that is already there.
    pub other: Option<Written>,
    /// The records among which a person has to choose.
    pub candidates: Option<Written>,
    /// How many seconds it asks to be left alone. The header `Retry-After` is obeyed without being named.
    pub wait: Option<Written>,
    /// Rules, the first that fits decides; those of an operation come before those of the manifest, and what none
    /// fits is decided by status: 401 expired (or connection-wide, when nothing can be renewed), 402 and 403
    /// permanent, 404 and 410 missing, 408, 425 and 429 throttled, 409 and 423 locked, 5xx transient, anything
    /// else permanent.
    pub rules: Vec<RuleFile>,
}

/// One rule of classification. All conditions that it names must hold.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The HTTP status: `401`, `5xx`, or a list of such.
    #[serde(default)]
    pub status: Option<Statuses>,
    /// The system's code: one, or a list of which one.
    #[serde(default)]
    pub code: Option<Words>,
    /// A regular expression that the system's message contains.
    #[serde(default)]
    pub message: Option<String>,
    /// A regular expression that the body's text contains.
    #[serde(default)]
    pub text: Option<String>,
    /// What kind of body came.
    #[serde(default)]
    pub body: Option<BodyKind>,
    /// Headers, each with a regular expression that its value contains; an empty one means that it is there.
    #[serde(default)]
    pub header: IndexMap<String, String>,
    /// Any other condition.
    #[serde(default)]
    pub when: Option<Script>,
    /// What class it then is.
    pub class: Class,
    /// How long to leave the system alone: a length of time (`30s`), or an expression that gives seconds.
    #[serde(default)]
    pub wait: Option<Written>,
    /// The moment until which to leave the system alone: an expression that gives unix seconds, often of what `limits.remember`
    /// kept (`$.last.reset_at`). A `wait` beside it is for when it gives nothing, or a moment that has passed.
    #[serde(default)]
    pub wait_until: Option<Written>,
    /// Who waits when this rule throttles.
    #[serde(default)]
    pub holds: Holds,
    /// The id of the record that is already there, when this rule knows it better.
    #[serde(default)]
    pub other: Option<Written>,
    /// The records among which a person has to choose, when this rule knows them better.
    #[serde(default)]
    pub candidates: Option<Written>,
    /// True when it is certain that nothing was done, although the status says 5xx: the call is then repeated
    /// without looking first.
    #[serde(default)]
    pub untouched: bool,
}

/// What a throttled answer holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// The whole connection; an operation with a `rate` of its own only itself.
    #[default]
    Connection,
    /// The operation alone.
    Operation,
}

/// What kind of body an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// JSON.
    Json,
    /// A page for people: nearly always a proxy's.
    Html,
    /// Any other text.
    Text,
    /// None at all.
    Empty,
}

/// HTTP statuses: `401`, `5xx`, or a list of such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(pub Vec<StatusRange>);

/// The statuses from `first` to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// The first one.
    pub first: u16,
    /// The last one; the same for a single status.
    pub last: u16,
}

impl Statuses {
    /// True when `status` is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| (range.first..=range.last).contains(&status))
    }

    fn read(value: &Value) -> Option<Vec<StatusRange>> {
        match value {
            Value::Int(status) => {
                let status = u16::try_from(*status).ok().filter(|status| (100..600).contains(status))?;
                Some(vec![StatusRange { first: status, last: status }])
            }
            Value::Text(text) => {
                let class: u16 =
                    text.strip_suffix("xx")?.parse().ok().filter(|class| (1..6).contains(class))?;
                Some(vec![StatusRange { first: class * 100, last: class * 100 + 99 }])
            }
            Value::List(items) => {
                let ranges: Option<Vec<_>> = items.iter().map(Self::read).collect();
                ranges.map(|ranges| ranges.into_iter().flatten().collect())
            }
            Value::Null | Value::Bool(_) | Value::Decimal(_) | Value::Map(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::read(&value).map(Self).ok_or_else(|| {
            de::Error::custom("expected a status (429), a class of them (5xx), or a list of such")
        })
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "HTTP statuses: `401`, `5xx`, or a list of such.",
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": "^[1-5]xx$" },
                { "type": "array", "items": { "anyOf": [
                    { "type": "integer", "minimum": 100, "maximum": 599 },
                    { "type": "string", "pattern": "^[1-5]xx$" }
                ] } }
            ]
        })
    }
}

/// One word, or a list of words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Words {
    /// One.
    One(String),
    /// Any of these.
    AnyOf(Vec<String>),
}

impl Words {
    /// The words as a list.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::AnyOf(words) => words,
        }
    }
}
