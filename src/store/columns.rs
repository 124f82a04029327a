//! How our types lie in columns: the same numbers and words in every store.

use std::sync::Arc;

use jiff::Timestamp;

use super::change::UntoldReport;
use super::run::{Outcome, RunState};
use crate::config::{LockstepEvent, Stale};
use crate::steps::{AuditEntry, FieldChange, Spent};
use crate::value::Value;

/// The due time of a run that waits for a connection and not for a time.
pub(super) const ENDLESS: i64 = i64::MAX;

/// Microseconds since 1970.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// The time of a column; one that no clock can show becomes the latest.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// The number of a state; the migrations list them.
pub(super) const fn state_number(state: RunState) -> i64 {
    match state {
        RunState::Ready => 0,
        RunState::Blocked => 1,
        RunState::Held => 2,
        RunState::Waiting => 3,
        RunState::Ended(Outcome::Succeeded) => 4,
        RunState::Ended(Outcome::Skipped) => 5,
        RunState::Ended(Outcome::Conflict) => 6,
        RunState::Ended(Outcome::Dead) => 7,
    }
}

/// The state that a number means, or what is wrong with it.
pub(super) fn state(number: i64) -> Result<RunState, String> {
    let states = RunState::ALL.into_iter();
    let mut named = states.filter(|state| state_number(*state) == number);
    named.next().ok_or_else(|| format!("{number} is no state of a run"))
}

/// The outcome that a number means, or what is wrong with it.
pub(super) fn outcome(number: i64) -> Result<Outcome, String> {
    match state(number)? {
        RunState::Ended(outcome) => Ok(outcome),
        other => Err(format!("{other} is no outcome")),
    }
}

pub(super) const fn stale_number(stale: Stale) -> i64 {
    match stale {
        Stale::Skip => 0,
        Stale::Apply => 1,
        Stale::Refetch => 2,
    }
}

/// What a number says about stale events, or what is wrong with it.
pub(super) fn stale(number: i64) -> Result<Stale, String> {
    match number {
        0 => Ok(Stale::Skip),
        1 => Ok(Stale::Apply),
        2 => Ok(Stale::Refetch),
        _ => Err(format!("{number} says nothing about stale events")),
    }
}

/// Ranks and counts are small and never negative.
pub(super) fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// The JSON of a column, or what is wrong with it.
pub(super) fn json(text: &str) -> Result<Value, String> {
    Value::from_json(text.as_bytes()).map_err(|error| error.to_string())
}

/// What steps have used up (nothing for nearly all runs), or what is wrong with it.
pub(super) fn spent(text: Option<&str>) -> Result<Spent, String> {
    let Some(text) = text else { return Ok(Spent::default()) };
    Spent::from_json(text).ok_or_else(|| format!("`{text}` does not say what steps have used up"))
}

/// A report that was not told yet, of its kind and what it says; `None` when all were told.
pub(super) fn untold(kind: Option<&str>, object: Option<&str>) -> Result<Option<UntoldReport>, String> {
    let (Some(kind), Some(object)) = (kind, object) else { return Ok(None) };
    let what = LockstepEvent::ALL.into_iter().find(|what| what.as_str() == kind);
    let what = what.ok_or_else(|| format!("`{kind}` is no report"))?;
    Ok(Some(UntoldReport { what, object: json(object)? }))
}

/// The words that an audit entry's verb can be.
const VERBS: [&str; 10] =
    ["create", "update", "upsert", "delete", "link", "unlink", "call", "dismiss", "resolve", "erase"];

/// The verb that a word means, or what is wrong with it.
pub(super) fn verb(word: &str) -> Result<&'static str, String> {
    let known = VERBS.into_iter().find(|verb| *verb == word);
    known.ok_or_else(|| format!("`{word}` is no verb of an audit entry"))
}

/// The changes of an audit entry: `[[field, before, after], ...]`.
pub(super) fn changes_json(entry: &AuditEntry) -> String {
    let triple = |change: &FieldChange| {
        let field = Value::from(Arc::clone(&change.field));
        Value::list([field, change.before.clone(), change.after.clone()])
    };
    Value::list(entry.changes.iter().map(triple)).to_json()
}

/// The changes that [`changes_json`] has written.
pub(super) fn changes(value: &Value) -> Vec<FieldChange> {
    let triple = |change: &Value| match change.as_list() {
        Some([field, before, after]) => {
            Some(FieldChange { field: field.to_text()?, before: before.clone(), after: after.clone() })
        }
        _ => None,
    };
    value.as_list().unwrap_or_default().iter().filter_map(triple).collect()
}

/// The same changes without what was in the fields.
pub(super) fn without_values(changes: &Value) -> Value {
    let fields = changes.as_list().unwrap_or_default().iter();
    let fields = fields.filter_map(|change| change.as_list()?.first().cloned());
    Value::list(fields.map(|field| Value::list([field, Value::Null, Value::Null])))
}

/// A list of texts.
pub(super) fn texts_json(texts: &[Arc<str>]) -> String {
    Value::list(texts.iter().cloned().map(Value::from)).to_json()
}

/// The texts that [`texts_json`] has written.
pub(super) fn texts(value: &Value) -> Vec<Arc<str>> {
    value.as_list().unwrap_or_default().iter().filter_map(Value::to_text).collect()
}

/// The candidates of a conflict; nothing when there are none.
pub(super) fn candidates_json(candidates: &[Value]) -> Option<String> {
    (!candidates.is_empty()).then(|| Value::list(candidates.iter().cloned()).to_json())
}

/// The candidates that [`candidates_json`] has written.
pub(super) fn candidates(value: &Value) -> Vec<Value> {
    value.as_list().unwrap_or_default().to_vec()
}
