//! Erasing what is kept beside events: records that polls saw, the words of reports, alerts that are told later.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::columns::{json, time};
use super::erase::secure_delete;
use crate::store::note::{FoundNote, without_matter, without_words};
use crate::store::{ErasableNote, ErasingNotes, Erasure, ErasureFilter, NoteId, NoteKind, NotePage};
use crate::value::Value;

/// What a stretch reads: client, name, part, when it was kept, its size, whether the id ?6, as JSON ?7, occurs in it, and
/// its words where that is looked for elsewhere. After ?1 to ?3, at most ?4, of the client ?5 if one is named.
fn stretch(kind: NoteKind) -> &'static str {
    match kind {
        NoteKind::Seen => {
            "SELECT client, poll, record, coalesce(noted, changed), length(body),
                    coalesce(record = ?6 OR instr(body, ?7) > 0, 0), NULL
             FROM poll_seen
             WHERE body IS NOT NULL AND (client, poll, record) > (?1, ?2, ?3) AND (?5 IS NULL OR client = ?5)
             ORDER BY client, poll, record LIMIT ?4"
        }
        NoteKind::Staged => {
            "SELECT client, poll, record, coalesce(noted, changed), length(body),
                    coalesce(record = ?6 OR instr(body, ?7) > 0, 0), NULL
             FROM poll_staged
             WHERE (client, poll, record) > (?1, ?2, ?3) AND (?5 IS NULL OR client = ?5)
             ORDER BY client, poll, record LIMIT ?4"
        }
        // Those whose runs are still under way have no words yet.
        NoteKind::Report => {
            r#"SELECT client, poll, CAST(number AS TEXT), ended, length(tally) + coalesce(length(error), 0), 0,
                      CASE WHEN ?7 IS NOT NULL THEN tally || ' ' || coalesce(error, '') END
               FROM report
               WHERE ended IS NOT NULL AND erased IS NULL
                 AND (error IS NOT NULL OR instr(tally, '"skipped":{}') = 0 OR instr(tally, '"conflicts":{}') = 0
                      OR instr(tally, '"failed":{}') = 0)
                 AND (client, poll, number) > (?1, ?2, CAST(?3 AS INTEGER)) AND (?5 IS NULL OR client = ?5)
               ORDER BY client, poll, number LIMIT ?4"#
        }
        NoteKind::Alert => {
            "SELECT client, pipeline, '', ends, length(object), 0, CASE WHEN ?7 IS NOT NULL THEN object END
             FROM alert
             WHERE object IS NOT NULL AND erased IS NULL
               AND (client, pipeline, '') > (?1, ?2, ?3) AND (?5 IS NULL OR client = ?5)
             ORDER BY client, pipeline LIMIT ?4"
        }
    }
}

/// One stretch of the walk over all notes of a kind.
pub(super) fn erasable(
    connection: &Connection,
    filter: &ErasureFilter,
    kind: NoteKind,
    after: Option<&NoteId>,
    limit: usize,
) -> Result<NotePage> {
    let after = after.map_or(["", "", ""], |id| [&id.client, &id.name, &id.part]);
    let quoted = filter.id().map(|id| Value::from(id).to_json().into_bytes());
    let page = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(stretch(kind))?;
    let values = params![after[0], after[1], after[2], page, filter.client(), filter.id(), quoted];
    let found = statement.query_map(values, |row| found(kind, row))?.collect::<Result<_>>()?;
    Ok(NotePage::of(filter, found, limit))
}

fn found(kind: NoteKind, row: &Row<'_>) -> Result<FoundNote> {
    let id = NoteId { kind, client: row.get(0)?, name: row.get(1)?, part: row.get(2)? };
    Ok(FoundNote {
        note: ErasableNote { id, bytes: row.get::<_, i64>(4)?.unsigned_abs() },
        noted: time(row.get(3)?),
        is_about: row.get(5)?,
        words: row.get(6)?,
    })
}

