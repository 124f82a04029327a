//! What the engine asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::columns::{ENDLESS, QUEUED, QUEUED_COLUMNS, json, micros, queued, small, time, unreadable};
use crate::steps::{Agreed, CallId, Entry, EntryState, FieldKey, Identity, ValueDigest};
use crate::store::columns;
use crate::store::{
    AgreedRow, Ahead, AlertWindow, CircuitState, ConnectionState, Counts, DueRun, EventSeq, Outlook,
    QueuedRun, READ_AHEAD_BYTES, RunBody, RunId, Source, Told,
};

/// The queries that go through an unfinished run's state, each with that state as a literal: a test reads their
/// plans.
pub(super) const DUE_READY: &str =
    "SELECT id FROM run WHERE state = 0 AND client = ?1 AND due <= ?2 ORDER BY due, id LIMIT ?3";
pub(super) const DUE_HELD: &str =
    "SELECT id FROM run WHERE state = 2 AND client = ?1 AND due <= ?2 ORDER BY due, id LIMIT ?3";
pub(super) const DUE_WAITING: &str =
    "SELECT id FROM run WHERE state = 3 AND client = ?1 AND due <= ?2 ORDER BY due, id LIMIT ?3";
pub(super) const BEHIND: &str = "SELECT id FROM run WHERE state = 1 AND client = ?1 AND lane = ?2 AND order_key = ?3 \
     ORDER BY created, rank, id LIMIT ?4";
pub(super) const NEXT_CLIENT: [&str; 3] = [
    "SELECT min(client) FROM run WHERE state = 0 AND client > ?1",
    "SELECT min(client) FROM run WHERE state = 2 AND client > ?1",
    "SELECT min(client) FROM run WHERE state = 3 AND client > ?1",
];
pub(super) const NEXT_DUE: [&str; 2] = [
    "SELECT min(due) FROM run WHERE state = 2 AND client = ?1 AND due > ?2",
    "SELECT min(due) FROM run WHERE state = 3 AND client = ?1 AND due > ?2",
];

/// Held and waiting runs first: they are older, and there are few of them.
pub(super) fn due(
    connection: &Connection,
    client: &str,
    now: Timestamp,
    limit: usize,
    beyond: RunId,
) -> Result<Vec<DueRun>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut runs = Vec::new();
    for ids in [DUE_HELD, DUE_WAITING, DUE_READY] {
        let mut statement = connection.prepare_cached(&due_sql(ids))?;
        let rows =
            statement.query_map(params![client, micros(now), limit, READ_AHEAD_BYTES, beyond.0], |row| {
                let run = queued(row)?;
                let ahead = match row.get_ref(QUEUED_COLUMNS + 7)?.as_bytes_or_null()? {
                    Some(_) => Some(ahead(row, run.id)?),
                    None => None,
                };
                Ok(DueRun { run, ahead })
            })?;
        for run in rows {
            runs.push(run?);
        }
    }
    Ok(runs)
}

/// The runs whose ids a query gives, in its order, with what they are carried out with where they have done nothing yet.
pub(super) fn due_sql(ids: &str) -> String {
    format!(
        "SELECT {QUEUED}, {EVENT}, CASE WHEN e.seq IS NOT NULL AND length(p.body) <= ?4 \
         AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.run = r.id) THEN p.body END, a.created, a.rank \
         FROM ({ids}) q JOIN run r ON r.id = q.id JOIN payload p ON p.seq = r.event \
         LEFT JOIN event e ON r.id > ?5 AND e.seq = r.event \
         LEFT JOIN applied a ON a.client = r.client AND a.pipeline = r.pipeline AND a.object = e.object"
    )
}

fn ahead(row: &Row<'_>, run: RunId) -> Result<Ahead> {
    let applied = match row.get(QUEUED_COLUMNS + 8)? {
        Some(created) => Some((time(created), small(row.get(QUEUED_COLUMNS + 9)?))),
        None => None,
    };
    Ok(Ahead { body: body(row, QUEUED_COLUMNS, run)?, applied: Told::Applied(applied) })
}

