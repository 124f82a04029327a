//! Polls: writing their steps, reading back what they saw and what came of them.

use std::sync::Arc;

use indexmap::IndexMap;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::accept;
use super::columns::{Cells, clean, clean_option, digest, unreadable};
use super::db::{Db, Pipe, Values};
use super::fault::Fault;
use crate::store::columns::{self, candidates_json, micros};
use crate::store::poll::REPORTS_KEPT;
use crate::store::{
    Accepted, Digest, DueReport, Effect, NewEvent, Outcome, PollEnd, PollId, PollJob, PollName, PollState,
    PollStep, ReportEnd, ReportFilter, ReportRow, RunId, Seen, SeenBy, SeenRow, Staged, StagedBy, StoreError,
    Tally, Version,
};

/// A part of a poll: what it found, what it saw, how far it has got. Within the transaction under way.
pub(super) async fn step(pipe: Pipe<'_>, step: &PollStep) -> Result<(), Fault> {
    let PollId { name: PollName { client, poll }, number } = &step.id;
    let sql = "INSERT INTO lockstep.poll AS p (client, poll, number, reported, primed, failures)
        VALUES ($1, $2, $3, FALSE, FALSE, 0)
        ON CONFLICT (client, poll) DO UPDATE
        SET number = excluded.number, reported = p.number = excluded.number AND p.reported
        WHERE excluded.number IN (p.number, p.number + 1)";
    let begun: Values<'_> = &[(&&**client, Type::TEXT), (&&**poll, Type::TEXT), (number, Type::INT8)];
    if pipe.change(sql, begun).await? != 1 {
        let gone_on = format!("{} has gone on without this process", step.id.name);
        return Err(Fault::Assumption(gone_on.into()));
    }
    let runs = found(pipe, step).await?;
    saw(pipe, step, &runs).await?;
    stage(pipe, step).await?;
    forget(pipe, "poll_staged", &step.id.name, &step.unstaged).await?;
    forget(pipe, "poll_seen", &step.id.name, &step.gone).await?;
    again(pipe, step).await?;
    if let Some(note) = &step.job {
        let sql = "UPDATE lockstep.poll SET job = $3 WHERE client = $1 AND poll = $2";
        let job = note.column();
        let values: Values<'_> =
            &[(&&**client, Type::TEXT), (&&**poll, Type::TEXT), (&clean_option(job.as_deref()), Type::TEXT)];
        pipe.change(sql, values).await?;
    }
    match &step.end {
        Some(end) => ended(pipe, step, end).await,
        None => Ok(()),
    }
}

/// Keeps the events with their runs, which count for this poll; gives the first run of each find.
async fn found(pipe: Pipe<'_>, step: &PollStep) -> Result<Vec<Option<i64>>, Fault> {
    let mut first = vec![None; step.finds.len()];
    let (places, events): (Vec<usize>, Vec<&NewEvent>) =
        step.finds.iter().enumerate().filter_map(|(at, find)| Some((at, find.event.as_ref()?))).unzip();
    if events.is_empty() {
        return Ok(first);
    }
    let accepted = accept::insert(pipe, &events).await?;
    let (mut all, mut torn, mut candidates) = (Vec::new(), Vec::new(), Vec::new());
    for (place, accepted) in places.into_iter().zip(accepted) {
        let Accepted::New { runs, .. } = accepted else { continue };
        all.extend(runs.iter().map(|run| run.0));
        first[place] = runs.first().map(|run| run.0);
        if let (Some(run), Some(among)) = (first[place], candidates_json(&step.finds[place].candidates)) {
            torn.push(run);
            candidates.push(among);
        }
    }
    counts_for(pipe, &step.id, &all).await?;
    if !torn.is_empty() {
        let sql = "UPDATE lockstep.run r SET candidates = u.candidates
            FROM unnest($1::bigint[], $2::text[]) AS u (id, candidates) WHERE r.id = u.id";
        pipe.change(sql, &[(&torn, Type::INT8_ARRAY), (&candidates, Type::TEXT_ARRAY)]).await?;
    }
    Ok(first)
}

