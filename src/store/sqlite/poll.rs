//! Polls: writing their steps, reading back what they saw and what came of them.

use std::sync::Arc;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Result, Row, params, params_from_iter};

use super::columns::{json, micros, outcome, small, state, time, unreadable};
use super::write::{Batch, Written, one_row};
use crate::store::columns::candidates_json;
use crate::store::poll::REPORTS_KEPT;
use crate::store::{
    Accepted, Digest, DueReport, Effect, Find, PollEnd, PollId, PollJob, PollName, PollState, PollStep,
    ReportEnd, ReportFilter, ReportRow, RunId, Seen, SeenBy, SeenRow, Staged, StagedBy, Tally, Version,
};

impl Batch<'_> {
    /// A part of a poll: what it found, what it saw, how far it has got.
    pub(super) fn polled(&mut self, step: &PollStep) -> Written {
        let PollId { name: PollName { client, poll }, number } = &step.id;
        let mut begin = self.connection.prepare_cached(
            "INSERT INTO poll (client, poll, number, reported, primed, failures) VALUES (?1, ?2, ?3, 0, 0, 0)
             ON CONFLICT (client, poll) DO UPDATE
             SET number = excluded.number, reported = CASE WHEN number = excluded.number THEN reported ELSE 0 END
             WHERE excluded.number IN (number, number + 1)",
        )?;
        let rows = begin.execute(params![client, poll, number])?;
        drop(begin);
        one_row(rows, || format!("{} has gone on without this process", step.id.name))?;
        for find in &step.finds {
            self.find(step, find)?;
        }
        for staged in &step.staged {
            self.stage(step, staged)?;
        }
        for record in &step.unstaged {
            let sql = "DELETE FROM poll_staged WHERE client = ?1 AND poll = ?2 AND record = ?3";
            self.connection.prepare_cached(sql)?.execute(params![client, poll, record])?;
        }
        for record in &step.gone {
            let sql = "DELETE FROM poll_seen WHERE client = ?1 AND poll = ?2 AND record = ?3";
            self.connection.prepare_cached(sql)?.execute(params![client, poll, record])?;
        }
        for (run, record) in &step.again {
            self.again(step, *run, record)?;
        }
        if let Some(note) = &step.job {
            let sql = "UPDATE poll SET job = ?3 WHERE client = ?1 AND poll = ?2";
            self.connection.prepare_cached(sql)?.execute(params![client, poll, note.column()])?;
        }
        step.end.as_ref().map_or(Ok(()), |end| self.poll_ended(step, end))
    }

    fn find(&mut self, step: &PollStep, find: &Find) -> Written {
        let mut first = None;
        if let Some(event) = &find.event
            && let Accepted::New { runs, .. } = self.accept_one(event)?
        {
            first = runs.first().copied();
            for run in runs {
                self.counts_for(&step.id, run)?;
            }
            if let (Some(run), Some(candidates)) = (first, candidates_json(&find.candidates)) {
                let sql = "UPDATE run SET candidates = ?2 WHERE id = ?1";
                self.connection.prepare_cached(sql)?.execute(params![run.0, candidates])?;
            }
        }
        find.seen.as_ref().map_or(Ok(()), |seen| self.saw(step, seen, first))
    }

    fn counts_for(&self, id: &PollId, run: RunId) -> Written {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO poll_run (run, client, poll, number) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (run) DO UPDATE SET number = excluded.number",
        )?;
        insert.execute(params![run.0, id.name.client, id.name.poll, id.number])?;
        Ok(())
    }

    fn saw(&self, step: &PollStep, seen: &Seen, run: Option<RunId>) -> Written {
        let name = &step.id.name;
        let mut upsert = self.connection.prepare_cached(
            "INSERT INTO poll_seen (client, poll, record, digest, value, grouped, changed, run, tries, body, noted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (client, poll, record) DO UPDATE
             SET digest = excluded.digest, value = excluded.value, grouped = excluded.grouped,
                 changed = excluded.changed, run = coalesce(excluded.run, run), tries = excluded.tries,
                 body = excluded.body, noted = excluded.noted",
        )?;
        upsert.execute(params![
            name.client,
            name.poll,
            seen.record,
            &seen.digest.0[..],
            seen.key.as_ref().map(|key| &key.0[..]),
            seen.group.as_ref().map(|group| &group.0[..]),
            micros(seen.changed),
            run.map(|run| run.0),
            seen.tries,
            seen.body.as_deref(),
            seen.body.as_ref().map(|_| micros(step.at)),
        ])?;
        Ok(())
    }

    fn stage(&self, step: &PollStep, staged: &Staged) -> Written {
        let id = &step.id;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO poll_staged (client, poll, record, number, place, digest, value, changed, body, noted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (client, poll, record) DO UPDATE
             SET number = excluded.number, place = excluded.place, digest = excluded.digest, value = excluded.value,
                 changed = excluded.changed, body = excluded.body, noted = excluded.noted",
        )?;
        let Staged { seen, place } = staged;
        insert.execute(params![
            id.name.client,
            id.name.poll,
            seen.record,
            id.number,
            place,
            &seen.digest.0[..],
            seen.key.as_ref().map(|key| &key.0[..]),
            micros(seen.changed),
            seen.body.as_deref().unwrap_or_default(),
            micros(step.at),
        ])?;
        Ok(())
    }

    /// A dead letter or a conflict whose record is still listed goes again, in the present version of its pipeline.
    fn again(&self, step: &PollStep, run: RunId, record: &str) -> Written {
        let mut update = self.connection.prepare_cached(
            "UPDATE run
                SET state = 0, due = ?2, attempts = 0, spent = NULL, reason = '', candidates = NULL, ended = NULL, version = ?3
              WHERE id = ?1 AND state IN (6, 7)",
        )?;
        // A person may have ended it meanwhile: then it stays as it is.
        if update.execute(params![run.0, micros(step.at), Version::PRESENT])? == 0 {
            return Ok(());
        }
        let sql = "UPDATE poll_seen SET tries = tries + 1 WHERE client = ?1 AND poll = ?2 AND record = ?3";
        let PollName { client, poll } = &step.id.name;
        self.connection.prepare_cached(sql)?.execute(params![client, poll, record])?;
        self.counts_for(&step.id, run)
    }

    fn poll_ended(&self, step: &PollStep, end: &PollEnd) -> Written {
        let PollId { name: PollName { client, poll }, number } = &step.id;
        let sql = "UPDATE poll SET reported = 1, primed = ?3, began = ?4, cursor = ?5, failures = ?6
             WHERE client = ?1 AND poll = ?2";
        let (began, cursor) = (micros(end.began), end.cursor.map(micros));
        self.connection.prepare_cached(sql)?.execute(params![
            client,
            poll,
            end.primed,
            began,
            cursor,
            end.failures
        ])?;
        let sql = "DELETE FROM poll_staged WHERE client = ?1 AND poll = ?2";
        self.connection.prepare_cached(sql)?.execute(params![client, poll])?;
        if let Some(before) = end.forget_before {
            let sql = "DELETE FROM poll_seen WHERE client = ?1 AND poll = ?2 AND changed < ?3";
            self.connection.prepare_cached(sql)?.execute(params![client, poll, micros(before)])?;
        }
        let sql = "INSERT INTO report (client, poll, number, connection, began, listed, ended, tally, error)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let (at, tally) = (micros(step.at), end.tally.to_value().to_json());
        self.connection.prepare_cached(sql)?.execute(params![
            client,
            poll,
            number,
            end.connection,
            began,
            at,
            end.over.then_some(at),
            tally,
            end.error
        ])?;
        for table in ["report", "poll_run"] {
            let sql = format!("DELETE FROM {table} WHERE client = ?1 AND poll = ?2 AND number <= ?3");
            self.connection.prepare_cached(&sql)?.execute(params![client, poll, number - REPORTS_KEPT])?;
        }
        Ok(())
    }

    /// All runs of a poll have ended.
    pub(super) fn report_ended(&self, end: &ReportEnd) -> Written {
        let PollId { name: PollName { client, poll }, number } = &end.id;
        let mut update = self.connection.prepare_cached(
            "UPDATE report SET ended = ?4, tally = ?5
             WHERE client = ?1 AND poll = ?2 AND number = ?3 AND ended IS NULL",
        )?;
        let rows =
            update.execute(params![client, poll, number, micros(end.at), end.tally.to_value().to_json()])?;
        one_row(rows, || format!("the report of {} is not there, or is ended", end.id))
    }
}

