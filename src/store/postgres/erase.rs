//! Erasing: what is to go, and taking it out.
//!
//! Events that still have a payload are those that are not erased, so `payload` is the list of what is left to do. What
//! is deleted leaves the files of the database when it vacuums them.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::columns::{Cells, clean};
use super::db::{Db, Pipe, Values};
use super::fault::Fault;
use super::seal::{note, without_run};
use crate::store::columns::{self, without_values};
use crate::store::erase::Found;
use crate::store::{Erasable, ErasablePage, Erasing, ErasureFilter, EventSeq, Kept, RunId, StoreError};
use crate::value::Value;

/// Whether the id $3, as JSON $4, occurs in an event or in what its runs did.
const IS_ABOUT: &str = "e.object = $3 OR position(convert_to($4, 'UTF8') in p.body) > 0
    OR EXISTS (SELECT 1 FROM lockstep.run r
               WHERE r.id = ANY (e.runs) AND (r.order_key = $3 OR strpos(r.candidates, $4) > 0))
    OR EXISTS (SELECT 1 FROM lockstep.journal j WHERE j.run = ANY (e.runs) AND strpos(j.result, $4) > 0)
    OR EXISTS (SELECT 1 FROM lockstep.audit a
               WHERE a.run = ANY (e.runs) AND (a.record = $3 OR strpos(a.changes, $4) > 0))";

/// One stretch of the walk over all events that are not erased.
pub(super) async fn erasable(
    db: &Db,
    filter: &ErasureFilter,
    after: EventSeq,
    limit: usize,
) -> Result<ErasablePage, StoreError> {
    let sql = format!(
        "SELECT p.seq, e.client, e.received, length(p.body)::bigint,
                (SELECT count(*) FROM lockstep.journal j WHERE j.run = ANY (e.runs)),
                (SELECT count(*) FROM lockstep.audit a WHERE a.run = ANY (e.runs)),
                (SELECT min(r.id) FROM lockstep.run r WHERE r.id = ANY (e.runs) AND r.state < 4),
                (SELECT min(r.id) FROM lockstep.run r WHERE r.id = ANY (e.runs) AND r.state = 7),
                (SELECT max(r.ended) FROM lockstep.run r WHERE r.id = ANY (e.runs)),
                coalesce({}, false)
         FROM lockstep.payload p JOIN lockstep.event e ON e.seq = p.seq
         WHERE p.seq > $1 ORDER BY p.seq LIMIT $2",
        if filter.id().is_some() { IS_ABOUT } else { "false" }
    );
    let page = i64::try_from(limit).unwrap_or(i64::MAX);
    let id = filter.id().unwrap_or_default();
    let (plain, quoted) = (clean(id), Value::from(id).to_json());
    let values: Values<'_> =
        &[(&after.0, Type::INT8), (&page, Type::INT8), (&plain, Type::TEXT), (&quoted, Type::TEXT)];
    let values = if filter.id().is_some() { values } else { &values[..2] };
    let rows = db.rows(&sql, values).await?;
    let found = rows.iter().map(|row| found(Cells(row))).collect::<Result<_, StoreError>>()?;
    Ok(ErasablePage::of(filter, found, limit))
}

fn found(cells: Cells<'_>) -> Result<Found, StoreError> {
    let unfinished = cells.int_option(6)?.map(|run| Kept::Unfinished(RunId(run)));
    let dead = cells.int_option(7)?.map(|run| Kept::Dead(RunId(run)));
    Ok(Found {
        client: cells.text(1)?,
        received: cells.time(2)?,
        ended: cells.int_option(8)?.map(columns::time),
        is_about: cells.bool(9)?,
        event: Erasable {
            seq: EventSeq(cells.int(0)?),
            bytes: cells.int(3)?.unsigned_abs(),
            calls: cells.int(4)?.unsigned_abs(),
            entries: cells.int(5)?.unsigned_abs(),
            kept: unfinished.or(dead),
        },
    })
}

