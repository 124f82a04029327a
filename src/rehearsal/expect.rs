//! What a case expects, against what was written.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::listing::RecordResult;
use crate::config::test_file::{Expectation, ExpectedOutcome, ExpectedRecord};
use crate::value::Value;

/// What was expected of the run's end and is not so.
pub(super) fn differences(
    expected: &Expectation,
    outcome: ExpectedOutcome,
    reason: Option<&str>,
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
