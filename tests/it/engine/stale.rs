//! What an event does that is older than one already applied to the same object.

use std::time::Duration;

use futures_util::FutureExt;
use lockstep::config::Stale;
use lockstep::engine::Incoming;
use lockstep::steps::Ending;
use pretty_assertions::assert_eq;

use super::world::{Log, Scripted, World, event, event_id};

/// Notes each event with whether its object was read anew.
fn noting(log: &Log, stale: Option<Stale>) -> Scripted {
    let log = log.clone();
    let sync = Scripted::new("sync", move |run, _, _| {
        log.push(format!("{} {}", event_id(run), run.event.object.get("fresh").unwrap()));
        std::future::ready(Ending::Succeeded).boxed()
    });
    Scripted { stale, ..sync }
}

#[tokio::test]
async fn a_stale_state_is_skipped_with_words() {
    let log = Log::default();
    let world = World::with(vec![noting(&log, None)]).await;
    world.accept(event("new", "cus_1", 60)).await;
    world.until_idle().await;
    world.accept(event("old", "cus_1", 0)).await;
    world.accept(event("other", "cus_2", 0)).await;
    world.until_states(&["succeeded", "skipped", "succeeded"]).await;
    assert_eq!(
        world.runs().await[1].reason,
        "a newer event about cus_1, of 2023-11-14T22:14:20Z, was applied already"
    );
    assert_eq!(log.lines(), ["new false", "other false"]);
}

#[tokio::test]
async fn a_stale_occurrence_is_applied() {
    let log = Log::default();
    let world = World::with(vec![noting(&log, None)]).await;
    world.accept(event("new", "cus_1", 60)).await;
    world.until_idle().await;
    world.accept(Incoming { occurrence: true, ..event("refund", "cus_1", 0) }).await;
    world.until_idle().await;
    assert_eq!(log.lines(), ["new false", "refund false"]);
}

#[tokio::test]
async fn a_stale_event_can_have_its_object_read_anew() {
    let log = Log::default();
    let world = World::with(vec![noting(&log, Some(Stale::Refetch))]).await;
    world.accept(event("new", "cus_1", 60)).await;
    world.until_idle().await;
    assert_eq!(world.crm.calls(), 0, "an event that is not stale tells enough");
    world.accept(event("old", "cus_1", 0)).await;
    world.until_states(&["succeeded", "succeeded"]).await;
    assert_eq!(log.lines(), ["new false", "old true"]);
    assert!(world.runs().await[1].reason.ends_with("; the object was read anew"));
}

#[tokio::test]
async fn a_dead_letter_that_is_tried_again_meets_the_stale_rule() {
    let log = Log::default();
    let noted = log.clone();
    let world = World::with(vec![Scripted::new("sync", move |run, _, _| {
        noted.push(event_id(run));
        let dead = event_id(run) == "old";
        std::future::ready(if dead {
            super::world::failed(lockstep::connector::Class::Permanent, None)
        } else {
            Ending::Succeeded
        })
        .boxed()
    })])
    .await;
    world.accept(event("old", "cus_1", 0)).await;
    world.until_states(&["dead"]).await;
    world.accept(event("new", "cus_1", 60)).await;
    world.until_states(&["dead", "succeeded"]).await;
    world.store.retry_dead(world.runs().await[0].id, super::world::start()).await.unwrap();
    world.passes(Duration::from_secs(1));
    world.until_states(&["skipped", "succeeded"]).await;
    assert_eq!(log.lines(), ["old", "new"]);
}
