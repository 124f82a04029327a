//! lockstep's reports about its own work start pipelines too.

use std::time::Duration;

use futures_util::FutureExt;
use lockstep::config::{LockstepEvent, LockstepTrigger, Rate};
use lockstep::connector::Class;
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
    world.passes(Duration::from_mins(10));
    world.accept(event("late", "cus_9", 9)).await;
    world.until_states(&["dead"; 8]).await;
    assert_eq!(log.lines(), ["sync | step 1: no | 0", "sync | step 1: no | 4"]);
}

#[tokio::test]
async fn nobody_is_told_of_what_went_well() {
    let log = Log::default();
    let world = World::with(vec![Scripted::idle("sync"), alert(&log, None)]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until_idle().await;
    assert_eq!((world.states().await, log.lines()), (vec!["succeeded"], vec![]));
}
