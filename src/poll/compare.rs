//! Comparing what is listed with what was seen: digests, differences, and records that share a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::config::{Compared, Keep};
use crate::store::Digest;
use crate::value::{Map, Value};

/// What stands for a record's content: the same whatever the order of its keys.
pub fn digest(record: &Value) -> Digest {
    short(sorted(record).to_json().as_bytes())
}

/// What stands for a value that must be unique; `None` for nothing, which is shared with nobody.
pub fn key(value: &Value, compared: Compared) -> Option<Digest> {
    let text = value.to_text().map_or_else(|| sorted(value).to_json(), |text| text.trim().to_owned());
    let text = match compared {
        Compared::Text => text,
        Compared::Email => text.to_lowercase(),
        Compared::Phone => text.chars().filter(char::is_ascii_digit).collect(),
    };
    (!value.is_blank() && !text.is_empty()).then(|| short(text.as_bytes()))
}

/// What stands for an id where all those of a listing are held.
pub(super) fn short_id(record: &str) -> u64 {
    let Digest(bytes) = short(record.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(first)
}

fn short(bytes: &[u8]) -> Digest {
    let mut first = [0; 16];
    first.copy_from_slice(&Sha256::digest(bytes)[..16]);
    Digest(first)
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let entries: BTreeMap<&Arc<str>, Value> =
                map.iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::map(entries.into_iter().map(|(key, value)| (Arc::clone(key), value)))
        }
        Value::List(items) => Value::list(items.iter().map(sorted)),
        other => other.clone(),
    }
}

/// The old values of the keys that have changed: `previous`. Maps are compared key by key, lists as a whole; a key that
/// was not there is null.
pub fn difference(old: &Value, new: &Value) -> Value {
    let (Some(old), Some(new)) = (old.as_map(), new.as_map()) else { return old.clone() };
    let mut changed = Map::new();
    for (key, was) in old {
        match (was, new.get(key)) {
            (_, Some(is)) if is.same(was) => {}
            (Value::Map(_), Some(is @ Value::Map(_))) => {
                changed.insert(Arc::clone(key), difference(was, is));
            }
            _ => {
                changed.insert(Arc::clone(key), was.clone());
            }
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(&***key)) {
        changed.insert(Arc::clone(key), Value::Null);
    }
    changed.into()
}

/// Records that share a value which must be unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Names the group: its members, and who goes on.
    pub digest: Digest,
    /// The record that goes on.
    pub kept: Option<Arc<str>>,
    /// All of them, the oldest first.
    pub members: Vec<Arc<str>>,
}

/// The group of these records, each with the time when it was made.
pub fn grouped(mut members: Vec<(Option<Timestamp>, Arc<str>)>, keep: Keep) -> Group {
    members.sort();
    members.dedup();
    let members: Vec<Arc<str>> = members.into_iter().map(|(_, record)| record).collect();
    let kept = match keep {
        Keep::None => None,
        Keep::Oldest => members.first(),
        Keep::Newest => members.last(),
    };
    let kept = kept.cloned();
    let names: Vec<&str> = members.iter().chain(&kept).map(|record| &**record).collect();
    let names = names.join("\n");
    Group { digest: short(names.as_bytes()), kept, members }
}

/// A conflict names so many records; a person who has to choose among more knows enough.
const NAMED_MAX: usize = 20;

/// The records among which a person has to choose: each with its id and the value that it shares.
pub fn candidates(group: &Group, target: &str, value_of: impl Fn(&Arc<str>) -> Option<Value>) -> Vec<Value> {
    let named = group.members.iter().take(NAMED_MAX);
    named
        .map(|record| {
            Value::map([
                ("object", Value::from(target)),
                ("id", Value::from(Arc::clone(record))),
                ("value", value_of(record).unwrap_or_default()),
            ])
        })
        .collect()
}

/// Why such records are kept back.
pub fn shared_reason(target: &str) -> String {
    format!("what must be unique is the same on several {target} records")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_record_is_the_same_whatever_the_order_of_its_keys() {
        let one = json(r#"{"id":"1","address":{"city":"Bath","line1":"A"},"tags":["a","b"]}"#);
        let same = json(r#"{"tags":["a","b"],"address":{"line1":"A","city":"Bath"},"id":"1"}"#);
        let other = json(r#"{"tags":["b","a"],"address":{"line1":"A","city":"Bath"},"id":"1"}"#);
        assert_eq!(digest(&one), digest(&same));
        assert_ne!(digest(&one), digest(&other));
    }

    #[test]
    fn the_difference_is_what_the_changed_keys_were() {
        let old = json(r#"{"id":"1","plan":"a","address":{"city":"Bath","zip":"1"},"tags":[1],"gone":true}"#);
        let new = json(r#"{"id":"1","plan":"b","address":{"city":"York","zip":"1"},"tags":[1,2],"new":1}"#);
        let expected = r#"{"plan":"a","address":{"city":"Bath"},"tags":[1],"gone":true,"new":null}"#;
        assert_eq!(difference(&old, &new).to_json(), expected);
        assert_eq!(difference(&new, &new).to_json(), "{}");
    }

    #[test]
    fn values_compare_as_what_they_are() {
        let same = |one: &str, other: &str, compared| {
            key(&Value::from(one), compared) == key(&Value::from(other), compared)
        };
        assert!(same(" Ann@X.example", "ann@x.example ", Compared::Email));
        assert!(!same("Ann", "ann", Compared::Text));
        assert!(same("+44 20 7946-0000", "442079460000", Compared::Phone));
        for nothing in [Value::Null, Value::from(""), Value::from("  ")] {
            assert_eq!(key(&nothing, Compared::Email), None);
        }
        assert_eq!(key(&Value::from("n/a"), Compared::Phone), None, "no digits are no number");
    }

    #[test]
    fn who_goes_on_is_part_of_a_group() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let members = || vec![(at(5), "b".into()), (at(3), "c".into()), (at(5), "a".into())];
        let group = |keep| grouped(members(), keep);
        assert_eq!(group(Keep::None).kept, None);
        assert_eq!(group(Keep::Oldest).kept.as_deref(), Some("c"));
        assert_eq!(group(Keep::Newest).kept.as_deref(), Some("b"));
        assert_eq!(group(Keep::None).members, ["c".into(), "a".into(), "b".into()]);
        assert_ne!(group(Keep::Oldest).digest, group(Keep::Newest).digest);
        assert_eq!(group(Keep::Oldest), grouped(members().into_iter().rev().collect(), Keep::Oldest));
    }
}
