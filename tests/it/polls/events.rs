//! Events that are asked for: `delivery: poll`.

use pretty_assertions::assert_eq;
use reqwest::StatusCode;

use super::world::{Polling, tasks};

const POLLED: &str = "{ stripe: { events: [customer.*], delivery: poll, every: 1s } }";

#[tokio::test(flavor = "multi_thread")]
async fn events_that_nobody_posted_are_found_in_their_order() {
    let mut world = Polling::with(&tasks(POLLED)).await;
    world.customer("before@x.example").await;
    world.start(&[]);
    world.a_poll().await;
    assert_eq!(world.runs().await, [], "what happened before the first poll starts nothing");
    let customer = world.customer("a@x.example").await;
    world.stripe("POST", &format!("customers/{customer}"), &[("email", "b@x.example")]).await;
    world.until_subjects(&["b@x.example"]).await;
    world.until_runs(2).await;
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_posted_as_well_runs_once() {
    let mut world = Polling::with(&tasks(POLLED)).await;
    world.start(&[]);
    world.a_poll().await;
    world.customer("a@x.example").await;
    world.until_runs(1).await;
    let stripe = world.sandbox().stripe();
    let event = stripe.records("event").pop().unwrap();
    let event = serde_json::to_value(&event).unwrap();
    let (status, receipt) = world.deliver(&event).await;
    assert_eq!((status, &receipt["duplicate"]), (StatusCode::OK, &serde_json::json!(true)));
    // And the other way round: what was posted first is not taken again.
    world.sandbox().stripe().hold_deliveries(true);
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_page_of_events_comes_oldest_first() {
    let mut world = Polling::with(&tasks(POLLED)).await;
    world.start(&[]);
    world.a_poll().await;
    world.kill();
    let customer = world.customer("0@x.example").await;
    for number in 1..150 {
        let email = format!("{number}@x.example");
        world.stripe("POST", &format!("customers/{customer}"), &[("email", &email)]).await;
    }
    world.start(&[]);
    world.until_runs(150).await;
    assert_eq!(world.subjects(), ["149@x.example"]);
}
