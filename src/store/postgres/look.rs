//! What people ask: listings with filters, and one thing with everything about it.

use std::sync::Arc;

use tokio_postgres::types::{ToSql, Type};

use super::columns::{Cells, unreadable};
use super::db::Db;
use super::read::source;
use crate::steps::AuditEntry;
use crate::store::columns::{self, ENDLESS, micros, state_number};
use crate::store::{
    AuditFilter, AuditRow, CallRow, Erasure, EventDetail, EventFilter, EventRow, EventSeq, Origin, PageLimit,
    RunDetail, RunFilter, RunId, RunRow, RunState, StoreError, Version,
};
use crate::value::Value;

/// The conditions of a listing, put together from what a filter narrows.
#[derive(Default)]
struct Where {
    sql: String,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Where {
    /// Narrows by `condition`, whose one `?` is the number, when there is one.
    fn number(&mut self, condition: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.value(condition, Box::new(value), Type::INT8);
        }
    }

    /// Narrows by `condition`, whose one `?` is the text, when there is one.
    fn text(&mut self, condition: &str, value: Option<&Arc<str>>) {
        if let Some(value) = value {
            self.value(condition, Box::new(super::columns::clean(value).into_owned()), Type::TEXT);
        }
    }

    fn value(&mut self, condition: &str, value: Box<dyn ToSql + Sync + Send>, kind: Type) {
        self.values.push((value, kind));
        self.literal(&condition.replace('?', &format!("${}", self.values.len())));
    }

    /// Narrows by a condition that has no value.
    fn literal(&mut self, condition: &str) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
    }

    async fn rows<T>(
        &self,
        db: &Db,
        select: &str,
        rest: &str,
        read: impl Fn(Cells<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            self.values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
        let rows = db.rows(&format!("{select}{}{rest}", self.sql), &values).await?;
        rows.iter().map(|row| read(Cells(row))).collect()
    }
}

const EVENT: &str = "SELECT seq, client, connection, id, kind, object, source, created, received, outcome, reason, \
     erased FROM lockstep.event";

fn event_row(cells: Cells<'_>) -> Result<EventRow, StoreError> {
    let ended = match cells.short_option(9)? {
        Some(number) => {
            let reason = cells.str_option(10)?.unwrap_or_default().to_owned();
            Some((columns::outcome(number).map_err(unreadable)?, reason))
        }
        None => None,
    };
    Ok(EventRow {
        seq: EventSeq(cells.int(0)?),
        client: cells.text(1)?,
        connection: cells.text(2)?,
        id: cells.text(3)?,
        kind: cells.text(4)?,
        object: cells.text_option(5)?,
        source: source(cells.str(6)?)?,
        created: cells.time(7)?,
        received: cells.time(8)?,
        ended,
        erased: erasure(cells, 11)?,
    })
}

/// The column that says why something is gone.
fn erasure(cells: Cells<'_>, column: usize) -> Result<Option<Erasure>, StoreError> {
    let Some(word) = cells.str_option(column)? else { return Ok(None) };
    Erasure::from_word(word).map(Some).ok_or_else(|| unreadable(format!("`{word}` is no reason to erase")))
}

pub(super) async fn events(db: &Db, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
    let mut wanted = Where::default();
    wanted.text("client = ?", filter.client.as_ref());
    wanted.text("connection = ?", filter.connection.as_ref());
    wanted.text("kind = ?", filter.kind.as_ref());
    wanted.text("id = ?", filter.id.as_ref());
    wanted.number("outcome = ?", filter.ended.map(|outcome| state_number(RunState::Ended(outcome))));
    wanted.number("received >= ?", filter.since.map(micros));
    wanted.number("seq < ?", filter.before.map(|seq| seq.0));
    let rest = format!(" ORDER BY seq DESC LIMIT {}", filter.limit.get());
    wanted.rows(db, EVENT, &rest, event_row).await
}

pub(super) async fn event(db: &Db, seq: EventSeq) -> Result<Option<EventDetail>, StoreError> {
    let mut one = Where::default();
    one.number("seq = ?", Some(seq.0));
    let Some(event) = one.rows(db, EVENT, "", event_row).await?.pop() else { return Ok(None) };
    let content = "SELECT p.body, e.runs FROM lockstep.event e LEFT JOIN lockstep.payload p USING (seq)";
    let read = |cells: Cells<'_>| {
        let body = cells.bytes_option(0)?.map_or(Ok(Value::Null), Value::from_json);
        Ok((body.map_err(|failure| unreadable(failure.to_string()))?, cells.ints(1)?))
    };
    let Some((body, ids)) = one.rows(db, content, "", read).await?.pop() else { return Ok(None) };
    let mut runs = Vec::with_capacity(ids.len());
    for id in ids {
        runs.extend(run(db, RunId(id)).await?);
    }
    Ok(Some(EventDetail { event, body, runs }))
}

const RUN: &str = "SELECT r.id, r.event, e.id, e.kind, r.client, r.pipeline, r.version, r.lane, r.order_key, r.state, \
     r.attempts, r.reason, r.candidates, r.created, r.received, r.due, r.parked, r.ended, e.erased \
     FROM lockstep.run r JOIN lockstep.event e ON e.seq = r.event";

