//! The audit's chain, erasing, and ending by hand, as every store must do them; and what is special to SQLite's file.

use std::path::Path;
use std::sync::Arc;

use lockstep::clock::FixedClock;
use lockstep::steps::AuditEntry;
use lockstep::store::{
    AuditFilter, ChainHead, Change, Digest, Erasing, Erasure, ErasureFilter, EventFilter, EventSeq, Find,
    Kept, Matter, NewEvent, Outcome, PollId, PollName, PollStep, RunId, RunState, Seen, Settled, Store,
    StoreAddress, StoreError,
};
use lockstep::upkeep::{Flaw, Left, Sweep, Swept, seal_all, verify};
use lockstep::value::Value;
use pretty_assertions::assert_eq;
use rusqlite::Connection;

use crate::store::{Bench, accept_one, at, called, ended, event, suite};

suite! {
    every_entry_is_sealed_once_and_in_order
    a_head_that_was_kept_proves_that_nothing_was_cut_off
    erasing_takes_content_and_values_and_leaves_the_chain_whole
    what_is_young_unfinished_dead_or_not_sealed_is_kept
    an_object_is_found_wherever_it_occurs
    what_waits_for_a_person_is_ended_for_good_once
}

/// A run of an event that has written one field and ended.
async fn one_run(store: &dyn Store, id: &str) -> RunId {
    let run = accept_one(store, event(id, 0, "a")).await;
    store.commit(vec![called(run, "2", &[]), ended(run, Outcome::Succeeded, "for Ann")]).await.unwrap();
    run
}

pub(crate) fn before(second: i64) -> ErasureFilter {
    ErasureFilter::Before { before: at(second), client: None }
}

pub(crate) async fn sweep(store: &dyn Store, filter: ErasureFilter) -> Swept {
    let sweep = Sweep { filter, why: Erasure::Retention, by: "retention".into() };
    let clock = FixedClock::at(at(9_000));
    let surveyed = sweep.survey(store).await.unwrap();
    let swept = sweep.carry_out(store, &clock).await.unwrap();
    assert_eq!(surveyed, swept, "what is foretold is what is done");
    swept
}

async fn every_entry_is_sealed_once_and_in_order(bench: Bench) {
    let store = &*bench.store;
    for number in 0..5 {
        one_run(store, &format!("evt_{number}")).await;
    }
    assert_eq!(store.chain().await.unwrap().unsealed, 5);
    // Two that seal at one time: one of them does.
    let (one, other) = tokio::join!(store.seal(3), store.seal(3));
    assert_eq!(one.unwrap().max(other.unwrap()), 3);
    seal_all(store).await.unwrap();
    assert_eq!(seal_all(store).await.unwrap(), 0);
    let runs: Vec<i64> = store.sealed(0, 10).await.unwrap().iter().map(|entry| entry.run.0).collect();
    assert_eq!(runs, [1, 2, 3, 4, 5]);
    let verdict = verify(store, &[]).await.unwrap();
    assert_eq!((verdict.entries, verdict.unsealed, verdict.flaw), (5, 0, None));
    assert_eq!(verdict.head, store.chain().await.unwrap().head);
    let bench = bench.restart().await;
    assert_eq!(verify(&*bench.store, &[verdict.head]).await.unwrap(), verdict);
}

async fn a_head_that_was_kept_proves_that_nothing_was_cut_off(bench: Bench) {
    let store = &*bench.store;
    one_run(store, "evt_1").await;
    seal_all(store).await.unwrap();
    let kept = store.chain().await.unwrap().head;
    one_run(store, "evt_2").await;
    seal_all(store).await.unwrap();
    let end = store.chain().await.unwrap().head;
    assert_eq!(verify(store, &[kept, end]).await.unwrap().flaw, None, "it may have grown since");
    let longer = ChainHead { number: 3, ..end };
    let flaw = verify(store, &[longer]).await.unwrap().flaw;
    assert_eq!(flaw, Some(Flaw::Unexpected { expected: longer, ends: 2 }));
    let another = ChainHead { number: 1, link: end.link };
    let flaw = verify(store, &[another]).await.unwrap().flaw;
    assert_eq!(flaw, Some(Flaw::Unexpected { expected: another, ends: 1 }));
}