async fn counts_for(pipe: Pipe<'_>, id: &PollId, runs: &[i64]) -> Result<(), Fault> {
    if runs.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO lockstep.poll_run (run, client, poll, number)
        SELECT u.run, $2, $3, $4 FROM unnest($1::bigint[]) AS u (run)
        ON CONFLICT (run) DO UPDATE SET number = excluded.number";
    let values: Values<'_> = &[
        (&runs, Type::INT8_ARRAY),
        (&&*id.name.client, Type::TEXT),
        (&&*id.name.poll, Type::TEXT),
        (&id.number, Type::INT8),
    ];
    pipe.change(sql, values).await.map(drop)
}

/// Names a row of what was seen.
fn row_id(name: &PollName, record: &str) -> Vec<u8> {
    digest(&[&name.client, &name.poll, record])
}

async fn saw(pipe: Pipe<'_>, step: &PollStep, runs: &[Option<i64>]) -> Result<(), Fault> {
    let name = &step.id.name;
    // One record may stand on two pages: the later one counts.
    let mut all: IndexMap<Vec<u8>, (&Seen, Option<i64>)> = IndexMap::new();
    for (find, run) in step.finds.iter().zip(runs) {
        if let Some(seen) = &find.seen {
            let entry = all.entry(row_id(name, &seen.record)).or_insert((seen, None));
            *entry = (seen, run.or(entry.1));
        }
    }
    if all.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO lockstep.poll_seen AS s
               (id, client, poll, record, digest, value, grouped, changed, run, tries, body, noted)
        SELECT u.id, $1, $2, u.record, u.digest, u.value, u.grouped, u.changed, u.run, u.tries, u.body,
               CASE WHEN u.body IS NOT NULL THEN $12 END
        FROM unnest($3::bytea[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[], $9::bigint[],
                    $10::bigint[], $11::bytea[])
             AS u (id, record, digest, value, grouped, changed, run, tries, body)
        ON CONFLICT (id) DO UPDATE
        SET digest = excluded.digest, value = excluded.value, grouped = excluded.grouped, changed = excluded.changed,
            run = coalesce(excluded.run, s.run), tries = excluded.tries, body = excluded.body,
            noted = excluded.noted";
    let rows = || all.values().map(|(seen, _)| *seen);
    let ids: Vec<&[u8]> = all.keys().map(Vec::as_slice).collect();
    let records: Vec<_> = rows().map(|seen| clean(&seen.record)).collect();
    let digests: Vec<&[u8]> = rows().map(|seen| &seen.digest.0[..]).collect();
    let keys: Vec<Option<&[u8]>> = rows().map(|seen| seen.key.as_ref().map(|key| &key.0[..])).collect();
    let groups: Vec<Option<&[u8]>> =
        rows().map(|seen| seen.group.as_ref().map(|group| &group.0[..])).collect();
    let changed: Vec<i64> = rows().map(|seen| micros(seen.changed)).collect();
    let started: Vec<Option<i64>> = all.values().map(|(_, run)| *run).collect();
    let tries: Vec<i64> = rows().map(|seen| i64::from(seen.tries)).collect();
    let bodies: Vec<Option<&[u8]>> = rows().map(|seen| seen.body.as_deref()).collect();
    let values: Values<'_> = &[
        (&&*name.client, Type::TEXT),
        (&&*name.poll, Type::TEXT),
        (&ids, Type::BYTEA_ARRAY),
        (&records, Type::TEXT_ARRAY),
        (&digests, Type::BYTEA_ARRAY),
        (&keys, Type::BYTEA_ARRAY),
        (&groups, Type::BYTEA_ARRAY),
        (&changed, Type::INT8_ARRAY),
        (&started, Type::INT8_ARRAY),
        (&tries, Type::INT8_ARRAY),
        (&bodies, Type::BYTEA_ARRAY),
        (&micros(step.at), Type::INT8),
    ];
    pipe.change(sql, values).await.map(drop)
}

