//! Value expressions and scripts as the author wrote them. `expr` gives them their meaning.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::value::Value;

/// A value expression, as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Written(pub Value);

impl Written {
    /// True for a map that is a value expression, and not a map of value expressions.
    pub fn is_expression(&self) -> bool {
        const HEADS: [&str; 5] = ["from", "script", "each", "literal", "payload"];
        self.0.as_map().is_some_and(|map| HEADS.iter().any(|head| map.contains_key(*head)))
    }
}

impl JsonSchema for Written {
    fn schema_name() -> Cow<'static, str> {
        "ValueExpression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A value: a literal (`High`, `12`, `true`); text with scripts in it (`\"Paid ${money(object.total, object.currency)}\"`); a JSONPath (`$.object.email`); `{ from: $.object.amount_due, money: $.object.currency }` with modifiers (transform, money, minor, datetime, zone, map, truncate, default, required, nothing, write); `{ script: ... }`; `{ each: $.steps.lines.records, as: line, give: ... }`; `{ literal: \"$5\" }`; any other map or list is nested payload, each value an expression.",
        })
    }
}

/// A Rhai expression, as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Script(pub String);

/// A mapping: target field -> value expression.
pub type Fields = IndexMap<String, Written>;

/// What identifies a record.
///
/// A map is one identity: all its fields together. A list of maps is alternatives in order: the stored id, then
/// the e-mail. An alternative with an empty value is passed over; if all are, the run is a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Match {
    /// One identity.
    One(Fields),
    /// Alternatives, tried in order.
    AnyOf(Vec<Fields>),
}

impl Match {
    /// The alternatives in order; one for a plain map.
    pub fn alternatives(&self) -> &[Fields] {
        match self {
            Self::One(fields) => std::slice::from_ref(fields),
            Self::AnyOf(list) => list,
        }
    }
}
