//! Erasing what is kept beside events: records that polls saw, the words of reports, alerts that are told later.
//!
//! Records are walked over and named by the digests that their rows have, reports by their numbers.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::columns::{Cells, clean};
use super::db::{Db, Pipe, Values};
use super::fault::Fault;
use super::seal::{note, without_run};
use crate::store::note::{FoundNote, without_matter, without_words};
use crate::store::{
    ErasableNote, ErasingNotes, Erasure, ErasureFilter, NoteId, NoteKind, NotePage, RunId, StoreError,
};
use crate::value::Value;

/// One stretch of the walk over all notes of a kind.
pub(super) async fn erasable(
    db: &Db,
    filter: &ErasureFilter,
    kind: NoteKind,
    after: Option<&NoteId>,
    limit: usize,
) -> Result<NotePage, StoreError> {
    let rows = match kind {
        NoteKind::Seen => records(db, "poll_seen", filter, after, limit).await?,
        NoteKind::Staged => records(db, "poll_staged", filter, after, limit).await?,
        NoteKind::Report => reports(db, filter, after, limit).await?,
        NoteKind::Alert => alerts(db, filter, after, limit).await?,
    };
    let found = rows.iter().map(|row| found(kind, Cells(row))).collect::<Result<_, StoreError>>()?;
    Ok(NotePage::of(filter, found, limit))
}

/// Of records it is looked here whether an id occurs in them.
async fn records(
    db: &Db,
    table: &str,
    filter: &ErasureFilter,
    after: Option<&NoteId>,
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
    let sql = format!(
        "SELECT client, poll, encode(id, 'hex'), coalesce(noted, changed), length(body)::bigint,
                coalesce(record = $4 OR position(convert_to($5, 'UTF8') in body) > 0, FALSE), NULL::text
         FROM lockstep.{table}
         WHERE body IS NOT NULL AND id > decode($1, 'hex') AND ($3::text IS NULL OR client = $3)
         ORDER BY id LIMIT $2"
    );
    let (after, limit) = (after.map_or("", |id| &*id.part), i64::try_from(limit).unwrap_or(i64::MAX));
    let (plain, quoted) = (filter.id().map(clean), filter.id().map(|id| Value::from(id).to_json()));
    let values: Values<'_> = &[
        (&after, Type::TEXT),
        (&limit, Type::INT8),
        (&filter.client(), Type::TEXT),
        (&plain, Type::TEXT),
        (&quoted, Type::TEXT),
    ];
    db.rows(&sql, values).await
}

/// Those whose runs are still under way have no words yet.
async fn reports(
    db: &Db,
    filter: &ErasureFilter,
    after: Option<&NoteId>,
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
    let sql = r#"SELECT client, poll, number::text, ended,
               (length(tally) + coalesce(length(error), 0))::bigint, FALSE,
               CASE WHEN $6 THEN tally || ' ' || coalesce(error, '') END
        FROM lockstep.report
        WHERE ended IS NOT NULL AND erased IS NULL
          AND (error IS NOT NULL OR strpos(tally, '"skipped":{}') = 0 OR strpos(tally, '"conflicts":{}') = 0
               OR strpos(tally, '"failed":{}') = 0)
          AND (client, poll, number) > ($1, $2, $3) AND ($5::text IS NULL OR client = $5)
        ORDER BY client, poll, number LIMIT $4"#;
    let (client, poll) = after.map_or(("", ""), |id| (&*id.client, &*id.name));
    let number = after.map_or(0, number);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values: Values<'_> = &[
        (&client, Type::TEXT),
        (&poll, Type::TEXT),
        (&number, Type::INT8),
        (&limit, Type::INT8),
        (&filter.client(), Type::TEXT),
        (&filter.id().is_some(), Type::BOOL),
    ];
    db.rows(sql, values).await
}

async fn alerts(
    db: &Db,
    filter: &ErasureFilter,
    after: Option<&NoteId>,
    limit: usize,
) -> Result<Vec<Row>, StoreError> {
    let sql = "SELECT client, pipeline, '', ends, length(object)::bigint, FALSE, CASE WHEN $5 THEN object END
        FROM lockstep.alert
        WHERE object IS NOT NULL AND erased IS NULL
          AND (client, pipeline) > ($1, $2) AND ($4::text IS NULL OR client = $4)
        ORDER BY client, pipeline LIMIT $3";
    let (client, pipeline) = after.map_or(("", ""), |id| (&*id.client, &*id.name));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values: Values<'_> = &[
        (&client, Type::TEXT),
        (&pipeline, Type::TEXT),
        (&limit, Type::INT8),
        (&filter.client(), Type::TEXT),
        (&filter.id().is_some(), Type::BOOL),
    ];
    db.rows(sql, values).await
}

fn number(id: &NoteId) -> i64 {
    id.part.parse().unwrap_or_default()
}

fn found(kind: NoteKind, cells: Cells<'_>) -> Result<FoundNote, StoreError> {
    let id = NoteId { kind, client: cells.text(0)?, name: cells.text(1)?, part: cells.text(2)? };
    Ok(FoundNote {
        note: ErasableNote { id, bytes: cells.int(4)?.unsigned_abs() },
        noted: cells.time(3)?,
        is_about: cells.bool(5)?,
        words: cells.str_option(6)?.map(str::to_owned),
    })
}

