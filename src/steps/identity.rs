//! What identifies a record: alternatives in order, and the canonical form in which identities are locked and kept.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::compare;
use super::journal::Identity;
use super::target::Target;
use crate::connector::{Fields, IdForm, folded};
use crate::value::{Map, Value};

impl Identity {
    /// The identity that `fields` together give a record of `target`. Fields in any order, by their own names or by the
    /// client's words for them, give the same one.
    pub(super) fn of_fields(target: &Target, fields: &Fields) -> Self {
        // By the system's own names: who writes a client's word for a field means the same as who names the field.
        let named: BTreeMap<&str, &Value> =
            fields.iter().map(|(name, value)| (target.field(name), value)).collect();
        let key = Value::map(named.into_iter().map(|(name, value)| (name, canonical(target.ids(), value))));
        Self::new(target, &key)
    }

    /// The identity that a bare value gives a record of `target`, in our own store.
    pub(super) fn of_value(target: &Target, value: &Value) -> Self {
        Self::new(target, &canonical(target.ids(), value))
    }

    /// The identity of a call of an operation.
    pub(super) fn of_call(connection: &Arc<str>, operation: &Arc<str>, value: &Value) -> Self {
        Self {
            connection: Arc::clone(connection),
            object: Arc::clone(operation),
            key: digest(&canonical(None, value)),
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

/// One form for all that identifies the same: scalars as text, e-mails folded, ids by what counts of them, decimals
/// without trailing zeros.
fn canonical(ids: Option<&IdForm>, value: &Value) -> Value {
    match value {
        Value::Text(text) => match ids.and_then(|ids| ids.core(text.trim())) {
            Some(core) => Value::from(core),
            None => Value::from(folded(text)),
        },
        Value::Decimal(decimal) => Value::from(decimal.normalize().to_string()),
        Value::Bool(_) | Value::Int(_) => Value::from(value.to_string()),
        Value::Null => Value::Null,
        Value::List(items) => Value::list(items.iter().map(|item| canonical(ids, item))),
        Value::Map(map) => {
            Value::map(map.iter().map(|(key, value)| (Arc::clone(key), canonical(ids, value))))
        }
    }
}

/// An identity in words: `Stripe_Customer_Id__c = cus_1 and Email = ann@x.example`.
pub(super) fn in_words(fields: &Fields) -> String {
    let parts: Vec<String> = fields.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    parts.join(" and ")
}

/// The first field of `earlier` identities that `record` carries with another value: it belongs to somebody else.
pub(super) fn contradiction<'a>(
    target: &Target,
    record: &Value,
    earlier: &'a [Fields],
) -> Option<(&'a Arc<str>, &'a Value, Value)> {
    earlier.iter().flat_map(Map::iter).find_map(|(name, wanted)| {
        let carried = record.get(name).filter(|carried| !carried.is_blank())?;
        (!compare::same_identity(target.ids(), wanted, carried)).then(|| (name, wanted, carried.clone()))
    })
}

/// Surrounding white space never identifies anything: it is not sent.
pub(super) fn trimmed(value: Value) -> Value {
    match value.as_str() {
        Some(text) if text.trim().len() != text.len() => Value::from(text.trim()),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::connector::{Abilities, ObjectFacts};

    fn target(words: &[(&str, &str)]) -> Target {
        let abilities = Arc::new(Abilities::new::<&str, &str>([("*", ObjectFacts::default())], []));
        let words = words.iter().map(|(word, field)| ((*word).to_owned(), (*field).to_owned())).collect();
        let abilities = abilities.with_words(&[("Account".to_owned(), words)].into_iter().collect());
        Target { connection: "crm".into(), object: "Account".into(), abilities, heard: false }
    }

    fn fields(json: &str) -> Fields {
        Value::from_json(json.as_bytes()).unwrap().as_map().cloned().unwrap()
    }

    #[test]
    fn one_identity_is_one_however_it_is_written() {
        let target = target(&[("stripe_id", "Ref__c")]);
        for (one, other) in [
            (r#"{"stripe_id":"cus_1"}"#, r#"{"Ref__c":"cus_1"}"#),
            (
                r#"{"stripe_id":"cus_1","Email":" Ann@X.example"}"#,
                r#"{"Email":"ann@x.example","Ref__c":"cus_1 "}"#,
            ),
            (r#"{"Number":5}"#, r#"{"Number":"5"}"#),
        ] {
            let (one, other) = (fields(one), fields(other));
            assert_eq!(Identity::of_fields(&target, &one), Identity::of_fields(&target, &other));
        }
        let (one, other) = (fields(r#"{"Ref__c":"cus_1"}"#), fields(r#"{"Ref__c":"CUS_1"}"#));
        assert_ne!(Identity::of_fields(&target, &one), Identity::of_fields(&target, &other));
    }
}