/// Erases events, tells the audit, and gives those that were erased.
pub(super) async fn erase(pipe: Pipe<'_>, erasing: &Erasing) -> Result<Vec<EventSeq>, Fault> {
    // A run that has ended and is no dead letter never goes again, so what holds here still holds below.
    let mark = "UPDATE lockstep.event e
        SET erased = $2, reason = CASE WHEN e.reason IS NOT NULL THEN '' END
        WHERE e.seq = ANY ($1::bigint[]) AND e.erased IS NULL
          AND NOT EXISTS (SELECT 1 FROM lockstep.run r
                          WHERE r.id = ANY (e.runs) AND (r.state < 4 OR r.state = 7))
          AND NOT EXISTS (SELECT 1 FROM lockstep.audit a WHERE a.run = ANY (e.runs) AND a.seq IS NULL)
        RETURNING e.seq, e.client, e.runs";
    let wanted: Vec<i64> = erasing.events.iter().map(|seq| seq.0).collect();
    let word = erasing.why.word();
    let marked = pipe.rows(mark, &[(&wanted, Type::INT8_ARRAY), (&word, Type::TEXT)]).await?;
    let (mut erased, mut runs) = (Vec::new(), Vec::new());
    for cells in marked.iter().map(Cells) {
        erased.push((EventSeq(cells.int(0).map_err(Fault::Said)?), cells.text(1).map_err(Fault::Said)?));
        runs.extend(cells.ints(2).map_err(Fault::Said)?);
    }
    erased.sort_unstable_by_key(|(seq, _)| *seq);
    if erased.is_empty() {
        return Ok(Vec::new());
    }
    let events: Vec<i64> = erased.iter().map(|(seq, _)| seq.0).collect();
    let payload = "DELETE FROM lockstep.payload WHERE seq = ANY ($1::bigint[])";
    pipe.change(payload, &[(&events, Type::INT8_ARRAY)]).await?;
    for sql in [
        "DELETE FROM lockstep.journal WHERE run = ANY ($1::bigint[])",
        "DELETE FROM lockstep.agreed WHERE run = ANY ($1::bigint[])",
        "UPDATE lockstep.run SET reason = '', candidates = NULL, order_key = '', lane_hash = 0
         WHERE id = ANY ($1::bigint[])",
    ] {
        pipe.change(sql, &[(&runs, Type::INT8_ARRAY)]).await?;
    }
    erase_values(pipe, &runs, word).await?;
    for (client, entry) in erasing.entries(&erased) {
        note(pipe, RunId(0), &without_run(), &client, erasing.at, &entry).await?;
    }
    Ok(erased.into_iter().map(|(seq, _)| seq).collect())
}

/// Takes the values out of the audit entries of these runs; which fields were written stays.
async fn erase_values(pipe: Pipe<'_>, runs: &[i64], why: &str) -> Result<(), Fault> {
    let sql =
        "SELECT run, call, changes FROM lockstep.audit WHERE run = ANY ($1::bigint[]) AND erased IS NULL";
    let (mut of, mut calls, mut blanks) = (Vec::new(), Vec::new(), Vec::new());
    for cells in pipe.rows(sql, &[(&runs, Type::INT8_ARRAY)]).await?.iter().map(Cells) {
        let read = || -> Result<(i64, Arc<str>, Value), StoreError> {
            Ok((cells.int(0)?, cells.text(1)?, cells.json(2)?))
        };
        let (run, call, changes) = read().map_err(Fault::Said)?;
        of.push(run);
        calls.push(call.to_string());
        blanks.push(without_values(&changes).to_json());
    }
    let blank = "UPDATE lockstep.audit a SET changes = u.changes, salt = NULL, erased = $4
        FROM unnest($1::bigint[], $2::text[], $3::text[]) AS u (run, call, changes)
        WHERE a.run = u.run AND a.call = u.call";
    let values: Values<'_> = &[
        (&of, Type::INT8_ARRAY),
        (&calls, Type::TEXT_ARRAY),
        (&blanks, Type::TEXT_ARRAY),
        (&why, Type::TEXT),
    ];
    pipe.change(blank, values).await.map(drop)
}