/// Erases notes, tells the audit, and gives those that were erased.
pub(super) async fn erase(pipe: Pipe<'_>, erasing: &ErasingNotes) -> Result<Vec<NoteId>, Fault> {
    // As a poll's own step does it: its row first.
    let polls = erasing.notes.iter().filter(|id| id.kind != NoteKind::Alert);
    let (clients, polls): (Vec<&str>, Vec<&str>) = polls.map(|id| (&*id.client, &*id.name)).unzip();
    let lock =
        "SELECT 1 FROM lockstep.poll WHERE (client, poll) IN (SELECT * FROM unnest($1::text[], $2::text[]))
        ORDER BY client, poll FOR UPDATE";
    pipe.rows(lock, &[(&clients, Type::TEXT_ARRAY), (&polls, Type::TEXT_ARRAY)]).await?;
    let mut erased = Vec::new();
    for id in &erasing.notes {
        let done = match id.kind {
            NoteKind::Seen => {
                let sql = "UPDATE lockstep.poll_seen SET body = NULL, noted = NULL
                    WHERE id = decode($1, 'hex') AND body IS NOT NULL";
                pipe.change(sql, &[(&&*id.part, Type::TEXT)]).await? == 1
            }
            NoteKind::Staged => unstage(pipe, id).await?,
            NoteKind::Report => report(pipe, id, erasing.why).await?,
            NoteKind::Alert => alert(pipe, id, erasing.why).await?,
        };
        if done {
            erased.push(id.clone());
        }
    }
    for (client, entry) in erasing.entries(&erased) {
        note(pipe, RunId(0), &without_run(), &client, erasing.at, &entry).await?;
    }
    Ok(erased)
}

/// A record that waits for the end of its listing is taken out. A poll that is listing it begins again: it goes on under
/// the next number, and whoever is at it under the one before is refused.
async fn unstage(pipe: Pipe<'_>, id: &NoteId) -> Result<bool, Fault> {
    let (client, poll): (&str, &str) = (&id.client, &id.name);
    let sql = "DELETE FROM lockstep.poll_staged WHERE id = decode($1, 'hex') RETURNING number";
    let rows = pipe.rows(sql, &[(&&*id.part, Type::TEXT)]).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    let number = Cells(row).int(0).map_err(Fault::Said)?;
    let values: Values<'_> = &[(&client, Type::TEXT), (&poll, Type::TEXT), (&number, Type::INT8)];
    let next = "UPDATE lockstep.poll SET number = number + 1
        WHERE client = $1 AND poll = $2 AND number = $3 AND NOT reported";
    if pipe.change(next, values).await? == 1 {
        for table in ["poll_run", "poll_staged"] {
            let sql = format!(
                "UPDATE lockstep.{table} SET number = number + 1 WHERE client = $1 AND poll = $2 AND number = $3"
            );
            pipe.change(&sql, values).await?;
        }
    }
    Ok(true)
}

async fn report(pipe: Pipe<'_>, id: &NoteId, why: Erasure) -> Result<bool, Fault> {
    let (client, poll, number): (&str, &str, _) = (&id.client, &id.name, number(id));
    let names: Values<'_> = &[(&client, Type::TEXT), (&poll, Type::TEXT), (&number, Type::INT8)];
    let sql = "SELECT tally, error FROM lockstep.report
        WHERE client = $1 AND poll = $2 AND number = $3 AND erased IS NULL FOR UPDATE";
    let rows = pipe.rows(sql, names).await?;
    let Some(cells) = rows.first().map(Cells) else { return Ok(false) };
    let read = || Ok((cells.json(0)?, cells.str_option(1)?));
    let (tally, error) = read().map_err(Fault::Said)?;
    let (tally, error) = without_words(&tally, error, why);
    let sql = "UPDATE lockstep.report SET tally = $4, error = $5, erased = $6
        WHERE client = $1 AND poll = $2 AND number = $3";
    let values: Values<'_> = &[
        (&client, Type::TEXT),
        (&poll, Type::TEXT),
        (&number, Type::INT8),
        (&tally, Type::TEXT),
        (&error, Type::TEXT),
        (&why.word(), Type::TEXT),
    ];
    Ok(pipe.change(sql, values).await? == 1)
}

async fn alert(pipe: Pipe<'_>, id: &NoteId, why: Erasure) -> Result<bool, Fault> {
    let (client, pipeline): (&str, &str) = (&id.client, &id.name);
    let sql = "SELECT object FROM lockstep.alert
        WHERE client = $1 AND pipeline = $2 AND object IS NOT NULL AND erased IS NULL FOR UPDATE";
    let rows = pipe.rows(sql, &[(&client, Type::TEXT), (&pipeline, Type::TEXT)]).await?;
    let Some(cells) = rows.first().map(Cells) else { return Ok(false) };
    let object = without_matter(&cells.json(0).map_err(Fault::Said)?, why);
    let sql = "UPDATE lockstep.alert SET object = $3, erased = $4 WHERE client = $1 AND pipeline = $2";
    let values: Values<'_> =
        &[(&client, Type::TEXT), (&pipeline, Type::TEXT), (&object, Type::TEXT), (&why.word(), Type::TEXT)];
    Ok(pipe.change(sql, values).await? == 1)
}
