//! `create`: one new record, once.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Params;
use crate::config::words::ObjectRef;
use crate::config::written::{Fields, Written};
use crate::value::Value;

/// Writes one new record. If a record with its key exists, the outcome is `found` and nothing is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateStep {
    /// Which object.
    pub object: ObjectRef,
    /// What makes it the same record again, however often the run is repeated.
    #[serde(default)]
    pub key: Option<Key>,
    /// What is written: target field -> value expression.
    pub fields: Fields,
    /// What is passed beside the fields.
    #[serde(default)]
    pub params: Params,
}

/// What makes a created record the same one again.
///
/// A map is fields, unless it is itself a value expression (`from`, `script`, `each`, `literal`, `payload`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "Written")]
#[schemars(untagged)]
pub enum Key {
    /// Fields that are written with the record, and by which it is looked up.
    Fields(Fields),
    /// A value that lockstep keeps in its own store, where the system has no field for it.
    Value(Written),
}

impl From<Written> for Key {
    fn from(written: Written) -> Self {
        match written.0.as_map() {
            Some(map) if !written.is_expression() => {
                let field = |(name, value): (&Arc<str>, &Value)| (name.to_string(), Written(value.clone()));
                Self::Fields(map.iter().map(field).collect())
            }
            _ => Self::Value(written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_fields_unless_its_map_is_a_value_expression() {
        let key = |json: &str| Key::from(Written(Value::from_json(json.as_bytes()).unwrap()));
        for fields in [r#"{"Invoice__c": "$.object.id"}"#, r#"{"Invoice__c": {"from": "$.object.id"}}"#] {
            assert!(
                matches!(key(fields), Key::Fields(fields) if fields.contains_key("Invoice__c")),
                "{fields}"
            );
        }
        for value in
            [r#""$.object.id""#, r#"{"from": "$.object.id", "transform": "lower"}"#, r#"{"script": "1"}"#]
        {
            assert!(matches!(key(value), Key::Value(_)), "{value}");
        }
    }
}