async fn erasing_takes_content_and_values_and_leaves_the_chain_whole(bench: Bench) {
    let store = &*bench.store;
    let run = one_run(store, "evt_1").await;
    let swept = sweep(store, before(2_000)).await;
    assert_eq!((swept.events, swept.calls, swept.entries, swept.left()), (1, 1, 1, 0));

    let shown = store.event(EventSeq(1)).await.unwrap().unwrap();
    assert_eq!((shown.event.erased, shown.body), (Some(Erasure::Retention), Value::Null));
    let detail = store.run(run).await.unwrap().unwrap();
    assert_eq!((&*detail.run.reason, &*detail.run.key, detail.calls.len()), ("", "", 0));
    assert_eq!(detail.run.state, RunState::Ended(Outcome::Succeeded));
    assert_eq!(detail.run.erased, Some(Erasure::Retention));
    let entry = &detail.audit[0];
    assert_eq!((entry.erased, &*entry.entry.changes[0].field), (Some(Erasure::Retention), "Priority"));
    assert_eq!((&entry.entry.changes[0].before, &entry.entry.changes[0].after), (&Value::Null, &Value::Null));
    assert_eq!(entry.entry.record.as_deref(), Some("00T1"), "who, what and when stay");
    assert_eq!(store.load(run).await.unwrap().map(|body| body.id), None);

    // A late delivery of it is still a duplicate.
    let again = store.accept(vec![event("evt_1", 0, "a")]).await.unwrap();
    assert_eq!(again, [lockstep::store::Accepted::Duplicate]);
    // The erasure is an entry itself.
    let erasures = AuditFilter { verb: Some("erase".into()), ..AuditFilter::default() };
    let erasures = store.audit(erasures).await.unwrap();
    assert_eq!(erasures.len(), 1);
    assert_eq!(erasures[0].entry.note.as_deref(), Some("erased by retention: event number 1"));
    assert_eq!((&*erasures[0].client, &erasures[0].origin), ("acme", &None));

    seal_all(store).await.unwrap();
    let verdict = verify(store, &[]).await.unwrap();
    assert_eq!((verdict.entries, verdict.retention, verdict.flaw), (2, 1, None));
    assert_eq!(sweep(store, before(2_000)).await, Swept::default(), "nothing is erased twice");
}

async fn what_is_young_unfinished_dead_or_not_sealed_is_kept(bench: Bench) {
    let store = &*bench.store;
    one_run(store, "evt_1").await;
    let unfinished = accept_one(store, event("evt_2", 0, "b")).await;
    let dead = accept_one(store, event("evt_3", 0, "c")).await;
    store.commit(vec![ended(dead, Outcome::Dead, "refused")]).await.unwrap();
    let nothing =
        NewEvent { runs: vec![], ended: Some((Outcome::Skipped, "no".into())), ..event("evt_4", 0, "d") };
    store.accept(vec![nothing]).await.unwrap();

    // Received at 1,000, ended at 1,010.
    for young in [1_000, 1_010] {
        assert_eq!(sweep(store, before(young)).await.events, u64::from(young > 1_000));
    }
    let erasing = Erasing {
        events: vec![EventSeq(1), EventSeq(2), EventSeq(3)],
        why: Erasure::Request,
        at: at(9_000),
        by: "ann".into(),
    };
    let run = one_run(store, "evt_5").await;
    let not_sealed = Erasing { events: vec![EventSeq(5)], ..erasing.clone() };
    assert_eq!(store.erase(not_sealed).await.unwrap(), [], "nothing would tell what run {run} wrote");
    assert_eq!(store.erase(erasing).await.unwrap(), [EventSeq(1)]);
    assert!(store.load(unfinished).await.unwrap().is_some() && store.load(dead).await.unwrap().is_some());
    assert!(store.load(run).await.unwrap().is_some());

    let page = store.erasable(before(2_000), EventSeq(0), 100).await.unwrap();
    let kept: Vec<_> = page.events.iter().map(|event| (event.seq.0, event.kept)).collect();
    assert_eq!(kept, [(2, Some(Kept::Unfinished(unfinished))), (3, Some(Kept::Dead(dead))), (5, None)]);
    store.retry_dead(dead, at(1_020)).await.unwrap();
    store.commit(vec![ended(dead, Outcome::Succeeded, "")]).await.unwrap();
    let swept = sweep(store, before(2_000)).await;
    assert_eq!(swept.events, 2);
    assert_eq!(swept.unfinished, Left { events: 1, runs: vec![unfinished] });
}

