//! What both sides of a field agreed on last, as digests: nothing of a value can be read off them, and they compare as
//! values do before a write.
//!
//! Two questions are answered by it. Was a field that several sides may write changed on both of them? And is what a system
//! reports only what we wrote there ourselves?

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::compare;
use super::target::Target;
use crate::connector::IdForm;
use crate::value::Value;

/// Stands for a field of a record: of a nested payload, for one of its leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldKey(pub [u8; 16]);

/// Stands for a value: the same for values that mean the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ValueDigest(pub [u8; 16]);

/// A field, and what it holds since a call of ours: both sides agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// The field.
    pub field: FieldKey,
    /// Its value.
    pub value: ValueDigest,
    /// True when we wrote it, and nobody was heard to change it since: what reports it is an echo.
    pub ours: bool,
}

/// What is known of fields: the value that was agreed on last.
pub type Agreements = HashMap<FieldKey, ValueDigest>;

/// Names a record of a client: what its fields' keys begin with.
#[derive(Debug, Clone, Copy)]
pub struct RecordName<'a> {
    /// The client.
    pub client: &'a str,
    /// The connection.
    pub connection: &'a str,
    /// The object.
    pub object: &'a str,
    /// The record's id, without what does not count of it.
    pub record: &'a str,
}

impl RecordName<'_> {
    /// The key of a field.
    pub fn field(&self, name: &str) -> FieldKey {
        let Self { client, connection, object, record } = self;
        FieldKey(digest(&[client, connection, object, record, name]))
    }

    /// A field with its value, or each leaf of a nested one.
    pub fn agreed(&self, ids: Option<&IdForm>, name: &str, value: &Value, ours: bool) -> Vec<Agreed> {
        match value {
            Value::Map(map) if !map.is_empty() => {
                let leaf = |(key, value): (&Arc<str>, &Value)| {
                    self.agreed(ids, &format!("{name}.{key}"), value, ours)
                };
                map.iter().flat_map(leaf).collect()
            }
            value => vec![Agreed { field: self.field(name), value: ValueDigest::of(ids, value), ours }],
        }
    }

    /// What a field holds now that held `was` before: of a nested one, each leaf that `was` names.
    pub fn changed(&self, ids: Option<&IdForm>, name: &str, was: &Value, now: &Value) -> Vec<Agreed> {
        let (Value::Map(was), Value::Map(map)) = (was, now) else {
            return self.agreed(ids, name, now, false);
        };
        let leaf = |(key, was): (&Arc<str>, &Value)| {
            self.changed(ids, &format!("{name}.{key}"), was, map.get(key).unwrap_or(&Value::Null))
        };
        was.iter().flat_map(leaf).collect()
    }
}

impl Target {
    /// The name of one of its records.
    pub(super) fn record_name<'a>(&'a self, client: &'a str, id: &'a str) -> RecordName<'a> {
        RecordName { client, connection: &self.connection, object: &self.object, record: self.id_core(id) }
    }
}

impl ValueDigest {
    /// Of a value of a system that may write an id in more than one way.
    pub fn of(ids: Option<&IdForm>, value: &Value) -> Self {
        let mut text = String::new();
        write(ids, value, &mut text);
        Self(digest(&[&text]))
    }
}

/// Values that compare as the same are written as the same text.
fn write(ids: Option<&IdForm>, value: &Value, text: &mut String) {
    match value {
        blank if blank.is_blank() => text.push('-'),
        Value::List(items) => {
            for item in items.iter() {
                text.push('\u{1e}');
                write(ids, item, text);
            }
        }
        Value::Map(map) => {
            let mut entries: Vec<(&Arc<str>, &Value)> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| Arc::clone(key));
            for (key, value) in entries {
                text.push('\u{1d}');
                text.push_str(key);
                text.push('\u{1f}');
                write(ids, value, text);
            }
        }
        scalar => text.push_str(&compare::canonical(ids, scalar)),
    }
}

fn digest(parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hash.finalize()[..16]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        Value::from_json(json.as_bytes()).unwrap()
    }

    fn same(a: &str, b: &str) -> bool {
        ValueDigest::of(None, &value(a)) == ValueDigest::of(None, &value(b))
    }

    #[test]
    fn values_that_mean_the_same_have_one_digest() {
        for (a, b) in [
            ("45", "45.00"),
            ("45.00", r#""45""#),
            ("true", r#""true""#),
            ("null", r#""""#),
            (r#""2026-01-05T10:00:00Z""#, r#""2026-01-05T10:00:00.000+0000""#),
            (r#"[1,"2"]"#, "[1.0,2]"),
            (r#"[{"a":1,"b":2}]"#, r#"[{"b":2,"a":1}]"#),
        ] {
            assert!(same(a, b), "{a} and {b}");
        }
        for (a, b) in [("1", "2"), (r#""a""#, r#""A""#), ("0", "null"), ("[1,2]", "[12]"), ("[1,2]", "[2,1]")]
        {
            assert!(!same(a, b), "{a} and {b}");
        }
    }

    #[test]
    fn leaves_of_a_nested_value_have_keys_of_their_own() {
        let record = RecordName { client: "acme", connection: "crm", object: "Account", record: "1" };
        let all = record.agreed(None, "metadata", &value(r#"{"a":1,"b":{"c":2}}"#), true);
        let keys: Vec<FieldKey> = all.iter().map(|agreed| agreed.field).collect();
        assert_eq!(keys, [record.field("metadata.a"), record.field("metadata.b.c")]);
        let now = value(r#"{"a":1,"b":{"c":2}}"#);
        let changed = record.changed(None, "metadata", &value(r#"{"b":{"c":1}}"#), &now);
        assert_eq!(changed, [Agreed { ours: false, ..all[1] }]);
        let other = RecordName { record: "2", ..record };
        assert_ne!(record.field("Name"), other.field("Name"));
    }
}
