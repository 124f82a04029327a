//! Erasing: what is to go, and taking it out of the file for good.
//!
//! Events that still have a payload are those that are not erased, so `payload` is the list of what is left to do.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::columns::{json, time};
use crate::store::columns::without_values;
use crate::store::erase::Found;
use crate::store::{Erasable, ErasablePage, Erasing, Erasure, ErasureFilter, EventSeq, Kept, RunId};
use crate::value::Value;

/// One stretch of the walk over all events that are not erased.
pub(super) fn erasable(
    connection: &Connection,
    filter: &ErasureFilter,
    after: EventSeq,
    limit: usize,
) -> Result<ErasablePage> {
    let mut statement = connection.prepare_cached(
        "SELECT p.seq, e.client, e.received, e.first_run, e.first_run + e.runs, e.object, length(p.body)
         FROM payload p JOIN event e ON e.seq = p.seq WHERE p.seq > ?1 ORDER BY p.seq LIMIT ?2",
    )?;
    let rows = statement.query_map([after.0, i64::try_from(limit).unwrap_or(i64::MAX)], Candidate::read)?;
    let found = rows.map(|candidate| candidate?.found(connection, filter.id())).collect::<Result<_>>()?;
    Ok(ErasablePage::of(filter, found, limit))
}

/// An event that is not erased yet.
struct Candidate {
    seq: EventSeq,
    client: Arc<str>,
    received: Timestamp,
    /// Its runs: from the first to before the second.
    runs: [i64; 2],
    object: Option<Arc<str>>,
    bytes: i64,
}