async fn an_object_is_found_wherever_it_occurs(bench: Bench) {
    let store = &*bench.store;
    let about = |id: &str| ErasureFilter::About { id: id.into(), client: None };
    // As the object of the event; in its content; as a record that was written; as the order key.
    let by_object = NewEvent { object: Some("cus_object".into()), ..event("evt_1", 0, "a") };
    let by_content = NewEvent { body: r#"{"customer":"cus_content"}"#.into(), ..event("evt_2", 0, "b") };
    for new in [by_object, by_content, event("evt_3", 0, "cus_key")] {
        let run = accept_one(store, new).await;
        store.commit(vec![ended(run, Outcome::Succeeded, "")]).await.unwrap();
    }
    one_run(store, "evt_4").await;
    for (id, seq) in [("cus_object", 1), ("cus_content", 2), ("cus_key", 3), ("00T1", 4), ("High", 4)] {
        let page = store.erasable(about(id), EventSeq(0), 100).await.unwrap();
        assert_eq!(page.events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [seq], "{id}");
    }
    for other in ["cus_conten", "cus_", "nobody"] {
        assert_eq!(store.erasable(about(other), EventSeq(0), 100).await.unwrap().events, [], "{other}");
    }
    let elsewhere = ErasureFilter::About { id: "00T1".into(), client: Some("globex".into()) };
    assert_eq!(store.erasable(elsewhere, EventSeq(0), 100).await.unwrap().events, []);
    // In stretches.
    let first = store.erasable(about("00T1"), EventSeq(0), 3).await.unwrap();
    assert_eq!((first.events.len(), first.next), (0, Some(EventSeq(3))));
}

async fn what_waits_for_a_person_is_ended_for_good_once(bench: Bench) {
    let store = &*bench.store;
    let run = accept_one(store, event("evt_1", 0, "a")).await;
    store.commit(vec![ended(run, Outcome::Dead, "refused")]).await.unwrap();
    let conflict =
        NewEvent { runs: vec![], ended: Some((Outcome::Conflict, "?".into())), ..event("evt_2", 0, "b") };
    store.accept(vec![conflict]).await.unwrap();
    let entry = |verb| AuditEntry {
        connection: "lockstep".into(),
        object: "run".into(),
        record: None,
        verb,
        step: "ann".into(),
        changes: vec![],
        left_alone: vec![],
        note: None,
    };
    let settled = |matter, was, verb| Settled {
        matter,
        was,
        client: "acme".into(),
        at: at(1_020),
        outcome: Outcome::Skipped,
        reason: "by ann: no".into(),
        entry: entry(verb),
    };
    let dead = settled(Matter::Run(run), Outcome::Dead, "dismiss");
    store.settle(dead.clone()).await.unwrap();
    let row = store.run(run).await.unwrap().unwrap();
    assert_eq!((row.run.state, &*row.run.reason), (RunState::Ended(Outcome::Skipped), "by ann: no"));
    assert_eq!(row.audit[0].entry.verb, "dismiss");
    store.settle(settled(Matter::Event(EventSeq(2)), Outcome::Conflict, "resolve")).await.unwrap();
    let events = store.events(EventFilter { ended: Some(Outcome::Skipped), ..EventFilter::default() }).await;
    assert_eq!(events.unwrap().len(), 1);
    for again in [dead, settled(Matter::Event(EventSeq(1)), Outcome::Conflict, "resolve")] {
        let refused = store.settle(again).await;
        assert!(matches!(refused, Err(StoreError::Assumption(_))), "{refused:?}");
    }
    assert!(matches!(store.retry_dead(run, at(1_030)).await, Err(StoreError::Assumption(_))));
    seal_all(store).await.unwrap();
    assert_eq!(verify(store, &[]).await.unwrap().entries, 2);
}

fn file(bench: &Bench) -> &Path {
    match &bench.address {
        StoreAddress::Sqlite(path) => path,
        StoreAddress::Postgres(_) => panic!("no file"),
    }
}

/// What somebody with the file in hand could do, and what is found of it.
#[tokio::test]
async fn tampering_is_found_and_named() {
    let forged = "INSERT INTO audit SELECT run, 'x', at, client, connection, object, record, verb, step, changes, \
                  left_alone, note, 6, salt, digest, link, erased FROM audit WHERE seq = 5";
    let cases = [
        ("UPDATE audit SET changes = '[[\"Priority\",null,\"Low\"]]' WHERE seq = 3", Flaw::Values(3)),
        ("UPDATE audit SET changes = '[[\"Status\",null,\"High\"]]' WHERE seq = 3", Flaw::Changed(3)),
        ("UPDATE audit SET record = '00T9' WHERE seq = 3", Flaw::Changed(3)),
        ("UPDATE audit SET at = at + 1 WHERE seq = 3", Flaw::Changed(3)),
        ("UPDATE audit SET changes = 'no json' WHERE seq = 3", Flaw::Changed(3)),
        ("UPDATE audit SET digest = NULL WHERE seq = 3", Flaw::Changed(3)),
        ("DELETE FROM audit WHERE seq IN (2, 3)", Flaw::Removed { first: 2, last: 3 }),
        ("DELETE FROM audit WHERE seq >= 4", Flaw::Removed { first: 4, last: 5 }),
        ("DELETE FROM audit", Flaw::Removed { first: 1, last: 5 }),
        (
            "UPDATE audit SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq IN (2, 3); \
          UPDATE audit SET seq = -seq WHERE seq < 0",
            Flaw::Changed(2),
        ),
        (forged, Flaw::Changed(6)),
        (
            "UPDATE audit SET seq = -seq - 1 WHERE seq > 2; UPDATE audit SET seq = -seq WHERE seq < 0; \
          INSERT INTO audit SELECT run, 'x', at, client, connection, object, record, verb, step, changes, \
          left_alone, note, 3, salt, digest, link, erased FROM audit WHERE seq = 2",
            Flaw::Changed(3),
        ),
        ("UPDATE audit SET salt = NULL, erased = 'retention' WHERE seq = 3", Flaw::Erased(3)),
        ("UPDATE audit SET salt = NULL WHERE seq = 3", Flaw::Erased(3)),
        ("UPDATE audit SET erased = 'request' WHERE seq = 3", Flaw::Erased(3)),
        ("DELETE FROM meta WHERE name = 'audit_head'", Flaw::Inserted(5)),
    ];
    for (sql, flaw) in cases {
        let bench = Bench::sqlite().await;
        for number in 0..5 {
            one_run(&*bench.store, &format!("evt_{number}")).await;
        }
        seal_all(&*bench.store).await.unwrap();
        Connection::open(file(&bench)).unwrap().execute_batch(sql).unwrap();
        let verdict = verify(&*bench.store, &[]).await.unwrap();
        assert_eq!(verdict.flaw, Some(flaw), "{sql}");
    }
}

/// A row that was written in as if we had written it gets sealed. What it cannot hide is that it came late.
#[tokio::test]
async fn an_entry_that_is_dated_back_stands_out() {
    let bench = Bench::sqlite().await;
    one_run(&*bench.store, "evt_1").await;
    seal_all(&*bench.store).await.unwrap();
    let sql = "INSERT INTO audit (run, call, at, client, connection, object, verb, step, changes, left_alone)
               SELECT run, 'x', at - 7200000000, client, connection, object, verb, step, changes, left_alone FROM audit";
    Connection::open(file(&bench)).unwrap().execute_batch(sql).unwrap();
    assert_eq!(verify(&*bench.store, &[]).await.unwrap().unsealed, 1);
    seal_all(&*bench.store).await.unwrap();
    let verdict = verify(&*bench.store, &[]).await.unwrap();
    assert_eq!((verdict.flaw, verdict.late.map(|late| (late.entries, late.first))), (None, Some((1, 2))));
}

/// True when the bytes are in the store's file or in its log.
fn holds(bench: &Bench, planted: &str) -> bool {
    let path = file(bench);
    let log = path.with_extension("db-wal");
    [path, &log].into_iter().any(|path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(planted.len()).any(|part| part == planted.as_bytes())
    })
}