async fn stage(pipe: Pipe<'_>, step: &PollStep) -> Result<(), Fault> {
    let name = &step.id.name;
    let mut all: IndexMap<Vec<u8>, &Staged> = IndexMap::new();
    for staged in &step.staged {
        all.insert(row_id(name, &staged.seen.record), staged);
    }
    if all.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO lockstep.poll_staged (id, client, poll, record, number, place, digest, value, changed, body, noted)
        SELECT u.id, $1, $2, u.record, $3, u.place, u.digest, u.value, u.changed, u.body, $11
        FROM unnest($4::bytea[], $5::text[], $6::bigint[], $7::bytea[], $8::bytea[], $9::bigint[], $10::bytea[])
             AS u (id, record, place, digest, value, changed, body)
        ON CONFLICT (id) DO UPDATE
        SET number = excluded.number, place = excluded.place, digest = excluded.digest, value = excluded.value,
            changed = excluded.changed, body = excluded.body, noted = excluded.noted";
    let rows = || all.values().map(|staged| &staged.seen);
    let ids: Vec<&[u8]> = all.keys().map(Vec::as_slice).collect();
    let records: Vec<_> = rows().map(|seen| clean(&seen.record)).collect();
    let places: Vec<i64> = all.values().map(|staged| staged.place).collect();
    let digests: Vec<&[u8]> = rows().map(|seen| &seen.digest.0[..]).collect();
    let keys: Vec<Option<&[u8]>> = rows().map(|seen| seen.key.as_ref().map(|key| &key.0[..])).collect();
    let changed: Vec<i64> = rows().map(|seen| micros(seen.changed)).collect();
    let bodies: Vec<&[u8]> = rows().map(|seen| seen.body.as_deref().unwrap_or_default()).collect();
    let values: Values<'_> = &[
        (&&*name.client, Type::TEXT),
        (&&*name.poll, Type::TEXT),
        (&step.id.number, Type::INT8),
        (&ids, Type::BYTEA_ARRAY),
        (&records, Type::TEXT_ARRAY),
        (&places, Type::INT8_ARRAY),
        (&digests, Type::BYTEA_ARRAY),
        (&keys, Type::BYTEA_ARRAY),
        (&changed, Type::INT8_ARRAY),
        (&bodies, Type::BYTEA_ARRAY),
        (&micros(step.at), Type::INT8),
    ];
    pipe.change(sql, values).await.map(drop)
}

async fn forget(pipe: Pipe<'_>, table: &str, name: &PollName, records: &[Arc<str>]) -> Result<(), Fault> {
    if records.is_empty() {
        return Ok(());
    }
    let ids: Vec<Vec<u8>> = records.iter().map(|record| row_id(name, record)).collect();
    let sql = format!("DELETE FROM lockstep.{table} WHERE id = ANY($1::bytea[])");
    pipe.change(&sql, &[(&ids, Type::BYTEA_ARRAY)]).await.map(drop)
}