/// Erases notes, and gives those that were. What is erased is written over: nothing of it stays on a page that the file
/// keeps.
pub(super) fn erase(connection: &Connection, erasing: &ErasingNotes) -> Result<Vec<NoteId>> {
    secure_delete(connection, "ON")?;
    let erased = erasing.notes.iter().filter_map(|id| match erase_one(connection, id, erasing.why) {
        Ok(done) => done.then(|| Ok(id.clone())),
        Err(failure) => Some(Err(failure)),
    });
    let erased = erased.collect();
    secure_delete(connection, "FAST")?;
    erased
}

fn erase_one(connection: &Connection, id: &NoteId, why: Erasure) -> Result<bool> {
    let NoteId { kind, client, name, part } = id;
    match kind {
        NoteKind::Seen => {
            let mut blank = connection.prepare_cached(
                "UPDATE poll_seen SET body = NULL, noted = NULL
                 WHERE client = ?1 AND poll = ?2 AND record = ?3 AND body IS NOT NULL",
            )?;
            Ok(blank.execute(params![client, name, part])? == 1)
        }
        NoteKind::Staged => unstage(connection, id),
        NoteKind::Report => {
            let mut read = connection.prepare_cached(
                "SELECT tally, error FROM report
                 WHERE client = ?1 AND poll = ?2 AND number = CAST(?3 AS INTEGER) AND erased IS NULL",
            )?;
            let read = read.query_row(params![client, name, part], |row| {
                Ok((json(row.get_ref(0)?.as_str()?)?, row.get::<_, Option<String>>(1)?))
            });
            let Some((tally, error)) = read.optional()? else { return Ok(false) };
            let (tally, error) = without_words(&tally, error.as_deref(), why);
            let mut blank = connection.prepare_cached(
                "UPDATE report SET tally = ?4, error = ?5, erased = ?6
                 WHERE client = ?1 AND poll = ?2 AND number = CAST(?3 AS INTEGER)",
            )?;
            Ok(blank.execute(params![client, name, part, tally, error, why.word()])? == 1)
        }
        NoteKind::Alert => {
            let mut read = connection.prepare_cached(
                "SELECT object FROM alert
                 WHERE client = ?1 AND pipeline = ?2 AND object IS NOT NULL AND erased IS NULL",
            )?;
            let read = read.query_row(params![client, name], |row| json(row.get_ref(0)?.as_str()?));
            let Some(object) = read.optional()? else { return Ok(false) };
            let mut blank = connection.prepare_cached(
                "UPDATE alert SET object = ?3, erased = ?4 WHERE client = ?1 AND pipeline = ?2",
            )?;
            Ok(blank.execute(params![client, name, without_matter(&object, why), why.word()])? == 1)
        }
    }
}

/// A record that waits for the end of its listing is taken out. A poll that is listing it begins again: it goes on under
/// the next number, and whoever is at it under the one before is refused.
fn unstage(connection: &Connection, id: &NoteId) -> Result<bool> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM poll_staged WHERE client = ?1 AND poll = ?2 AND record = ?3 RETURNING number",
    )?;
    let number: Option<i64> =
        delete.query_row(params![id.client, id.name, id.part], |row| row.get(0)).optional()?;
    let Some(number) = number else { return Ok(false) };
    let mut next = connection.prepare_cached(
        "UPDATE poll SET number = number + 1 WHERE client = ?1 AND poll = ?2 AND number = ?3 AND reported = 0",
    )?;
    if next.execute(params![id.client, id.name, number])? == 1 {
        let mut count = connection.prepare_cached(
            "UPDATE poll_run SET number = number + 1 WHERE client = ?1 AND poll = ?2 AND number = ?3",
        )?;
        count.execute(params![id.client, id.name, number])?;
        let mut others = connection.prepare_cached(
            "UPDATE poll_staged SET number = number + 1 WHERE client = ?1 AND poll = ?2 AND number = ?3",
        )?;
        others.execute(params![id.client, id.name, number])?;
    }
    Ok(true)
}
