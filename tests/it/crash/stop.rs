//! A process that is killed, and one that is asked to stop.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;
use pretty_assertions::assert_eq;
use reqwest::StatusCode;
use serde_json::Value;

use crate::world::{World, charge};

/// How many events are sent in the tests below.
const EVENTS: u32 = 1_000;

/// Sends these events, many at once; gives those that were acknowledged.
pub(super) async fn send(world: &World, numbers: impl IntoIterator<Item = u32>) -> BTreeSet<u32> {
    let deliveries = numbers.into_iter().map(|number| async move {
        let status = world.try_deliver(&charge("charge.succeeded", number)).await;
        (status == Some(StatusCode::OK)).then_some(number)
    });
    stream::iter(deliveries).buffer_unordered(32).filter_map(async |number| number).collect().await
}

pub(super) fn charges(world: &World) -> Vec<String> {
    let text = |task: &lockstep::value::Value| task.get("Stripe_Charge_Id__c").unwrap().to_text().unwrap();
    let mut charges: Vec<String> =
        world.sandbox().salesforce().records("Task").iter().map(|task| text(task).to_string()).collect();
    charges.sort_unstable();
    charges
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_a_thousand_events_loses_none_and_doubles_none() {
    // Invariants 1 and 2.
    let mut world = World::acme().await;
    let mut acknowledged = BTreeSet::new();
    let mut tasks_before = Vec::new();
    for third in 0..3 {
        let numbers = (EVENTS / 3 * third)..(EVENTS / 3 * (third + 1));
        acknowledged.append(&mut send(&world, numbers).await);
        // Some runs are done, some are under way, most have not begun.
        world.until("some tasks were written", async || charges(&world).len() > tasks_before.len()).await;
        tasks_before = charges(&world);
        world.kill();
        world.start(&[]);
    }
    // The sender sends again what was not acknowledged, and some of what was.
    let again = (0..EVENTS).filter(|number| !acknowledged.contains(number) || number % 10 == 0);
    acknowledged.append(&mut send(&world, again).await);
    assert_eq!(acknowledged.len(), EVENTS as usize);
    world.all_ended().await;
    let mut expected: Vec<String> = (0..EVENTS).map(|number| format!("ch_{number}")).collect();
    expected.sort_unstable();
    assert_eq!(charges(&world), expected);
    let outcomes = world.json(&["runs", "--limit", "10000"]);
    let of = |state: &str| {
        outcomes["runs"].as_array().unwrap().iter().filter(|run: &&Value| run["state"] == state).count()
    };
    assert_eq!((of("succeeded"), of("skipped")), (EVENTS as usize, EVENTS as usize));
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_it_finishes_what_is_under_way_and_the_next_start_does_the_rest() {
    let mut world = World::acme().await;
    let acknowledged = send(&world, 0..200).await;
    assert_eq!(acknowledged.len(), 200);
    assert_eq!(world.terminate(), Some(0));
    world.start(&[]);
    world.all_ended().await;
    assert_eq!(charges(&world).len(), 200);
}