pub(super) fn behind(
    connection: &Connection,
    client: &str,
    lane: &str,
    key: &str,
    limit: usize,
) -> Result<Vec<QueuedRun>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT {QUEUED} FROM ({BEHIND}) q JOIN run r ON r.id = q.id JOIN payload p ON p.seq = r.event"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(params![client, lane, key, limit], queued)?.collect()
}

pub(super) fn outlook(connection: &Connection, now: Timestamp) -> Result<Vec<Outlook>> {
    let mut all = Vec::new();
    let mut last: Arc<str> = "".into();
    while let Some(client) = next_client(connection, &last)? {
        let mut due_now = false;
        for ids in [DUE_READY, DUE_HELD, DUE_WAITING] {
            let mut statement = connection.prepare_cached(ids)?;
            due_now = due_now || statement.exists(params![client, micros(now), 1])?;
        }
        let mut next = i64::MAX;
        for sql in NEXT_DUE {
            let mut statement = connection.prepare_cached(sql)?;
            let due: Option<i64> = statement.query_row(params![client, micros(now)], |row| row.get(0))?;
            next = next.min(due.unwrap_or(ENDLESS));
        }
        all.push(Outlook {
            client: Arc::clone(&client),
            due_now,
            next: (next != ENDLESS).then(|| time(next)),
        });
        last = client;
    }
    Ok(all)
}

/// The next client by name that has unfinished runs: a step from one to the next, not a scan over all runs.
fn next_client(connection: &Connection, after: &str) -> Result<Option<Arc<str>>> {
    let mut next: Option<Arc<str>> = None;
    for sql in NEXT_CLIENT {
        let mut statement = connection.prepare_cached(sql)?;
        let found: Option<Arc<str>> = statement.query_row([after], |row| row.get(0))?;
        next = [next, found].into_iter().flatten().min();
    }
    Ok(next)
}

pub(super) fn load(connection: &Connection, run: RunId) -> Result<Option<RunBody>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {EVENT}, p.body
         FROM run r JOIN event e ON e.seq = r.event JOIN payload p ON p.seq = r.event WHERE r.id = ?1"
    ))?;
    let loaded = statement.query_row([run.0], |row| body(row, 0, run)).optional()?;
    let Some(mut body) = loaded else { return Ok(None) };
    body.journal = journal(connection, run)?;
    Ok(Some(body))
}

/// The columns that [`body`] reads, of an event `e`; the payload's body stands behind them.
const EVENT: &str = "e.seq, e.id, e.kind, e.connection, e.source, e.object_kind, e.object";

/// What a run that has done nothing is carried out with, from the columns [`EVENT`] and a body, of which the first is `at`.
fn body(row: &Row<'_>, at: usize, run: RunId) -> Result<RunBody> {
    Ok(RunBody {
        id: run,
        event: EventSeq(row.get(at)?),
        event_id: row.get(at + 1)?,
        kind: row.get(at + 2)?,
        connection: row.get(at + 3)?,
        source: source(row.get_ref(at + 4)?.as_str()?)?,
        object_kind: row.get(at + 5)?,
        object: row.get(at + 6)?,
        body: row.get::<_, Vec<u8>>(at + 7)?.into(),
        journal: HashMap::new(),
    })
}

pub(super) fn source(word: &str) -> Result<Source> {
    Source::from_word(word).ok_or_else(|| unreadable(format!("`{word}` is no source of events")))
}

fn journal(connection: &Connection, run: RunId) -> Result<HashMap<CallId, Entry>> {
    let mut statement =
        connection.prepare_cached("SELECT call, fingerprint, result FROM journal WHERE run = ?1")?;
    let rows = statement.query_map([run.0], |row| {
        let state = match row.get_ref(2)?.as_str_or_null()? {
            None => EntryState::Intended,
            Some(result) => EntryState::Done(json(result)?),
        };
        let fingerprint = row.get::<_, i64>(1)?.cast_unsigned();
        Ok((CallId(row.get(0)?), Entry { fingerprint, state }))
    })?;
    rows.collect()
}