/// Dead letters and conflicts whose records are still listed go again, in the present version of their pipeline.
async fn again(pipe: Pipe<'_>, step: &PollStep) -> Result<(), Fault> {
    if step.again.is_empty() {
        return Ok(());
    }
    let runs: Vec<i64> = step.again.iter().map(|(run, _)| run.0).collect();
    // A person may have ended one meanwhile: then it stays as it is.
    let sql = "UPDATE lockstep.run
        SET state = 0, due = $2, attempts = 0, spent = NULL, reason = '', candidates = NULL, ended = NULL,
            version = $3
        WHERE id = ANY($1::bigint[]) AND state IN (6, 7) RETURNING id";
    let values: Values<'_> =
        &[(&runs, Type::INT8_ARRAY), (&micros(step.at), Type::INT8), (&Version::PRESENT, Type::TEXT)];
    let rows = pipe.rows(sql, values).await?;
    let gone =
        rows.iter().map(|row| Cells(row).int(0)).collect::<Result<Vec<i64>, _>>().map_err(Fault::Said)?;
    let tried = step.again.iter().filter(|(run, _)| gone.contains(&run.0));
    let ids: Vec<Vec<u8>> = tried.map(|(_, record)| row_id(&step.id.name, record)).collect();
    let sql = "UPDATE lockstep.poll_seen SET tries = tries + 1 WHERE id = ANY($1::bytea[])";
    pipe.change(sql, &[(&ids, Type::BYTEA_ARRAY)]).await?;
    counts_for(pipe, &step.id, &gone).await
}

async fn ended(pipe: Pipe<'_>, step: &PollStep, end: &PollEnd) -> Result<(), Fault> {
    let PollId { name: PollName { client, poll }, number } = &step.id;
    let (client, poll): (&str, &str) = (client, poll);
    let (began, at, cursor) = (micros(end.began), micros(step.at), end.cursor.map(micros));
    let state =
        "UPDATE lockstep.poll SET reported = TRUE, primed = $3, began = $4, cursor = $5, failures = $6
        WHERE client = $1 AND poll = $2";
    let values: Values<'_> = &[
        (&client, Type::TEXT),
        (&poll, Type::TEXT),
        (&end.primed, Type::BOOL),
        (&began, Type::INT8),
        (&cursor, Type::INT8),
        (&i64::from(end.failures), Type::INT8),
    ];
    pipe.change(state, values).await?;
    let names: Values<'_> = &[(&client, Type::TEXT), (&poll, Type::TEXT)];
    pipe.change("DELETE FROM lockstep.poll_staged WHERE client = $1 AND poll = $2", names).await?;
    if let Some(before) = end.forget_before.map(micros) {
        let sql = "DELETE FROM lockstep.poll_seen WHERE client = $1 AND poll = $2 AND changed < $3";
        let values: Values<'_> = &[(&client, Type::TEXT), (&poll, Type::TEXT), (&before, Type::INT8)];
        pipe.change(sql, values).await?;
    }
    let report =
        "INSERT INTO lockstep.report (client, poll, number, connection, began, listed, ended, tally, error)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let tally = end.tally.to_value().to_json();
    let values: Values<'_> = &[
        (&client, Type::TEXT),
        (&poll, Type::TEXT),
        (number, Type::INT8),
        (&end.connection.as_deref(), Type::TEXT),
        (&began, Type::INT8),
        (&at, Type::INT8),
        (&end.over.then_some(at), Type::INT8),
        (&tally, Type::TEXT),
        (&clean_option(end.error.as_deref()), Type::TEXT),
    ];
    pipe.change(report, values).await?;
    for table in ["report", "poll_run"] {
        let sql = format!("DELETE FROM lockstep.{table} WHERE client = $1 AND poll = $2 AND number <= $3");
        let kept = number - REPORTS_KEPT;
        pipe.change(&sql, &[(&client, Type::TEXT), (&poll, Type::TEXT), (&kept, Type::INT8)]).await?;
    }
    Ok(())
}

/// All runs of polls have ended.
pub(super) async fn report_ended(pipe: Pipe<'_>, end: &ReportEnd) -> Result<(), Fault> {
    let PollId { name: PollName { client, poll }, number } = &end.id;
    let sql = "UPDATE lockstep.report SET ended = $4, tally = $5
        WHERE client = $1 AND poll = $2 AND number = $3 AND ended IS NULL";
    let tally = end.tally.to_value().to_json();
    let values: Values<'_> = &[
        (&&**client, Type::TEXT),
        (&&**poll, Type::TEXT),
        (number, Type::INT8),
        (&micros(end.at), Type::INT8),
        (&tally, Type::TEXT),
    ];
    if pipe.change(sql, values).await? == 1 {
        return Ok(());
    }
    Err(Fault::Assumption(format!("the report of {} is not there, or is ended", end.id).into()))
}

