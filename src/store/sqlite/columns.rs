//! How our types lie in SQLite's columns, and how its errors become ours.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Error, ErrorCode, Row};

use crate::store::columns;
pub(super) use crate::store::columns::{ENDLESS, micros, small, stale_number, state_number, time};
use crate::store::{Outcome, Part, QueuedRun, RunId, RunState, StoreError, Version};
use crate::value::Value;

/// The state that a number means.
pub(super) fn state(number: i64) -> rusqlite::Result<RunState> {
    columns::state(number).map_err(unreadable)
}

/// The outcome that a number means.
pub(super) fn outcome(number: i64) -> rusqlite::Result<Outcome> {
    columns::outcome(number).map_err(unreadable)
}

/// JSON of a column.
pub(super) fn json(text: &str) -> rusqlite::Result<Value> {
    columns::json(text).map_err(unreadable)
}

/// A column that does not hold what we wrote.
pub(super) fn unreadable(what: String) -> Error {
    Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, what.into())
}

/// The columns that [`queued`] reads, of a run `r` with its payload `p`.
pub(super) const QUEUED: &str = "r.id, r.client, r.pipeline, r.version, r.lane, r.order_key, r.created, r.rank, \
     r.stale, r.state, r.attempts, r.received, r.spent, length(p.body), \
     EXISTS (SELECT 1 FROM run h WHERE h.state = 2 AND h.client = r.client AND h.lane = r.lane \
     AND h.order_key = r.order_key AND (h.created, h.rank, h.id) < (r.created, r.rank, r.id))";

/// How many they are.
pub(super) const QUEUED_COLUMNS: usize = 15;

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
        stale: columns::stale(row.get(8)?).map_err(unreadable)?,
        state: state(row.get(9)?)?,
        attempts: small(row.get(10)?),
        received: time(row.get(11)?),
        spent: columns::spent(row.get_ref(12)?.as_str_or_null()?).map_err(unreadable)?,
        weight: usize::try_from(row.get::<_, i64>(13)?).unwrap_or(0),
        behind: row.get(14)?,
        part: Part::default(),
    })
}

/// How errors name the store at `path`.
pub(super) fn name(path: &Path) -> Arc<str> {
    path.display().to_string().into()
}

/// What an error of SQLite means to whoever asked.
pub(super) fn error(error: &Error, path: &Path) -> StoreError {
    let store = name(path);
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked,
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { store, reason },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Damaged { store, reason },
        Some(ErrorCode::CannotOpen) => StoreError::Unopened { store, reason },
        _ => match error {
            Error::FromSqlConversionFailure(..) | Error::InvalidColumnType(..) => {
                StoreError::Damaged { store, reason }
            }
            _ => StoreError::Database(Arc::from(reason)),
        },
    }
}
