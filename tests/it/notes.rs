//! Erasing what is kept of customers beside events, as every store must do it: records that polls have seen, the words of
//! their reports, alerts that are told later. What polls know their records by stays.

use std::sync::Arc;
use std::time::Duration;

use lockstep::config::LockstepEvent;
use lockstep::store::{
    AlertWindow, AuditFilter, Change, Digest, ErasureFilter, Find, LimitedReport, NewEvent, Outcome, PollEnd,
    PollId, PollName, PollStep, ReportFilter, Seen, SeenBy, SeenRow, Staged, StagedBy, Store, StoreError,
    Tally, UntoldReport,
};
use lockstep::upkeep::{Swept, seal_all, verify};
use lockstep::value::Value;
use pretty_assertions::assert_eq;

use crate::store::{Bench, at, event, suite};
use crate::upkeep::{before, sweep};

suite! {
    records_that_polls_have_kept_are_erased_and_known_again
    the_words_of_reports_are_erased_and_their_numbers_stay
    a_poll_whose_waiting_records_are_erased_begins_again
    an_alert_that_is_still_to_be_told_loses_its_words
    what_is_told_of_an_event_is_kept_with_it_or_not_at_all
}

fn name() -> PollName {
    PollName { client: "acme".into(), poll: "members".into() }
}

fn step(number: i64, second: i64) -> PollStep {
    PollStep::new(PollId { name: name(), number }, at(second))
}