/// How far a poll has got.
pub(super) async fn poll(db: &Db, name: &PollName) -> Result<Option<PollState>, StoreError> {
    let sql = "SELECT number, reported, primed, began, cursor, failures, job FROM lockstep.poll
        WHERE client = $1 AND poll = $2";
    let rows = db.rows(sql, &[(&&*name.client, Type::TEXT), (&&*name.poll, Type::TEXT)]).await?;
    let state = |cells: Cells<'_>| {
        Ok(PollState {
            number: cells.int(0)?,
            reported: cells.bool(1)?,
            primed: cells.bool(2)?,
            began: cells.int_option(3)?.map(columns::time),
            cursor: cells.int_option(4)?.map(columns::time),
            failures: cells.small(5)?,
            job: cells.str_option(6)?.and_then(PollJob::of_column),
        })
    };
    rows.first().map(|row| state(Cells(row))).transpose()
}

/// What it saw of these records.
pub(super) async fn seen(db: &Db, name: &PollName, by: &SeenBy) -> Result<Vec<SeenRow>, StoreError> {
    let select =
        "SELECT s.record, s.digest, s.value, s.grouped, s.changed, s.tries, s.body, r.id, r.state, r.ended
        FROM lockstep.poll_seen s LEFT JOIN lockstep.run r ON r.id = s.run";
    let (client, poll): (&str, &str) = (&name.client, &name.poll);
    let rows = match by {
        SeenBy::Records(records) => {
            let ids: Vec<Vec<u8>> = records.iter().map(|record| row_id(name, record)).collect();
            let sql = format!("{select} WHERE s.id = ANY($1::bytea[])");
            db.rows(&sql, &[(&ids, Type::BYTEA_ARRAY)]).await?
        }
        SeenBy::Keys(keys) => {
            let keys: Vec<&[u8]> = keys.iter().map(|key| &key.0[..]).collect();
            let sql = format!(
                "{select} WHERE s.client = $1 AND s.poll = $2 AND s.value = ANY($3::bytea[]) ORDER BY s.record"
            );
            let values: Values<'_> =
                &[(&client, Type::TEXT), (&poll, Type::TEXT), (&keys, Type::BYTEA_ARRAY)];
            db.rows(&sql, values).await?
        }
        SeenBy::Grouped => {
            let sql = format!(
                "{select} WHERE s.client = $1 AND s.poll = $2 AND s.grouped IS NOT NULL ORDER BY s.record"
            );
            db.rows(&sql, &[(&client, Type::TEXT), (&poll, Type::TEXT)]).await?
        }
        SeenBy::After(record, limit) => {
            let after = record.as_ref().map_or_else(Vec::new, |record| row_id(name, record));
            let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
            let sql =
                format!("{select} WHERE s.client = $1 AND s.poll = $2 AND s.id > $3 ORDER BY s.id LIMIT $4");
            let values: Values<'_> =
                &[(&client, Type::TEXT), (&poll, Type::TEXT), (&after, Type::BYTEA), (&limit, Type::INT8)];
            db.rows(&sql, values).await?
        }
    };
    rows.iter().map(seen_row).collect()
}

/// Of how many records it has seen something.
pub(super) async fn seen_count(db: &Db, name: &PollName) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM lockstep.poll_seen WHERE client = $1 AND poll = $2";
    let rows = db.rows(sql, &[(&&*name.client, Type::TEXT), (&&*name.poll, Type::TEXT)]).await?;
    rows.first().map_or(Ok(0), |row| Cells(row).int(0)).map(i64::unsigned_abs)
}

