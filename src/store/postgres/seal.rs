//! The audit's chain: sealing what waits, reading it back; and what people do to the store by hand.
//!
//! Processes do not queue for the chain: whoever holds the row of its end seals, the others come again.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_postgres::types::Type;

use super::columns::{Cells, clean, clean_option, unreadable};
use super::db::{BEGIN, Db, Pipe, Values};
use super::fault::Fault;
use super::look;
use crate::steps::AuditEntry;
use crate::store::chain::Seal;
use crate::store::columns::{changes_json, micros, state_number, texts_json};
use crate::store::{
    ChainHead, ChainState, Erasure, Matter, RunId, RunState, Sealable, SealedEntry, Settled, StoreError,
};

/// The columns of an entry, as [`said`] reads them.
const ENTRY: &str =
    "at, client, run, call, connection, object, record, verb, step, changes, left_alone, note";

/// How often a transaction is tried that the database undid because of another one.
const TRIES: u32 = 3;

/// A transaction beside the writer: whoever asks may be no process that carries runs out.
pub(super) async fn transaction<T>(
    db: &Db,
    work: impl for<'a> Fn(Pipe<'a>) -> BoxFuture<'a, Result<T, Fault>> + Send + Sync,
) -> Result<T, StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt(db, &work).await {
            Err(Fault::Again) if tries < TRIES => {}
            done => return done.map_err(|fault| fault.told(&db.store)),
        }
    }
}

async fn attempt<T>(
    db: &Db,
    work: &(impl for<'a> Fn(Pipe<'a>) -> BoxFuture<'a, Result<T, Fault>> + Sync),
) -> Result<T, Fault> {
    let mut link = db.writer().await?;
    link.batch(BEGIN).await?;
    let worked = work(link.pipe()?).await;
    let done = match link.kept(worked) {
        Ok(done) => done,
        Err(fault) => {
            link.roll_back().await;
            return Err(fault);
        }
    };
    link.batch("COMMIT").await?;
    Ok(done)
}

/// Seals what has waited longest, unless another process is at it.
pub(super) async fn seal(pipe: Pipe<'_>, limit: usize) -> Result<usize, Fault> {
    let head = "SELECT value FROM lockstep.meta WHERE name = 'audit_head' FOR UPDATE SKIP LOCKED";
    let Some(mut head) = pipe.rows(head, &[]).await?.first().map(head_of) else { return Ok(0) };
    let sql = format!("SELECT {ENTRY} FROM lockstep.audit WHERE seq IS NULL ORDER BY at, run, call LIMIT $1");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (mut runs, mut calls, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    let (mut salts, mut digests, mut links) = (Vec::new(), Vec::new(), Vec::new());
    for row in &pipe.rows(&sql, &[(&limit, Type::INT8)]).await? {
        let said = said(Cells(row), 0).map_err(Fault::Said)?;
        let Seal { salt, stated, digest } = Seal::of(said.sealable()).map_err(Fault::Said)?;
        head = head.then(&stated, &digest.0);
        runs.push(said.run.0);
        calls.push(said.call);
        numbers.push(i64::try_from(head.number).unwrap_or(i64::MAX));
        salts.push(salt.to_vec());
        digests.push(digest.0.to_vec());
        links.push(head.link.0.to_vec());
    }
    if runs.is_empty() {
        return Ok(0);
    }
    let update = "UPDATE lockstep.audit a SET seq = u.seq, salt = u.salt, digest = u.digest, link = u.link
        FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[])
             AS u (run, call, seq, salt, digest, link)
        WHERE a.run = u.run AND a.call = u.call AND a.seq IS NULL";
    let calls: Vec<&str> = calls.iter().map(|call| &**call).collect();
    let values: Values<'_> = &[
        (&runs, Type::INT8_ARRAY),
        (&calls, Type::TEXT_ARRAY),
        (&numbers, Type::INT8_ARRAY),
        (&salts, Type::BYTEA_ARRAY),
        (&digests, Type::BYTEA_ARRAY),
        (&links, Type::BYTEA_ARRAY),
    ];
    let changed = pipe.change(update, values).await?;
    if usize::try_from(changed) != Ok(runs.len()) {
        return Err(Fault::Assumption("an entry of the audit was changed while it was sealed".into()));
    }
    let note = "UPDATE lockstep.meta SET value = $1 WHERE name = 'audit_head'";
    pipe.change(note, &[(&head.to_string(), Type::TEXT)]).await?;
    Ok(runs.len())
}

/// The end that was noted. One that is none is that of an empty chain: the entries then contradict it.
fn head_of(row: &tokio_postgres::Row) -> ChainHead {
    Cells(row).str(0).ok().and_then(|text| text.parse().ok()).unwrap_or(ChainHead::EMPTY)
}

