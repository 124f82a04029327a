//! What an event would come to with other files: what two versions of a pipeline do over the same records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compare::{DIFFERS_MOST, align, head};
use super::crm::Write;
use super::recall::{TRIGGER, Was};
use super::replay::{Played, Records};
use super::witness::{By, Evaluated, Made};
use crate::steps::same;
use crate::value::{Map, Value};

/// What is otherwise after a change of the files.
#[derive(Debug, Clone, Default)]
pub struct Planned {
    /// True when the run ends otherwise, by its outcome.
    pub ends_otherwise: bool,
    /// The writes that are otherwise, in order.
    pub writes: Vec<PlannedWrite>,
    /// What of it is not known, a line each.
    pub unknown: Vec<String>,
}

/// A write that is otherwise.
#[derive(Debug, Clone)]
pub struct PlannedWrite {
    /// What is written, without its fields: `update salesforce.Account 001A`.
    pub write: String,
    /// The object: `salesforce.Account`.
    pub object: String,
    /// False when it would not be made any more.
    pub is_after: bool,
    /// False when it is not made now.
    pub is_before: bool,
    /// The fields that are otherwise.
    pub fields: Vec<PlannedField>,
}

/// A field that would be written otherwise; nothing stands for one that is not written.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedField {
    /// Its name.
    pub field: Arc<str>,
    /// What is written now.
    pub before: Option<Value>,
    /// What would be written.
    pub after: Option<Value>,
}

impl Planned {
    /// True when anything would be otherwise.
    pub fn differs(&self) -> bool {
        self.ends_otherwise || !self.writes.is_empty()
    }

    /// What would be otherwise, over what there `was`; `None` stands for a pipeline that does not start on the event.
    pub fn of(before: Option<&Played>, after: Option<&Played>, was: &Was) -> Self {
        let made = |played: Option<&Played>| played.map(|played| named(&played.made)).unwrap_or_default();
        let (now, then) = (made(before), made(after));
        let pairs = align(&now, &then, distance);
        let writes = pairs.into_iter().filter_map(|(now, then)| PlannedWrite::of(now, then)).collect();
        let outcome = |played: Option<&Played>| played.map(|played| played.outcome);
        Self {
            ends_otherwise: outcome(before) != outcome(after),
            writes,
            unknown: after.map(|after| unknown(before, after, was)).unwrap_or_default(),
        }
    }
}

impl PlannedWrite {
    fn of(now: Option<&Write>, then: Option<&Write>) -> Option<Self> {
        let shown = then.or(now)?;
        let nothing = Map::new();
        let (old, new) = (now.map_or(&nothing, |it| &it.fields), then.map_or(&nothing, |it| &it.fields));
        let names: BTreeSet<&Arc<str>> = old.keys().chain(new.keys()).collect();
        let field = |name: &Arc<str>| PlannedField {
            field: Arc::clone(name),
            before: old.get(name).cloned(),
            after: new.get(name).cloned(),
        };
        let differs = |field: &PlannedField| match (&field.before, &field.after) {
            (Some(before), Some(after)) => !same(None, before, after),
            _ => true,
        };
        let mut fields: Vec<PlannedField> = names.into_iter().map(field).filter(differs).collect();
        if let (Some(now), Some(then)) = (now, then) {
            if now.id != then.id {
                let id = |write: &Write| write.id.clone().map(Value::from);
                fields.insert(0, PlannedField { field: "id".into(), before: id(now), after: id(then) });
            }
            if fields.is_empty() {
                return None;
            }
        }
        Some(Self {
            write: head(shown),
            object: format!("{}.{}", shown.connection, shown.object),
            is_after: then.is_some(),
            is_before: now.is_some(),
            fields,
        })
    }
}

/// The cost of showing two writes as one, for [`align`].
fn distance(now: &Write, then: &Write) -> Option<usize> {
    let alike = now.verb == then.verb
        && now.connection == then.connection
        && now.object == then.object
        && now.relation == then.relation;
    if !alike {
        return None;
    }
    let names: BTreeSet<&Arc<str>> = now.fields.keys().chain(then.fields.keys()).collect();
    let all = names.len() + 1;
    let differs = |name: &&Arc<str>| match (now.fields.get(*name), then.fields.get(*name)) {
        (Some(now), Some(then)) => !same(None, now, then),
        _ => true,
    };
    let other = names.into_iter().filter(differs).count() + usize::from(now.id != then.id);
    Some(if other == 0 { 0 } else { DIFFERS_MOST / 2 * (all + other) / all })
}

