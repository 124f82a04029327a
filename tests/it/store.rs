//! What every store must do: one suite, run for SQLite and for PostgreSQL.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep::config::{FileSet, FileText, LockstepEvent, Stale};
use lockstep::steps::{
    Agreed, AuditEntry, CallId, CallOutcome, Durability, EntryState, FieldChange, FieldKey, Grant, Identity,
    Intent, RecordName, Spent, ValueDigest,
};
use lockstep::store::{
    Accepted, Access, Ahead, AlertWindow, Applied, AuditFilter, Change, CircuitState, ConnectionState,
    Erasing, Erasure, ErasureFilter, EventFilter, EventSeq, GoodClient, LastGood, LimitedReport, NewEvent,
    NewIntent, NewRun, Origin, Outcome, Outlook, Place, QueuedRun, RunFilter, RunId, RunState, SealedSecret,
    Source, Store, StoreAddress, StoreError, Told, ToldGroup, UntoldReport, Version,
};
use lockstep::value::Value;
use pretty_assertions::assert_eq;

use crate::postgres::server::database;

/// A store of its own for one case, and what must live as long as it does.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) address: StoreAddress,
    folder: Option<tempfile::TempDir>,
}

impl Bench {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = StoreAddress::Sqlite(folder.path().join("a.db"));
        Self::open(address, Some(folder)).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::open(database().parse().unwrap(), None).await
    }

    async fn open(address: StoreAddress, folder: Option<tempfile::TempDir>) -> Self {
        Self { store: lockstep::store::open(&address, Access::Run).await.unwrap(), address, folder }
    }

    /// Closes the store and opens it again, as a restart does.
    pub(crate) async fn restart(self) -> Self {
        self.store.close().await.unwrap();
        let Self { store, address, folder } = self;
        drop(store);
        Self::open(address, folder).await
    }
}

/// Every case, for each store.
macro_rules! suite {
    ($($case:ident)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $case() { super::$case(super::Bench::sqlite().await).await; })*
        }

        mod postgres {
            $(#[tokio::test] async fn $case() { super::$case(super::Bench::postgres().await).await; })*
        }
    };
}

pub(crate) use suite;

