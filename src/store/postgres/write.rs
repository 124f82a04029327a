//! What is written: one statement for each kind of change in a wave, all sent at once.

use std::borrow::Cow;
use std::collections::HashSet;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, try_join_all};
use tokio_postgres::types::Type;

use super::accept;
use super::columns::{Cells, clean, clean_option, identity_digest};
use super::db::{Pipe, Values};
use super::fault::Fault;
use super::wave::{Called, RunChange, Wave};
use super::{poll, read, versions};
use crate::steps::{Grant, Identity};
use crate::store::columns::{changes_json, micros, texts_json};
use crate::store::{Accepted, AlertWindow, CircuitState, LimitedReport, NewEvent, NewIntent, ToldGroup};

type Writing<'a> = BoxFuture<'a, Result<(), Fault>>;

/// Writes a wave within the transaction under way, and gives what became of its intents, in their order.
pub(super) async fn wave(pipe: Pipe<'_>, wave: &Wave<'_>) -> Result<Vec<Grant>, Fault> {
    let mut grants = Vec::new();
    let mut writing: Vec<Writing<'_>> = Vec::new();
    if !wave.runs.is_empty() {
        writing.push(runs(pipe, wave).boxed());
    }
    if !wave.called.is_empty() {
        writing.push(journal(pipe, &wave.called).boxed());
        writing.push(audit(pipe, &wave.called).boxed());
        writing.push(close_intents(pipe, &wave.called).boxed());
    }
    if !wave.learned.is_empty() {
        writing.push(identities(pipe, wave).boxed());
    }
    if !wave.agreed.is_empty() {
        writing.push(agreed(pipe, wave).boxed());
    }
    if !wave.not_ours.is_empty() {
        writing.push(not_ours(pipe, wave).boxed());
    }
    if !wave.withdrawn.is_empty() {
        writing.push(withdrawn(pipe, wave).boxed());
    }
    if !wave.ended.is_empty() {
        // Whatever they had in mind, they will not do: others may.
        let sql = "DELETE FROM lockstep.intent WHERE run = ANY($1::bigint[])";
        writing.push(
            async move { pipe.change(sql, &[(&wave.ended, Type::INT8_ARRAY)]).await.map(drop) }.boxed(),
        );
    }
    if !wave.applied.is_empty() {
        writing.push(applied(pipe, wave).boxed());
    }
    if !wave.connections.is_empty() {
        writing.push(connections(pipe, wave).boxed());
    }
    if !wave.secrets.is_empty() {
        writing.push(secrets(pipe, wave).boxed());
    }
    if !wave.reported.is_empty() {
        writing.push(accept::insert(pipe, &wave.reported).map(|kept| kept.map(drop)).boxed());
    }
    for step in wave.polled.values() {
        writing.push(poll::step(pipe, step).boxed());
    }
    for end in wave.reports.values() {
        writing.push(poll::report_ended(pipe, end).boxed());
    }
    if !wave.intents.is_empty() {
        writing.push(intents(pipe, wave, &mut grants).boxed());
    }
    if !wave.good.is_empty() {
        writing.push(versions::keep(pipe, &wave.good).boxed());
    }
    if wave.release.is_some() {
        writing.push(release(pipe, wave).boxed());
    }
    try_join_all(writing).await?;
    Ok(grants)
}

/// State changes say what they assumed.
fn all_of(rows: u64, expected: usize, otherwise: impl FnOnce() -> String) -> Result<(), Fault> {
    if u64::try_from(expected).is_ok_and(|expected| rows == expected) {
        Ok(())
    } else {
        Err(Fault::Assumption(otherwise().into()))
    }
}