/// Writes in which records that are created are called by their object and number, so that one create more does not
/// make all that follows differ.
fn named(made: &[Made]) -> Vec<Write> {
    let mut numbers: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
    let mut names: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
    for write in made.iter().map(|made| &made.write).filter(|write| write.verb == "create") {
        let number = numbers.entry(&write.object).or_default();
        *number += 1;
        if let Some(id) = &write.id {
            names.insert(Arc::clone(id), format!("new {} {number}", write.object).into());
        }
    }
    let name = |id: &Arc<str>| names.get(id).unwrap_or(id).clone();
    let value = |value: &Value| match value {
        Value::Text(text) => Value::from(name(text)),
        other => other.clone(),
    };
    let write = |made: &Made| Write {
        id: made.write.id.as_ref().map(name),
        fields: made.write.fields.iter().map(|(field, it)| (Arc::clone(field), value(it))).collect(),
        ..made.write.clone()
    };
    made.iter().map(write).collect()
}

/// What the changed files ask for and nothing is kept of.
fn unknown(before: Option<&Played>, after: &Played, was: &Was) -> Vec<String> {
    let mut lines = BTreeSet::new();
    let asked = before.map(|before| before.asked.as_slice()).unwrap_or_default();
    // That a record which is created new was not there yet is what is to be expected.
    for new in after.asked.iter().filter(|new| new.count == 0 && !creates(&new.step)) {
        let known = asked
            .iter()
            .any(|old| (&old.connection, &old.object, &old.by) == (&new.connection, &new.object, &new.by));
        if !known {
            let by = match &new.by {
                By::Id(id) => format!(" {id}"),
                By::Identity(fields) => format!(" by {}", in_words(fields)),
                By::Filter(fields) if fields.is_empty() => String::new(),
                By::Filter(fields) => format!(" with {}", in_words(fields)),
            };
            lines.insert(format!(
                "{} asks for {}.{}{by}, and no answer is kept: taken as not there",
                new.step, new.connection, new.object
            ));
        }
    }
    let old = before.map(|before| before.evaluated.as_slice()).unwrap_or_default();
    let known: BTreeSet<&str> = old.iter().flat_map(|it| &it.reads).map(|(path, _)| path.as_str()).collect();
    // An expression that was not changed gives what it gave, whatever that was.
    let as_it_was = |it: &&Evaluated| {
        old.iter().any(|old| (&old.field, &old.written, &old.reads) == (&it.field, &it.written, &it.reads))
    };
    let reads_object = after.asked.iter().any(|asked| &*asked.step == TRIGGER);
    let of_system = |path: &str| path.contains(".record") || (reads_object && path.starts_with("object."));
    for it in after.evaluated.iter().filter(|it| !as_it_was(it)) {
        for (path, value) in &it.reads {
            let is_kept = known.contains(path.as_str()) && !was.doubtful.contains(path);
            if value.is_nothing() && of_system(path) && !is_kept {
                let what =
                    it.field.as_ref().map_or_else(|| "a condition".to_owned(), |field| format!("`{field}`"));
                lines.insert(format!(
                    "{what} of {} reads {path}, and no value is kept: taken as nothing",
                    it.step
                ));
            }
        }
    }
    lines.extend(fields_not_kept(before, after, &was.records));
    lines.into_iter().collect()
}

/// True for the label of a step that creates: `steps[2].create (task)`.
pub(super) fn creates(label: &str) -> bool {
    label.split(' ').next().is_some_and(|path| path.ends_with(".create"))
}

/// Fields that would be written into records of which it is not kept whether they hold the value already.
fn fields_not_kept(before: Option<&Played>, after: &Played, records: &Records) -> Vec<String> {
    let written = before.map(|before| before.made.as_slice()).unwrap_or_default();
    let mut lines = Vec::new();
    for Made { write, .. } in after.made.iter().filter(|made| made.write.verb == "update") {
        let Some(id) = &write.id else { continue };
        let name = (Arc::clone(&write.connection), Arc::clone(&write.object));
        let Some(record) = records.get(&name).and_then(|of| of.get(id)) else { continue };
        let unknown = |field: &&Arc<str>| {
            let old =
                |made: &Made| made.write.id.as_ref() == Some(id) && made.write.fields.contains_key(*field);
            !record.contains_key(*field) && !written.iter().any(old)
        };
        for field in write.fields.keys().filter(unknown) {
            lines.push(format!(
                "what {}.{} {id} holds in {field} is not kept: taken as nothing",
                write.connection, write.object
            ));
        }
    }
    lines
}

fn in_words(fields: &Map) -> String {
    let fields = fields.iter().map(|(name, value)| format!("{name} = {value}"));
    fields.collect::<Vec<_>>().join(" and ")
}