suite! {
    an_event_is_kept_once_with_its_runs
    what_was_answered_is_there_after_a_restart
    an_event_without_runs_tells_how_it_ended
    an_identity_is_held_by_one_run_at_a_time
    an_intent_ends_with_its_run_or_when_taken_back
    an_outcome_is_journalled_once
    one_mistake_does_not_hit_what_is_written_beside_it
    an_ended_run_stays_ended
    a_held_run_keeps_those_after_it_behind
    taking_up_puts_blocked_runs_in_line_again_and_counts_the_held
    a_parked_run_waits_for_its_connection_and_not_for_a_time
    the_outlook_names_each_client_once
    only_the_newest_applied_event_is_remembered
    a_run_that_has_done_nothing_comes_with_its_event
    a_dead_letter_goes_again_with_what_it_has_done
    a_connections_health_is_kept
    a_sealed_secret_takes_the_place_of_the_one_before
    events_runs_and_audit_can_be_looked_at
    too_many_waiting_events_are_refused_and_none_of_them_kept
    a_closed_store_says_so
    the_last_good_version_of_a_client_is_kept_over_a_restart
    a_version_that_a_client_comes_back_to_stays
    versions_that_nobody_needs_are_forgotten_and_no_others
    how_far_alerts_have_got_is_kept
    nobody_waits_for_a_connection_that_is_not_paused
    what_was_agreed_on_last_is_known_until_its_event_is_erased
    texts_that_a_database_cannot_hold_block_nobody
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub(crate) fn event(id: &str, created: i64, key: &str) -> NewEvent {
    NewEvent {
        client: "acme".into(),
        connection: "billing".into(),
        id: id.into(),
        kind: "customer.updated".into(),
        object_kind: Some("customer".into()),
        object: Some("cus_1".into()),
        source: Source::Webhook,
        created: at(created),
        received: at(1_000),
        body: format!(r#"{{"id":"{id}","amount":1.10}}"#).into(),
        ended: None,
        runs: vec![NewRun {
            pipeline: "sync".into(),
            version: Version("v1".into()),
            place: Place { lane: "sync".into(), key: key.into(), created: at(created), rank: 0 },
            stale: Stale::Skip,
            ended: None,
        }],
    }
}

pub(crate) async fn accept_one(store: &dyn Store, event: NewEvent) -> RunId {
    match store.accept(vec![event]).await.unwrap().remove(0) {
        Accepted::New { runs, .. } => runs[0],
        Accepted::Duplicate => panic!("a duplicate"),
    }
}

async fn due(store: &dyn Store, now: i64) -> Vec<QueuedRun> {
    store.due("acme", at(now), 100, RunId(0)).await.unwrap().into_iter().map(|due| due.run).collect()
}

async fn due_ids(store: &dyn Store, now: i64) -> Vec<RunId> {
    due(store, now).await.iter().map(|run| run.id).collect()
}

fn call(id: &str) -> CallId {
    CallId(id.into())
}

fn identity(key: &str) -> Identity {
    Identity { connection: "crm".into(), object: "Task".into(), key: key.into() }
}

fn intent(run: RunId, id: &str, keys: &[&str]) -> NewIntent {
    NewIntent {
        run,
        client: "acme".into(),
        at: at(1_001),
        intent: Intent {
            call: call(id),
            fingerprint: u64::MAX,
            identities: keys.iter().map(|key| identity(key)).collect(),
        },
    }
}

pub(crate) fn called(run: RunId, id: &str, keys: &[&str]) -> Change {
    Change::Called {
        run,
        client: "acme".into(),
        at: at(1_002),
        outcome: CallOutcome {
            call: call(id),
            fingerprint: u64::MAX,
            result: Value::map([("id", Value::from("00T1")), ("amount", Value::number("1.10"))]),
            audit: Some(AuditEntry {
                connection: "crm".into(),
                object: "Task".into(),
                record: Some("00T1".into()),
                verb: "create",
                step: "2 task".into(),
                changes: vec![FieldChange {
                    field: "Priority".into(),
                    before: Value::Null,
                    after: Value::from("High"),
                }],
                left_alone: vec!["OwnerId".into()],
                note: None,
            }),
            identified: keys.iter().map(|key| (identity(key), "00T1".into())).collect(),
            agreed: Vec::new(),
            durability: Durability::BeforeGoingOn,
        },
    }
}

pub(crate) fn ended(run: RunId, outcome: Outcome, reason: &str) -> Change {
    Change::Ended {
        run,
        at: at(1_010),
        attempts: 0,
        outcome,
        reason: reason.into(),
        candidates: Vec::new(),
        applied: None,
    }
}

fn held(run: RunId, until: Option<i64>, connection: Option<&str>) -> Change {
    Change::Held {
        run,
        due: until.map(at),
        connection: connection.map(Arc::from),
        attempts: 3,
        spent: Spent::default(),
        reason: "503".into(),
    }
}

async fn an_event_is_kept_once_with_its_runs(bench: Bench) {
    let store = &*bench.store;
    let answers = store.accept(vec![event("evt_1", 5, "a"), event("evt_1", 5, "a"), event("evt_2", 3, "a")]);
    let answers = answers.await.unwrap();
    assert_eq!(
        answers,
        [
            Accepted::New { seq: EventSeq(1), runs: vec![RunId(1)] },
            Accepted::Duplicate,
            Accepted::New { seq: EventSeq(2), runs: vec![RunId(2)] },
        ]
    );
    // The same id over another connection is another event.
    let other = NewEvent { connection: "billing_eu".into(), ..event("evt_1", 5, "a") };
    assert!(matches!(store.accept(vec![other]).await.unwrap()[0], Accepted::New { .. }));
    assert_eq!(due_ids(store, 2_000).await, [RunId(2), RunId(1), RunId(3)], "oldest first");
    assert_eq!(store.accept(vec![event("evt_1", 5, "a")]).await.unwrap(), [Accepted::Duplicate]);
}

async fn what_was_answered_is_there_after_a_restart(bench: Bench) {
    let mark = bench.store.mark().to_owned();
    let run = accept_one(&*bench.store, event("evt_1", 0, "a")).await;
    assert_eq!(bench.store.intend(intent(run, "2", &["k"])).await.unwrap(), Grant::Granted);
    let bench = bench.restart().await;
    assert_eq!(bench.store.mark(), mark);
    let body = bench.store.load(run).await.unwrap().unwrap();
    assert_eq!(&body.body[..], br#"{"id":"evt_1","amount":1.10}"#);
    let entry = &body.journal[&call("2")];
    assert_eq!((entry.fingerprint, &entry.state), (u64::MAX, &EntryState::Intended));
    assert_eq!(bench.store.load(RunId(77)).await.unwrap().map(|body| body.id), None);
}

async fn an_event_without_runs_tells_how_it_ended(bench: Bench) {
    let store = &*bench.store;
    let ended = Some((Outcome::Conflict, "it is of another account".to_owned()));
    store.accept(vec![NewEvent { ended, runs: vec![], ..event("evt_1", 0, "a") }]).await.unwrap();
    let listed = store.events(EventFilter::default()).await.unwrap();
    assert_eq!(listed[0].ended, Some((Outcome::Conflict, "it is of another account".to_owned())));
    assert_eq!(store.outlook(at(2_000)).await.unwrap(), []);
}

async fn an_identity_is_held_by_one_run_at_a_time(bench: Bench) {
    let store = &*bench.store;
    let one = accept_one(store, event("evt_1", 0, "a")).await;
    let two = accept_one(store, event("evt_2", 0, "b")).await;
    assert_eq!(store.intend(intent(one, "2", &["k1", "k2"])).await.unwrap(), Grant::Granted);
    assert_eq!(
        store.intend(intent(one, "2", &["k1", "k2"])).await.unwrap(),
        Grant::Granted,
        "it has it already"
    );
    assert_eq!(store.intend(intent(two, "2", &["k0", "k2"])).await.unwrap(), Grant::Held);
    // All or none: k0 was not taken.
    assert_eq!(store.intend(intent(one, "3", &["k0"])).await.unwrap(), Grant::Granted);
    store.commit(vec![called(one, "2", &["k1", "k2"]), called(one, "3", &["k0"])]).await.unwrap();
    assert_eq!(store.known("acme", &identity("k2")).await.unwrap().as_deref(), Some("00T1"));
    assert_eq!(store.known("globex", &identity("k2")).await.unwrap(), None);
    assert_eq!(store.intend(intent(two, "2", &["k0", "k2"])).await.unwrap(), Grant::Granted);
}

async fn an_intent_ends_with_its_run_or_when_taken_back(bench: Bench) {
    let store = &*bench.store;
    let one = accept_one(store, event("evt_1", 0, "a")).await;
    let two = accept_one(store, event("evt_2", 0, "b")).await;
    store.intend(intent(one, "2", &["k"])).await.unwrap();
    store.commit(vec![Change::Withdrawn { run: one, call: call("2") }]).await.unwrap();
    assert_eq!(store.load(one).await.unwrap().unwrap().journal.len(), 0);
    assert_eq!(store.intend(intent(two, "2", &["k"])).await.unwrap(), Grant::Granted);
    store.commit(vec![ended(two, Outcome::Dead, "refused")]).await.unwrap();
    assert_eq!(store.intend(intent(one, "2", &["k"])).await.unwrap(), Grant::Granted);
}

/// Invariant 2, as the store upholds it.
async fn an_outcome_is_journalled_once(bench: Bench) {
    let store = &*bench.store;
    let run = accept_one(store, event("evt_1", 0, "a")).await;
    store.commit(vec![called(run, "2", &[])]).await.unwrap();
    let again = store.commit(vec![ended(run, Outcome::Succeeded, ""), called(run, "2", &[])]).await;
    assert!(matches!(again, Err(StoreError::Assumption(_))), "{again:?}");
    assert_eq!(due_ids(store, 2_000).await, [run], "nothing of a refused change is kept");
    assert!(matches!(store.intend(intent(run, "2", &[])).await, Err(StoreError::Assumption(_))));
    let EntryState::Done(result) = &store.load(run).await.unwrap().unwrap().journal[&call("2")].state else {
        panic!("not done")
    };
    assert_eq!(result.to_json(), r#"{"id":"00T1","amount":1.10}"#, "to the cent");
}

async fn one_mistake_does_not_hit_what_is_written_beside_it(bench: Bench) {
    let store = &*bench.store;
    let run = accept_one(store, event("evt_1", 0, "a")).await;
    let wrong = store.commit(vec![ended(RunId(99), Outcome::Dead, "")]);
    let right = store.commit(vec![ended(run, Outcome::Succeeded, "")]);
    let new = store.accept(vec![event("evt_2", 0, "a")]);
    let (wrong, right, new) = tokio::join!(wrong, right, new);
    assert!(matches!(wrong, Err(StoreError::Assumption(_))), "{wrong:?}");
    assert!(right.is_ok() && new.is_ok(), "{right:?} {new:?}");
}

async fn an_ended_run_stays_ended(bench: Bench) {
    let store = &*bench.store;
    let run = accept_one(store, event("evt_1", 0, "a")).await;
    store.commit(vec![ended(run, Outcome::Skipped, "nothing to do")]).await.unwrap();
    for change in [
        ended(run, Outcome::Succeeded, ""),
        held(run, Some(2_000), None),
        Change::Blocked { run },
        Change::Waiting { run, due: at(0), spent: Spent::default(), reason: String::new() },
        Change::Versioned { run, version: Version("v2".into()) },
    ] {
        let refused = store.commit(vec![change.clone()]).await;
        assert!(matches!(refused, Err(StoreError::Assumption(_))), "{change:?}: {refused:?}");
    }
    assert_eq!(due_ids(store, 9_000).await, []);
    let row = store.run(run).await.unwrap().unwrap().run;
    assert_eq!((row.state, row.reason.as_str()), (RunState::Ended(Outcome::Skipped), "nothing to do"));
}

async fn a_held_run_keeps_those_after_it_behind(bench: Bench) {
    let store = &*bench.store;
    let head = accept_one(store, event("evt_2", 20, "a")).await;
    let older = accept_one(store, event("evt_1", 10, "a")).await;
    let younger = accept_one(store, event("evt_3", 30, "a")).await;
    let elsewhere = accept_one(store, event("evt_4", 40, "b")).await;
    store.commit(vec![held(head, Some(5_000), None)]).await.unwrap();
    let behind: BTreeMap<RunId, bool> =
        due(store, 2_000).await.iter().map(|run| (run.id, run.behind)).collect();
    assert_eq!(behind, BTreeMap::from([(older, false), (younger, true), (elsewhere, false)]));
    store.commit(vec![Change::Blocked { run: younger }]).await.unwrap();
    assert_eq!(due_ids(store, 2_000).await, [older, elsewhere]);
    assert_eq!(due_ids(store, 5_000).await, [head, older, elsewhere], "held runs first");
    let blocked = store.behind("acme", "sync", "a", 10).await.unwrap();
    assert_eq!(blocked.iter().map(|run| (run.id, run.behind)).collect::<Vec<_>>(), [(younger, true)]);
    assert_eq!(store.behind("acme", "sync", "b", 10).await.unwrap(), []);
}

async fn taking_up_puts_blocked_runs_in_line_again_and_counts_the_held(bench: Bench) {
    let (one, two) = {
        let store = &*bench.store;
        let one = accept_one(store, event("evt_1", 1, "a")).await;
        let two = accept_one(store, event("evt_2", 2, "a")).await;
        store.commit(vec![held(one, Some(5_000), None), Change::Blocked { run: two }]).await.unwrap();
        (one, two)
    };
    let bench = bench.restart().await;
    assert_eq!(bench.store.take_up().await.unwrap().held, BTreeMap::from([("acme".into(), 1)]));
    let runs = due(&*bench.store, 6_000).await;
    assert_eq!(runs.iter().map(|run| (run.id, run.behind)).collect::<Vec<_>>(), [(one, false), (two, true)]);
    assert_eq!(runs[0].attempts, 3);
}

async fn a_parked_run_waits_for_its_connection_and_not_for_a_time(bench: Bench) {
    let store = &*bench.store;
    let run = accept_one(store, event("evt_1", 0, "a")).await;
    store.commit(vec![held(run, None, Some("crm"))]).await.unwrap();
    let outlook = |due_now, next| vec![Outlook { client: "acme".into(), due_now, next }];
    assert_eq!(store.outlook(at(9_000_000)).await.unwrap(), outlook(false, None));
    let released = |connection: &str| Change::Released {
        client: "acme".into(),
        connection: connection.into(),
        due: at(3_000),
        at_most: None,
    };
    store.commit(vec![released("mail")]).await.unwrap();
    assert_eq!(store.outlook(at(2_000)).await.unwrap(), outlook(false, None));
    store.commit(vec![released("crm")]).await.unwrap();
    assert_eq!(store.outlook(at(2_000)).await.unwrap(), outlook(false, Some(at(3_000))));
    assert_eq!(due_ids(store, 3_000).await, [run]);
}

async fn the_outlook_names_each_client_once(bench: Bench) {
    let store = &*bench.store;
    for client in ["initech", "acme", "globex"] {
        for id in ["evt_1", "evt_2"] {
            store.accept(vec![NewEvent { client: client.into(), ..event(id, 0, "a") }]).await.unwrap();
        }
    }
    let mut spent = Spent::default();
    spent.miss(&CallId("0".into()), at(1_500));
    let reason = "no account yet".into();
    let waiting = Change::Waiting { run: RunId(1), due: at(7_000), spent: spent.clone(), reason };
    store.commit(vec![waiting, ended(RunId(2), Outcome::Succeeded, "")]).await.unwrap();
    let outlook = |client: &str, due_now, next| Outlook { client: client.into(), due_now, next };
    assert_eq!(
        store.outlook(at(2_000)).await.unwrap(),
        [
            outlook("acme", true, None),
            outlook("globex", true, None),
            outlook("initech", false, Some(at(7_000))),
        ]
    );
    let due = store.due("initech", at(7_000), 10, RunId(0)).await.unwrap();
    assert_eq!(due[0].run.spent, spent, "what it has used up is kept with it");
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.unfinished.values().copied().collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(counts.oldest, Some(at(1_000)));
}

async fn a_run_that_has_done_nothing_comes_with_its_event(bench: Bench) {
    let store = &*bench.store;
    let past = accept_one(store, event("evt_0", 0, "a")).await;
    let mut end = ended(past, Outcome::Succeeded, "");
    let Change::Ended { applied, .. } = &mut end else { unreachable!() };
    *applied = Some(Applied {
        client: "acme".into(),
        pipeline: "sync".into(),
        object: "cus_1".into(),
        created: at(0),
        rank: 0,
    });
    store.commit(vec![end]).await.unwrap();
    let first = accept_one(store, event("evt_1", 1, "a")).await;
    let begun = accept_one(store, event("evt_2", 2, "b")).await;
    store.intend(intent(begun, "2", &["k"])).await.unwrap();
    let large = NewEvent { body: vec![b' '; 64 << 10].into(), ..event("evt_3", 3, "c") };
    accept_one(store, large).await;
    let last = accept_one(store, event("evt_4", 4, "d")).await;
    let due = store.due("acme", at(2_000), 100, RunId(0)).await.unwrap();
    assert_eq!(due.len(), 4);
    let ahead: Vec<Ahead> = due.into_iter().filter_map(|due| due.ahead).collect();
    assert_eq!(ahead.iter().map(|ahead| ahead.body.id).collect::<Vec<_>>(), [first, last]);
    let loaded = store.load(first).await.unwrap().unwrap();
    assert_eq!(format!("{:?}", ahead[0].body), format!("{loaded:?}"), "the same as it would be loaded");
    for ahead in &ahead {
        assert!(matches!(ahead.applied, Told::Nothing | Told::Applied(Some(_))), "{:?}", ahead.applied);
    }
    let due = store.due("acme", at(2_000), 100, first).await.unwrap();
    let ahead: Vec<RunId> = due.into_iter().filter_map(|due| due.ahead).map(|ahead| ahead.body.id).collect();
    assert_eq!(ahead, [last], "not again");
}

async fn only_the_newest_applied_event_is_remembered(bench: Bench) {
    let store = &*bench.store;
    for (number, (created, rank)) in [(20, 1), (10, 9), (20, 0), (20, 2)].into_iter().enumerate() {
        let run = accept_one(store, event(&format!("evt_{number}"), created, "a")).await;
        let mut end = ended(run, Outcome::Succeeded, "");
        if let Change::Ended { applied, .. } = &mut end {
            *applied = Some(Applied {
                client: "acme".into(),
                pipeline: "sync".into(),
                object: "cus_1".into(),
                created: at(created),
                rank,
            });
        }
        store.commit(vec![end]).await.unwrap();
    }
    assert_eq!(store.applied("acme", "sync", "cus_1").await.unwrap(), Some((at(20), 2)));
    assert_eq!(store.applied("acme", "other", "cus_1").await.unwrap(), None);
}

async fn a_dead_letter_goes_again_with_what_it_has_done(bench: Bench) {
    let store = &*bench.store;
    let run = accept_one(store, event("evt_1", 0, "a")).await;
    let not_yet = store.retry_dead(run, at(1_500)).await;
    assert!(matches!(not_yet, Err(StoreError::Assumption(_))), "{not_yet:?}");
    store.commit(vec![called(run, "2", &["k"]), ended(run, Outcome::Dead, "refused")]).await.unwrap();
    let dead = RunFilter { state: Some(RunState::Ended(Outcome::Dead)), ..RunFilter::default() };
    assert_eq!(store.runs(dead.clone()).await.unwrap()[0].reason, "refused");
    store.retry_dead(run, at(1_500)).await.unwrap();
    assert_eq!(store.runs(dead).await.unwrap(), []);
    let again = &due(store, 2_000).await[0];
    assert_eq!((again.id, again.attempts), (run, 0));
    assert!(matches!(store.load(run).await.unwrap().unwrap().journal[&call("2")].state, EntryState::Done(_)));
}

async fn a_connections_health_is_kept(bench: Bench) {
    let open = ConnectionState {
        client: "acme".into(),
        connection: "crm".into(),
        circuit: CircuitState::Open { probes: 2, probe_at: at(60) },
        since: at(1),
        reason: "the key was revoked".into(),
    };
    bench.store.commit(vec![Change::Connection(open.clone())]).await.unwrap();
    let bench = bench.restart().await;
    assert_eq!(bench.store.connections().await.unwrap(), std::slice::from_ref(&open));
    let closed = ConnectionState { circuit: CircuitState::Closed, ..open };
    bench.store.commit(vec![Change::Connection(closed.clone())]).await.unwrap();
    assert_eq!(bench.store.connections().await.unwrap(), [closed]);
}

async fn a_sealed_secret_takes_the_place_of_the_one_before(bench: Bench) {
    let kept = |sealed: &[u8]| {
        Change::SecretKept(SealedSecret {
            client: "acme".into(),
            connection: "crm".into(),
            sealed: sealed.to_vec(),
            at: at(1),
        })
    };
    bench.store.commit(vec![kept(b"\0one")]).await.unwrap();
    bench.store.commit(vec![kept(b"\0two")]).await.unwrap();
    let bench = bench.restart().await;
    assert_eq!(bench.store.secret("acme", "crm").await.unwrap().as_deref(), Some(&b"\0two"[..]));
    assert_eq!(bench.store.secret("acme", "mail").await.unwrap(), None);
}

async fn events_runs_and_audit_can_be_looked_at(bench: Bench) {
    let store = &*bench.store;
    let run = accept_one(store, event("evt_1", 0, "a")).await;
    accept_one(store, NewEvent { client: "globex".into(), ..event("evt_2", 0, "a") }).await;
    store.commit(vec![called(run, "2", &[]), ended(run, Outcome::Succeeded, "")]).await.unwrap();

    let acme = || Some(Arc::from("acme"));
    let events = store.events(EventFilter { client: acme(), ..EventFilter::default() }).await.unwrap();
    assert_eq!(events.iter().map(|event| &*event.id).collect::<Vec<_>>(), ["evt_1"]);
    let later = EventFilter { since: Some(at(1_001)), ..EventFilter::default() };
    assert_eq!(store.events(later).await.unwrap(), []);
    let runs = store.runs(RunFilter { event: Some(EventSeq(2)), ..RunFilter::default() }).await.unwrap();
    assert_eq!(
        runs.iter().map(|run| (&*run.client, run.state)).collect::<Vec<_>>(),
        [("globex", RunState::Ready)]
    );
    let page = RunFilter { before: Some(RunId(2)), ..RunFilter::default() };
    assert_eq!(store.runs(page).await.unwrap().len(), 1);

    let audit =
        store.audit(AuditFilter { record: Some("00T1".into()), ..AuditFilter::default() }).await.unwrap();
    assert_eq!(audit.len(), 1);
    let origin = Origin { run, pipeline: "sync".into(), event_id: "evt_1".into() };
    assert_eq!(audit[0].origin, Some(origin));
    let Change::Called { outcome, .. } = called(run, "2", &[]) else { unreachable!() };
    assert_eq!(Some(&audit[0].entry), outcome.audit.as_ref());
    let nobody = AuditFilter { pipeline: Some("other".into()), ..AuditFilter::default() };
    assert_eq!(store.audit(nobody).await.unwrap(), []);

    let detail = store.event(EventSeq(1)).await.unwrap().unwrap();
    assert_eq!(detail.body.get("id"), Some(&Value::from("evt_1")));
    assert_eq!((detail.runs.len(), detail.runs[0].calls.len(), detail.runs[0].audit.len()), (1, 1, 1));
    assert_eq!(store.event(EventSeq(9)).await.unwrap(), None);
}

async fn too_many_waiting_events_are_refused_and_none_of_them_kept(bench: Bench) {
    let big =
        |id: usize| NewEvent { body: vec![b' '; 4 << 20].into(), ..event(&format!("evt_{id}"), 0, "a") };
    // Handed over at once, before the writer can write the first.
    let answers = (0..40).map(|id| bench.store.accept(vec![big(id)]));
    let answers = futures_util::future::join_all(answers.collect::<Vec<_>>()).await;
    let kept = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Busy))).count();
    assert_eq!(kept + refused, 40);
    assert!(refused > 0, "32 MB may wait, 160 MB were handed over");
    let listed = bench.store.events(EventFilter::default()).await.unwrap();
    assert_eq!(listed.len(), kept);
    assert!(bench.store.accept(vec![event("later", 0, "a")]).await.is_ok(), "it takes events again");
}

async fn a_closed_store_says_so(bench: Bench) {
    bench.store.close().await.unwrap();
    assert!(matches!(bench.store.accept(vec![event("evt_1", 0, "a")]).await, Err(StoreError::Closed)));
    assert!(matches!(bench.store.counts().await, Err(StoreError::Closed)));
}

fn set(files: &[(&str, &str)]) -> FileSet {
    let file = |(path, text): &(&str, &str)| FileText { path: (*path).into(), text: (*text).into() };
    FileSet::of(files.iter().map(file).collect())
}

/// A client of one pipeline, from the texts of its two files, good since then.
fn good(client: &str, file: &str, pipeline: &str, since: i64) -> GoodClient {
    let (client_yaml, sync_yaml) =
        (format!("pipelines/{client}/client.yaml"), format!("pipelines/{client}/sync.yaml"));
    let of_pipeline = [(&*client_yaml, file), (&*sync_yaml, pipeline)];
    let whole = [of_pipeline.as_slice(), &[("pipelines/lib.rhai", "fn shared() { 1 }")]].concat();
    GoodClient {
        client: client.into(),
        at: at(since),
        whole: set(&whole),
        pipelines: vec![set(&of_pipeline)],
        check: (since > 0).then(|| format!("check {since}").into()),
    }
}

/// The version of its one pipeline.
fn sync_of(good: &GoodClient) -> Version {
    Version(Arc::clone(&good.pipelines[0].version))
}

async fn the_last_good_version_of_a_client_is_kept_over_a_restart(bench: Bench) {
    let (first, second) = (good("acme", "a", "1", 0), good("acme", "a", "2", 10));
    let other = good("globex", "a", "1", 5);
    for client in [&first, &other, &second] {
        bench.store.keep_good(client.clone()).await.unwrap();
    }
    let bench = bench.restart().await;
    let versions = bench.store.last_good().await.unwrap();
    let expected = [("acme", &second), ("globex", &other)].map(|(client, good)| {
        let version = Version(Arc::clone(&good.whole.version));
        (Arc::from(client), LastGood { version, check: good.check.clone() })
    });
    assert_eq!(versions, expected.into());
    for set in [&second.whole, &second.pipelines[0], &first.pipelines[0], &first.whole] {
        let version = Version(Arc::clone(&set.version));
        assert_eq!(bench.store.files(&version).await.unwrap().as_ref(), Some(set));
    }
    assert_eq!(bench.store.files(&Version("unknown".into())).await.unwrap(), None);
}

/// Invariant 6: a run finishes with the version that it has begun with, however often its client changes meanwhile.
async fn versions_that_nobody_needs_are_forgotten_and_no_others(bench: Bench) {
    let store = &*bench.store;
    let versions = ["1", "2", "3", "4"].map(|text| good("acme", "a", text, text.parse().unwrap()));
    for good in &versions {
        store.keep_good(good.clone()).await.unwrap();
    }
    // One run is unfinished with the first version, one has ended with the second.
    let begun = |id: &str, good: &GoodClient| {
        let mut event = event(id, 0, id);
        event.runs[0].version = sync_of(good);
        event
    };
    let unfinished = accept_one(store, begun("evt_1", &versions[0])).await;
    let ended = accept_one(store, begun("evt_2", &versions[1])).await;
    store.commit(vec![self::ended(ended, Outcome::Succeeded, "")]).await.unwrap();

    let known = async || {
        let mut known = Vec::new();
        for good in &versions {
            let [whole, pipeline] =
                [&good.whole, &good.pipelines[0]].map(|set| Version(Arc::clone(&set.version)));
            let there = (store.files(&whole).await.unwrap(), store.files(&pipeline).await.unwrap());
            known.push((there.0.is_some(), there.1.is_some()));
        }
        known
    };
    // The third was retired at 4, which is not before 4.
    assert_eq!(store.forget_versions(at(4)).await.unwrap(), 3);
    assert_eq!(known().await, [(false, true), (false, false), (true, true), (true, true)]);
    assert_eq!(store.forget_versions(at(100)).await.unwrap(), 2);
    assert_eq!(known().await, [(false, true), (false, false), (false, false), (true, true)]);

    // Held, waiting or blocked, it is unfinished all the same.
    let waits = [
        Change::Held {
            run: unfinished,
            due: None,
            connection: None,
            attempts: 1,
            spent: Spent::default(),
            reason: String::new(),
        },
        Change::Waiting { run: unfinished, due: at(2_000), spent: Spent::default(), reason: String::new() },
        Change::Blocked { run: unfinished },
    ];
    for change in waits {
        store.commit(vec![change]).await.unwrap();
        assert_eq!(store.forget_versions(at(100)).await.unwrap(), 0);
    }
    store.commit(vec![self::ended(unfinished, Outcome::Dead, "")]).await.unwrap();
    assert_eq!(store.forget_versions(at(100)).await.unwrap(), 1);
    assert_eq!(known().await, [(false, false), (false, false), (false, false), (true, true)]);
}

async fn a_version_that_a_client_comes_back_to_stays(bench: Bench) {
    let store = &*bench.store;
    let (first, second) = (good("acme", "a", "1", 0), good("acme", "a", "2", 1));
    for good in [&first, &second, &GoodClient { at: at(2), ..first.clone() }] {
        store.keep_good(good.clone()).await.unwrap();
    }
    assert_eq!(store.forget_versions(at(100)).await.unwrap(), 2);
    assert!(store.files(&sync_of(&first)).await.unwrap().is_some());
    assert_eq!(store.files(&sync_of(&second)).await.unwrap(), None);
}

async fn how_far_alerts_have_got_is_kept(bench: Bench) {
    let store = &*bench.store;
    let object = |number: i64| Value::map([("run", Value::from(number))]);
    let report = |number: i64, second| LimitedReport {
        event: NewEvent {
            body: format!(r#"{{"object":{{"run":{number},"grouped":0}}}}"#).into(),
            ..event(&format!("alert_{number}"), second, "alert")
        },
        pipeline: "alert".into(),
        report: UntoldReport { what: LockstepEvent::RunDead, object: object(number) },
        count: 1,
        per: Duration::from_secs(100),
        at: at(second),
    };
    let told = async |report| store.commit(vec![Change::Limited(Box::new(report))]).await.unwrap();
    let window = |ends, grouped, untold: Option<i64>| AlertWindow {
        client: "acme".into(),
        pipeline: "alert".into(),
        ends: at(ends),
        started: 1,
        grouped,
        untold: untold.map(|number| UntoldReport { what: LockstepEvent::RunDead, object: object(number) }),
    };
    let events = async || store.events(EventFilter::default()).await.unwrap().len();
    told(report(1, 0)).await;
    assert_eq!((events().await, store.alert_windows().await.unwrap()), (1, vec![window(100, 0, None)]));
    told(report(2, 10)).await;
    told(report(3, 20)).await;
    let grouped = window(100, 2, Some(3));
    assert_eq!((events().await, store.alert_windows().await.unwrap()), (1, vec![grouped.clone()]));
    // However many tell it, it is told once.
    let group = ToldGroup {
        window: grouped,
        event: Some(event("grouped", 100, "alert")),
        per: Duration::from_secs(100),
        at: at(100),
    };
    for _ in 0..2 {
        store.commit(vec![Change::Told(Box::new(group.clone()))]).await.unwrap();
        assert_eq!((events().await, store.alert_windows().await.unwrap()), (2, vec![window(200, 0, None)]));
    }
    // What was not told when its window was over goes with the next one.
    told(report(4, 110)).await;
    told(report(5, 210)).await;
    assert_eq!((events().await, store.alert_windows().await.unwrap()), (3, vec![window(310, 0, None)]));
    let seq = store.events(EventFilter::default()).await.unwrap()[0].seq;
    let told = store.event(seq).await.unwrap().unwrap();
    assert_eq!(told.body.get("object").and_then(|object| object.get("grouped")), Some(&Value::from(1_i64)));
}

/// PostgreSQL's texts know no NUL. What could bring one here has been cleaned by then (`engine::storable`); what comes all the same
/// must not stop what is written beside it.
async fn texts_that_a_database_cannot_hold_block_nobody(bench: Bench) {
    let store = &*bench.store;
    let nul = |id: &str, key: &str| NewEvent {
        kind: "kind\0".into(),
        object: Some("cus\0".into()),
        object_kind: Some("customer\0".into()),
        body: br#"{"id":"a\u0000b"}"#.to_vec().into(),
        ..event(id, 0, key)
    };
    let events = vec![nul("evt\0", "key\0"), event("evt_2", 0, "b"), nul("evt\0_3", "key\0")];
    let accepted = store.accept(events.clone()).await.unwrap();
    assert!(accepted.iter().all(|accepted| matches!(accepted, Accepted::New { .. })), "{accepted:?}");
    assert_eq!(store.accept(events).await.unwrap(), [const { Accepted::Duplicate }; 3]);
    let known = store.known_events("acme", "billing", vec!["evt\0".into()]).await.unwrap();
    assert_eq!(known.len(), 1);
    let run = RunId(1);
    let body = store.load(run).await.unwrap().unwrap();
    assert_eq!(&body.body[..], br#"{"id":"a\u0000b"}"#, "what came is kept as it came");
    assert_eq!(store.intend(intent(run, "2", &["k\0"])).await.unwrap(), Grant::Granted);
    let mut done = called(run, "2", &["k\0"]);
    if let Change::Called { outcome, .. } = &mut done {
        outcome.result = Value::from("a\0b");
        let entry = outcome.audit.as_mut().unwrap();
        entry.record = Some("00T\0".into());
        entry.changes[0].after = Value::from("a\0b");
        entry.note = Some("a\0b".into());
    }
    let blocked = Change::Blocked { run: RunId(3) };
    let parked = Change::Held {
        run: RunId(2),
        due: None,
        connection: Some("crm".into()),
        attempts: 1,
        spent: Spent::default(),
        reason: "a\0b".into(),
    };
    store.commit(vec![done, blocked, parked]).await.unwrap();
    assert_eq!(store.behind("acme", "sync", "key\0", 9).await.unwrap().len(), 1);
    assert_eq!(store.known("acme", &identity("k\0")).await.unwrap().as_deref(), Some("00T1"));
    let mut over = ended(run, Outcome::Conflict, "two of a\0b");
    if let Change::Ended { candidates, applied, .. } = &mut over {
        candidates.push(Value::from("a\0b"));
        *applied = Some(Applied {
            client: "acme".into(),
            pipeline: "sync".into(),
            object: "cus\0".into(),
            created: at(0),
            rank: 0,
        });
    }
    store.commit(vec![over]).await.unwrap();
    assert_eq!(store.applied("acme", "sync", "cus\0").await.unwrap(), Some((at(0), 0)));
    let detail = store.run(run).await.unwrap().unwrap();
    assert_eq!(detail.run.candidates, [Value::from("a\0b")]);
    assert_eq!(detail.audit[0].entry.changes[0].after, Value::from("a\0b"));
    lockstep::upkeep::seal_all(store).await.unwrap();
    assert_eq!(lockstep::upkeep::verify(store, &[]).await.unwrap().flaw, None);
}

async fn nobody_waits_for_a_connection_that_is_not_paused(bench: Bench) {
    let [paused, other] = ["evt_1", "evt_2"].map(|id| event(id, 0, id));
    let (paused, other) = (accept_one(&*bench.store, paused).await, accept_one(&*bench.store, other).await);
    let state = ConnectionState {
        client: "acme".into(),
        connection: "crm".into(),
        circuit: CircuitState::Open { probes: 0, probe_at: at(2_000) },
        since: at(1_000),
        reason: "503".into(),
    };
    let changes =
        vec![held(paused, None, Some("crm")), held(other, None, Some("chat")), Change::Connection(state)];
    bench.store.commit(changes).await.unwrap();
    assert_eq!(due_ids(&*bench.store, 9_000).await, []);
    bench.store.take_up().await.unwrap();
    assert_eq!(due_ids(&*bench.store, 9_000).await, [other]);
}

fn field(name: &str) -> FieldKey {
    RecordName { client: "acme", connection: "crm", object: "Account", record: "001A" }.field(name)
}

fn agreed(name: &str, value: &str, ours: bool) -> Agreed {
    Agreed { field: field(name), value: ValueDigest::of(None, &Value::from(value)), ours }
}

fn agreeing(run: RunId, id: &str, fields: &[Agreed]) -> Change {
    let mut change = called(run, id, &[]);
    if let Change::Called { outcome, .. } = &mut change {
        outcome.agreed = fields.to_vec();
    }
    change
}

async fn what_was_agreed_on_last_is_known_until_its_event_is_erased(bench: Bench) {
    let store = &bench.store;
    let (first, second) = (
        accept_one(&**store, event("evt_1", 1, "a")).await,
        accept_one(&**store, event("evt_2", 2, "b")).await,
    );
    let (phone, name) = (agreed("Phone", "1", true), agreed("Name", "Acme", true));
    store.commit(vec![agreeing(first, "1", &[phone, name])]).await.unwrap();
    let later = agreed("Phone", "2", false);
    // In one commit with what somebody else did before: the last one is right.
    let not_ours = Change::NotOurs(vec![field("Phone"), field("Name")]);
    store.commit(vec![not_ours, agreeing(second, "1", &[later])]).await.unwrap();
    let known = async |names: &[&str]| {
        let rows = store.agreed(names.iter().map(|name| field(name)).collect()).await.unwrap();
        let mut rows: Vec<_> = rows.into_iter().map(|row| (row.agreed, row.run)).collect();
        rows.sort_unstable_by_key(|(agreed, _)| agreed.field != field("Phone"));
        rows
    };
    let name = Agreed { ours: false, ..name };
    assert_eq!(known(&["Phone", "Name", "Fax"]).await, [(later, second), (name, first)]);
    store
        .commit(vec![ended(first, Outcome::Succeeded, ""), ended(second, Outcome::Succeeded, "")])
        .await
        .unwrap();
    while store.seal(100).await.unwrap() > 0 {}
    let page = store
        .erasable(ErasureFilter::Before { before: at(100_000), client: None }, EventSeq(0), 1)
        .await
        .unwrap();
    let events = page.events.iter().map(|event| event.seq).collect();
    let erasing = Erasing { events, why: Erasure::Retention, at: at(100_000), by: "upkeep".into() };
    store.erase(erasing).await.unwrap();
    assert_eq!(known(&["Phone", "Name"]).await, [(later, second)], "what the erased one agreed on is gone");
}
