//! What people ask: listings with filters, and one thing with everything about it.

use std::sync::Arc;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Result, Row, params_from_iter};

use super::columns::{ENDLESS, json, micros, outcome, small, state, state_number, time, unreadable};
use super::read::source;
use crate::steps::AuditEntry;
use crate::store::columns;
use crate::store::{
    AuditFilter, AuditRow, CallRow, Erasure, EventDetail, EventFilter, EventRow, EventSeq, Origin, PageLimit,
    RunDetail, RunFilter, RunId, RunRow, RunState, Version,
};
use crate::value::Value;

/// The conditions of a listing, put together from what a filter narrows.
#[derive(Default)]
struct Where {
    sql: String,
    values: Vec<Sql>,
}

impl Where {
    /// Narrows by `condition`, whose one `?` is `value`, when there is one.
    fn narrow(&mut self, condition: &str, value: Option<impl Into<Sql>>) {
        if let Some(value) = value {
            self.literal(condition);
            self.values.push(value.into());
        }
    }

    /// Narrows by a condition that has no value.
    fn literal(&mut self, condition: &str) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
    }

    fn rows<T>(
        &self,
        connection: &Connection,
        select: &str,
        rest: &str,
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = connection.prepare_cached(&format!("{select}{}{rest}", self.sql))?;
        statement.query_map(params_from_iter(&self.values), read)?.collect()
    }
}

fn text(word: Option<&Arc<str>>) -> Option<String> {
    word.map(ToString::to_string)
}

const EVENT: &str = "SELECT seq, client, connection, id, kind, object, source, created, received, outcome, reason, \
     erased FROM event";

fn event_row(row: &Row<'_>) -> Result<EventRow> {
    let ended = match row.get::<_, Option<i64>>(9)? {
        Some(number) => Some((outcome(number)?, row.get::<_, Option<String>>(10)?.unwrap_or_default())),
        None => None,
    };
    Ok(EventRow {
        seq: EventSeq(row.get(0)?),
        client: row.get(1)?,
        connection: row.get(2)?,
        id: row.get(3)?,
        kind: row.get(4)?,
        object: row.get(5)?,
        source: source(row.get_ref(6)?.as_str()?)?,
        created: time(row.get(7)?),
        received: time(row.get(8)?),
        ended,
        erased: erasure(row, 11)?,
    })
}

/// The column that says why something is gone.
fn erasure(row: &Row<'_>, column: usize) -> Result<Option<Erasure>> {
    let Some(word) = row.get_ref(column)?.as_str_or_null()? else { return Ok(None) };
    let known = Erasure::from_word(word);
    known.map(Some).ok_or_else(|| unreadable(format!("`{word}` is no reason to erase")))
}

pub(super) fn events(connection: &Connection, filter: &EventFilter) -> Result<Vec<EventRow>> {
    let mut wanted = Where::default();
    wanted.narrow("client = ?", text(filter.client.as_ref()));
    wanted.narrow("connection = ?", text(filter.connection.as_ref()));
    wanted.narrow("kind = ?", text(filter.kind.as_ref()));
    wanted.narrow("id = ?", text(filter.id.as_ref()));
    wanted.narrow("outcome = ?", filter.ended.map(|outcome| state_number(RunState::Ended(outcome))));
    wanted.narrow("received >= ?", filter.since.map(micros));
    wanted.narrow("seq < ?", filter.before.map(|seq| seq.0));
    let rest = format!(" ORDER BY seq DESC LIMIT {}", filter.limit.get());
    wanted.rows(connection, EVENT, &rest, event_row)
}

