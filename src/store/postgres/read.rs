//! What the engine asks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use tokio_postgres::types::Type;

use super::columns::{
    Cells, QUEUED, QUEUED_COLUMNS, clean, digest, identity_digest, lane_hash, part_numbers, queued,
    unreadable,
};
use super::db::{Db, Values};
use crate::steps::{Agreed, CallId, Entry, EntryState, FieldKey, Identity, ValueDigest};
use crate::store::columns::{self, ENDLESS, micros};
use crate::store::{
    AgreedRow, Ahead, AlertWindow, CircuitState, ConnectionState, Counts, DueRun, EventSeq, Outlook, Parts,
    QueuedRun, READ_AHEAD_BYTES, RunBody, RunId, Source, StoreError, Told,
};

/// Said of runs that are this process's own; nothing when all are.
fn own(parts: Parts, value: u8) -> String {
    if parts == Parts::ALL { String::new() } else { format!("AND r.part = ANY(${value}::smallint[])") }
}

/// Held and waiting runs first: they are older, and there are few of them.
pub(super) async fn due(
    db: &Db,
    parts: Parts,
    client: &str,
    now: Timestamp,
    limit: usize,
    beyond: RunId,
) -> Result<Vec<DueRun>, StoreError> {
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let own = own(parts, 6);
    let of = |turn: u8, state: u8| {
        format!(
            "(SELECT {turn} AS turn, r.id, r.due FROM lockstep.run r WHERE r.state = {state} AND r.client = $1 \
             AND r.due <= $2 {own} ORDER BY r.due, r.id LIMIT $3)"
        )
    };
    let sql = format!(
        "SELECT {QUEUED}, {EVENT}, CASE WHEN e.seq IS NOT NULL AND length(p.body) <= $4 \
         AND NOT EXISTS (SELECT 1 FROM lockstep.journal j WHERE j.run = r.id) THEN p.body END \
         FROM ({} UNION ALL {} UNION ALL {}) q JOIN lockstep.run r ON r.id = q.id \
         JOIN lockstep.payload p ON p.seq = r.event \
         LEFT JOIN lockstep.event e ON r.id > $5 AND e.seq = r.event \
         ORDER BY q.turn, q.due, q.id",
        of(0, 2),
        of(1, 3),
        of(2, 0)
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let numbers = part_numbers(parts);
    let values: Values<'_> = &[
        (&client, Type::TEXT),
        (&micros(now), Type::INT8),
        (&limit, Type::INT8),
        (&READ_AHEAD_BYTES, Type::INT8),
        (&beyond.0, Type::INT8),
        (&numbers, Type::INT2_ARRAY),
    ];
    let values = if own.is_empty() { &values[..5] } else { values };
    let rows = db.rows(&sql, values).await?;
    rows.iter()
        .map(|row| {
            let run = queued(row)?;
            let cells = Cells(row);
            // Another process may apply what comes between, so what is applied is asked when its turn comes.
            let ahead = |bytes: &[u8]| {
                let body = body(cells, QUEUED_COLUMNS, run.id, bytes)?;
                Ok::<_, StoreError>(Ahead { body, applied: Told::Nothing })
            };
            let ahead = cells.bytes_option(QUEUED_COLUMNS + 7)?.map(ahead).transpose()?;
            Ok(DueRun { run, ahead })
        })
        .collect()
}

pub(super) async fn behind(
    db: &Db,
    client: &str,
    lane: &str,
    key: &str,
    limit: usize,
) -> Result<Vec<QueuedRun>, StoreError> {
    let sql = format!(
        "SELECT {QUEUED} FROM lockstep.run r JOIN lockstep.payload p ON p.seq = r.event \
         WHERE r.state = 1 AND r.lane_hash = $1 AND r.client = $2 AND r.lane = $3 AND r.order_key = $4 \
         ORDER BY r.created, r.rank, r.id LIMIT $5"
    );
    let (hash, limit) = (lane_hash(client, lane, key), i64::try_from(limit).unwrap_or(i64::MAX));
    let (lane, key) = (clean(lane), clean(key));
    let values: Values<'_> = &[
        (&hash, Type::INT8),
        (&client, Type::TEXT),
        (&lane, Type::TEXT),
        (&key, Type::TEXT),
        (&limit, Type::INT8),
    ];
    db.rows(&sql, values).await?.iter().map(queued).collect()
}

/// Steps from one client to the next by the partial indexes: not a scan over all runs.
fn outlook_sql(own: &str) -> String {
    OUTLOOK.replace("{own}", own)
}

