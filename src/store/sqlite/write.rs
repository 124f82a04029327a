//! What is written, statement by statement. Everything here runs on the writer's thread inside its transaction.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{self, ENDLESS, micros, stale_number, state_number};
use super::seal::{self, Prepared};
use super::{erase, notes, read, versions};
use crate::steps::{Agreed, AuditEntry, CallId, CallOutcome, FieldKey, Grant, Identity};
use crate::store::columns::{candidates_json, changes_json, texts_json};
use crate::store::{
    Accepted, AlertWindow, Applied, Change, CircuitState, ConnectionState, Erasing, ErasingNotes, EventSeq,
    GoodClient, LimitedReport, Matter, NewEvent, NewIntent, NewRun, NoteId, Outcome, Parts, RunId, RunState,
    SealedSecret, Settled, StoreError, TakenUp, Version,
};
use crate::value::Value;

/// Why something was not written.
#[derive(Debug, Clone)]
pub(super) enum WriteError {
    /// What was taken for granted is not so.
    Assumption(Arc<str>),
    /// A statement failed.
    Sql(Arc<rusqlite::Error>),
    /// The transaction failed, with all that is in it.
    All(StoreError),
}

impl WriteError {
    pub(super) fn told(self, path: &Path) -> StoreError {
        match self {
            Self::Assumption(what) => StoreError::Assumption(what),
            Self::Sql(failure) => columns::error(&failure, path),
            Self::All(failure) => failure,
        }
    }
}

impl From<rusqlite::Error> for WriteError {
    fn from(failure: rusqlite::Error) -> Self {
        Self::Sql(Arc::new(failure))
    }
}

pub(super) type Written<T = ()> = Result<T, WriteError>;