/// How far a poll has got.
pub(super) fn poll(connection: &Connection, name: &PollName) -> Result<Option<PollState>> {
    let mut statement = connection.prepare_cached(
        "SELECT number, reported, primed, began, cursor, failures, job FROM poll WHERE client = ?1 AND poll = ?2",
    )?;
    let state = statement.query_row([&name.client, &name.poll], |row| {
        Ok(PollState {
            number: row.get(0)?,
            reported: row.get(1)?,
            primed: row.get(2)?,
            began: row.get::<_, Option<i64>>(3)?.map(time),
            cursor: row.get::<_, Option<i64>>(4)?.map(time),
            failures: small(row.get(5)?),
            job: row.get::<_, Option<String>>(6)?.as_deref().and_then(PollJob::of_column),
        })
    });
    state.optional()
}

/// What it saw of these records.
pub(super) fn seen(connection: &Connection, name: &PollName, by: &SeenBy) -> Result<Vec<SeenRow>> {
    let PollName { client, poll } = name;
    let select =
        "SELECT s.record, s.digest, s.value, s.grouped, s.changed, s.tries, s.body, r.id, r.state, r.ended
         FROM poll_seen s LEFT JOIN run r ON r.id = s.run WHERE s.client = ?1 AND s.poll = ?2";
    let mut all = Vec::new();
    match by {
        SeenBy::Records(records) => {
            let mut one = connection.prepare_cached(&format!("{select} AND s.record = ?3"))?;
            for record in records {
                all.extend(one.query_row(params![client, poll, record], seen_row).optional()?);
            }
        }
        SeenBy::Keys(keys) => {
            let mut some =
                connection.prepare_cached(&format!("{select} AND s.value = ?3 ORDER BY s.record"))?;
            for key in keys {
                for row in some.query_map(params![client, poll, &key.0[..]], seen_row)? {
                    all.push(row?);
                }
            }
        }
        SeenBy::Grouped => {
            let mut some = connection
                .prepare_cached(&format!("{select} AND s.grouped IS NOT NULL ORDER BY s.record"))?;
            all = some.query_map(params![client, poll], seen_row)?.collect::<Result<_>>()?;
        }
        SeenBy::After(record, limit) => {
            let mut some = connection
                .prepare_cached(&format!("{select} AND s.record > ?3 ORDER BY s.record LIMIT ?4"))?;
            let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
            let record = record.as_deref().unwrap_or_default();
            all = some.query_map(params![client, poll, record, limit], seen_row)?.collect::<Result<_>>()?;
        }
    }
    Ok(all)
}