const OUTLOOK: &str = "\
WITH RECURSIVE client (name) AS (
    SELECT least((SELECT min(client) FROM lockstep.run WHERE state = 0),
                 (SELECT min(client) FROM lockstep.run WHERE state = 2),
                 (SELECT min(client) FROM lockstep.run WHERE state = 3))
    UNION ALL
    SELECT least((SELECT min(r.client) FROM lockstep.run r WHERE r.state = 0 AND r.client > c.name),
                 (SELECT min(r.client) FROM lockstep.run r WHERE r.state = 2 AND r.client > c.name),
                 (SELECT min(r.client) FROM lockstep.run r WHERE r.state = 3 AND r.client > c.name))
    FROM client c WHERE c.name IS NOT NULL
)
SELECT c.name,
       EXISTS (SELECT 1 FROM lockstep.run r WHERE r.state = 0 AND r.client = c.name AND r.due <= $1 {own})
       OR EXISTS (SELECT 1 FROM lockstep.run r WHERE r.state = 2 AND r.client = c.name AND r.due <= $1 {own})
       OR EXISTS (SELECT 1 FROM lockstep.run r WHERE r.state = 3 AND r.client = c.name AND r.due <= $1 {own}),
       least((SELECT min(r.due) FROM lockstep.run r WHERE r.state = 2 AND r.client = c.name AND r.due > $1 {own}),
             (SELECT min(r.due) FROM lockstep.run r WHERE r.state = 3 AND r.client = c.name AND r.due > $1 {own}))
FROM client c WHERE c.name IS NOT NULL ORDER BY c.name";

pub(super) async fn outlook(db: &Db, parts: Parts, now: Timestamp) -> Result<Vec<Outlook>, StoreError> {
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let (own, numbers) = (own(parts, 2), part_numbers(parts));
    let values: Values<'_> = &[(&micros(now), Type::INT8), (&numbers, Type::INT2_ARRAY)];
    let values = if own.is_empty() { &values[..1] } else { values };
    let rows = db.rows(&outlook_sql(&own), values).await?;
    let outlook = |cells: Cells<'_>| {
        let next = cells.int_option(2)?.filter(|due| *due != ENDLESS).map(columns::time);
        Ok(Outlook { client: cells.text(0)?, due_now: cells.bool(1)?, next })
    };
    rows.iter().map(|row| outlook(Cells(row))).collect()
}

pub(super) async fn load(db: &Db, run: RunId) -> Result<Option<RunBody>, StoreError> {
    let sql = format!(
        "SELECT {EVENT}, p.body FROM lockstep.run r JOIN lockstep.event e ON e.seq = r.event \
         JOIN lockstep.payload p ON p.seq = r.event WHERE r.id = $1"
    );
    let values: Values<'_> = &[(&run.0, Type::INT8)];
    let journal = "SELECT call, fingerprint, result FROM lockstep.journal WHERE run = $1";
    let (rows, entries) = tokio::try_join!(db.rows(&sql, values), db.rows(journal, values))?;
    let Some(cells) = rows.first().map(Cells) else { return Ok(None) };
    let journal = entries.iter().map(|row| entry(Cells(row))).collect::<Result<HashMap<_, _>, _>>()?;
    Ok(Some(RunBody { journal, ..body(cells, 0, run, cells.bytes(7)?)? }))
}

/// The columns that [`body`] reads, of an event `e`.
const EVENT: &str = "e.seq, e.id, e.kind, e.connection, e.source, e.object_kind, e.object";

/// What a run that has done nothing is carried out with, from the columns [`EVENT`], of which the first is `at`.
fn body(cells: Cells<'_>, at: usize, run: RunId, bytes: &[u8]) -> Result<RunBody, StoreError> {
    Ok(RunBody {
        id: run,
        event: EventSeq(cells.int(at)?),
        event_id: cells.text(at + 1)?,
        kind: cells.text(at + 2)?,
        connection: cells.text(at + 3)?,
        source: source(cells.str(at + 4)?)?,
        object_kind: cells.text_option(at + 5)?,
        object: cells.text_option(at + 6)?,
        body: bytes.to_vec().into(),
        journal: HashMap::new(),
    })
}

fn entry(cells: Cells<'_>) -> Result<(CallId, Entry), StoreError> {
    let state = match cells.str_option(2)? {
        None => EntryState::Intended,
        Some(result) => EntryState::Done(columns::json(result).map_err(unreadable)?),
    };
    Ok((CallId(cells.text(0)?), Entry { fingerprint: cells.int(1)?.cast_unsigned(), state }))
}

pub(super) fn source(word: &str) -> Result<Source, StoreError> {
    Source::from_word(word).ok_or_else(|| unreadable(format!("`{word}` is no source of events")))
}