/// One transaction.
pub(super) struct Batch<'a> {
    pub(super) connection: &'a Connection,
    /// The next free run number, once it was asked for: nobody else can take one while we write.
    next_run: Option<i64>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, next_run: None }
    }

    /// Events with their runs; those that are there already are left as they are (invariant 9: their runs tell
    /// whether they are done).
    pub(super) fn accept(&mut self, events: &[NewEvent], told: &[LimitedReport]) -> Written<Vec<Accepted>> {
        let accepted = events.iter().map(|event| self.accept_one(event)).collect::<Written<Vec<_>>>()?;
        if matches!(accepted.first(), Some(Accepted::New { .. })) {
            told.iter().try_for_each(|report| self.limited(report))?;
        }
        Ok(accepted)
    }

    /// What a report comes to that starts a pipeline only so often.
    fn limited(&mut self, report: &LimitedReport) -> Written {
        let (window, event) = report.admit(self.window_of(&report.event.client, &report.pipeline)?);
        self.alert_window(&window)?;
        event.map_or(Ok(()), |event| self.accept_one(&event).map(drop))
    }

    pub(super) fn accept_one(&mut self, event: &NewEvent) -> Written<Accepted> {
        let first_run = self.next_run()?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO event (client, connection, id, kind, object_kind, object, source, created, received,
                                outcome, reason, first_run, runs)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (client, connection, id) DO NOTHING",
        )?;
        let rows = insert.execute(params![
            event.client,
            event.connection,
            event.id,
            event.kind,
            event.object_kind,
            event.object,
            event.source.word(),
            micros(event.created),
            micros(event.received),
            event.ended.as_ref().map(|(outcome, _)| state_number(RunState::Ended(*outcome))),
            event.ended.as_ref().map(|(_, reason)| reason),
            first_run,
            i64::try_from(event.runs.len()).unwrap_or(0),
        ])?;
        if rows == 0 {
            return Ok(Accepted::Duplicate);
        }
        let seq = self.connection.last_insert_rowid();
        let mut insert = self.connection.prepare_cached("INSERT INTO payload (seq, body) VALUES (?1, ?2)")?;
        insert.execute(params![seq, &event.body[..]])?;
        let mut runs = Vec::with_capacity(event.runs.len());
        for (run, id) in event.runs.iter().zip(first_run..) {
            self.insert_run(seq, id, event, run)?;
            runs.push(RunId(id));
        }
        self.next_run = Some(first_run + i64::try_from(runs.len()).unwrap_or(0));
        Ok(Accepted::New { seq: EventSeq(seq), runs })
    }

    fn next_run(&mut self) -> Written<i64> {
        if let Some(next) = self.next_run {
            return Ok(next);
        }
        let mut last = self.connection.prepare_cached("SELECT coalesce(max(id), 0) + 1 FROM run")?;
        let next = last.query_row([], |row| row.get(0))?;
        self.next_run = Some(next);
        Ok(next)
    }

    fn insert_run(&self, seq: i64, id: i64, event: &NewEvent, run: &NewRun) -> Written {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO run (id, event, client, pipeline, version, lane, order_key, created, rank, stale, state,
                              due, received, reason, ended)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, min(?8, ?12), ?12, ?13, ?14)",
        )?;
        let state = run.ended.as_ref().map_or(RunState::Ready, |(outcome, _)| RunState::Ended(*outcome));
        insert.execute(params![
            id,
            seq,
            event.client,
            run.pipeline,
            run.version.0,
            run.place.lane,
            run.place.key,
            micros(run.place.created),
            run.place.rank,
            stale_number(run.stale),
            state_number(state),
            micros(event.received),
            run.ended.as_ref().map_or("", |(_, reason)| reason),
            run.ended.as_ref().map(|_| micros(event.received)),
        ])?;
        Ok(())
    }

    /// The intent and its identities: all of them, or none when another run holds one.
    pub(super) fn intend(&self, new: &NewIntent) -> Written<Grant> {
        let mut holder = self.connection.prepare_cached(
            "SELECT run FROM intent WHERE client = ?1 AND connection = ?2 AND object = ?3 AND identity = ?4",
        )?;
        for identity in &new.intent.identities {
            let Identity { connection, object, key } = identity;
            let held: Option<i64> = holder
                .query_row(params![new.client, connection, object, key], |row| row.get(0))
                .optional()?;
            if held.is_some_and(|run| run != new.run.0) {
                return Ok(Grant::Held);
            }
        }
        let mut take = self.connection.prepare_cached(
            "INSERT INTO intent (client, connection, object, identity, run, call, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (client, connection, object, identity) DO UPDATE SET call = excluded.call, at = excluded.at",
        )?;
        for Identity { connection, object, key } in &new.intent.identities {
            let call = &new.intent.call.0;
            take.execute(params![new.client, connection, object, key, new.run.0, call, micros(new.at)])?;
        }
        let mut note = self.connection.prepare_cached(
            "INSERT INTO journal (run, call, fingerprint) VALUES (?1, ?2, ?3)
             ON CONFLICT (run, call) DO UPDATE SET fingerprint = excluded.fingerprint WHERE result IS NULL",
        )?;
        let rows =
            note.execute(params![new.run.0, new.intent.call.0, new.intent.fingerprint.cast_signed()])?;
        one_row(rows, || format!("call {} of run {} was done already", new.intent.call, new.run))?;
        Ok(Grant::Granted)
    }

    /// One change.
    pub(super) fn change(&mut self, change: &Change) -> Written {
        match change {
            Change::Called { run, client, at, outcome } => self.called(*run, client, *at, outcome),
            Change::Withdrawn { run, call } => self.withdrawn(*run, call),
            Change::NotOurs(fields) => self.not_ours(fields),
            Change::Ended { run, at, attempts, outcome, reason, candidates, applied } => {
                self.ended(*run, *at, *attempts, *outcome, reason, candidates)?;
                applied.as_ref().map_or(Ok(()), |applied| self.applied(applied))
            }
            Change::Held { run, due, connection, attempts, spent, reason } => self.unfinished(
                *run,
                "UPDATE run SET state = 2, due = ?2, parked = ?3, attempts = ?4, reason = ?5, spent = ?6
                 WHERE id = ?1 AND state < 4",
                params![run.0, due.map_or(ENDLESS, micros), connection, attempts, reason, spent.to_json()],
            ),
            Change::Waiting { run, due, spent, reason } => self.unfinished(
                *run,
                "UPDATE run SET state = 3, due = ?2, parked = NULL, reason = ?3, spent = ?4
                 WHERE id = ?1 AND state < 4",
                params![run.0, micros(*due), reason, spent.to_json()],
            ),
            Change::Blocked { run } => {
                self.unfinished(*run, "UPDATE run SET state = 1 WHERE id = ?1 AND state < 4", params![run.0])
            }
            Change::Versioned { run, version } => self.unfinished(
                *run,
                "UPDATE run SET version = ?2 WHERE id = ?1 AND state < 4",
                params![run.0, version.0],
            ),
            Change::Applied(applied) => self.applied(applied),
            Change::Connection(state) => self.connection_state(state),
            Change::Released { client, connection, due, at_most } => {
                let mut update = self.connection.prepare_cached(
                    "UPDATE run SET due = ?3, parked = NULL WHERE id IN (
                         SELECT id FROM run WHERE state = 2 AND client = ?1 AND parked = ?2 ORDER BY due, id LIMIT ?4)",
                )?;
                let limit = at_most.map_or(-1, i64::from);
                update.execute(params![client, connection, micros(*due), limit])?;
                Ok(())
            }
            Change::SecretKept(secret) => self.secret(secret),
            Change::Reported(event) => self.accept_one(event).map(drop),
            Change::Limited(report) => self.limited(report),
            Change::Told(group) => {
                let before = self.window_of(&group.window.client, &group.window.pipeline)?;
                let Some(window) = group.tell(before) else { return Ok(()) };
                self.alert_window(&window)?;
                group.event.as_ref().map_or(Ok(()), |event| self.accept_one(event).map(drop))
            }
            Change::Polled(step) => self.polled(step),
            Change::PollReported(end) => self.report_ended(end),
        }
    }

    fn unfinished(&self, run: RunId, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Written {
        let rows = self.connection.prepare_cached(sql)?.execute(values)?;
        one_row(rows, || format!("run {run} is not there, or has ended already"))
    }

    /// Invariant 2: an outcome is journalled once.
    fn called(&self, run: RunId, client: &str, at: Timestamp, outcome: &CallOutcome) -> Written {
        let mut keep = self.connection.prepare_cached(
            "INSERT INTO journal (run, call, fingerprint, result) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (run, call) DO UPDATE SET fingerprint = excluded.fingerprint, result = excluded.result
             WHERE result IS NULL",
        )?;
        let rows = keep.execute(params![
            run.0,
            outcome.call.0,
            outcome.fingerprint.cast_signed(),
            outcome.result.to_json()
        ])?;
        one_row(rows, || format!("call {} of run {run} was journalled already", outcome.call))?;
        if let Some(entry) = &outcome.audit {
            self.audit(run, client, at, &outcome.call, entry)?;
        }
        for (Identity { connection, object, key }, record) in &outcome.identified {
            let mut learn = self.connection.prepare_cached(
                "INSERT INTO identity (client, connection, object, identity, record, run)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (client, connection, object, identity)
                 DO UPDATE SET record = excluded.record, run = excluded.run",
            )?;
            learn.execute(params![client, connection, object, key, record, run.0])?;
        }
        if !outcome.agreed.is_empty() {
            self.agreed(run, &outcome.agreed)?;
        }
        self.close_intent(run, &outcome.call)
    }

    fn agreed(&self, run: RunId, agreed: &[Agreed]) -> Written {
        let mut upsert = self.connection.prepare_cached(
            "INSERT INTO agreed (field, value, ours, run) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (field) DO UPDATE SET value = excluded.value, ours = excluded.ours, run = excluded.run",
        )?;
        for Agreed { field, value, ours } in agreed {
            upsert.execute(params![&field.0[..], &value.0[..], ours, run.0])?;
        }
        Ok(())
    }

    /// Somebody else has changed these fields.
    fn not_ours(&self, fields: &[FieldKey]) -> Written {
        let mut update = self.connection.prepare_cached("UPDATE agreed SET ours = 0 WHERE field = ?1")?;
        for field in fields {
            update.execute([&field.0[..]])?;
        }
        Ok(())
    }

    fn audit(&self, run: RunId, client: &str, at: Timestamp, call: &CallId, entry: &AuditEntry) -> Written {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO audit (run, call, at, client, connection, object, record, verb, step, changes, left_alone,
                                note)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        insert.execute(params![
            run.0,
            call.0,
            micros(at),
            client,
            entry.connection,
            entry.object,
            entry.record,
            entry.verb,
            entry.step,
            changes_json(entry),
            texts_json(&entry.left_alone),
            entry.note,
        ])?;
        Ok(())
    }

    fn withdrawn(&self, run: RunId, call: &CallId) -> Written {
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM journal WHERE run = ?1 AND call = ?2 AND result IS NULL")?;
        delete.execute(params![run.0, call.0])?;
        self.close_intent(run, call)
    }

    fn close_intent(&self, run: RunId, call: &CallId) -> Written {
        let mut close = self.connection.prepare_cached("DELETE FROM intent WHERE run = ?1 AND call = ?2")?;
        close.execute(params![run.0, call.0])?;
        Ok(())
    }

    fn ended(
        &self,
        run: RunId,
        at: Timestamp,
        attempts: u32,
        outcome: Outcome,
        reason: &str,
        candidates: &[Value],
    ) -> Written {
        let candidates = candidates_json(candidates);
        self.unfinished(
            run,
            "UPDATE run
                SET state = ?2, attempts = ?3, reason = ?4, candidates = ?5, ended = ?6, parked = NULL, spent = NULL
              WHERE id = ?1 AND state < 4",
            params![run.0, state_number(RunState::Ended(outcome)), attempts, reason, candidates, micros(at)],
        )?;
        // Whatever it had in mind, it will not do: others may.
        self.connection.prepare_cached("DELETE FROM intent WHERE run = ?1")?.execute([run.0])?;
        Ok(())
    }

    fn applied(&self, applied: &Applied) -> Written {
        let mut upsert = self.connection.prepare_cached(
            "INSERT INTO applied (client, pipeline, object, created, rank) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (client, pipeline, object) DO UPDATE SET created = excluded.created, rank = excluded.rank
             WHERE (excluded.created, excluded.rank) > (created, rank)",
        )?;
        let Applied { client, pipeline, object, created, rank } = applied;
        upsert.execute(params![client, pipeline, object, micros(*created), rank])?;
        Ok(())
    }

    fn window_of(&self, client: &str, pipeline: &str) -> Written<Option<AlertWindow>> {
        let all = read::alert_windows(self.connection)?;
        Ok(all.into_iter().find(|window| *window.client == *client && *window.pipeline == *pipeline))
    }

    fn alert_window(&self, window: &AlertWindow) -> Written {
        let AlertWindow { client, pipeline, ends, started, grouped, untold } = window;
        let mut upsert = self.connection.prepare_cached(
            "INSERT INTO alert (client, pipeline, ends, started, grouped, kind, object)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (client, pipeline) DO UPDATE
             SET ends = excluded.ends, started = excluded.started, grouped = excluded.grouped,
                 kind = excluded.kind, object = excluded.object, erased = NULL",
        )?;
        let kind = untold.as_ref().map(|untold| untold.what.as_str());
        let object = untold.as_ref().map(|untold| untold.object.to_json());
        upsert.execute(params![client, pipeline, micros(*ends), started, grouped, kind, object])?;
        Ok(())
    }

    fn connection_state(&self, state: &ConnectionState) -> Written {
        let (probes, probe_at) = match state.circuit {
            CircuitState::Closed => (0, None),
            CircuitState::Open { probes, probe_at } => (probes, Some(micros(probe_at))),
        };
        let mut upsert = self.connection.prepare_cached(
            "INSERT INTO connection_state (client, connection, probes, probe_at, since, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (client, connection) DO UPDATE
             SET probes = excluded.probes, probe_at = excluded.probe_at, since = excluded.since, reason = excluded.reason",
        )?;
        upsert.execute(params![
            state.client,
            state.connection,
            probes,
            probe_at,
            micros(state.since),
            state.reason
        ])?;
        Ok(())
    }

    fn secret(&self, secret: &SealedSecret) -> Written {
        let mut upsert = self.connection.prepare_cached(
            "INSERT INTO secret (client, connection, sealed, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (client, connection) DO UPDATE SET sealed = excluded.sealed, at = excluded.at",
        )?;
        upsert.execute(params![secret.client, secret.connection, secret.sealed, micros(secret.at)])?;
        Ok(())
    }

    /// Runs that stood behind others are ready again: who goes first is decided anew.
    pub(super) fn take_up(&self) -> Written<TakenUp> {
        self.connection.execute("UPDATE run SET state = 0 WHERE state = 1", [])?;
        // A crash came before it was written that the connection is paused: nobody would ever call those who wait for it.
        self.connection.execute(
            "UPDATE run SET due = received, parked = NULL
             WHERE state = 2 AND parked IS NOT NULL AND NOT EXISTS (
                 SELECT 1 FROM connection_state c
                 WHERE c.client = run.client AND c.connection = run.parked AND c.probe_at IS NOT NULL)",
            [],
        )?;
        let mut held = self.connection.prepare_cached(
            "SELECT client, count(*) FROM run INDEXED BY run_held WHERE state = 2 GROUP BY client",
        )?;
        let rows = held.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
        let held = rows.map(|row| row.map(|(client, count)| (client, count.unsigned_abs())));
        Ok(TakenUp { parts: Parts::ALL, held: held.collect::<Result<_, _>>()? })
    }

    /// What a client runs with from now on.
    pub(super) fn keep_good(&self, good: &GoodClient) -> Written {
        Ok(versions::keep(self.connection, good)?)
    }

    /// Versions that nobody needs any more.
    pub(super) fn forget(&self, versions: &[Version], before: Timestamp) -> Written<u64> {
        Ok(versions::forget(self.connection, versions, before)?)
    }

    /// Entries of the audit are sealed.
    pub(super) fn seal(&self, prepared: &[Prepared]) -> Written<usize> {
        Ok(seal::seal(self.connection, prepared)?)
    }

    /// What events brought, and what came of them, is erased, and the audit says so.
    pub(super) fn erase(&self, erasing: &Erasing) -> Written<Vec<EventSeq>> {
        let erased = erase::erase(self.connection, erasing)?;
        for (client, entry) in erasing.entries(&erased) {
            self.audit(RunId(0), &client, erasing.at, &without_run(), &entry)?;
        }
        Ok(erased.into_iter().map(|(seq, _)| seq).collect())
    }

    /// What is kept beside events is erased, and the audit says so.
    pub(super) fn erase_notes(&self, erasing: &ErasingNotes) -> Written<Vec<NoteId>> {
        let erased = notes::erase(self.connection, erasing)?;
        for (client, entry) in erasing.entries(&erased) {
            self.audit(RunId(0), &client, erasing.at, &without_run(), &entry)?;
        }
        Ok(erased)
    }

    /// A person has ended something for good.
    pub(super) fn settle(&self, settled: &Settled) -> Written {
        let [is, was] = [settled.outcome, settled.was].map(|outcome| state_number(RunState::Ended(outcome)));
        let (sql, number, run, call) = match settled.matter {
            Matter::Run(run) => (
                "UPDATE run SET state = ?2, reason = ?3 WHERE id = ?1 AND state = ?4",
                run.0,
                run,
                CallId("settled".into()),
            ),
            Matter::Event(event) => (
                "UPDATE event SET outcome = ?2, reason = ?3 WHERE seq = ?1 AND outcome = ?4",
                event.0,
                RunId(0),
                without_run(),
            ),
        };
        let rows = self.connection.prepare_cached(sql)?.execute(params![number, is, settled.reason, was])?;
        one_row(rows, || format!("{} is not there, or is not {}", settled.matter, settled.was_in_words()))?;
        self.audit(run, &settled.client, settled.at, &call, &settled.entry)
    }

    /// A dead letter goes again.
    pub(super) fn retry_dead(&self, run: RunId, now: Timestamp) -> Written {
        let mut update = self.connection.prepare_cached(
            // A person has mended something, most often the pipeline: the run goes on with the present version.
            "UPDATE run
                SET state = 0, due = ?2, attempts = 0, spent = NULL, reason = '', candidates = NULL, ended = NULL, version = ?3
              WHERE id = ?1 AND state = 7",
        )?;
        let rows = update.execute(params![run.0, micros(now), Version::PRESENT])?;
        one_row(rows, || format!("run {run} is not there, or is not a dead letter"))
    }
}

/// Names an audit entry that is of no run.
fn without_run() -> CallId {
    CallId(uuid::Uuid::now_v7().simple().to_string().into())
}

/// State changes say what they assumed.
pub(super) fn one_row(rows: usize, otherwise: impl FnOnce() -> String) -> Written {
    if rows == 1 { Ok(()) } else { Err(WriteError::Assumption(otherwise().into())) }
}