fn seen(record: &str, says: &str) -> Seen {
    Seen {
        record: record.into(),
        digest: Digest([7; 16]),
        key: Some(Digest([8; 16])),
        group: None,
        // By the system's clock: long before it was seen here.
        changed: at(1),
        tries: 0,
        body: Some(format!(r#"{{"id":"{record}","friend":"{says}"}}"#).into()),
    }
}

fn found(seen: Seen) -> Find {
    Find { event: None, candidates: Vec::new(), seen: Some(seen) }
}

async fn keep(store: &dyn Store, step: PollStep) -> Result<(), StoreError> {
    store.commit(vec![Change::Polled(Box::new(step))]).await
}

async fn known(store: &dyn Store, record: &str) -> SeenRow {
    store.seen(&name(), SeenBy::Records(vec![record.into()])).await.unwrap().remove(0)
}

fn about(id: &str) -> ErasureFilter {
    ErasureFilter::About { id: id.into(), client: None }
}

fn of_globex(id: &str) -> ErasureFilter {
    ErasureFilter::About { id: id.into(), client: Some("globex".into()) }
}

/// What the audit says of erasures, in the order of its words.
async fn told(store: &dyn Store) -> Vec<String> {
    let erasures = AuditFilter { verb: Some("erase".into()), ..AuditFilter::default() };
    let rows = store.audit(erasures).await.unwrap();
    let mut told: Vec<String> =
        rows.iter().map(|row| row.entry.note.as_deref().unwrap().to_owned()).collect();
    told.sort();
    told
}

async fn records_that_polls_have_kept_are_erased_and_known_again(bench: Bench) {
    let store = &*bench.store;
    let mut first = step(1, 2_000);
    first.finds = ["cus_a", "cus_b", "cus_c"].map(|record| found(seen(record, "cus_z"))).to_vec();
    first.finds.push(found(seen("cus_d", "nobody")));
    keep(store, first).await.unwrap();
    assert_eq!(sweep(store, of_globex("cus_a")).await, Swept::default());
    // By its own id, and wherever it occurs; a part of an id is not that id.
    for (id, records) in [("cus_a", 1), ("cus_z", 2), ("cus_", 0), ("cus_a", 0)] {
        let swept = sweep(store, about(id)).await;
        assert_eq!((swept.records, swept.events, swept.left()), (records, 0, 0), "{id}");
        assert_eq!(swept.bytes > 0, records > 0);
    }
    let erased = known(store, "cus_a").await.seen;
    assert_eq!(erased, Seen { body: None, ..seen("cus_a", "cus_z") }, "it is known by its digest");
    assert!(known(store, "cus_d").await.seen.body.is_some());
    // Listed again, it is kept again.
    let mut second = step(1, 3_000);
    second.finds = vec![found(seen("cus_a", "cus_z"))];
    keep(store, second).await.unwrap();
    // By age it goes when it has been kept for so long, however long ago it changed.
    assert_eq!(sweep(store, before(2_000)).await, Swept::default());
    assert_eq!(sweep(store, before(2_001)).await.records, 1, "cus_d");
    assert!(known(store, "cus_a").await.seen.body.is_some());
    assert_eq!(sweep(store, before(3_001)).await.records, 1);
    assert_eq!(store.seen_count(&name()).await.unwrap(), 4);
    let one = "erased by retention: 1 record of a poll";
    assert_eq!(told(store).await, [one, one, one, "erased by retention: 2 records of polls"]);
    seal_all(store).await.unwrap();
    assert_eq!(verify(store, &[]).await.unwrap().flaw, None);
}

async fn the_words_of_reports_are_erased_and_their_numbers_stay(bench: Bench) {
    let store = &*bench.store;
    let mut tally = Tally { listed: 3, created: 1, ..Tally::default() };
    tally.skipped = [("who is cus_a?".to_owned(), 1), ("who is Bob?".to_owned(), 1)].into();
    let end = |error: Option<&str>, tally: Tally| PollEnd {
        primed: true,
        began: at(2_000),
        cursor: None,
        failures: 0,
        forget_before: None,
        connection: Some("crm".into()),
        tally,
        over: true,
        error: error.map(str::to_owned),
    };
    let plain = Tally { listed: 9, ..Tally::default() };
    for (number, error, tally) in
        [(1, None, tally.clone()), (2, Some("no cus_a here"), plain.clone()), (3, None, plain)]
    {
        keep(store, PollStep { end: Some(end(error, tally)), ..step(number, 2_000 + number) }).await.unwrap();
    }
    let reports = async || {
        let mut rows = store.reports(ReportFilter::default()).await.unwrap();
        rows.sort_by_key(|row| row.id.number);
        rows
    };
    let untouched = reports().await;
    assert_eq!(sweep(store, about("cus_")).await, Swept::default(), "no part of an id");
    assert_eq!(sweep(store, about("Bob")).await.reports, 1);
    let erased = &reports().await[0].tally;
    let words = [("erased by retention".to_owned(), 2)].into();
    assert_eq!(*erased, Tally { skipped: words, ..tally });
    assert_eq!(reports().await[1..], untouched[1..]);
    assert_eq!(sweep(store, before(2_002)).await, Swept::default(), "too young, erased, or without words");
    assert_eq!(sweep(store, before(9_000)).await.reports, 1);
    assert_eq!(reports().await[1].error.as_deref(), Some("erased by retention"));
    assert_eq!(reports().await[2], untouched[2]);
}

async fn a_poll_whose_waiting_records_are_erased_begins_again(bench: Bench) {
    let store = &*bench.store;
    let mut first = step(1, 2_000);
    let waiting = |record: &str, place| Staged { seen: seen(record, "nobody"), place };
    first.staged = vec![waiting("cus_a", 1), waiting("cus_b", 2)];
    first.finds = vec![Find { event: Some(event("l-1", 0, "a")), candidates: vec![], seen: None }];
    keep(store, first).await.unwrap();
    assert_eq!(sweep(store, about("cus_a")).await.records, 1);
    let refused = keep(store, step(1, 2_001)).await;
    assert!(
        matches!(refused, Err(StoreError::Assumption(_))),
        "whoever was listing does not go on: {refused:?}"
    );
    let state = store.poll(&name()).await.unwrap().unwrap();
    assert_eq!((state.number, state.reported), (2, false));
    let staged = async |number| {
        let id = PollId { name: name(), number };
        let staged = store.staged(&id, StagedBy::Listed(9)).await.unwrap();
        staged.iter().map(|staged| Arc::clone(&staged.seen.record)).collect::<Vec<_>>()
    };
    assert_eq!((staged(1).await, staged(2).await), (vec![], vec!["cus_b".into()]));
    // What it had started counts for the poll that goes on.
    let end = PollEnd {
        primed: true,
        began: at(2_002),
        cursor: None,
        failures: 0,
        forget_before: None,
        connection: None,
        tally: Tally::default(),
        over: false,
        error: None,
    };
    keep(store, PollStep { end: Some(end), ..step(2, 2_002) }).await.unwrap();
    assert_eq!(store.due_reports(9).await.unwrap(), [], "its run is not over");
    // One that is over has nothing to begin again.
    keep(store, PollStep { staged: vec![waiting("cus_a", 1)], ..step(3, 2_003) }).await.unwrap();
    assert_eq!(sweep(store, before(2_003)).await.records, 0);
    assert_eq!(sweep(store, before(2_004)).await.records, 1);
}

fn report(number: i64, second: i64) -> LimitedReport {
    let object = format!(r#"{{"run":{number},"reason":"who is cus_a?","candidates":["cus_a"]}}"#);
    LimitedReport {
        event: NewEvent {
            body: format!(r#"{{"object":{object}}}"#).into(),
            ..event(&format!("alert_{number}"), second, "alert")
        },
        pipeline: "alert".into(),
        report: UntoldReport {
            what: LockstepEvent::RunDead,
            object: Value::from_json(object.as_bytes()).unwrap(),
        },
        count: 1,
        per: Duration::from_secs(100),
        at: at(second),
    }
}

async fn window(store: &dyn Store) -> AlertWindow {
    store.alert_windows().await.unwrap().remove(0)
}

async fn an_alert_that_is_still_to_be_told_loses_its_words(bench: Bench) {
    let store = &*bench.store;
    for number in 1..=2 {
        store.commit(vec![Change::Limited(Box::new(report(number, 10)))]).await.unwrap();
    }
    assert_eq!(sweep(store, about("cus_")).await, Swept::default());
    assert_eq!(sweep(store, before(110)).await.alerts, 0, "its time is not over");
    assert_eq!(sweep(store, about("cus_a")).await.alerts, 1);
    let untold = window(store).await.untold.unwrap();
    assert_eq!(untold.object.to_json(), r#"{"run":2,"reason":"erased by retention"}"#);
    assert_eq!(window(store).await.grouped, 1, "it is told that there was one");
    assert_eq!(sweep(store, before(9_000)).await.alerts, 0, "nothing is erased twice");
    // The next one has words again.
    store.commit(vec![Change::Limited(Box::new(report(3, 20)))]).await.unwrap();
    assert_eq!(sweep(store, before(111)).await.alerts, 1);
}

async fn what_is_told_of_an_event_is_kept_with_it_or_not_at_all(bench: Bench) {
    let store = &*bench.store;
    let torn = NewEvent {
        runs: vec![],
        ended: Some((Outcome::Conflict, "of the other mode".into())),
        ..event("evt_1", 0, "a")
    };
    for number in 1..=2 {
        let answer = store.accept_told(vec![torn.clone()], vec![report(1, 10), report(2, 10)]).await.unwrap();
        assert_eq!(matches!(answer[0], lockstep::store::Accepted::New { .. }), number == 1);
        let window = window(store).await;
        assert_eq!((window.started, window.grouped), (1, 1), "told once, however often it is delivered");
    }
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.unfinished.values().sum::<u64>(), 1, "the alert that it started");
    let bench = bench.restart().await;
    assert_eq!(window(&*bench.store).await.grouped, 1);
}
