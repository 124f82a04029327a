//! One client's dead CRM holds up nobody else (invariant 3).

use std::sync::Arc;
use std::time::Duration;

use lockstep::clock::SystemClock;
use lockstep::sandbox::Fault;
use pretty_assertions::assert_eq;

use super::world::{API, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_runs_of_one_client_end_while_those_of_another_hang() {
    // Far longer than the test takes: nobody is helped by a time-out.
    let clients = [("globex", "timeout: 5m"), ("acme", "")];
    let world = World::of(&clients, Arc::new(SystemClock)).await;
    let dead = world.sandbox_of("globex").salesforce();
    dead.faults().add(Fault::silence().on("GET", API).times(10_000));
    world.payments("globex", 0..120).await;
    // As many calls hang as the connection may have at once.
    let hanging = || dead.calls().iter().filter(|call| call.path.starts_with("/services/data/")).count();
    while hanging() < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.payments("acme", 0..40).await;
    while world.unfinished("acme").await > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.sandbox().salesforce().counts().creates["Task"], 40);
    assert_eq!((world.unfinished("globex").await, hanging()), (120, 20), "those still hang");
}
