//! The number and the times of the calls show that a system is left alone for as long as it asks.

use std::sync::Arc;

use lockstep::clock::SystemClock;
use lockstep::sandbox::Fault;
use pretty_assertions::assert_eq;

use super::world::{API, TASKS, World, pauses};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_calls_before_the_time_that_the_system_asked_for() {
    let world = World::new("").await;
    world
        .sandbox()
        .salesforce()
        .faults()
        .add(Fault::answer(429).header("Retry-After", "30").on("POST", TASKS));
    world.payments("acme", 0..1).await;
    world.settle().await;
    let throttled = world.calls("POST", "/sobjects/Task").remove(0);
    assert_eq!(throttled.status, Some(429));
    let calls = world.sandbox().salesforce().calls().into_iter();
    let next = calls.map(|call| call.at).filter(|at| *at > throttled.at).min().unwrap();
    let waited = next.as_second() - throttled.at.as_second();
    assert!((30..=35).contains(&waited), "30 s and at most a tenth more, not {waited}");
    assert_eq!(world.calls("POST", "/sobjects/Task").len(), 2);
    assert_eq!(world.runs().await[0].attempts, 0, "waiting uses up no attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_connection_is_left_alone_by_all_runs() {
    let world = World::new("concurrency: 1").await;
    world.sandbox().salesforce().faults().add(Fault::answer(429).header("Retry-After", "60").on("GET", API));
    world.payments("acme", 0..8).await;
    world.settle().await;
    let calls = world.sandbox().salesforce().calls();
    let throttled = calls.iter().find(|call| call.status == Some(429)).unwrap().at;
    let sooner = calls.iter().filter(|call| {
        let since = call.at.as_second() - throttled.as_second();
        (1..60).contains(&since)
    });
    assert_eq!(sooner.count(), 0);
    assert_eq!(world.others().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_time_to_wait_the_pauses_double() {
    let world = World::new("").await;
    let busy = Fault::answer(429).text("slow down").on("POST", TASKS).times(5);
    world.sandbox().salesforce().faults().add(busy);
    world.payments("acme", 0..1).await;
    world.settle().await;
    let pauses = pauses(&world.calls("POST", "/sobjects/Task"));
    // 1, 2, 4, 8, 16 seconds, a tenth more, and what the clock of the test rounds up.
    assert_eq!(pauses.len(), 5);
    for (pause, least) in pauses.iter().zip([1, 2, 4, 8, 16]) {
        assert!((least..=least * 2 + 1).contains(pause), "{pauses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_faults_are_tried_again_with_backoff() {
    let world = World::new("").await;
    world.sandbox().salesforce().faults().add(Fault::answer(503).on("POST", TASKS).times(4));
    world.payments("acme", 0..1).await;
    world.settle().await;
    let pauses = pauses(&world.calls("POST", "/sobjects/Task"));
    assert_eq!(pauses.len(), 4);
    for (pause, least) in pauses.iter().zip([2, 4, 8, 16]) {
        assert!((least..=least + 2).contains(pause), "{pauses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_does_not_pass_ends_as_a_dead_letter_with_the_reason() {
    let world = World::new("").await;
    world.sandbox().salesforce().faults().add(Fault::answer(503).on("POST", TASKS).times(100));
    world.payments("acme", 0..1).await;
    world.settle().await;
    assert_eq!(world.calls("POST", "/sobjects/Task").len(), 8, "the default number of attempts");
    let others = world.others().await;
    assert!(
        others[0].starts_with("dead: step ") && others[0].ends_with("given up after 8 attempts"),
        "{others:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_down_is_tried_by_one_call_at_growing_pauses() {
    const CONCURRENCY: usize = 4;
    let world = World::new("concurrency: 4").await;
    let faults = world.sandbox().salesforce().faults();
    faults.add(Fault::answer(503).on("GET", API).times(17));
    world.payments("acme", 0..30).await;
    world.settle().await;
    assert_eq!(world.others().await, Vec::<String>::new(), "all of them were carried out when it was back");
    let calls = world.sandbox().salesforce().calls();
    let failed: Vec<_> = calls.iter().filter(|call| call.status == Some(503)).cloned().collect();
    let first = failed.iter().filter(|call| call.at == failed[0].at).count();
    assert!(first < 10 + CONCURRENCY, "ten in a row pause it, beside those under way: {first}");
    let tries = pauses(&failed[first - 1..]);
    assert!(!tries.is_empty());
    for (pause, least) in tries.iter().zip([10, 20, 40, 80, 160, 320, 600, 600]) {
        assert!((least..=least + 3).contains(pause), "one call at a time, seldomer each time: {tries:?}");
    }
    let attempts: u32 = world.runs().await.iter().map(|run| run.attempts).sum();
    assert!(attempts < 10, "only what failed before it was paused has used up an attempt: {attempts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_come_no_faster_than_the_connection_allows() {
    // In real time: what is asked is how fast calls arrive.
    let world = World::of(&[("acme", "rate_limit: 10/s")], Arc::new(SystemClock)).await;
    world.payments("acme", 0..12).await;
    while world.unfinished("acme").await > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let calls = world.sandbox().salesforce().calls();
    let mut api: Vec<i64> = calls
        .iter()
        .filter(|call| call.path.starts_with("/services/data/"))
        .map(|call| call.at.as_millisecond())
        .collect();
    api.sort_unstable();
    // A burst of ten, then one each 100 ms; the first may be slow on its way.
    let (took, least) = (api[api.len() - 1] - api[0], 100 * (i64::try_from(api.len()).unwrap() - 10));
    assert!(api.len() >= 36 && took * 10 >= least * 8, "{} calls in {took} ms", api.len());
}
