//! How our types lie in columns, and how errors of SQLite become ours.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Error, ErrorCode, Row};

use crate::config::Stale;
use crate::store::{Outcome, QueuedRun, RunId, RunState, StoreError, Version};
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

/// The number of a state; the migration lists them.
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

/// The state that a number means.
pub(super) fn state(number: i64) -> rusqlite::Result<RunState> {
    RunState::ALL
        .into_iter()
        .find(|state| state_number(*state) == number)
        .ok_or_else(|| unreadable(format!("{number} is no state of a run")))
}

/// The outcome that a number means.
pub(super) fn outcome(number: i64) -> rusqlite::Result<Outcome> {
    match state(number)? {
        RunState::Ended(outcome) => Ok(outcome),
        other => Err(unreadable(format!("{other} is no outcome"))),
    }
}

pub(super) const fn stale_number(stale: Stale) -> i64 {
    match stale {
        Stale::Skip => 0,
        Stale::Apply => 1,
        Stale::Refetch => 2,
    }
}

fn stale(number: i64) -> rusqlite::Result<Stale> {
    match number {
        0 => Ok(Stale::Skip),
        1 => Ok(Stale::Apply),
        2 => Ok(Stale::Refetch),
        _ => Err(unreadable(format!("{number} says nothing about stale events"))),
    }
}

/// Ranks and counts are small and never negative.
pub(super) fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// JSON of a column.
pub(super) fn json(text: &str) -> rusqlite::Result<Value> {
    Value::from_json(text.as_bytes()).map_err(|error| unreadable(error.to_string()))
}

/// A column that does not hold what we wrote.
pub(super) fn unreadable(what: String) -> Error {
    Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, what.into())
}

/// The columns that [`queued`] reads, of a run `r` with its payload `p`.
pub(super) const QUEUED: &str = "r.id, r.client, r.pipeline, r.version, r.lane, r.order_key, r.created, r.rank, \
     r.stale, r.state, r.attempts, r.received, length(p.body), \
     EXISTS (SELECT 1 FROM run h WHERE h.state = 2 AND h.client = r.client AND h.lane = r.lane \
     AND h.order_key = r.order_key AND (h.created, h.rank, h.id) < (r.created, r.rank, r.id))";

/// A run as the scheduler sees it, from the columns [`QUEUED`].
pub(super) fn queued(row: &Row<'_>) -> rusqlite::Result<QueuedRun> {
    Ok(QueuedRun {
        id: RunId(row.get(0)?),
        client: row.get(1)?,
        pipeline: row.get(2)?,
        version: Version(row.get(3)?),
        place: crate::store::Place {
            lane: row.get(4)?,
            key: row.get(5)?,
            created: time(row.get(6)?),
            rank: small(row.get(7)?),
        },
        stale: stale(row.get(8)?)?,
        state: state(row.get(9)?)?,
        attempts: small(row.get(10)?),
        received: time(row.get(11)?),
        weight: usize::try_from(row.get::<_, i64>(12)?).unwrap_or(0),
        behind: row.get(13)?,
    })
}

/// What an error of SQLite means to whoever asked.
pub(super) fn error(error: &Error, path: &Path) -> StoreError {
    let path = path.to_path_buf();
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { path, reason },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, reason },
        Some(ErrorCode::CannotOpen) => StoreError::Unopened { path, reason },
        _ => match error {
            Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) => {
                StoreError::Damaged { path, reason }
            }
            _ => StoreError::Database(Arc::from(reason)),
        },
    }
}
