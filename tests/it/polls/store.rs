//! What every store must do for polls: one suite, run for SQLite and for PostgreSQL.

use std::sync::Arc;

use lockstep::store::{
    Change, Digest, Effect, EventSeq, Find, NewEvent, Outcome, PollEnd, PollId, PollName, PollState,
    PollStep, ReportEnd, ReportFilter, RunFilter, RunId, RunState, Seen, SeenBy, Staged, StagedBy, Store,
    StoreError, Tally,
};
use lockstep::value::Value;
use pretty_assertions::assert_eq;

use crate::store::{Bench, at, event, suite};

suite! {
    what_a_poll_found_is_there_with_what_it_saw
    what_waits_for_the_end_of_a_listing_comes_in_both_orders
    who_polls_beside_another_is_refused
    a_report_ends_with_the_last_run_of_its_poll
    a_dead_letter_whose_record_is_still_listed_goes_again
    what_is_gone_or_too_old_is_forgotten
}

fn name() -> PollName {
    PollName { client: "acme".into(), poll: "members".into() }
}

fn step(number: i64) -> PollStep {
    PollStep::new(PollId { name: name(), number }, at(2_000 + number))
}

fn seen(record: &str, content: u8, value: Option<u8>) -> Seen {
    Seen {
        record: record.into(),
        digest: Digest([content; 16]),
        key: value.map(|value| Digest([value; 16])),
        group: None,
        changed: at(i64::from(content)),
        tries: 0,
        body: Some(format!(r#"{{"id":"{record}"}}"#).into()),
    }
}

fn find(event: Option<NewEvent>, seen: Seen) -> Find {
    Find { event, candidates: Vec::new(), seen: Some(seen) }
}

fn end(number: i64, tally: Tally) -> PollStep {
    let end = PollEnd {
        primed: true,
        began: at(number),
        cursor: Some(at(number)),
        failures: 0,
        forget_before: None,
        connection: Some("billing".into()),
        tally,
        over: false,
        error: None,
    };
    PollStep { end: Some(end), ..step(number) }
}

async fn keep(store: &dyn Store, step: PollStep) -> Result<(), StoreError> {
    store.commit(vec![Change::Polled(Box::new(step))]).await
}

async fn records(store: &dyn Store, by: SeenBy) -> Vec<Arc<str>> {
    store.seen(&name(), by).await.unwrap().into_iter().map(|row| row.seen.record).collect()
}

/// Ends a run.
async fn ended(store: &dyn Store, run: RunId, outcome: Outcome, reason: &str) {
    let ended = Change::Ended {
        run,
        at: at(3_000),
        attempts: 0,
        outcome,
        reason: reason.into(),
        candidates: Vec::new(),
        applied: None,
    };
    store.commit(vec![ended]).await.unwrap();
}

async fn what_a_poll_found_is_there_with_what_it_saw(bench: Bench) {
    assert_eq!(bench.store.poll(&name()).await.unwrap(), None);
    let mut first = step(1);
    let torn = Find {
        candidates: vec![Value::from("cus_2")],
        ..find(Some(event("l-1", 5, "cus_1")), seen("cus_1", 1, Some(9)))
    };
    first.finds = vec![
        torn,
        find(None, Seen { group: Some(Digest([7; 16])), body: None, ..seen("cus_2", 2, Some(9)) }),
    ];
    keep(&*bench.store, first).await.unwrap();
    let bench = bench.restart().await;
    let state = bench.store.poll(&name()).await.unwrap().unwrap();
    assert_eq!(state, PollState { number: 1, ..PollState::default() }, "cut off before its report");
    let all =
        bench.store.seen(&name(), SeenBy::Records(vec!["cus_1".into(), "cus_2".into(), "no".into()])).await;
    let mut all = all.unwrap();
    all.sort_by(|a, b| a.seen.record.cmp(&b.seen.record));
    let run = bench.store.runs(RunFilter::default()).await.unwrap().remove(0);
    assert_eq!((run.event, run.candidates), (EventSeq(1), vec![Value::from("cus_2")]));
    assert_eq!(all[0].seen, seen("cus_1", 1, Some(9)));
    assert_eq!(all[0].run, Some((run.id, RunState::Ready, None)));
    assert_eq!((all[1].seen.group, all[1].run), (Some(Digest([7; 16])), None));
    assert_eq!(
        records(&*bench.store, SeenBy::Keys(vec![Digest([9; 16])])).await,
        ["cus_1".into(), "cus_2".into()]
    );
    assert_eq!(records(&*bench.store, SeenBy::Grouped).await, ["cus_2".into()]);
    assert_eq!(bench.store.seen_count(&name()).await.unwrap(), 2);
    let mut walked = records(&*bench.store, SeenBy::After(None, 1)).await;
    walked.extend(records(&*bench.store, SeenBy::After(walked.first().cloned(), 1)).await);
    walked.sort();
    assert_eq!(walked, ["cus_1".into(), "cus_2".into()]);
    let known = bench.store.known_events("acme", "billing", vec!["l-1".into(), "l-2".into()]).await.unwrap();
    assert_eq!(known, ["l-1".into()]);
    // Seen again without a run, it keeps the one that it had.
    let mut again = step(1);
    again.finds = vec![find(None, seen("cus_1", 3, None))];
    keep(&*bench.store, again).await.unwrap();
    let row = bench.store.seen(&name(), SeenBy::Records(vec!["cus_1".into()])).await.unwrap().remove(0);
    assert_eq!((row.seen.digest, row.seen.key, row.run.unwrap().0), (Digest([3; 16]), None, run.id));
}

async fn what_waits_for_the_end_of_a_listing_comes_in_both_orders(bench: Bench) {
    let mut staging = step(1);
    // Newest first, as events are listed; two of one moment.
    staging.staged = [("d", 4), ("c", 2), ("b", 2), ("a", 1)]
        .into_iter()
        .zip(1..)
        .map(|((record, changed), place)| Staged { seen: seen(record, changed, Some(1)), place })
        .collect();
    keep(&*bench.store, staging).await.unwrap();
    let id = PollId { name: name(), number: 1 };
    let staged = async |by| {
        let staged = bench.store.staged(&id, by).await.unwrap();
        staged.iter().map(|staged| staged.seen.record.to_string()).collect::<String>()
    };
    assert_eq!(staged(StagedBy::Oldest(3)).await, "abc");
    assert_eq!(staged(StagedBy::Listed(9)).await, "dcba");
    assert_eq!(staged(StagedBy::Keys(vec![Digest([1; 16])])).await, "dcba");
    let mut unstaging = step(1);
    unstaging.unstaged = vec!["a".into(), "d".into()];
    keep(&*bench.store, unstaging).await.unwrap();
    assert_eq!(staged(StagedBy::Oldest(9)).await, "bc");
    keep(&*bench.store, end(1, Tally::default())).await.unwrap();
    assert_eq!(staged(StagedBy::Oldest(9)).await, "", "the end leaves nothing behind");
}

async fn who_polls_beside_another_is_refused(bench: Bench) {
    keep(&*bench.store, end(1, Tally::default())).await.unwrap();
    keep(&*bench.store, step(2)).await.unwrap();
    for number in [1, 4] {
        let refused = keep(&*bench.store, step(number)).await;
        assert!(matches!(refused, Err(StoreError::Assumption(_))), "{number}: {refused:?}");
    }
    keep(&*bench.store, step(2)).await.unwrap();
}

async fn a_report_ends_with_the_last_run_of_its_poll(bench: Bench) {
    let mut first = step(1);
    first.finds = vec![
        find(Some(event("l-1", 5, "cus_1")), seen("cus_1", 1, None)),
        find(Some(event("l-2", 5, "cus_2")), seen("cus_2", 2, None)),
    ];
    keep(&*bench.store, first).await.unwrap();
    let tally = Tally { listed: 3, unchanged: 1, ..Tally::default() };
    keep(&*bench.store, end(1, tally.clone())).await.unwrap();
    let runs = bench.store.runs(RunFilter::default()).await.unwrap();
    assert_eq!(bench.store.due_reports(9).await.unwrap(), []);
    ended(&*bench.store, runs[0].id, Outcome::Skipped, "no plan").await;
    assert_eq!(bench.store.due_reports(9).await.unwrap(), []);
    ended(&*bench.store, runs[1].id, Outcome::Succeeded, "").await;
    let due = bench.store.due_reports(9).await.unwrap().remove(0);
    assert_eq!((due.report.id.to_string().as_str(), &due.report.tally), ("acme/members/1", &tally));
    assert_eq!(
        due.runs,
        [
            (Outcome::Succeeded, Effect::None, String::new(), 1),
            (Outcome::Skipped, Effect::None, "no plan".to_owned(), 1)
        ]
    );
    let over = ReportEnd {
        id: due.report.id.clone(),
        at: at(4_000),
        tally: Tally { listed: 3, unchanged: 2, ..tally },
    };
    bench.store.commit(vec![Change::PollReported(over.clone())]).await.unwrap();
    let again = bench.store.commit(vec![Change::PollReported(over.clone())]).await;
    assert!(matches!(again, Err(StoreError::Assumption(_))), "{again:?}");
    assert_eq!(bench.store.due_reports(9).await.unwrap(), []);
    let filter = ReportFilter { poll: Some("members".into()), number: Some(1), ..ReportFilter::default() };
    let row = bench.store.reports(filter).await.unwrap().remove(0);
    assert_eq!(
        (row.ended, row.tally, row.connection.as_deref()),
        (Some(at(4_000)), over.tally, Some("billing"))
    );
    let failed = ReportFilter { failed: true, ..ReportFilter::default() };
    assert_eq!(bench.store.reports(failed).await.unwrap(), []);
}

async fn a_dead_letter_whose_record_is_still_listed_goes_again(bench: Bench) {
    let mut first = step(1);
    first.finds = vec![find(Some(event("l-1", 5, "cus_1")), seen("cus_1", 1, None))];
    keep(&*bench.store, first).await.unwrap();
    keep(&*bench.store, end(1, Tally::default())).await.unwrap();
    let run = bench.store.runs(RunFilter::default()).await.unwrap().remove(0).id;
    ended(&*bench.store, run, Outcome::Conflict, "two contacts").await;
    let row = bench.store.seen(&name(), SeenBy::Grouped).await.unwrap();
    assert_eq!(row, [], "it is kept back by nobody");
    let mut second = step(2);
    second.again = vec![(run, "cus_1".into())];
    keep(&*bench.store, second.clone()).await.unwrap();
    let row = bench.store.seen(&name(), SeenBy::Records(vec!["cus_1".into()])).await.unwrap().remove(0);
    assert_eq!((row.seen.tries, row.run), (1, Some((run, RunState::Ready, None))));
    // It counts for the poll that tried it last.
    keep(&*bench.store, end(2, Tally::default())).await.unwrap();
    let due = bench.store.due_reports(9).await.unwrap();
    assert_eq!(due.iter().map(|due| (due.report.id.number, due.runs.len())).collect::<Vec<_>>(), [(1, 0)]);
    // One that goes already is left as it is.
    let mut third = step(3);
    third.again = second.again;
    keep(&*bench.store, third).await.unwrap();
    let row = bench.store.seen(&name(), SeenBy::Records(vec!["cus_1".into()])).await.unwrap().remove(0);
    assert_eq!(row.seen.tries, 1);
}

async fn what_is_gone_or_too_old_is_forgotten(bench: Bench) {
    let mut first = step(1);
    first.finds =
        [1, 2, 3].map(|content| find(None, seen(&format!("cus_{content}"), content, None))).to_vec();
    keep(&*bench.store, first).await.unwrap();
    let mut over = end(1, Tally::default());
    over.gone = vec!["cus_3".into()];
    over.end = over.end.map(|end| PollEnd { forget_before: Some(at(2)), ..end });
    keep(&*bench.store, over).await.unwrap();
    let left = ["cus_1", "cus_2", "cus_3"].map(Arc::from).to_vec();
    assert_eq!(records(&*bench.store, SeenBy::Records(left)).await, ["cus_2".into()]);
}
