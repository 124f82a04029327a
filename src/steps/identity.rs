//! What identifies a record: alternatives in order, and the canonical form in which identities are locked and kept.

use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::compare;
use super::journal::Identity;
use super::target::Target;
use crate::connector::Fields;
use crate::value::{Map, Value};

impl Identity {
    /// The identity that `fields` together give a record of `target`. Fields in any order give the same one.
    pub(super) fn of_fields(target: &Target, fields: &Fields) -> Self {
        let mut names: Vec<&Arc<str>> = fields.keys().collect();
        names.sort();
        let key = Value::map(names.into_iter().map(|name| (Arc::clone(name), canonical(&fields[name]))));
        Self::new(target, &key)
    }

    /// The identity that a bare value gives a record of `target`, in our own store.
    pub(super) fn of_value(target: &Target, value: &Value) -> Self {
        Self::new(target, &canonical(value))
    }

    /// The identity of a call of an operation.
    pub(super) fn of_call(connection: &Arc<str>, operation: &Arc<str>, value: &Value) -> Self {
        Self {
            connection: Arc::clone(connection),
            object: Arc::clone(operation),
            key: digest(&canonical(value)),
        }
    }

    fn new(target: &Target, key: &Value) -> Self {
        Self {
            connection: Arc::clone(&target.connection),
            object: Arc::clone(&target.object),
            key: digest(key),
        }
    }
}

/// Identities outlive what they were read from, and an e-mail address is one: their digest tells them apart as well.
fn digest(key: &Value) -> Arc<str> {
    let bytes = Sha256::digest(key.to_json());
    let text = bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    text.into()
}

/// One form for all that identifies the same: scalars as text, e-mails folded, decimals without trailing zeros.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::from(compare::folded(text)),
        Value::Decimal(decimal) => Value::from(decimal.normalize().to_string()),
        Value::Bool(_) | Value::Int(_) => Value::from(value.to_string()),
        Value::Null => Value::Null,
        Value::List(items) => Value::list(items.iter().map(canonical)),
        Value::Map(map) => Value::map(map.iter().map(|(key, value)| (Arc::clone(key), canonical(value)))),
    }
}

/// An identity in words: `Stripe_Customer_Id__c = cus_1 and Email = ann@x.example`.
pub(super) fn in_words(fields: &Fields) -> String {
    let parts: Vec<String> = fields.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    parts.join(" and ")
}

/// The first field of `earlier` identities that `record` carries with another value: it belongs to somebody else.
pub(super) fn contradiction<'a>(
    record: &Value,
    earlier: &'a [Fields],
) -> Option<(&'a Arc<str>, &'a Value, Value)> {
    earlier.iter().flat_map(Map::iter).find_map(|(name, wanted)| {
        let carried = record.get(name).filter(|carried| !carried.is_blank())?;
        (!compare::same_identity(wanted, carried)).then(|| (name, wanted, carried.clone()))
    })
}

/// Surrounding white space never identifies anything: it is not sent.
pub(super) fn trimmed(value: Value) -> Value {
    match value.as_str() {
        Some(text) if text.trim().len() != text.len() => Value::from(text.trim()),
        _ => value,
    }
}
