//! What a failure leads to, and what ends as a dead letter.

use std::time::Duration;

use futures_util::FutureExt;
use lockstep::config::{Backoff, RetryFile};
use lockstep::connector::Class;
use lockstep::engine::Incoming;
use lockstep::steps::{CallId, Ending, StepRetry};
use lockstep::store::{Accepted, Outcome};
use pretty_assertions::assert_eq;

use super::world::{Log, Scripted, World, event, failed};

/// Ends as `endings` say, attempt by attempt, and as succeeded after them.
fn ending(endings: &'static [(Class, Option<u64>)], log: &Log) -> Scripted {
    let log = log.clone();
    Scripted::new("sync", move |run, _, _| {
        let executions = log.lines().len();
        log.push(format!("attempt {}", run.attempt));
        let ending = endings
            .get(executions)
            .map_or(Ending::Succeeded, |(class, wait)| failed(*class, wait.map(Duration::from_secs)));
        std::future::ready(ending).boxed()
    })
}

#[tokio::test]
async fn a_duplicate_event_runs_once() {
    let log = Log::default();
    let world = World::with(vec![ending(&[], &log)]).await;
    assert!(matches!(world.accept(event("evt_1", "cus_1", 0)).await, Accepted::New { .. }));
    assert_eq!(world.accept(event("evt_1", "cus_1", 0)).await, Accepted::Duplicate);
    world.until_idle().await;
    assert_eq!(world.accept(event("evt_1", "cus_1", 0)).await, Accepted::Duplicate);
    assert_eq!(log.lines(), ["attempt 1"]);
}

