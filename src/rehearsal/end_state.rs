//! What systems hold in the end, so that two ends can be compared: records that were created have no ids of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::crm::{Crm, Held, ObjectName};
use crate::value::{Map, Value};

/// Records by object and name, fields by name.
type Records = BTreeMap<String, BTreeMap<String, Value>>;

/// What systems hold in the end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EndState {
    /// Records: `salesforce.Account 001A`, of those that were created `salesforce.Task, new 1`.
    records: Records,
    /// How many records were created, by object.
    created: BTreeMap<String, usize>,
}

impl EndState {
    /// The end of `crm`.
    pub(super) fn of(crm: &Crm) -> Self {
        let held = crm.held();
        let new: Vec<(ObjectName, Arc<str>)> = crm
            .writes()
            .into_iter()
            .filter(|write| write.verb == "create")
            .filter_map(|write| Some(((write.connection, write.object), write.id?)))
            .collect();
        let names = names(&held, &new);
        let mut created = BTreeMap::new();
        for ((connection, object), _) in &new {
            *created.entry(format!("{connection}.{object}")).or_default() += 1;
        }
        Self { records: records(&held, &names), created }
    }

    /// What is otherwise in `other` than here: a line each.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let all: BTreeSet<&String> = self.created.keys().chain(other.created.keys()).collect();
        for object in all {
            let of = |state: &Self| state.created.get(object).copied().unwrap_or_default();
            if of(self) != of(other) {
                lines.push(format!("{object}: {} created, and not {}", of(other), of(self)));
            }
        }
        let all: BTreeSet<&String> = self.records.keys().chain(other.records.keys()).collect();
        for name in all {
            match (self.records.get(name), other.records.get(name)) {
                (Some(_), None) => lines.push(format!("{name}: is not there")),
                (None, Some(_)) => lines.push(format!("{name}: is there, and should not be")),
                (Some(wanted), Some(held)) => lines.extend(fields(name, wanted, held)),
                (None, None) => {}
            }
        }
        lines
    }
}

fn fields(name: &str, wanted: &BTreeMap<String, Value>, held: &BTreeMap<String, Value>) -> Vec<String> {
    let all: BTreeSet<&String> = wanted.keys().chain(held.keys()).collect();
    let said = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_json);
    let differs = |field: &&String| wanted.get(*field) != held.get(*field);
    let line = |field: &String| {
        format!("{name}: {field} is {}, and not {}", said(held.get(field)), said(wanted.get(field)))
    };
    all.into_iter().filter(differs).map(line).collect()
}

/// A name for each record that was created, the same whatever was created before it: they are counted in the order of
/// what they say.
fn names(held: &Held, creates: &[(ObjectName, Arc<str>)]) -> BTreeMap<Arc<str>, Value> {
    let nameless =
        |(name, id): &(ObjectName, Arc<str>)| (Arc::clone(id), Value::from(format!("new {}", name.1)));
    let mask: BTreeMap<Arc<str>, Value> = creates.iter().map(nameless).collect();
    let mut by_object: BTreeMap<&ObjectName, Vec<(String, &Arc<str>)>> = BTreeMap::new();
    for (name, id) in creates {
        let record = held.objects.get(name).and_then(|records| records.get(id));
        let says: BTreeMap<_, _> =
            record.into_iter().flatten().map(|(k, v)| (k, renamed(v, &mask).to_json())).collect();
        by_object.entry(name).or_default().push((format!("{says:?}"), id));
    }
    let mut names = BTreeMap::new();
    for ((_, object), mut ids) in by_object {
        ids.sort();
        for (number, (_, id)) in ids.into_iter().enumerate() {
            names.insert(Arc::clone(id), Value::from(format!("{object}, new {}", number + 1)));
        }
    }
    names
}

fn records(held: &Held, names: &BTreeMap<Arc<str>, Value>) -> Records {
    let mut all = Records::new();
    let name_of = |id: &Arc<str>| names.get(id).map_or_else(|| id.to_string(), Value::to_string);
    for ((connection, object), records) in &held.objects {
        for (id, record) in records {
            let name = match names.get(id) {
                Some(name) => format!("{connection}.{name}"),
                None => format!("{connection}.{object} {id}"),
            };
            let said = record.iter().filter(|(_, value)| !value.is_nothing());
            all.insert(name, said.map(|(field, value)| (field.to_string(), renamed(value, names))).collect());
        }
    }
    for ((connection, object, id, relation), members) in &held.links {
        let mut members: Vec<Value> = members.iter().map(|member| renamed(member, names)).collect();
        members.sort_by_key(Value::to_json);
        if !members.is_empty() {
            let name = if names.contains_key(id) {
                format!("{connection}.{}", name_of(id))
            } else {
                format!("{connection}.{object} {id}")
            };
            all.entry(name).or_default().insert(relation.to_string(), Value::list(members));
        }
    }
    all
}

/// A value with names in the place of ids.
fn renamed(value: &Value, names: &BTreeMap<Arc<str>, Value>) -> Value {
    match value {
        Value::Text(text) => names.get(text).cloned().unwrap_or_else(|| value.clone()),
        Value::List(items) => Value::list(items.iter().map(|item| renamed(item, names))),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| (Arc::clone(key), renamed(value, names)));
            Value::from(entries.collect::<Map>())
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Decimal(_) => value.clone(),
    }
}