fn seen_row(row: &Row) -> Result<SeenRow, StoreError> {
    let cells = Cells(row);
    let run = match cells.int_option(7)? {
        Some(run) => {
            let state = columns::state(cells.short(8)?).map_err(unreadable)?;
            Some((RunId(run), state, cells.int_option(9)?.map(columns::time)))
        }
        None => None,
    };
    let seen = Seen {
        record: cells.text(0)?,
        digest: the_digest(cells.bytes(1)?)?,
        key: cells.bytes_option(2)?.map(the_digest).transpose()?,
        group: cells.bytes_option(3)?.map(the_digest).transpose()?,
        changed: cells.time(4)?,
        tries: cells.small(5)?,
        body: cells.bytes_option(6)?.map(|body| body.to_vec().into()),
    };
    Ok(SeenRow { seen, run })
}

fn the_digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    Digest::of_column(bytes).ok_or_else(|| unreadable("a digest of another length".into()))
}

/// Records of a poll that wait for the end of its listing.
pub(super) async fn staged(db: &Db, id: &PollId, by: &StagedBy) -> Result<Vec<Staged>, StoreError> {
    let PollId { name: PollName { client, poll }, number } = id;
    let (client, poll): (&str, &str) = (client, poll);
    let select = "SELECT record, digest, value, changed, body, place FROM lockstep.poll_staged
        WHERE client = $1 AND poll = $2 AND number = $3";
    let rows = match by {
        StagedBy::Keys(keys) => {
            let keys: Vec<&[u8]> = keys.iter().map(|key| &key.0[..]).collect();
            let sql = format!("{select} AND value = ANY($4::bytea[]) ORDER BY place");
            let values: Values<'_> = &[
                (&client, Type::TEXT),
                (&poll, Type::TEXT),
                (number, Type::INT8),
                (&keys, Type::BYTEA_ARRAY),
            ];
            db.rows(&sql, values).await?
        }
        StagedBy::Oldest(limit) | StagedBy::Listed(limit) => {
            let order = if matches!(by, StagedBy::Oldest(_)) { "changed, place DESC" } else { "place" };
            let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
            let sql = format!("{select} ORDER BY {order} LIMIT $4");
            let values: Values<'_> =
                &[(&client, Type::TEXT), (&poll, Type::TEXT), (number, Type::INT8), (&limit, Type::INT8)];
            db.rows(&sql, values).await?
        }
    };
    rows.iter().map(staged_row).collect()
}

fn staged_row(row: &Row) -> Result<Staged, StoreError> {
    let cells = Cells(row);
    let seen = Seen {
        record: cells.text(0)?,
        digest: the_digest(cells.bytes(1)?)?,
        key: cells.bytes_option(2)?.map(the_digest).transpose()?,
        group: None,
        changed: cells.time(3)?,
        tries: 0,
        body: Some(cells.bytes(4)?.to_vec().into()),
    };
    Ok(Staged { seen, place: cells.int(5)? })
}

/// Those of these events of a connection that are there.
pub(super) async fn known_events(
    db: &Db,
    client: &str,
    connection: &str,
    ids: &[Arc<str>],
) -> Result<Vec<Arc<str>>, StoreError> {
    let digests: Vec<Vec<u8>> = ids.iter().map(|id| digest(&[client, connection, id])).collect();
    let sql = "SELECT id FROM lockstep.event WHERE digest = ANY($1::bytea[])";
    let rows = db.rows(sql, &[(&digests, Type::BYTEA_ARRAY)]).await?;
    rows.iter().map(|row| Cells(row).text(0)).collect()
}

const REPORT: &str = "SELECT r.client, r.poll, r.number, r.connection, r.began, r.listed, r.ended, r.tally, r.error FROM lockstep.report r";

