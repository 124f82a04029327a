//! One run, and one audit entry, for people.

use super::table::Times;
use crate::listing::{AuditView, CallView, RunDetailView, RunView};
use crate::store::Erasure;
use crate::value::Value;

/// Results are cut here; `--format json` has them whole.
const RESULT_MAX: usize = 160;

/// What was done to the store itself, and not by a step.
const BY_HAND: [&str; 3] = ["dismiss", "resolve", "erase"];

/// What stands where something was, by the word for why it went.
pub(in crate::cli) fn erased(why: &str) -> &'static str {
    Erasure::from_word(why).map_or("erased", Erasure::in_words)
}

/// A run with its calls and changes, line by line.
pub(in crate::cli) fn run_lines(detail: &RunDetailView, times: &Times) -> Vec<String> {
    let run = &detail.run;
    let mut lines =
        vec![format!("run {}: {} of {}: {}", run.id, run.pipeline, run.client, standing(run, times))];
    if !run.reason.is_empty() {
        lines.push(format!("  why       {}", run.reason));
    }
    lines.push(format!("  event     {} {}, received {}", run.event, run.kind, times.show(run.received)));
    let key = run.erased.map_or(&*run.key, |why| erased(why));
    lines.push(format!("  order     lane {}, key {key}", run.lane));
    if run.attempts > 0 {
        lines.push(format!("  attempts  {} came to no end", run.attempts));
    }
    for (number, candidate) in run.candidates.iter().enumerate() {
        let label = if number == 0 { "between" } else { "" };
        lines.push(format!("  {label:9} {}", short(candidate)));
    }
    if let Some(why) = run.erased {
        lines.push(format!("  calls     {}", erased(why)));
    }
    if !detail.calls.is_empty() {
        lines.push("  calls".to_owned());
        lines.extend(detail.calls.iter().map(call_line));
    }
    if !detail.changes.is_empty() {
        lines.push("  changes".to_owned());
        lines.extend(detail.changes.iter().flat_map(audit_lines).map(|line| format!("    {line}")));
    } else if run.ended.is_some() && run.reason.is_empty() {
        lines.push(format!("  changes   none: {}", nothing_changed(detail)));
    }
    lines
}

/// Why a run changed nothing.
pub(in crate::cli) fn nothing_changed(detail: &RunDetailView) -> String {
    match (detail.run.ended, &*detail.run.reason) {
        (None, _) => format!("it has not ended, it is {}", detail.run.state),
        (Some(_), "") => "no step had anything to write (what a step only reads is not kept)".to_owned(),
        (Some(_), reason) => format!("it ended as {}: {reason}", detail.run.state),
    }
}

fn standing(run: &RunView, times: &Times) -> String {
    match (run.ended, run.due, &run.connection) {
        (Some(ended), ..) => format!("{}, {}", run.state, times.show(ended)),
        (None, _, Some(connection)) => format!("{} until connection {connection} is back", run.state),
        (None, Some(due), None) => format!("{}, tried again at {}", run.state, times.show(due)),
        (None, None, None) => run.state.to_owned(),
    }
}

fn call_line(call: &CallView) -> String {
    match &call.result {
        Some(result) => format!("    step {:8} gave {}", call.call, short(result)),
        None => format!(
            "    step {:8} was about to be done; it is looked up before anything is sent again",
            call.call
        ),
    }
}

/// An audit entry: what was done to which record, and each field from what to what.
pub(in crate::cli) fn audit_lines(entry: &AuditView) -> Vec<String> {
    let record = entry.record.as_deref().map(|record| format!(" {record}")).unwrap_or_default();
    let note = entry.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
    // What a person or the retention did names them instead of a step.
    let by = if BY_HAND.contains(&entry.verb) { "by" } else { "step" };
    let mut lines = vec![format!(
        "{} {}.{}{record}, {by} {}{note}",
        entry.verb, entry.connection, entry.object, entry.step
    )];
    for field in &entry.fields {
        lines.push(match entry.erased {
            Some(why) => format!("  {}: {}", field.field, erased(why)),
            None => format!("  {}: {} -> {}", field.field, short(&field.before), short(&field.after)),
        });
    }
    if !entry.left_alone.is_empty() {
        lines.push(format!("  left alone, for there was nothing to write: {}", entry.left_alone.join(", ")));
    }
    lines
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        other => other.to_json(),
    };
    if text.chars().count() <= RESULT_MAX {
        return text;
    }
    let mut cut: String = text.chars().take(RESULT_MAX - 1).collect();
    cut.push('…');
    cut
}