/// How far the audit is sealed.
pub(super) async fn chain(db: &Db) -> Result<ChainState, StoreError> {
    let sql = "SELECT coalesce((SELECT value FROM lockstep.meta WHERE name = 'audit_head'), ''),
                      (SELECT count(*) FROM lockstep.audit WHERE seq IS NULL)";
    let rows = db.rows(sql, &[]).await?;
    let row = rows.first().ok_or_else(|| unreadable("its audit cannot be counted".into()))?;
    Ok(ChainState { head: head_of(row), unsealed: Cells(row).int(1)?.unsigned_abs() })
}

/// Sealed entries in their order.
pub(super) async fn sealed(db: &Db, after: u64, limit: usize) -> Result<Vec<SealedEntry>, StoreError> {
    let sql = format!(
        "SELECT seq, salt, digest, link, erased, {ENTRY} FROM lockstep.audit
         WHERE seq IS NOT NULL AND seq > $1 ORDER BY seq LIMIT $2"
    );
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = db.rows(&sql, &[(&after, Type::INT8), (&limit, Type::INT8)]).await?;
    let read = |row| {
        let number = Cells(row).int(0)?.unsigned_abs();
        Ok(entry(Cells(row), number).unwrap_or_else(|_| SealedEntry::unreadable(number)))
    };
    rows.iter().map(read).collect()
}

fn entry(cells: Cells<'_>, number: u64) -> Result<SealedEntry, StoreError> {
    let Said { at, client, run, call, entry } = said(cells, 5)?;
    Ok(SealedEntry {
        number,
        at,
        client,
        run,
        call,
        entry: Some(entry),
        salt: cells.bytes_option(1)?.map(<[u8]>::to_vec),
        digest: cells.bytes(2)?.to_vec(),
        link: cells.bytes(3)?.to_vec(),
        erased: cells.str_option(4)?.and_then(Erasure::from_word),
    })
}

/// What an entry says, and which call of which run it is about.
struct Said {
    at: jiff::Timestamp,
    client: Arc<str>,
    run: RunId,
    call: Arc<str>,
    entry: AuditEntry,
}

impl Said {
    fn sealable(&self) -> Sealable<'_> {
        Sealable { at: self.at, client: &self.client, run: self.run, call: &self.call, entry: &self.entry }
    }
}

fn said(cells: Cells<'_>, first: usize) -> Result<Said, StoreError> {
    Ok(Said {
        at: cells.time(first)?,
        client: cells.text(first + 1)?,
        run: RunId(cells.int(first + 2)?),
        call: cells.text(first + 3)?,
        entry: look::entry(cells, first + 4)?,
    })
}

/// A person has ended something for good.
pub(super) async fn settle(pipe: Pipe<'_>, settled: &Settled) -> Result<(), Fault> {
    let state = |outcome| i16::try_from(state_number(RunState::Ended(outcome))).unwrap_or(i16::MAX);
    let (is, was) = (state(settled.outcome), state(settled.was));
    let (sql, number, run, call) = match settled.matter {
        Matter::Run(run) => (
            "UPDATE lockstep.run SET state = $2, reason = $3 WHERE id = $1 AND state = $4",
            run.0,
            run,
            "settled".to_owned(),
        ),
        Matter::Event(event) => (
            "UPDATE lockstep.event SET outcome = $2, reason = $3 WHERE seq = $1 AND outcome = $4",
            event.0,
            RunId(0),
            without_run(),
        ),
    };
    let reason = clean(&settled.reason);
    let values: Values<'_> =
        &[(&number, Type::INT8), (&is, Type::INT2), (&reason, Type::TEXT), (&was, Type::INT2)];
    if pipe.change(sql, values).await? != 1 {
        let why = format!("{} is not there, or is not {}", settled.matter, settled.was_in_words());
        return Err(Fault::Assumption(why.into()));
    }
    note(pipe, run, &call, &settled.client, settled.at, &settled.entry).await
}

/// Names an audit entry that is of no run.
pub(super) fn without_run() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// An entry of the audit that no call of a run has brought.
pub(super) async fn note(
    pipe: Pipe<'_>,
    run: RunId,
    call: &str,
    client: &str,
    at: jiff::Timestamp,
    entry: &AuditEntry,
) -> Result<(), Fault> {
    let sql =
        "INSERT INTO lockstep.audit (run, call, at, client, connection, object, record, verb, step, changes,
                                           left_alone, note)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let (record, note) = (clean_option(entry.record.as_deref()), clean_option(entry.note.as_deref()));
    let step = clean(&entry.step);
    let values: Values<'_> = &[
        (&run.0, Type::INT8),
        (&call, Type::TEXT),
        (&micros(at), Type::INT8),
        (&client, Type::TEXT),
        (&&*entry.connection, Type::TEXT),
        (&&*entry.object, Type::TEXT),
        (&record, Type::TEXT),
        (&entry.verb, Type::TEXT),
        (&step, Type::TEXT),
        (&changes_json(entry), Type::TEXT),
        (&texts_json(&entry.left_alone), Type::TEXT),
        (&note, Type::TEXT),
    ];
    pipe.change(sql, values).await.map(drop)
}