fn report_row(row: &Row) -> Result<ReportRow, StoreError> {
    let cells = Cells(row);
    Ok(ReportRow {
        id: PollId { name: PollName { client: cells.text(0)?, poll: cells.text(1)? }, number: cells.int(2)? },
        connection: cells.text_option(3)?,
        began: cells.time(4)?,
        listed: cells.time(5)?,
        ended: cells.int_option(6)?.map(columns::time),
        tally: Tally::of_value(&cells.json(7)?),
        error: cells.str_option(8)?.map(str::to_owned),
    })
}

/// Reports, newest first.
pub(super) async fn reports(db: &Db, filter: &ReportFilter) -> Result<Vec<ReportRow>, StoreError> {
    let (client, poll) = (filter.client.as_deref(), filter.poll.as_deref());
    let (since, limit) = (filter.since.map(micros), i64::from(filter.limit.get()));
    let wanted: [(&str, bool, &(dyn ToSql + Sync), Type); 4] = [
        ("r.client =", client.is_some(), &client, Type::TEXT),
        ("r.poll =", poll.is_some(), &poll, Type::TEXT),
        ("r.number =", filter.number.is_some(), &filter.number, Type::INT8),
        ("r.began >=", since.is_some(), &since, Type::INT8),
    ];
    let mut values: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&limit, Type::INT8)];
    let mut conditions: Vec<String> = Vec::new();
    for (condition, given, value, kind) in wanted {
        if given {
            values.push((value, kind));
            conditions.push(format!("{condition} ${}", values.len()));
        }
    }
    if filter.failed {
        conditions.push("r.error IS NOT NULL".to_owned());
    }
    let wanted =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let sql = format!("{REPORT}{wanted} ORDER BY r.began DESC, r.client, r.poll, r.number DESC LIMIT $1");
    db.rows(&sql, &values).await?.iter().map(report_row).collect()
}

/// Reports whose runs have all ended, the oldest first.
pub(super) async fn due_reports(db: &Db, limit: usize) -> Result<Vec<DueReport>, StoreError> {
    let sql = format!(
        "{REPORT} WHERE r.ended IS NULL AND NOT EXISTS (
             SELECT 1 FROM lockstep.poll_run p JOIN lockstep.run ON run.id = p.run
             WHERE p.client = r.client AND p.poll = r.poll AND p.number = r.number AND run.state < 4)
         ORDER BY r.began LIMIT $1"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut due = Vec::new();
    for row in db.rows(&sql, &[(&limit, Type::INT8)]).await? {
        let report = report_row(&row)?;
        let runs = ended_runs(db, &report.id).await?;
        due.push(DueReport { report, runs });
    }
    Ok(due)
}

async fn ended_runs(db: &Db, id: &PollId) -> Result<Vec<(Outcome, Effect, String, u64)>, StoreError> {
    let sql = "SELECT run.state, run.reason,
               CASE WHEN EXISTS (SELECT 1 FROM lockstep.audit a WHERE a.run = run.id AND a.verb = 'create') THEN 2
                    WHEN EXISTS (SELECT 1 FROM lockstep.audit a WHERE a.run = run.id
                                 AND a.verb IN ('update', 'upsert', 'delete', 'link', 'unlink', 'call')) THEN 1
                    ELSE 0 END::bigint AS effect,
               count(*)
        FROM lockstep.poll_run p JOIN lockstep.run ON run.id = p.run
        WHERE p.client = $1 AND p.poll = $2 AND p.number = $3 GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3";
    let PollId { name: PollName { client, poll }, number } = id;
    let values: Values<'_> = &[(&&**client, Type::TEXT), (&&**poll, Type::TEXT), (number, Type::INT8)];
    let counted = |cells: Cells<'_>| {
        let outcome = columns::outcome(cells.short(0)?).map_err(unreadable)?;
        let effect = match cells.int(2)? {
            2 => Effect::Created,
            1 => Effect::Updated,
            _ => Effect::None,
        };
        Ok((outcome, effect, cells.owned(1)?, cells.int(3)?.unsigned_abs()))
    };
    db.rows(sql, values).await?.iter().map(|row| counted(Cells(row))).collect()
}