async fn runs(pipe: Pipe<'_>, wave: &Wave<'_>) -> Result<(), Fault> {
    let sql = "UPDATE lockstep.run r
        SET state = coalesce(u.state, r.state), due = coalesce(u.due, r.due),
            parked = CASE WHEN u.parks THEN u.parked ELSE r.parked END,
            spent = CASE WHEN u.parks THEN u.spent ELSE r.spent END,
            attempts = coalesce(u.attempts, r.attempts), reason = coalesce(u.reason, r.reason),
            candidates = coalesce(u.candidates, r.candidates), ended = coalesce(u.ended, r.ended),
            version = coalesce(u.version, r.version)
        FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bool[], $5::text[], $6::bigint[], $7::text[],
                    $8::text[], $9::bigint[], $10::text[], $11::text[])
             AS u (id, state, due, parks, parked, attempts, reason, candidates, ended, version, spent)
        WHERE r.id = u.id AND r.state < 4";
    let ids: Vec<i64> = wave.runs.keys().copied().collect();
    let changes = || wave.runs.values();
    let number = |of: fn(&RunChange<'_>) -> Option<i64>| -> Vec<Option<i64>> { changes().map(of).collect() };
    let states: Vec<Option<i16>> =
        changes().map(|run| run.state.map(|state| i16::try_from(state).unwrap_or(i16::MAX))).collect();
    let parks: Vec<bool> = changes().map(|run| run.parks).collect();
    let parked: Vec<Option<&str>> = changes().map(|run| run.parked).collect();
    let reasons: Vec<Option<Cow<'_, str>>> = changes().map(|run| clean_option(run.reason)).collect();
    let candidates: Vec<Option<&str>> = changes().map(|run| run.candidates.as_deref()).collect();
    let versions: Vec<Option<&str>> = changes().map(|run| run.version).collect();
    let spent: Vec<Option<&str>> = changes().map(|run| run.spent.as_deref()).collect();
    let rows = pipe
        .change(
            sql,
            &[
                (&ids, Type::INT8_ARRAY),
                (&states, Type::INT2_ARRAY),
                (&number(|run| run.due), Type::INT8_ARRAY),
                (&parks, Type::BOOL_ARRAY),
                (&parked, Type::TEXT_ARRAY),
                (&number(|run| run.attempts), Type::INT8_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
                (&candidates, Type::TEXT_ARRAY),
                (&number(|run| run.ended), Type::INT8_ARRAY),
                (&versions, Type::TEXT_ARRAY),
                (&spent, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    all_of(rows, ids.len(), || match ids[..] {
        [run] => format!("run {run} is not there, or has ended already"),
        _ => "one of several runs is not there, or has ended already".to_owned(),
    })
}

/// Invariant 2: an outcome is journalled once.
async fn journal(pipe: Pipe<'_>, called: &[Called<'_>]) -> Result<(), Fault> {
    let sql = "INSERT INTO lockstep.journal AS j (run, call, fingerprint, result)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[])
        ON CONFLICT (run, call) DO UPDATE SET fingerprint = excluded.fingerprint, result = excluded.result
        WHERE j.result IS NULL";
    let runs: Vec<i64> = called.iter().map(|called| called.run).collect();
    let calls: Vec<&str> = called.iter().map(|called| &*called.outcome.call.0).collect();
    let prints: Vec<i64> = called.iter().map(|called| called.outcome.fingerprint.cast_signed()).collect();
    let results: Vec<String> = called.iter().map(|called| called.outcome.result.to_json()).collect();
    let rows = pipe
        .change(
            sql,
            &[
                (&runs, Type::INT8_ARRAY),
                (&calls, Type::TEXT_ARRAY),
                (&prints, Type::INT8_ARRAY),
                (&results, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    all_of(rows, called.len(), || match called {
        [one] => format!("call {} of run {} was journalled already", one.outcome.call, one.run),
        _ => "one of several calls was journalled already".to_owned(),
    })
}

async fn audit(pipe: Pipe<'_>, called: &[Called<'_>]) -> Result<(), Fault> {
    let entries: Vec<_> =
        called.iter().filter_map(|called| Some((called, called.outcome.audit.as_ref()?))).collect();
    if entries.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO lockstep.audit (run, call, at, client, connection, object, record, verb, step, changes,
                                           left_alone, note)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
                             $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])";
    let runs: Vec<i64> = entries.iter().map(|(called, _)| called.run).collect();
    let calls: Vec<&str> = entries.iter().map(|(called, _)| &*called.outcome.call.0).collect();
    let at: Vec<i64> = entries.iter().map(|(called, _)| micros(called.at)).collect();
    let clients: Vec<&str> = entries.iter().map(|(called, _)| called.client).collect();
    let connections: Vec<&str> = entries.iter().map(|(_, entry)| &*entry.connection).collect();
    let objects: Vec<&str> = entries.iter().map(|(_, entry)| &*entry.object).collect();
    let records: Vec<_> = entries.iter().map(|(_, entry)| clean_option(entry.record.as_deref())).collect();
    let verbs: Vec<&str> = entries.iter().map(|(_, entry)| entry.verb).collect();
    let steps: Vec<&str> = entries.iter().map(|(_, entry)| &*entry.step).collect();
    let changes: Vec<String> = entries.iter().map(|(_, entry)| changes_json(entry)).collect();
    let left_alone: Vec<String> = entries.iter().map(|(_, entry)| texts_json(&entry.left_alone)).collect();
    let notes: Vec<_> = entries.iter().map(|(_, entry)| clean_option(entry.note.as_deref())).collect();
    let text = || Type::TEXT_ARRAY;
    pipe.change(
        sql,
        &[
            (&runs, Type::INT8_ARRAY),
            (&calls, text()),
            (&at, Type::INT8_ARRAY),
            (&clients, text()),
            (&connections, text()),
            (&objects, text()),
            (&records, text()),
            (&verbs, text()),
            (&steps, text()),
            (&changes, text()),
            (&left_alone, text()),
            (&notes, text()),
        ],
    )
    .await
    .map(drop)
}

async fn close_intents(pipe: Pipe<'_>, called: &[Called<'_>]) -> Result<(), Fault> {
    let runs: Vec<i64> = called.iter().map(|called| called.run).collect();
    let calls: Vec<&str> = called.iter().map(|called| &*called.outcome.call.0).collect();
    delete_intents(pipe, &runs, &calls).await
}

async fn delete_intents(pipe: Pipe<'_>, runs: &[i64], calls: &[&str]) -> Result<(), Fault> {
    let sql = "DELETE FROM lockstep.intent i USING unnest($1::bigint[], $2::text[]) AS u (run, call)
        WHERE i.run = u.run AND i.call = u.call";
    pipe.change(sql, &[(&runs, Type::INT8_ARRAY), (&calls, Type::TEXT_ARRAY)]).await.map(drop)
}

async fn identities(pipe: Pipe<'_>, wave: &Wave<'_>) -> Result<(), Fault> {
    let sql = "INSERT INTO lockstep.identity AS i (digest, client, connection, object, identity, record, run)
        SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
               AS u (digest, client, connection, object, identity, record, run)
        ORDER BY u.digest
        ON CONFLICT (digest) DO UPDATE SET record = excluded.record, run = excluded.run";
    let digests: Vec<&[u8]> = wave.learned.keys().map(Vec::as_slice).collect();
    let all = || wave.learned.values();
    let clients: Vec<&str> = all().map(|learned| learned.client).collect();
    let connections: Vec<&str> = all().map(|learned| &*learned.identity.connection).collect();
    let objects: Vec<&str> = all().map(|learned| &*learned.identity.object).collect();
    let keys: Vec<_> = all().map(|learned| clean(&learned.identity.key)).collect();
    let records: Vec<_> = all().map(|learned| clean(learned.record)).collect();
    let runs: Vec<i64> = all().map(|learned| learned.run).collect();
    pipe.change(
        sql,
        &[
            (&digests, Type::BYTEA_ARRAY),
            (&clients, Type::TEXT_ARRAY),
            (&connections, Type::TEXT_ARRAY),
            (&objects, Type::TEXT_ARRAY),
            (&keys, Type::TEXT_ARRAY),
            (&records, Type::TEXT_ARRAY),
            (&runs, Type::INT8_ARRAY),
        ],
    )
    .await
    .map(drop)
}

async fn agreed(pipe: Pipe<'_>, wave: &Wave<'_>) -> Result<(), Fault> {
    let sql = "INSERT INTO lockstep.agreed AS a (field, value, ours, run)
        SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bool[], $4::bigint[]) AS u (field, value, ours, run)
        ORDER BY u.field
        ON CONFLICT (field) DO UPDATE SET value = excluded.value, ours = excluded.ours, run = excluded.run";
    let all = || wave.agreed.values();
    let fields: Vec<&[u8]> = wave.agreed.keys().map(|field| &field.0[..]).collect();
    let values: Vec<&[u8]> = all().map(|(agreed, _)| &agreed.value.0[..]).collect();
    let ours: Vec<bool> = all().map(|(agreed, _)| agreed.ours).collect();
    let runs: Vec<i64> = all().map(|(_, run)| *run).collect();
    pipe.change(
        sql,
        &[
            (&fields, Type::BYTEA_ARRAY),
            (&values, Type::BYTEA_ARRAY),
            (&ours, Type::BOOL_ARRAY),
            (&runs, Type::INT8_ARRAY),
        ],
    )
    .await
    .map(drop)
}

/// Somebody else has changed these fields.
async fn not_ours(pipe: Pipe<'_>, wave: &Wave<'_>) -> Result<(), Fault> {
    let sql = "UPDATE lockstep.agreed SET ours = false WHERE field = ANY ($1::bytea[])";
    let fields: Vec<&[u8]> = wave.not_ours.iter().map(|field| &field.0[..]).collect();
    pipe.change(sql, &[(&fields, Type::BYTEA_ARRAY)]).await.map(drop)
}

async fn withdrawn(pipe: Pipe<'_>, wave: &Wave<'_>) -> Result<(), Fault> {
    let sql = "DELETE FROM lockstep.journal j USING unnest($1::bigint[], $2::text[]) AS u (run, call)
        WHERE j.run = u.run AND j.call = u.call AND j.result IS NULL";
    let runs: Vec<i64> = wave.withdrawn.iter().map(|(run, _)| *run).collect();
    let calls: Vec<&str> = wave.withdrawn.iter().map(|(_, call)| &*call.0).collect();
    pipe.change(sql, &[(&runs, Type::INT8_ARRAY), (&calls, Type::TEXT_ARRAY)]).await?;
    delete_intents(pipe, &runs, &calls).await
}

async fn applied(pipe: Pipe<'_>, wave: &Wave<'_>) -> Result<(), Fault> {
    let sql = "INSERT INTO lockstep.applied AS a (digest, client, pipeline, object, created, rank)
        SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
               AS u (digest, client, pipeline, object, created, rank)
        ORDER BY u.digest
        ON CONFLICT (digest) DO UPDATE SET created = excluded.created, rank = excluded.rank
        WHERE (excluded.created, excluded.rank) > (a.created, a.rank)";
    let digests: Vec<&[u8]> = wave.applied.keys().map(Vec::as_slice).collect();
    let all = || wave.applied.values();
    let clients: Vec<&str> = all().map(|applied| &*applied.client).collect();
    let pipelines: Vec<&str> = all().map(|applied| &*applied.pipeline).collect();
    let objects: Vec<_> = all().map(|applied| clean(&applied.object)).collect();
    let created: Vec<i64> = all().map(|applied| micros(applied.created)).collect();
    let ranks: Vec<i64> = all().map(|applied| i64::from(applied.rank)).collect();
    pipe.change(
        sql,
        &[
            (&digests, Type::BYTEA_ARRAY),
            (&clients, Type::TEXT_ARRAY),
            (&pipelines, Type::TEXT_ARRAY),
            (&objects, Type::TEXT_ARRAY),
            (&created, Type::INT8_ARRAY),
            (&ranks, Type::INT8_ARRAY),
        ],
    )
    .await
    .map(drop)
}

async fn connections(pipe: Pipe<'_>, wave: &Wave<'_>) -> Result<(), Fault> {
    let sql = "INSERT INTO lockstep.connection_state (client, connection, probes, probe_at, since, reason)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
               AS u (client, connection, probes, probe_at, since, reason)
        ORDER BY u.client, u.connection
        ON CONFLICT (client, connection) DO UPDATE
        SET probes = excluded.probes, probe_at = excluded.probe_at, since = excluded.since, reason = excluded.reason";
    let all = || wave.connections.values();
    let circuit = |circuit| match circuit {
        CircuitState::Closed => (0, None),
        CircuitState::Open { probes, probe_at } => (i64::from(probes), Some(micros(probe_at))),
    };
    let clients: Vec<&str> = all().map(|state| &*state.client).collect();
    let names: Vec<&str> = all().map(|state| &*state.connection).collect();
    let probes: Vec<i64> = all().map(|state| circuit(state.circuit).0).collect();
    let probe_at: Vec<Option<i64>> = all().map(|state| circuit(state.circuit).1).collect();
    let since: Vec<i64> = all().map(|state| micros(state.since)).collect();
    let reasons: Vec<_> = all().map(|state| clean(&state.reason)).collect();
    pipe.change(
        sql,
        &[
            (&clients, Type::TEXT_ARRAY),
            (&names, Type::TEXT_ARRAY),
            (&probes, Type::INT8_ARRAY),
            (&probe_at, Type::INT8_ARRAY),
            (&since, Type::INT8_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
        ],
    )
    .await
    .map(drop)
}

async fn secrets(pipe: Pipe<'_>, wave: &Wave<'_>) -> Result<(), Fault> {
    let sql = "INSERT INTO lockstep.secret (client, connection, sealed, at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[])
        ON CONFLICT (client, connection) DO UPDATE SET sealed = excluded.sealed, at = excluded.at";
    let all = || wave.secrets.values();
    let clients: Vec<&str> = all().map(|secret| &*secret.client).collect();
    let names: Vec<&str> = all().map(|secret| &*secret.connection).collect();
    let sealed: Vec<&[u8]> = all().map(|secret| &*secret.sealed).collect();
    let at: Vec<i64> = all().map(|secret| micros(secret.at)).collect();
    let values: Values<'_> = &[
        (&clients, Type::TEXT_ARRAY),
        (&names, Type::TEXT_ARRAY),
        (&sealed, Type::BYTEA_ARRAY),
        (&at, Type::INT8_ARRAY),
    ];
    pipe.change(sql, values).await.map(drop)
}

/// Keeps events, and what is told of the first one, when it is new.
pub(super) async fn accept_told(
    pipe: Pipe<'_>,
    events: &[NewEvent],
    told: &[LimitedReport],
) -> Result<Vec<Accepted>, Fault> {
    let events: Vec<&NewEvent> = events.iter().collect();
    let accepted = accept::insert(pipe, &events).await?;
    if matches!(accepted.first(), Some(Accepted::New { .. })) {
        for report in told {
            limited(pipe, report).await?;
        }
    }
    Ok(accepted)
}

/// What a report comes to that starts a pipeline only so often. Processes that report at one time wait for each other.
pub(super) async fn limited(pipe: Pipe<'_>, report: &LimitedReport) -> Result<(), Fault> {
    let (client, pipeline) = (&*report.event.client, &*report.pipeline);
    let sql = "INSERT INTO lockstep.alert (client, pipeline, ends, started, grouped) VALUES ($1, $2, 0, 0, 0)
        ON CONFLICT DO NOTHING";
    pipe.change(sql, &[(&client, Type::TEXT), (&pipeline, Type::TEXT)]).await?;
    let (window, event) = report.admit(locked_window(pipe, client, pipeline).await?);
    keep_window(pipe, &window).await?;
    match &event {
        Some(event) => accept::insert(pipe, &[event]).await.map(drop),
        None => Ok(()),
    }
}

/// A group is told, unless that was done before.
pub(super) async fn told(pipe: Pipe<'_>, group: &ToldGroup) -> Result<(), Fault> {
    let before = locked_window(pipe, &group.window.client, &group.window.pipeline).await?;
    let Some(window) = group.tell(before) else { return Ok(()) };
    keep_window(pipe, &window).await?;
    match &group.event {
        Some(event) => accept::insert(pipe, &[event]).await.map(drop),
        None => Ok(()),
    }
}

async fn locked_window(pipe: Pipe<'_>, client: &str, pipeline: &str) -> Result<Option<AlertWindow>, Fault> {
    let sql = "SELECT client, pipeline, ends, started, grouped, kind, object FROM lockstep.alert
        WHERE client = $1 AND pipeline = $2 FOR UPDATE";
    let rows = pipe.rows(sql, &[(&client, Type::TEXT), (&pipeline, Type::TEXT)]).await?;
    rows.first().map(|row| read::window(Cells(row))).transpose().map_err(Fault::Said)
}

async fn keep_window(pipe: Pipe<'_>, window: &AlertWindow) -> Result<(), Fault> {
    let sql = "UPDATE lockstep.alert SET ends = $3, started = $4, grouped = $5, kind = $6, object = $7, erased = NULL
        WHERE client = $1 AND pipeline = $2";
    let kind = window.untold.as_ref().map(|untold| untold.what.as_str());
    let object = window.untold.as_ref().map(|untold| untold.object.to_json());
    let values: Values<'_> = &[
        (&&*window.client, Type::TEXT),
        (&&*window.pipeline, Type::TEXT),
        (&micros(window.ends), Type::INT8),
        (&i64::from(window.started), Type::INT8),
        (&i64::from(window.grouped), Type::INT8),
        (&kind, Type::TEXT),
        (&object, Type::TEXT),
    ];
    pipe.change(sql, values).await.map(drop)
}