#[tokio::test]
async fn a_throttled_run_waits_as_long_as_it_is_asked_and_uses_up_no_attempt() {
    let log = Log::default();
    let world = World::with(vec![ending(&[(Class::Throttled, Some(30))], &log)]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until_states(&["held"]).await;
    world.passes(Duration::from_secs(29));
    world.accept(event("later", "cus_2", 0)).await;
    world.until_states(&["held", "succeeded"]).await;
    // 30 s, and a tenth more so that not all come back at one moment.
    world.passes(Duration::from_secs(4));
    world.until_idle().await;
    assert_eq!(log.lines(), ["attempt 1", "attempt 1", "attempt 1"]);
}

#[tokio::test]
async fn a_run_that_has_used_up_its_attempts_is_a_dead_letter_that_can_be_tried_again() {
    let log = Log::default();
    let world = World::with(vec![ending(&[(Class::Transient, None); 4], &log)]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    for pause in [2, 4, 8] {
        world.until_states(&["held"]).await;
        let seen = log.lines().len();
        world.passes(Duration::from_secs(pause));
        world.until(async || log.lines().len() > seen, || "the next attempt".into()).await;
    }
    world.until_states(&["dead"]).await;
    let run = world.runs().await.remove(0);
    assert_eq!((run.reason.as_str(), run.attempts), ("step 1: no; given up after 4 attempts", 4));
    world.store.retry_dead(run.id, lockstep::clock::Clock::now(&*world.clock)).await.unwrap();
    world.engine.wake();
    world.until_states(&["succeeded"]).await;
    assert_eq!(log.lines(), ["attempt 1", "attempt 2", "attempt 3", "attempt 4", "attempt 1"]);
}

#[tokio::test]
async fn an_event_that_nothing_listens_for_ends_at_once_with_words() {
    let world = World::with(vec![Scripted::idle("sync")]).await;
    world.accept(Incoming { kind: "ignored.kind".into(), ..event("evt_1", "cus_1", 0) }).await;
    let unfit = Some("it is of another account".to_owned());
    world.accept(Incoming { unfit, ..event("evt_2", "cus_1", 0) }).await;
    assert_eq!(world.runs().await, []);
    let events = world.store.events(lockstep::store::EventFilter::default()).await.unwrap();
    let ended: Vec<_> = events.into_iter().rev().map(|event| event.ended.unwrap()).collect();
    assert_eq!(
        ended,
        [
            (Outcome::Skipped, "no pipeline of this client listens for ignored.kind".to_owned()),
            (Outcome::Conflict, "it is of another account".to_owned()),
        ]
    );
}

#[tokio::test]
async fn an_order_key_that_cannot_be_computed_is_a_dead_letter() {
    let world = World::with(vec![Scripted::idle("sync")]).await;
    let bad = lockstep::value::Value::map([("bad_key", true.into())]);
    world.accept(Incoming { event: bad, ..event("evt_1", "cus_1", 0) }).await;
    let run = world.runs().await.remove(0);
    assert_eq!(run.state.word(), "dead");
    assert_eq!(run.reason, "its order key cannot be computed: `object.customer` is not there");
}

#[tokio::test]
async fn a_conflict_keeps_its_candidates() {
    let candidates = || vec![lockstep::value::Value::from("001A"), lockstep::value::Value::from("001B")];
    let world = World::with(vec![Scripted::new("sync", move |_, _, _| {
        let reason = "two accounts with one e-mail".into();
        std::future::ready(Ending::Conflict { reason, candidates: candidates() }).boxed()
    })])
    .await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until_states(&["conflict"]).await;
    let run = world.runs().await.remove(0);
    assert_eq!((run.reason.as_str(), run.candidates), ("two accounts with one e-mail", candidates()));
}

#[tokio::test]
async fn a_bug_in_one_run_is_contained_to_it() {
    let world = World::with(vec![Scripted::new("sync", |run, _, _| {
        let broken = super::world::event_id(run) == "broken";
        async move {
            assert!(!broken, "an index out of bounds");
            Ending::Succeeded
        }
        .boxed()
    })])
    .await;
    world.accept(event("broken", "cus_1", 0)).await;
    world.accept(event("sound", "cus_1", 1)).await;
    world.until_states(&["dead", "succeeded"]).await;
    assert!(world.runs().await[0].reason.contains("a bug of lockstep"), "{}", world.runs().await[0].reason);
}

#[tokio::test]
async fn an_event_for_an_unknown_client_is_refused() {
    let world = World::with(vec![Scripted::idle("sync")]).await;
    let refused =
        world.engine.accept(Incoming { client: "globex".into(), ..event("evt_1", "cus_1", 0) }).await;
    assert_eq!(refused.unwrap_err().to_string(), "client `globex` has no pipelines that can run");
}

/// Fails four times: three times in its first step, then in its second, which has a rule of its own.
fn two_steps(log: &Log) -> Scripted {
    let log = log.clone();
    Scripted::new("sync", move |_, _, _| {
        let before = log.lines().len();
        log.push(format!("execution {before}"));
        let mut ending = failed(Class::Transient, None);
        if let Ending::Failed { retry, .. } = &mut ending
            && before >= 3
        {
            let rule = RetryFile { attempts: 2, backoff: Backoff::default() };
            *retry = Some(StepRetry { call: CallId("1".into()), rule });
        }
        std::future::ready(ending).boxed()
    })
}

#[tokio::test]
async fn a_step_with_a_rule_of_its_own_counts_its_own_attempts_through_a_restart_too() {
    let log = Log::default();
    let world = World::with(vec![two_steps(&log)]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    for pause in [2, 4, 8] {
        world.until_states(&["held"]).await;
        let seen = log.lines().len();
        world.passes(Duration::from_secs(pause));
        world.until(async || log.lines().len() > seen, || "the next attempt".into()).await;
    }
    world.until(async || world.runs().await[0].attempts == 4, || "the fourth failure is kept".into()).await;
    let world = world.crash_for(Duration::from_secs(2), vec![two_steps(&log)]).await;
    world.until_states(&["dead"]).await;
    let run = world.runs().await.remove(0);
    assert_eq!((run.reason.as_str(), run.attempts), ("step 1: no; given up after 2 attempts", 5));
}