/// Of how many records it has seen something.
pub(super) fn seen_count(connection: &Connection, name: &PollName) -> Result<u64> {
    let mut count =
        connection.prepare_cached("SELECT count(*) FROM poll_seen WHERE client = ?1 AND poll = ?2")?;
    count.query_row([&name.client, &name.poll], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

fn seen_row(row: &Row<'_>) -> Result<SeenRow> {
    let run = match row.get::<_, Option<i64>>(7)? {
        Some(run) => Some((RunId(run), state(row.get(8)?)?, row.get::<_, Option<i64>>(9)?.map(time))),
        None => None,
    };
    let seen = Seen {
        record: row.get(0)?,
        digest: digest(row, 1)?.ok_or_else(|| unreadable("a record without a digest".into()))?,
        key: digest(row, 2)?,
        group: digest(row, 3)?,
        changed: time(row.get(4)?),
        tries: small(row.get(5)?),
        body: row.get::<_, Option<Vec<u8>>>(6)?.map(Into::into),
    };
    Ok(SeenRow { seen, run })
}

fn digest(row: &Row<'_>, column: usize) -> Result<Option<Digest>> {
    let Some(bytes) = row.get_ref(column)?.as_blob_or_null()? else { return Ok(None) };
    Digest::of_column(bytes).map(Some).ok_or_else(|| unreadable("a digest of another length".into()))
}

/// Records of a poll that wait for the end of its listing.
pub(super) fn staged(connection: &Connection, id: &PollId, by: &StagedBy) -> Result<Vec<Staged>> {
    let PollId { name: PollName { client, poll }, number } = id;
    let select = "SELECT record, digest, value, changed, body, place FROM poll_staged
         WHERE client = ?1 AND poll = ?2 AND number = ?3";
    let mut all = Vec::new();
    match by {
        StagedBy::Keys(keys) => {
            let mut some = connection.prepare_cached(&format!("{select} AND value = ?4 ORDER BY place"))?;
            for key in keys {
                for row in some.query_map(params![client, poll, number, &key.0[..]], staged_row)? {
                    all.push(row?);
                }
            }
        }
        StagedBy::Oldest(limit) | StagedBy::Listed(limit) => {
            let order = if matches!(by, StagedBy::Oldest(_)) { "changed, place DESC" } else { "place" };
            let mut some = connection.prepare_cached(&format!("{select} ORDER BY {order} LIMIT ?4"))?;
            let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
            all = some.query_map(params![client, poll, number, limit], staged_row)?.collect::<Result<_>>()?;
        }
    }
    Ok(all)
}

fn staged_row(row: &Row<'_>) -> Result<Staged> {
    let seen = Seen {
        record: row.get(0)?,
        digest: digest(row, 1)?.ok_or_else(|| unreadable("a record without a digest".into()))?,
        key: digest(row, 2)?,
        group: None,
        changed: time(row.get(3)?),
        tries: 0,
        body: Some(row.get::<_, Vec<u8>>(4)?.into()),
    };
    Ok(Staged { seen, place: row.get(5)? })
}

/// Those of these events of a connection that are there.
pub(super) fn known_events(
    reader: &Connection,
    client: &str,
    connection: &str,
    ids: &[Arc<str>],
) -> Result<Vec<Arc<str>>> {
    let mut known =
        reader.prepare_cached("SELECT 1 FROM event WHERE client = ?1 AND connection = ?2 AND id = ?3")?;
    let mut all = Vec::new();
    for id in ids {
        if known.exists(params![client, connection, id])? {
            all.push(Arc::clone(id));
        }
    }
    Ok(all)
}

const REPORT: &str =
    "SELECT client, poll, number, connection, began, listed, ended, tally, error FROM report";

fn report_row(row: &Row<'_>) -> Result<ReportRow> {
    Ok(ReportRow {
        id: PollId { name: PollName { client: row.get(0)?, poll: row.get(1)? }, number: row.get(2)? },
        connection: row.get(3)?,
        began: time(row.get(4)?),
        listed: time(row.get(5)?),
        ended: row.get::<_, Option<i64>>(6)?.map(time),
        tally: Tally::of_value(&json(row.get_ref(7)?.as_str()?)?),
        error: row.get(8)?,
    })
}

/// Reports, newest first.
pub(super) fn reports(connection: &Connection, filter: &ReportFilter) -> Result<Vec<ReportRow>> {
    let mut conditions: Vec<&str> = Vec::new();
    let mut values: Vec<Sql> = Vec::new();
    let mut narrow = |condition, value: Option<Sql>| {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(value);
        }
    };
    narrow("client = ?", filter.client.as_ref().map(|client| client.to_string().into()));
    narrow("poll = ?", filter.poll.as_ref().map(|poll| poll.to_string().into()));
    narrow("number = ?", filter.number.map(Into::into));
    narrow("began >= ?", filter.since.map(|since| micros(since).into()));
    if filter.failed {
        conditions.push("error IS NOT NULL");
    }
    let wanted =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let limit = filter.limit.get();
    let sql = format!("{REPORT}{wanted} ORDER BY began DESC, client, poll, number DESC LIMIT {limit}");
    connection.prepare_cached(&sql)?.query_map(params_from_iter(values), report_row)?.collect()
}

/// Reports whose runs have all ended, the oldest first.
pub(super) fn due_reports(connection: &Connection, limit: usize) -> Result<Vec<DueReport>> {
    let sql = format!(
        "{REPORT} r INDEXED BY report_open WHERE ended IS NULL AND NOT EXISTS (
             SELECT 1 FROM poll_run p JOIN run ON run.id = p.run
             WHERE p.client = r.client AND p.poll = r.poll AND p.number = r.number AND run.state < 4)
         ORDER BY began LIMIT ?1"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let reports: Vec<ReportRow> =
        connection.prepare_cached(&sql)?.query_map([limit], report_row)?.collect::<Result<_>>()?;
    let mut runs = connection.prepare_cached(
        "SELECT run.state, run.reason,
                CASE WHEN EXISTS (SELECT 1 FROM audit a WHERE a.run = run.id AND a.verb = 'create') THEN 2
                     WHEN EXISTS (SELECT 1 FROM audit a WHERE a.run = run.id
                                  AND a.verb IN ('update', 'upsert', 'delete', 'link', 'unlink', 'call')) THEN 1
                     ELSE 0 END AS effect,
                count(*)
         FROM poll_run p JOIN run ON run.id = p.run
         WHERE p.client = ?1 AND p.poll = ?2 AND p.number = ?3 GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3",
    )?;
    let due = reports.into_iter().map(|report| {
        let PollId { name: PollName { client, poll }, number } = &report.id;
        let rows = runs.query_map(params![client, poll, number], |row| {
            let effect = match row.get::<_, i64>(2)? {
                2 => Effect::Created,
                1 => Effect::Updated,
                _ => Effect::None,
            };
            Ok((outcome(row.get(0)?)?, effect, row.get(1)?, row.get::<_, i64>(3)?.unsigned_abs()))
        })?;
        let runs = rows.collect::<Result<_>>()?;
        Ok(DueReport { report, runs })
    });
    due.collect()
}