pub(super) fn applied(
    connection: &Connection,
    client: &str,
    pipeline: &str,
    object: &str,
) -> Result<Option<(Timestamp, u32)>> {
    let mut statement = connection.prepare_cached(
        "SELECT created, rank FROM applied WHERE client = ?1 AND pipeline = ?2 AND object = ?3",
    )?;
    statement
        .query_row([client, pipeline, object], |row| Ok((time(row.get(0)?), small(row.get(1)?))))
        .optional()
}

pub(super) fn known(connection: &Connection, client: &str, identity: &Identity) -> Result<Option<Arc<str>>> {
    let mut statement = connection.prepare_cached(
        "SELECT record FROM identity WHERE client = ?1 AND connection = ?2 AND object = ?3 AND identity = ?4",
    )?;
    let Identity { connection, object, key } = identity;
    statement.query_row(params![client, connection, object, key], |row| row.get(0)).optional()
}

/// What was agreed on last about these fields.
pub(super) fn agreed(connection: &Connection, fields: &[FieldKey]) -> Result<Vec<AgreedRow>> {
    let mut statement = connection.prepare_cached("SELECT value, ours, run FROM agreed WHERE field = ?1")?;
    let mut rows = Vec::new();
    for field in fields {
        let row = statement.query_row([&field.0[..]], |row| {
            let agreed = Agreed { field: *field, value: ValueDigest(row.get(0)?), ours: row.get(1)? };
            Ok(AgreedRow { agreed, run: RunId(row.get(2)?) })
        });
        rows.extend(row.optional()?);
    }
    Ok(rows)
}

pub(super) fn connections(connection: &Connection) -> Result<Vec<ConnectionState>> {
    let mut statement = connection.prepare_cached(
        "SELECT client, connection, probes, probe_at, since, reason FROM connection_state
         ORDER BY client, connection",
    )?;
    let rows = statement.query_map([], |row| {
        let circuit = match row.get::<_, Option<i64>>(3)? {
            None => CircuitState::Closed,
            Some(probe_at) => CircuitState::Open { probes: small(row.get(2)?), probe_at: time(probe_at) },
        };
        Ok(ConnectionState {
            client: row.get(0)?,
            connection: row.get(1)?,
            circuit,
            since: time(row.get(4)?),
            reason: row.get(5)?,
        })
    })?;
    rows.collect()
}

pub(super) fn secret(reader: &Connection, client: &str, connection: &str) -> Result<Option<Vec<u8>>> {
    let mut statement =
        reader.prepare_cached("SELECT sealed FROM secret WHERE client = ?1 AND connection = ?2")?;
    statement.query_row([client, connection], |row| row.get(0)).optional()
}

pub(super) fn alert_windows(connection: &Connection) -> Result<Vec<AlertWindow>> {
    let mut statement = connection
        .prepare_cached("SELECT client, pipeline, ends, started, grouped, kind, object FROM alert")?;
    let rows = statement.query_map([], |row| {
        let (kind, object) = (row.get_ref(5)?.as_str_or_null()?, row.get_ref(6)?.as_str_or_null()?);
        let untold = columns::untold(kind, object).map_err(unreadable)?;
        Ok(AlertWindow {
            client: row.get(0)?,
            pipeline: row.get(1)?,
            ends: time(row.get(2)?),
            started: small(row.get(3)?),
            grouped: small(row.get(4)?),
            untold,
        })
    })?;
    rows.collect()
}

pub(super) fn counts(connection: &Connection) -> Result<Counts> {
    let mut unfinished: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    let mut oldest: Option<i64> = None;
    for state in 0..=3 {
        // The state must be a literal: see the migration.
        let sql = format!("SELECT client, count(*), min(id) FROM run WHERE state = {state} GROUP BY client");
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            *unfinished.entry(row.get(0)?).or_default() += row.get::<_, i64>(1)?.unsigned_abs();
            let first: i64 = row.get(2)?;
            oldest = Some(oldest.map_or(first, |other| other.min(first)));
        }
    }
    let oldest = oldest.map(|id| {
        connection.query_row("SELECT received FROM run WHERE id = ?1", [id], |row| row.get(0)).map(time)
    });
    Ok(Counts { unfinished, oldest: oldest.transpose()? })
}
