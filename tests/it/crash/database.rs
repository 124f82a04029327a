//! A database that goes away and comes back: nothing acknowledged that is not kept, 503 meanwhile, and the work goes on.

use std::collections::BTreeSet;

use pretty_assertions::assert_eq;
use reqwest::StatusCode;

use super::stop::{charges, send};
use crate::postgres::server::Stoppable;
use crate::world::{World, charge};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_is_told_to_senders_and_the_work_goes_on_when_it_is_back() {
    let mut server = tokio::task::spawn_blocking(|| Stoppable::start("")).await.unwrap();
    let store = server.server().database();
    let mut world = World::at_rest().await;
    world.start(&[("LOCKSTEP_STORE", &store)]);
    // It goes away in the middle of the work.
    let (acknowledged, ()) = tokio::join!(
        send(&world, 0..80),
        world.until("some tasks were written", async || charges(&world).len() > 5)
    );
    let mut acknowledged: BTreeSet<u32> = acknowledged;
    tokio::task::block_in_place(|| server.stop());
    let (status, answer) = world.deliver(&charge("charge.succeeded", 80)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    let (status, readiness) = world.admin("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let said = readiness["store"].as_str().unwrap().to_owned();
    assert!(said.contains("cannot be reached"), "{said}");

    tokio::task::block_in_place(|| server.start_again());
    let again: Vec<u32> = (0..100).filter(|number| !acknowledged.contains(number)).collect();
    for number in again {
        let event = charge("charge.succeeded", number);
        world.until("it is taken", async || world.deliver(&event).await.0 == StatusCode::OK).await;
        acknowledged.insert(number);
    }
    world.all_ended().await;
    let mut expected: Vec<String> = acknowledged.iter().map(|number| format!("ch_{number}")).collect();
    expected.sort_unstable();
    assert_eq!(charges(&world), expected);
}