async fn release(pipe: Pipe<'_>, wave: &Wave<'_>) -> Result<(), Fault> {
    let Some(release) = &wave.release else { return Ok(()) };
    let sql = "UPDATE lockstep.run SET due = $3, parked = NULL WHERE id IN (
            SELECT id FROM lockstep.run WHERE state = 2 AND client = $1 AND parked = $2 ORDER BY due, id LIMIT $4)";
    pipe.change(
        sql,
        &[
            (&release.client, Type::TEXT),
            (&release.connection, Type::TEXT),
            (&release.due, Type::INT8),
            // NULL is no limit.
            (&release.at_most, Type::INT8),
        ],
    )
    .await
    .map(drop)
}

/// The intents and their identities: all of one, or none when another run holds one of them.
async fn intents(pipe: Pipe<'_>, wave: &Wave<'_>, grants: &mut Vec<Grant>) -> Result<(), Fault> {
    let sql = "WITH ids AS (
            SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[],
                                 $7::bigint[], $8::text[], $9::bigint[])
                   AS u (n, digest, client, connection, object, identity, run, call, at)
        ), held AS (
            SELECT DISTINCT u.n FROM ids u JOIN lockstep.intent i ON i.digest = u.digest WHERE i.run <> u.run
        ), taken AS (
            INSERT INTO lockstep.intent AS i (digest, client, connection, object, identity, run, call, at)
            SELECT digest, client, connection, object, identity, run, call, at
            FROM ids WHERE n NOT IN (SELECT n FROM held) ORDER BY digest
            ON CONFLICT (digest) DO UPDATE SET call = excluded.call, at = excluded.at WHERE i.run = excluded.run
            RETURNING i.digest
        ), noted AS (
            INSERT INTO lockstep.journal AS j (run, call, fingerprint)
            SELECT u.run, u.call, u.fingerprint
            FROM unnest($10::bigint[], $11::bigint[], $12::text[], $13::bigint[]) AS u (n, run, call, fingerprint)
            WHERE u.n NOT IN (SELECT n FROM held)
            ON CONFLICT (run, call) DO UPDATE SET fingerprint = excluded.fingerprint WHERE j.result IS NULL
            RETURNING j.run
        )
        SELECT ARRAY(SELECT n FROM held), (SELECT count(*) FROM taken), (SELECT count(*) FROM noted),
               (SELECT count(*) FROM ids WHERE n NOT IN (SELECT n FROM held))";
    let mut seen = HashSet::new();
    let numbered = || (0_i64..).zip(&wave.intents);
    let each: Vec<(i64, &NewIntent, &Identity, Vec<u8>)> = numbered()
        .flat_map(|(n, new)| new.intent.identities.iter().map(move |identity| (n, *new, identity)))
        .map(|(n, new, identity)| (n, new, identity, identity_digest(&new.client, identity)))
        .filter(|(.., digest)| seen.insert(digest.clone()))
        .collect();
    let numbers: Vec<i64> = each.iter().map(|(n, ..)| *n).collect();
    let digests: Vec<&[u8]> = each.iter().map(|(.., digest)| &**digest).collect();
    let clients: Vec<&str> = each.iter().map(|(_, new, ..)| &*new.client).collect();
    let connections: Vec<&str> = each.iter().map(|(_, _, identity, _)| &*identity.connection).collect();
    let objects: Vec<&str> = each.iter().map(|(_, _, identity, _)| &*identity.object).collect();
    let keys: Vec<_> = each.iter().map(|(_, _, identity, _)| clean(&identity.key)).collect();
    let holders: Vec<i64> = each.iter().map(|(_, new, ..)| new.run.0).collect();
    let held_by: Vec<&str> = each.iter().map(|(_, new, ..)| &*new.intent.call.0).collect();
    let at: Vec<i64> = each.iter().map(|(_, new, ..)| micros(new.at)).collect();
    let all: Vec<i64> = numbered().map(|(n, _)| n).collect();
    let runs: Vec<i64> = wave.intents.iter().map(|new| new.run.0).collect();
    let calls: Vec<&str> = wave.intents.iter().map(|new| &*new.intent.call.0).collect();
    let prints: Vec<i64> = wave.intents.iter().map(|new| new.intent.fingerprint.cast_signed()).collect();
    let rows = pipe
        .rows(
            sql,
            &[
                (&numbers, Type::INT8_ARRAY),
                (&digests, Type::BYTEA_ARRAY),
                (&clients, Type::TEXT_ARRAY),
                (&connections, Type::TEXT_ARRAY),
                (&objects, Type::TEXT_ARRAY),
                (&keys, Type::TEXT_ARRAY),
                (&holders, Type::INT8_ARRAY),
                (&held_by, Type::TEXT_ARRAY),
                (&at, Type::INT8_ARRAY),
                (&all, Type::INT8_ARRAY),
                (&runs, Type::INT8_ARRAY),
                (&calls, Type::TEXT_ARRAY),
                (&prints, Type::INT8_ARRAY),
            ],
        )
        .await?;
    *grants = granted(rows.first().map(Cells).ok_or(Fault::Again)?, &wave.intents)?;
    Ok(())
}

/// What became of the intents. Columns: those that another run holds, and how many identities were taken, intents
/// noted, identities to be taken.
fn granted(cells: Cells<'_>, intents: &[&NewIntent]) -> Result<Vec<Grant>, Fault> {
    let refused = cells.ints(0).map_err(Fault::Said)?;
    let [taken, noted, wanted] = [1, 2, 3].map(|column| cells.int(column).map_err(Fault::Said));
    if taken? != wanted? {
        // Another process took one between the look and the grasp.
        return Err(Fault::Again);
    }
    let noted = noted?.unsigned_abs();
    all_of(noted, intents.len() - refused.len(), || match intents {
        [new] => format!("call {} of run {} was done already", new.intent.call, new.run),
        _ => "one of several calls was done already".to_owned(),
    })?;
    let all = (0_i64..).take(intents.len());
    Ok(all.map(|n| if refused.contains(&n) { Grant::Held } else { Grant::Granted }).collect())
}
