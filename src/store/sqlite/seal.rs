//! The audit's chain: what waits to be sealed, sealing it, reading it back.
//!
//! Readers compute the hashes, which are most of the work; the writer chains them, since the order is decided there.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::columns::time;
use super::look;
use crate::steps::AuditEntry;
use crate::store::chain::Seal;
use crate::store::{ChainHead, ChainState, Erasure, RunId, Sealable, SealedEntry, StoreError};

/// The columns of an entry, as [`look::entry`] reads them from the one numbered 4 on.
const ENTRY: &str =
    "at, client, run, call, connection, object, record, verb, step, changes, left_alone, note";

/// What waits for the sealer, the oldest first.
pub(super) const UNSEALED: &str =
    "FROM audit INDEXED BY audit_unsealed WHERE seq IS NULL ORDER BY at, run, call LIMIT ?1";

/// An entry that waits for the sealer, with its hashes.
pub(super) struct Prepared {
    run: RunId,
    call: Arc<str>,
    seal: Seal,
}

/// Computes the hashes of entries that wait. An entry is never changed before it is sealed, so they still hold when the
/// writer gets them.
pub(super) fn prepare(
    connection: &Connection,
    limit: usize,
) -> Result<std::result::Result<Vec<Prepared>, StoreError>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {ENTRY} {UNSEALED}"))?;
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut prepared = Vec::new();
    while let Some(row) = rows.next()? {
        let Said { at, client, run, call, entry } = said(row, 0)?;
        let seal = Seal::of(Sealable { at: time(at), client: &client, run, call: &call, entry: &entry });
        match seal {
            Ok(seal) => prepared.push(Prepared { run, call, seal }),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(prepared))
}

/// Chains them. What another process has sealed meanwhile is left as it is.
pub(super) fn seal(connection: &Connection, prepared: &[Prepared]) -> Result<usize> {
    let mut head = head(connection)?;
    let mut update = connection.prepare_cached(
        "UPDATE audit SET seq = ?3, salt = ?4, digest = ?5, link = ?6
         WHERE run = ?1 AND call = ?2 AND seq IS NULL",
    )?;
    let mut sealed = 0;
    for Prepared { run, call, seal } in prepared {
        let next = head.then(&seal.stated, &seal.digest.0);
        let number = i64::try_from(next.number).unwrap_or(i64::MAX);
        let changed = update.execute(params![run.0, call, number, seal.salt, seal.digest.0, next.link.0])?;
        if changed == 1 {
            head = next;
            sealed += 1;
        }
    }
    let mut note = connection.prepare_cached(
        "INSERT INTO meta (name, value) VALUES ('audit_head', ?1)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )?;
    note.execute([head.to_string()])?;
    Ok(sealed)
}

/// The end that was noted. One that is gone, or is none, is that of an empty chain: the entries then contradict it.
fn head(connection: &Connection) -> Result<ChainHead> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE name = 'audit_head'")?;
    let text: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(ChainHead::EMPTY))
}

/// How far the audit is sealed.
pub(super) fn chain(connection: &Connection) -> Result<ChainState> {
    let mut waiting = connection.prepare_cached("SELECT count(*) FROM audit WHERE seq IS NULL")?;
    let unsealed: i64 = waiting.query_row([], |row| row.get(0))?;
    Ok(ChainState { head: head(connection)?, unsealed: unsealed.unsigned_abs() })
}

/// Sealed entries in their order.
pub(super) fn sealed(connection: &Connection, after: u64, limit: usize) -> Result<Vec<SealedEntry>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT seq, salt, digest, link, erased, {ENTRY} FROM audit
         WHERE seq IS NOT NULL AND seq > ?1 ORDER BY seq LIMIT ?2"
    ))?;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let page = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map([number(after), page], |row| {
        let number = row.get::<_, i64>(0)?;
        Ok(entry(row, number.unsigned_abs())
            .unwrap_or_else(|_| SealedEntry::unreadable(number.unsigned_abs())))
    })?;
    rows.collect()
}

fn entry(row: &Row<'_>, number: u64) -> Result<SealedEntry> {
    let Said { at, client, run, call, entry } = said(row, 5)?;
    Ok(SealedEntry {
        number,
        at: time(at),
        client,
        run,
        call,
        entry: Some(entry),
        salt: row.get(1)?,
        digest: row.get(2)?,
        link: row.get(3)?,
        erased: row.get::<_, Option<String>>(4)?.and_then(|word| Erasure::from_word(&word)),
    })
}

/// What an entry says, from the columns [`ENTRY`].
struct Said {
    at: i64,
    client: Arc<str>,
    run: RunId,
    call: Arc<str>,
    entry: AuditEntry,
}

fn said(row: &Row<'_>, first: usize) -> Result<Said> {
    Ok(Said {
        at: row.get(first)?,
        client: row.get(first + 1)?,
        run: RunId(row.get(first + 2)?),
        call: row.get(first + 3)?,
        entry: look::entry(row, first + 4)?,
    })
}