impl Candidate {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            seq: EventSeq(row.get(0)?),
            client: row.get(1)?,
            received: time(row.get(2)?),
            runs: [row.get(3)?, row.get(4)?],
            object: row.get(5)?,
            bytes: row.get(6)?,
        })
    }

    /// The event with what it weighs and what it is about.
    fn found(self, connection: &Connection, id: Option<&str>) -> Result<Found> {
        let (kept, ended) = self.standing(connection)?;
        let count = |sql: &str| -> Result<u64> {
            let rows: i64 = connection.prepare_cached(sql)?.query_row(self.runs, |row| row.get(0))?;
            Ok(rows.unsigned_abs())
        };
        let event = Erasable {
            seq: self.seq,
            bytes: self.bytes.unsigned_abs(),
            calls: count("SELECT count(*) FROM journal WHERE run >= ?1 AND run < ?2")?,
            entries: count("SELECT count(*) FROM audit WHERE run >= ?1 AND run < ?2")?,
            kept,
        };
        let is_about = id.map_or(Ok(false), |id| self.is_about(connection, id))?;
        Ok(Found { client: self.client, received: self.received, ended, is_about, event })
    }

    /// Whether one of its runs still needs it, and when the last one ended.
    fn standing(&self, connection: &Connection) -> Result<(Option<Kept>, Option<Timestamp>)> {
        let mut runs =
            connection.prepare_cached("SELECT id, state, ended FROM run WHERE id >= ?1 AND id < ?2")?;
        let mut rows = runs.query(self.runs)?;
        let (mut kept, mut last) = (None, None);
        while let Some(row) = rows.next()? {
            let run = RunId(row.get(0)?);
            match row.get::<_, i64>(1)? {
                0..=3 => kept = Some(Kept::Unfinished(run)),
                7 => kept = kept.or(Some(Kept::Dead(run))),
                _ => last = last.max(row.get::<_, Option<i64>>(2)?),
            }
        }
        Ok((kept, last.map(time)))
    }

    /// Whether the id is that of its object, or stands in its payload or in what its runs did.
    fn is_about(&self, connection: &Connection, id: &str) -> Result<bool> {
        if self.object.as_deref() == Some(id) {
            return Ok(true);
        }
        let quoted = Value::from(id).to_json();
        let mut body = connection.prepare_cached("SELECT instr(body, ?2) > 0 FROM payload WHERE seq = ?1")?;
        if body.query_row(params![self.seq.0, quoted.as_bytes()], |row| row.get(0))? {
            return Ok(true);
        }
        let [first, end] = self.runs;
        for sql in [
            "SELECT 1 FROM run WHERE id >= ?1 AND id < ?2 AND (order_key = ?3 OR instr(candidates, ?4) > 0)",
            "SELECT 1 FROM journal WHERE run >= ?1 AND run < ?2 AND instr(result, ?4) > 0",
            "SELECT 1 FROM audit WHERE run >= ?1 AND run < ?2 AND (record = ?3 OR instr(changes, ?4) > 0)",
        ] {
            if connection.prepare_cached(sql)?.exists(params![first, end, id, quoted])? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Erases events, and gives those that were, each with its client. What is erased is written over: nothing of it stays
/// on a page that the file keeps.
pub(super) fn erase(connection: &Connection, erasing: &Erasing) -> Result<Vec<(EventSeq, Arc<str>)>> {
    secure_delete(connection, "ON")?;
    let erased = erasing.events.iter().filter_map(|seq| erase_one(connection, *seq, erasing.why).transpose());
    let erased = erased.collect();
    // In the ordinary course only what lies on pages that are written anyway is written over.
    secure_delete(connection, "FAST")?;
    erased
}

pub(super) fn secure_delete(connection: &Connection, how: &str) -> Result<()> {
    connection.query_row(&format!("PRAGMA secure_delete = {how}"), [], |_| Ok(()))
}

fn erase_one(connection: &Connection, seq: EventSeq, why: Erasure) -> Result<Option<(EventSeq, Arc<str>)>> {
    // A dead letter may have been taken up again since somebody looked: the condition is checked where it matters.
    let mut mark = connection.prepare_cached(
        "UPDATE event AS e SET erased = ?2, reason = CASE WHEN e.reason IS NOT NULL THEN '' END
         WHERE e.seq = ?1 AND e.erased IS NULL
           AND NOT EXISTS (SELECT 1 FROM run r WHERE r.id >= e.first_run AND r.id < e.first_run + e.runs
                                                 AND (r.state < 4 OR r.state = 7))
           AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.run >= e.first_run AND a.run < e.first_run + e.runs
                                                   AND a.seq IS NULL)
         RETURNING client, first_run, first_run + runs",
    )?;
    let marked = mark.query_row(params![seq.0, why.word()], |row| {
        Ok((row.get::<_, Arc<str>>(0)?, [row.get::<_, i64>(1)?, row.get(2)?]))
    });
    let Some((client, runs)) = marked.optional()? else { return Ok(None) };
    connection.prepare_cached("DELETE FROM payload WHERE seq = ?1")?.execute([seq.0])?;
    connection.prepare_cached("DELETE FROM journal WHERE run >= ?1 AND run < ?2")?.execute(runs)?;
    connection.prepare_cached("DELETE FROM agreed WHERE run >= ?1 AND run < ?2")?.execute(runs)?;
    let mut blank = connection.prepare_cached(
        "UPDATE run SET reason = '', candidates = NULL, order_key = '' WHERE id >= ?1 AND id < ?2",
    )?;
    blank.execute(runs)?;
    erase_values(connection, runs, why)?;
    Ok(Some((seq, client)))
}

/// Takes the values out of the audit entries of these runs; which fields were written stays.
fn erase_values(connection: &Connection, runs: [i64; 2], why: Erasure) -> Result<()> {
    let mut entries = connection.prepare_cached(
        "SELECT run, call, changes FROM audit WHERE run >= ?1 AND run < ?2 AND erased IS NULL",
    )?;
    let entries = entries
        .query_map(runs, |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })?
        .collect::<Result<Vec<_>>>()?;
    let mut blank = connection.prepare_cached(
        "UPDATE audit SET changes = ?3, salt = NULL, erased = ?4 WHERE run = ?1 AND call = ?2",
    )?;
    for (run, call, changes) in entries {
        blank.execute(params![run, call, without_values(&json(&changes)?).to_json(), why.word()])?;
    }
    Ok(())
}

/// Pages given back to the file system at once: half a megabyte, which is moved within a millisecond or two.
const PAGES: u32 = 64;

/// Gives free pages back, or cuts the log, in which old pages still stand as they were. True when neither is left to do.
/// The log is not waited for: a reader may need it, and who asked comes again.
pub(super) fn give_back(connection: &Connection) -> Result<bool> {
    let free = || connection.query_row("PRAGMA freelist_count", [], |row| row.get::<_, i64>(0));
    let incremental = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get::<_, i64>(0))? == 2;
    if incremental && free()? > 0 {
        // Each row is a page: all of them have to be asked for.
        let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        return Ok(false);
    }
    let busy = connection.query_row("PRAGMA busy_timeout", [], |row| row.get::<_, i64>(0))?;
    connection.busy_timeout(std::time::Duration::ZERO)?;
    let cut = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(std::time::Duration::from_millis(busy.unsigned_abs()))?;
    Ok(cut? == 0)
}