#[tokio::test]
async fn nothing_of_what_is_erased_is_left_in_the_file() {
    const PLANTED: &str = "ann.planted@x.example";
    let bench = Bench::sqlite().await;
    let store = &*bench.store;
    let mut young = Vec::new();
    for number in 0..300 {
        let planted = number % 3 == 0;
        // Some lie beside others on a page, some on pages of their own.
        let filler = "x".repeat(if number % 2 == 0 { 40 } else { 20_000 });
        let who = if planted { PLANTED } else { "somebody@else.example" };
        let body = format!(r#"{{"email":"{who}","filler":"{filler}"}}"#);
        let new = NewEvent { body: body.into(), ..event(&format!("evt_{number}"), 0, who) };
        let run = accept_one(store, new).await;
        let mut call = called(run, "2", &[]);
        if let lockstep::store::Change::Called { outcome, .. } = &mut call {
            outcome.result = Value::map([("email", Value::from(who))]);
            outcome.audit.as_mut().unwrap().changes[0].after = Value::from(who);
        }
        let mut end = ended(run, Outcome::Conflict, &format!("two of {who}"));
        if let lockstep::store::Change::Ended { candidates, .. } = &mut end {
            candidates.push(Value::from(who));
        }
        store.commit(vec![call, end]).await.unwrap();
        if !planted {
            young.push(run);
        }
    }
    let mut poll = PollStep::new(
        PollId { name: PollName { client: "acme".into(), poll: "members".into() }, number: 1 },
        at(2_000),
    );
    for number in 0..60 {
        let who = if number % 3 == 0 { PLANTED } else { "somebody@else.example" };
        let filler = "x".repeat(if number % 2 == 0 { 40 } else { 20_000 });
        let seen = Seen {
            record: format!("cus_{number}").into(),
            digest: Digest([7; 16]),
            key: None,
            group: None,
            changed: at(1),
            tries: 0,
            body: Some(format!(r#"{{"email":"{who}","filler":"{filler}"}}"#).into()),
        };
        poll.finds.push(Find { event: None, candidates: vec![], seen: Some(seen) });
    }
    store.commit(vec![Change::Polled(Box::new(poll))]).await.unwrap();
    assert!(holds(&bench, PLANTED));
    let filter = ErasureFilter::About { id: PLANTED.into(), client: None };
    let sweep = Sweep { filter, why: Erasure::Request, by: "ann".into() };
    let size = std::fs::metadata(file(&bench)).unwrap().len();
    let swept = sweep.carry_out(store, &FixedClock::at(at(9_000))).await.unwrap();
    assert_eq!((swept.events, swept.records), (100, 20));
    assert!(!holds(&bench, PLANTED));
    assert!(std::fs::metadata(file(&bench)).unwrap().len() < size, "the space is given back");
    for run in young {
        assert!(store.load(run).await.unwrap().is_some(), "run {run} is none of them");
    }
}

/// Erasing goes on beside accepting: nothing is lost, and nobody waits for long.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_beside_live_traffic_loses_nothing() {
    let bench = Bench::sqlite().await;
    let store = Arc::clone(&bench.store);
    for number in 0..600 {
        one_run(&*store, &format!("old_{number}")).await;
    }
    let sweeping = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { sweep(&*store, before(2_000)).await })
    };
    let mut live = 0;
    while !sweeping.is_finished() {
        let late = NewEvent { received: at(5_000), ..event(&format!("live_{live}"), 0, "a") };
        accept_one(&*store, late).await;
        live += 1;
    }
    assert_eq!(sweeping.await.unwrap().events, 600);
    assert!(live > 0);
    assert_eq!(store.due("acme", at(9_000), 100_000, RunId(0)).await.unwrap().len(), live);
    seal_all(&*store).await.unwrap();
    assert_eq!(verify(&*store, &[]).await.unwrap().flaw, None);
}