fn run_row(cells: Cells<'_>) -> Result<RunRow, StoreError> {
    let state = columns::state(cells.short(9)?).map_err(unreadable)?;
    let candidates = match cells.str_option(12)? {
        Some(text) => columns::candidates(&columns::json(text).map_err(unreadable)?),
        None => Vec::new(),
    };
    let due = cells.int(15)?;
    let waits = matches!(state, RunState::Held | RunState::Waiting) && due != ENDLESS;
    Ok(RunRow {
        id: RunId(cells.int(0)?),
        event: EventSeq(cells.int(1)?),
        event_id: cells.text(2)?,
        kind: cells.text(3)?,
        client: cells.text(4)?,
        pipeline: cells.text(5)?,
        version: Version(cells.text(6)?),
        lane: cells.text(7)?,
        key: cells.text(8)?,
        state,
        attempts: cells.small(10)?,
        reason: cells.owned(11)?,
        candidates,
        created: cells.time(13)?,
        received: cells.time(14)?,
        due: waits.then(|| columns::time(due)),
        connection: cells.text_option(16)?,
        ended: cells.int_option(17)?.map(columns::time),
        erased: erasure(cells, 18)?,
    })
}

pub(super) async fn runs(db: &Db, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
    let mut wanted = Where::default();
    if let Some(state) = filter.state {
        // As a literal: dead letters and conflicts have an index each, and it must be recognised.
        wanted.literal(&format!("r.state = {}", state_number(state)));
    }
    wanted.text("r.client = ?", filter.client.as_ref());
    wanted.text("r.pipeline = ?", filter.pipeline.as_ref());
    wanted.number("r.received >= ?", filter.since.map(micros));
    wanted.number("r.id < ?", filter.before.map(|run| run.0));
    if let Some(event) = filter.event {
        let condition = "r.id = ANY (ARRAY(SELECT unnest(runs) FROM lockstep.event WHERE seq = ?))";
        wanted.number(condition, Some(event.0));
    }
    let rest = format!(" ORDER BY r.id DESC LIMIT {}", filter.limit.get());
    wanted.rows(db, RUN, &rest, run_row).await
}

pub(super) async fn run(db: &Db, id: RunId) -> Result<Option<RunDetail>, StoreError> {
    let mut one = Where::default();
    one.number("r.id = ?", Some(id.0));
    let Some(run) = one.rows(db, RUN, "", run_row).await?.pop() else { return Ok(None) };
    let sql = "SELECT call, result FROM lockstep.journal WHERE run = $1 ORDER BY call";
    let call = |cells: Cells<'_>| {
        let result = cells.str_option(1)?.map(columns::json).transpose().map_err(unreadable)?;
        Ok(CallRow { call: cells.text(0)?, result })
    };
    let calls = db.rows(sql, &[(&id.0, Type::INT8)]).await?;
    let calls = calls.iter().map(|row| call(Cells(row))).collect::<Result<_, StoreError>>()?;
    let of_run = AuditFilter { run: Some(id), limit: PageLimit::new(u32::MAX), ..AuditFilter::default() };
    Ok(Some(RunDetail { run, calls, audit: audit(db, &of_run).await? }))
}

const AUDIT: &str = "SELECT a.at, a.client, r.pipeline, a.run, e.id, a.call, a.connection, a.object, a.record, a.verb, \
     a.step, a.changes, a.left_alone, a.note, a.erased \
     FROM lockstep.audit a LEFT JOIN lockstep.run r ON r.id = a.run LEFT JOIN lockstep.event e ON e.seq = r.event";

pub(super) async fn audit(db: &Db, filter: &AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
    let mut wanted = Where::default();
    wanted.number("a.run = ?", filter.run.map(|run| run.0));
    wanted.text("a.client = ?", filter.client.as_ref());
    wanted.text("r.pipeline = ?", filter.pipeline.as_ref());
    wanted.text("a.connection = ?", filter.connection.as_ref());
    wanted.text("a.object = ?", filter.object.as_ref());
    wanted.text("a.record = ?", filter.record.as_ref());
    wanted.text("a.verb = ?", filter.verb.as_ref());
    wanted.number("a.at >= ?", filter.since.map(micros));
    let rest = format!(" ORDER BY a.run DESC, a.call DESC LIMIT {}", filter.limit.get());
    wanted.rows(db, AUDIT, &rest, audit_row).await
}

fn audit_row(cells: Cells<'_>) -> Result<AuditRow, StoreError> {
    let origin = match (cells.text_option(2)?, cells.text_option(4)?) {
        (Some(pipeline), Some(event_id)) => Some(Origin { run: RunId(cells.int(3)?), pipeline, event_id }),
        _ => None,
    };
    Ok(AuditRow {
        at: cells.time(0)?,
        client: cells.text(1)?,
        origin,
        call: cells.text(5)?,
        entry: entry(cells, 6)?,
        erased: erasure(cells, 14)?,
    })
}

/// What an entry says, from its eight columns from `first` on: connection, object, record, verb, step, changes,
/// `left_alone`, note.
pub(super) fn entry(cells: Cells<'_>, first: usize) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        connection: cells.text(first)?,
        object: cells.text(first + 1)?,
        record: cells.text_option(first + 2)?,
        verb: columns::verb(cells.str(first + 3)?).map_err(unreadable)?,
        step: cells.text(first + 4)?,
        changes: columns::changes(&cells.json(first + 5)?),
        left_alone: columns::texts(&cells.json(first + 6)?),
        note: cells.text_option(first + 7)?,
    })
}
