//! What an event does that is older than one already applied to the same object.

use std::time::Duration;

use futures_util::FutureExt;
use lockstep::config::Stale;
use lockstep::connector::Class;
use lockstep::engine::Incoming;
use lockstep::steps::{CallId, CallOutcome, Durability, Ending, Identity, Journal};
use lockstep::value::Value;
use pretty_assertions::assert_eq;

use super::world::{Log, Scripted, World, event, event_id, failed};

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
        std::future::ready(if dead { failed(Class::Permanent, None) } else { Ending::Succeeded }).boxed()
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

#[tokio::test]
async fn an_object_is_read_anew_in_every_attempt() {
    let log = Log::default();
    let noted = log.clone();
    let sync = Scripted::new("sync", move |run, _, _| {
        let fresh = run.event.object.get("fresh").unwrap();
        noted.push(format!("{} {} {fresh}", event_id(run), run.attempt));
        let fails = event_id(run) == "old" && run.attempt == 1;
        let ending = if fails { failed(Class::Transient, None) } else { Ending::Succeeded };
        std::future::ready(ending).boxed()
    });
    let world = World::with(vec![Scripted { stale: Some(Stale::Refetch), ..sync }]).await;
    world.accept(event("new", "cus_1", 60)).await;
    world.until_idle().await;
    world.accept(event("old", "cus_1", 0)).await;
    world.until_states(&["succeeded", "held"]).await;
    world.passes(Duration::from_secs(2));
    world.until_idle().await;
    assert_eq!(log.lines(), ["new 1 false", "old 1 true", "old 2 true"]);
}

#[tokio::test]
async fn events_of_one_second_are_decided_by_the_life_of_their_object_and_not_by_arrival() {
    // (created, rank) as they arrive -> which of them are applied.
    let cases = [
        // A paid invoice does not become open again.
        (vec![(0, 60), (0, 20)], vec!["0"]),
        (vec![(0, 20), (0, 60)], vec!["0", "1"]),
        // Of equal rank each is applied as it arrives.
        (vec![(0, 50), (0, 50)], vec!["0", "1"]),
        // A second later is later, whatever the rank.
        (vec![(0, 90), (1, 0)], vec!["0", "1"]),
        // An update that comes before its create.
        (vec![(0, 50), (0, 0)], vec!["0"]),
    ];
    for (arrivals, applied) in cases {
        let log = Log::default();
        let world = World::with(vec![noting(&log, None)]).await;
        for (number, (created, rank)) in arrivals.iter().enumerate() {
            let incoming = event(&number.to_string(), "in_1", *created);
            world.accept(Incoming { rank: *rank, ..incoming }).await;
            world.until_idle().await;
        }
        let seen: Vec<String> =
            log.lines().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(seen, applied, "{arrivals:?}");
    }
}

#[tokio::test]
async fn an_update_that_found_nothing_does_not_make_its_create_stale() {
    let log = Log::default();
    let noted = log.clone();
    let sync = Scripted::new("sync", move |run, _, _| {
        let id = event_id(run);
        let made = noted.lines().contains(&"created".to_owned());
        noted.push(id.clone());
        std::future::ready(if id == "updated" && !made { Ending::Missed } else { Ending::Succeeded }).boxed()
    });
    let world = World::with(vec![sync]).await;
    world.accept(event("updated", "cus_1", 5)).await;
    world.until_idle().await;
    world.accept(event("created", "cus_1", 0)).await;
    world.until_states(&["succeeded", "succeeded"]).await;
    assert_eq!(log.lines(), ["updated", "created"]);
    assert_eq!(world.runs().await[0].reason, "what it looked for is not there, and nothing was written");
}

/// Keeps that the run's first step has made something.
async fn has_written(journal: &dyn Journal) {
    let (call, key) = (CallId("0".into()), "cus_1".into());
    if journal.entry(&call).is_some() {
        return;
    }
    let identity = Identity { connection: "crm".into(), object: "Contact".into(), key };
    let outcome = CallOutcome {
        call,
        fingerprint: 1,
        result: Value::Null,
        audit: None,
        identified: vec![(identity, "con_1".into())],
        agreed: Vec::new(),
        durability: Durability::WithNextCommit,
    };
    journal.record(outcome).await.unwrap();
}

#[tokio::test]
async fn what_a_newer_run_has_written_half_way_is_not_written_over() {
    let sync = Scripted::new("sync", |run, _, journal| {
        async move {
            has_written(journal).await;
            if run.attempt == 1 { failed(Class::Transient, None) } else { Ending::Succeeded }
        }
        .boxed()
    });
    let world = World::with(vec![sync]).await;
    world.accept(event("new", "cus_1", 60)).await;
    world.until_states(&["held"]).await;
    world.accept(event("old", "cus_1", 0)).await;
    world.until_states(&["held", "skipped"]).await;
    world.passes(Duration::from_secs(2));
    world.until_states(&["succeeded", "skipped"]).await;
}

#[tokio::test]
async fn a_run_that_was_overtaken_while_it_waited_writes_nothing_more() {
    let log = Log::default();
    let noted = log.clone();
    let sync = Scripted::new("sync", move |run, _, journal| {
        let log = noted.clone();
        async move {
            log.push(event_id(run));
            has_written(journal).await;
            if event_id(run) == "new" {
                return Ending::Succeeded;
            }
            let (call, reason) = (CallId("1".into()), "no account yet".into());
            Ending::Waiting { call, reason, at_most: Duration::from_mins(1) }
        }
        .boxed()
    });
    let world = World::with(vec![sync]).await;
    world.accept(event("old", "cus_1", 0)).await;
    world.until_states(&["waiting"]).await;
    world.accept(event("new", "cus_1", 60)).await;
    world.until_states(&["waiting", "succeeded"]).await;
    world.passes(Duration::from_secs(5));
    world.until_states(&["skipped", "succeeded"]).await;
    assert_eq!(log.lines(), ["old", "new"]);
    assert!(world.runs().await[0].reason.ends_with("; what this run has done before stays"));
}