pub(super) async fn applied(
    db: &Db,
    client: &str,
    pipeline: &str,
    object: &str,
) -> Result<Option<(Timestamp, u32)>, StoreError> {
    let digest = digest(&[client, pipeline, object]);
    let sql = "SELECT created, rank FROM lockstep.applied WHERE digest = $1";
    let rows = db.rows(sql, &[(&digest, Type::BYTEA)]).await?;
    rows.first().map(|row| Ok((Cells(row).time(0)?, Cells(row).small(1)?))).transpose()
}

pub(super) async fn known(
    db: &Db,
    client: &str,
    identity: &Identity,
) -> Result<Option<Arc<str>>, StoreError> {
    let digest = identity_digest(client, identity);
    let sql = "SELECT record FROM lockstep.identity WHERE digest = $1";
    let rows = db.rows(sql, &[(&digest, Type::BYTEA)]).await?;
    rows.first().map(|row| Cells(row).text(0)).transpose()
}

/// What was agreed on last about these fields.
pub(super) async fn agreed(db: &Db, fields: &[FieldKey]) -> Result<Vec<AgreedRow>, StoreError> {
    let sql = "SELECT field, value, ours, run FROM lockstep.agreed WHERE field = ANY ($1::bytea[])";
    let keys: Vec<&[u8]> = fields.iter().map(|field| &field.0[..]).collect();
    let rows = db.rows(sql, &[(&keys, Type::BYTEA_ARRAY)]).await?;
    let read = |cells: Cells<'_>| {
        let (field, value) = (FieldKey(cells.digest(0)?), ValueDigest(cells.digest(1)?));
        Ok(AgreedRow { agreed: Agreed { field, value, ours: cells.bool(2)? }, run: RunId(cells.int(3)?) })
    };
    rows.iter().map(Cells).map(read).collect()
}

pub(super) async fn connections(db: &Db) -> Result<Vec<ConnectionState>, StoreError> {
    let sql = "SELECT client, connection, probes, probe_at, since, reason FROM lockstep.connection_state
         ORDER BY client, connection";
    let state = |cells: Cells<'_>| {
        let circuit = match cells.int_option(3)? {
            None => CircuitState::Closed,
            Some(probe_at) => {
                CircuitState::Open { probes: cells.small(2)?, probe_at: columns::time(probe_at) }
            }
        };
        Ok(ConnectionState {
            client: cells.text(0)?,
            connection: cells.text(1)?,
            circuit,
            since: cells.time(4)?,
            reason: cells.owned(5)?,
        })
    };
    db.rows(sql, &[]).await?.iter().map(|row| state(Cells(row))).collect()
}

pub(super) async fn secret(db: &Db, client: &str, connection: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT sealed FROM lockstep.secret WHERE client = $1 AND connection = $2";
    let rows = db.rows(sql, &[(&client, Type::TEXT), (&connection, Type::TEXT)]).await?;
    rows.first().map(|row| Cells(row).bytes(0).map(<[u8]>::to_vec)).transpose()
}

pub(super) async fn alert_windows(db: &Db) -> Result<Vec<AlertWindow>, StoreError> {
    let sql = "SELECT client, pipeline, ends, started, grouped, kind, object FROM lockstep.alert";
    db.rows(sql, &[]).await?.iter().map(|row| window(Cells(row))).collect()
}

/// Columns: client, pipeline, ends, started, grouped, kind, object.
pub(super) fn window(cells: Cells<'_>) -> Result<AlertWindow, StoreError> {
    let untold = columns::untold(cells.str_option(5)?, cells.str_option(6)?).map_err(unreadable)?;
    Ok(AlertWindow {
        client: cells.text(0)?,
        pipeline: cells.text(1)?,
        ends: cells.time(2)?,
        started: cells.small(3)?,
        grouped: cells.small(4)?,
        untold,
    })
}

pub(super) async fn counts(db: &Db) -> Result<Counts, StoreError> {
    // Each state by itself and as a literal, for its partial index.
    let of = |state: u8| {
        format!(
            "SELECT client, count(*) AS count, min(received) AS oldest FROM lockstep.run WHERE state = {state} \
             GROUP BY client"
        )
    };
    let all: Vec<String> = (0..=3).map(of).collect();
    let mut unfinished: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    let mut oldest: Option<i64> = None;
    for row in &db.rows(&all.join(" UNION ALL "), &[]).await? {
        let cells = Cells(row);
        *unfinished.entry(cells.text(0)?).or_default() += cells.int(1)?.unsigned_abs();
        let first = cells.int(2)?;
        oldest = Some(oldest.map_or(first, |other| other.min(first)));
    }
    Ok(Counts { unfinished, oldest: oldest.map(columns::time) })
}
