//! What a case expects, against what was written.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::crm::Write;
use super::listing::RecordResult;
use crate::config::test_file::{Expectation, ExpectedOutcome, ExpectedRecord, ExpectedWrite};
use crate::steps::same;
use crate::value::Value;
use crate::words::ObjectRef;

/// What was expected and is not so.
pub(super) fn differences(
    expected: &Expectation,
    outcome: ExpectedOutcome,
    reason: Option<&str>,
    writes: &[Write],
) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(wanted) = expected.outcome.filter(|wanted| *wanted != outcome) {
        let because = reason.map(|reason| format!(", because {reason}")).unwrap_or_default();
        problems.push(format!("expected the outcome {}, and it is {}{because}", word(wanted), word(outcome)));
    }
    if let Some(wanted) = &expected.reason
        && !reason.is_some_and(|reason| reason.contains(wanted.as_str()))
    {
        let found = reason.map_or_else(|| "there is none".to_owned(), |reason| format!("it is `{reason}`"));
        problems.push(format!("expected `{wanted}` in the reason, and {found}"));
    }
    if let Some(wanted) = &expected.writes {
        problems.extend(of_writes(wanted, writes));
    }
    problems
}

/// What was expected of the records of a poll and is not so.
pub(super) fn record_differences(
    expected: &IndexMap<String, ExpectedRecord>,
    found: &IndexMap<Arc<str>, RecordResult>,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (id, wanted) in expected {
        let Some(found) = found.get(id.as_str()) else {
            problems.push(format!("{id}: the last poll neither lists it nor finds it gone"));
            continue;
        };
        if let Some(outcome) = wanted.outcome.filter(|outcome| *outcome != found.outcome) {
            let because = found.reason.as_ref().map_or_else(String::new, |it| format!(", because {it}"));
            let (wanted, is) = (word(outcome), word(found.outcome));
            problems.push(format!("{id}: expected the outcome {wanted}, and it is {is}{because}"));
        }
        if let Some(reason) = &wanted.reason
            && !found.reason.as_ref().is_some_and(|found| found.contains(reason.as_str()))
        {
            let is = found
                .reason
                .as_ref()
                .map_or_else(|| "there is none".to_owned(), |it| format!("it is `{it}`"));
            problems.push(format!("{id}: expected `{reason}` in the reason, and {is}"));
        }
        if let Some(candidates) = &wanted.candidates {
            let wanted: BTreeSet<_> = candidates.iter().filter_map(Value::to_text).collect();
            let id_of = |candidate: &Value| candidate.get("id").unwrap_or(candidate).to_text();
            let is: BTreeSet<_> = found.candidates.iter().filter_map(id_of).collect();
            if wanted != is {
                let (wanted, is) = (joined(&wanted), joined(&is));
                problems.push(format!("{id}: expected a choice between {wanted}, and it is between {is}"));
            }
        }
    }
    problems
}

fn joined(ids: &BTreeSet<Arc<str>>) -> String {
    if ids.is_empty() {
        "nothing".to_owned()
    } else {
        ids.iter().map(|id| &**id).collect::<Vec<_>>().join(", ")
    }
}

/// The word of an outcome, as tests write it.
pub fn word(outcome: ExpectedOutcome) -> &'static str {
    match outcome {
        ExpectedOutcome::Succeeded => "succeeded",
        ExpectedOutcome::Skipped => "skipped",
        ExpectedOutcome::Conflict => "conflict",
        ExpectedOutcome::Dead => "dead",
        ExpectedOutcome::Waiting => "waiting",
        ExpectedOutcome::Unchanged => "unchanged",
    }
}

/// All writes beside each other: ` ` as expected, `-` expected, `+` written.
fn of_writes(expected: &[ExpectedWrite], writes: &[Write]) -> Option<String> {
    let count = expected.len().max(writes.len());
    let mut lines = Vec::new();
    let mut differs = false;
    for index in 0..count {
        match (expected.get(index), writes.get(index)) {
            (Some(wanted), Some(written)) if agrees(wanted, written) => {
                lines.push(format!("  {}", shown(written)));
            }
            (wanted, written) => {
                differs = true;
                lines.extend(wanted.map(|wanted| format!("- {}", shown_expected(wanted, written))));
                lines.extend(written.map(|written| format!("+ {}", shown(written))));
            }
        }
    }
    differs.then(|| format!("the writes are not as expected (- expected, + written):\n{}", lines.join("\n")))
}

fn agrees(wanted: &ExpectedWrite, written: &Write) -> bool {
    let Some((verb, object)) = verb_of(wanted) else { return false };
    verb == written.verb
        && object.connection == written.connection
        && object.object == written.object
        && wanted.id.as_ref().is_none_or(|id| id.to_text() == written.id)
        && wanted.relation.as_deref().is_none_or(|relation| written.relation.as_deref() == Some(relation))
        && wanted.fields.iter().all(|(name, value)| field_agrees(written, name, value))
}

/// `null` says that the field was not written, or was cleared.
fn field_agrees(written: &Write, name: &str, wanted: &Value) -> bool {
    same(None, wanted, written.fields.get(name).unwrap_or(&Value::Null))
}

fn verb_of(wanted: &ExpectedWrite) -> Option<(&'static str, &ObjectRef)> {
    let verbs = [
        ("create", &wanted.create),
        ("update", &wanted.update),
        ("delete", &wanted.delete),
        ("link", &wanted.link),
        ("unlink", &wanted.unlink),
        ("call", &wanted.call),
    ];
    verbs.into_iter().find_map(|(verb, object)| Some((verb, object.as_ref()?)))
}

/// A write in one line.
pub fn shown(write: &Write) -> String {
    let id = write.id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let relation = write.relation.as_ref().map(|relation| format!(" {relation}")).unwrap_or_default();
    let fields: Vec<String> =
        write.fields.iter().map(|(name, value)| format!("{name}: {}", value.to_json())).collect();
    format!("{} {}.{}{id}{relation}{}", write.verb, write.connection, write.object, braced(&fields))
}

/// An expected write in one line; of its fields those that do not agree with what was written in its place.
fn shown_expected(wanted: &ExpectedWrite, written: Option<&Write>) -> String {
    let (verb, object) =
        verb_of(wanted).map_or(("a write", String::new()), |(verb, object)| (verb, object.to_string()));
    let id = wanted.id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let relation = wanted.relation.as_ref().map(|relation| format!(" {relation}")).unwrap_or_default();
    let fields: Vec<String> = wanted
        .fields
        .iter()
        .map(|(name, value)| {
            let differs = written.is_some_and(|written| !field_agrees(written, name, value));
            format!("{name}: {}{}", value.to_json(), if differs { " (!)" } else { "" })
        })
        .collect();
    format!("{verb} {object}{id}{relation}{}", braced(&fields))
}

fn braced(fields: &[String]) -> String {
    if fields.is_empty() { String::new() } else { format!(" {{ {} }}", fields.join(", ")) }
}
