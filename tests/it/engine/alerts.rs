//! lockstep's reports about its own work start pipelines too.

use std::time::Duration;

use futures_util::FutureExt;
use lockstep::config::{LockstepEvent, LockstepTrigger, Rate};
use lockstep::connector::Class;
use lockstep::engine::Incoming;
use lockstep::store::Accepted;
use lockstep::value::Value;
use pretty_assertions::assert_eq;

use super::world::{Log, Scripted, World, event, failed};

fn failing() -> Scripted {
    Scripted::new("sync", |_, _, _| std::future::ready(failed(Class::Permanent, None)).boxed())
}

/// Notes what it is told, and then fails itself.
fn alert(log: &Log, at_most: Option<Rate>) -> Scripted {
    let log = log.clone();
    let alert = Scripted::new("alert", move |run, _, _| {
        let object = &run.event.object;
        let told = ["pipeline", "reason", "grouped"].map(|key| object.get(key).unwrap().to_string());
        log.push(told.join(" | "));
        std::future::ready(failed(Class::Permanent, None)).boxed()
    });
    let events = vec![LockstepEvent::RunDead, LockstepEvent::RunConflict];
    Scripted { listens: Some(LockstepTrigger { events, at_most }), ..alert }
}

#[tokio::test]
async fn a_dead_letter_is_reported_once_and_the_report_of_a_report_never() {
    let log = Log::default();
    let world = World::with(vec![failing(), alert(&log, None)]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until_states(&["dead", "dead"]).await;
    assert_eq!(log.lines(), ["sync | step 1: no | 0"]);
    world.accept(event("evt_2", "cus_2", 0)).await;
    world.until_states(&["dead", "dead", "dead", "dead"]).await;
    assert_eq!(log.lines().len(), 2);
}

#[tokio::test]
async fn at_most_groups_what_comes_too_often() {
    let log = Log::default();
    let rate = Rate { count: 1, per: Duration::from_mins(10) };
    let world = World::with(vec![failing(), alert(&log, Some(rate))]).await;
    for number in 0..5 {
        world.accept(event(&format!("evt_{number}"), &format!("cus_{number}"), number)).await;
    }
    world.until_states(&["dead"; 6]).await;
    // When the time is over the last of them is told, and how many others there were.
    world.passes(Duration::from_mins(10));
    world.until_states(&["dead"; 7]).await;
    assert_eq!(log.lines(), ["sync | step 1: no | 0", "sync | step 1: no | 3"]);
    // That counts as the one of the next ten minutes.
    world.accept(event("late", "cus_9", 9)).await;
    world.until_states(&["dead"; 8]).await;
    world.passes(Duration::from_mins(10));
    world.until_states(&["dead"; 9]).await;
    assert_eq!(log.lines()[2..], ["sync | step 1: no | 0"]);
}

#[tokio::test]
async fn what_was_grouped_is_told_after_a_crash_too() {
    let log = Log::default();
    let rate = Rate { count: 1, per: Duration::from_mins(10) };
    let world = World::with(vec![failing(), alert(&log, Some(rate))]).await;
    for number in 0..4 {
        world.accept(event(&format!("evt_{number}"), &format!("cus_{number}"), number)).await;
    }
    world.until_states(&["dead"; 5]).await;
    let world = world.crash(vec![failing(), alert(&log, Some(rate))]).await;
    world.accept(event("evt_9", "cus_9", 9)).await;
    world.until_states(&["dead"; 6]).await;
    assert_eq!(log.lines().len(), 1, "the window is still the same one");
    let world = world.crash_for(Duration::from_mins(11), vec![failing(), alert(&log, Some(rate))]).await;
    world.until_states(&["dead"; 7]).await;
    assert_eq!(log.lines(), ["sync | step 1: no | 0", "sync | step 1: no | 3"]);
}

#[tokio::test]
async fn what_ends_while_it_is_taken_in_is_reported_and_counted_too() {
    let log = Log::default();
    let world = World::with(vec![Scripted::idle("sync"), alert(&log, None)]).await;
    let foreign =
        || Incoming { unfit: Some("it is of another account".into()), ..event("evt_1", "cus_1", 0) };
    world.accept(foreign()).await;
    let bad = Value::map([("bad_key", true.into())]);
    world.accept(Incoming { event: bad, ..event("evt_2", "cus_1", 0) }).await;
    let lines = async || {
        let mut lines = log.lines();
        lines.sort_unstable();
        lines
    };
    world.until(async || log.lines().len() == 2, || "two alerts".into()).await;
    assert_eq!(
        lines().await,
        [
            " | it is of another account | 0",
            "sync | its order key cannot be computed: `object.customer` is not there | 0",
        ]
    );
    // A delivery that comes twice tells nothing new.
    assert_eq!(world.accept(foreign()).await, Accepted::Duplicate);
    world.until_idle().await;
    assert_eq!(log.lines().len(), 2);
    assert_eq!(world.metric("lockstep_events_ended_total", "outcome=\"conflict\""), 1);
    assert_eq!(world.metric("lockstep_runs_ended_total", "pipeline=\"sync\",outcome=\"dead\""), 1);
}

#[tokio::test]
async fn nobody_is_told_of_what_went_well() {
    let log = Log::default();
    let world = World::with(vec![Scripted::idle("sync"), alert(&log, None)]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until_idle().await;
    assert_eq!((world.states().await, log.lines()), (vec!["succeeded"], vec![]));
}