pub(super) fn event(connection: &Connection, seq: EventSeq) -> Result<Option<EventDetail>> {
    let mut one = connection.prepare_cached(&format!("{EVENT} WHERE seq = ?1"))?;
    let Some(event) = one.query_row([seq.0], event_row).optional()? else { return Ok(None) };
    let mut content = connection.prepare_cached(
        "SELECT p.body, e.first_run, e.runs FROM event e LEFT JOIN payload p USING (seq) WHERE e.seq = ?1",
    )?;
    let (body, first, count) = content.query_row([seq.0], |row| {
        Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    let body = match body {
        Some(body) => Value::from_json(&body).map_err(|failure| unreadable(failure.to_string()))?,
        None => Value::Null,
    };
    let mut runs = Vec::new();
    for id in first..first + count {
        runs.extend(run(connection, RunId(id))?);
    }
    Ok(Some(EventDetail { event, body, runs }))
}

const RUN: &str = "SELECT r.id, r.event, e.id, e.kind, r.client, r.pipeline, r.version, r.lane, r.order_key, r.state, \
     r.attempts, r.reason, r.candidates, r.created, r.received, r.due, r.parked, r.ended, e.erased \
     FROM run r JOIN event e ON e.seq = r.event";

fn run_row(row: &Row<'_>) -> Result<RunRow> {
    let state = state(row.get(9)?)?;
    let candidates = match row.get_ref(12)?.as_str_or_null()? {
        Some(text) => columns::candidates(&json(text)?),
        None => Vec::new(),
    };
    let due: i64 = row.get(15)?;
    let waits = matches!(state, RunState::Held | RunState::Waiting) && due != ENDLESS;
    Ok(RunRow {
        id: RunId(row.get(0)?),
        event: EventSeq(row.get(1)?),
        event_id: row.get(2)?,
        kind: row.get(3)?,
        client: row.get(4)?,
        pipeline: row.get(5)?,
        version: Version(row.get(6)?),
        lane: row.get(7)?,
        key: row.get(8)?,
        state,
        attempts: small(row.get(10)?),
        reason: row.get(11)?,
        candidates,
        created: time(row.get(13)?),
        received: time(row.get(14)?),
        due: waits.then(|| time(due)),
        connection: row.get(16)?,
        ended: row.get::<_, Option<i64>>(17)?.map(time),
        erased: erasure(row, 18)?,
    })
}

pub(super) fn runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunRow>> {
    let mut wanted = Where::default();
    if let Some(state) = filter.state {
        // As a literal: dead letters and conflicts have an index each, and it must be recognised.
        wanted.literal(&format!("r.state = {}", state_number(state)));
    }
    wanted.narrow("r.client = ?", text(filter.client.as_ref()));
    wanted.narrow("r.pipeline = ?", text(filter.pipeline.as_ref()));
    wanted.narrow("r.received >= ?", filter.since.map(micros));
    wanted.narrow("r.id < ?", filter.before.map(|run| run.0));
    if let Some(event) = filter.event {
        wanted.narrow("r.id >= (SELECT first_run FROM event WHERE seq = ?)", Some(event.0));
        wanted.narrow("r.event = ?", Some(event.0));
    }
    let rest = format!(" ORDER BY r.id DESC LIMIT {}", filter.limit.get());
    wanted.rows(connection, RUN, &rest, run_row)
}

pub(super) fn run(connection: &Connection, id: RunId) -> Result<Option<RunDetail>> {
    let mut one = connection.prepare_cached(&format!("{RUN} WHERE r.id = ?1"))?;
    let Some(run) = one.query_row([id.0], run_row).optional()? else { return Ok(None) };
    let mut journal = connection.prepare_cached("SELECT call, result FROM journal WHERE run = ?1")?;
    let calls = journal.query_map([id.0], |row| {
        let result = row.get_ref(1)?.as_str_or_null()?.map(json).transpose()?;
        Ok(CallRow { call: row.get(0)?, result })
    })?;
    let calls = calls.collect::<Result<_>>()?;
    let audit = audit(
        connection,
        &AuditFilter { run: Some(id), limit: PageLimit::new(u32::MAX), ..AuditFilter::default() },
    )?;
    Ok(Some(RunDetail { run, calls, audit }))
}

const AUDIT: &str = "SELECT a.at, a.client, r.pipeline, a.run, e.id, a.call, a.connection, a.object, a.record, a.verb, \
     a.step, a.changes, a.left_alone, a.note, a.erased \
     FROM audit a LEFT JOIN run r ON r.id = a.run LEFT JOIN event e ON e.seq = r.event";

pub(super) fn audit(connection: &Connection, filter: &AuditFilter) -> Result<Vec<AuditRow>> {
    let mut wanted = Where::default();
    wanted.narrow("a.run = ?", filter.run.map(|run| run.0));
    wanted.narrow("a.client = ?", text(filter.client.as_ref()));
    wanted.narrow("r.pipeline = ?", text(filter.pipeline.as_ref()));
    wanted.narrow("a.connection = ?", text(filter.connection.as_ref()));
    wanted.narrow("a.object = ?", text(filter.object.as_ref()));
    wanted.narrow("a.record = ?", text(filter.record.as_ref()));
    wanted.narrow("a.verb = ?", text(filter.verb.as_ref()));
    wanted.narrow("a.at >= ?", filter.since.map(micros));
    let rest = format!(" ORDER BY a.run DESC, a.call DESC LIMIT {}", filter.limit.get());
    wanted.rows(connection, AUDIT, &rest, audit_row)
}

fn audit_row(row: &Row<'_>) -> Result<AuditRow> {
    let origin = match (row.get::<_, Option<Arc<str>>>(2)?, row.get::<_, Option<Arc<str>>>(4)?) {
        (Some(pipeline), Some(event_id)) => Some(Origin { run: RunId(row.get(3)?), pipeline, event_id }),
        _ => None,
    };
    Ok(AuditRow {
        at: time(row.get(0)?),
        client: row.get(1)?,
        origin,
        call: row.get(5)?,
        entry: entry(row, 6)?,
        erased: erasure(row, 14)?,
    })
}

/// What an entry says, from its eight columns from `first` on: connection, object, record, verb, step, changes,
/// `left_alone`, note.
pub(super) fn entry(row: &Row<'_>, first: usize) -> Result<AuditEntry> {
    Ok(AuditEntry {
        connection: row.get(first)?,
        object: row.get(first + 1)?,
        record: row.get(first + 2)?,
        verb: columns::verb(row.get_ref(first + 3)?.as_str()?).map_err(unreadable)?,
        step: row.get(first + 4)?,
        changes: columns::changes(&json(row.get_ref(first + 5)?.as_str()?)?),
        left_alone: columns::texts(&json(row.get_ref(first + 6)?.as_str()?)?),
        note: row.get(first + 7)?,
    })
}
