//! One client's slow system holds up nobody else (invariant 3).

use std::time::Duration;

use futures_util::FutureExt;
use lockstep::engine::{Incoming, Limits};
use lockstep::steps::Ending;
use lockstep::store::{Outcome, RunFilter};
use pretty_assertions::assert_eq;

use super::world::{Gate, Scripted, World, event, runnables};

/// Stands still until the gate is open.
fn slow(gate: &Gate) -> Scripted {
    let gate = gate.clone();
    Scripted::new("sync", move |_, _, _| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Ending::Succeeded
        }
        .boxed()
    })
}

#[tokio::test]
async fn a_client_whose_system_hangs_holds_up_nobody_else() {
    let gate = Gate::shut();
    let limits = Limits { runs: 32, at_once: 8, ..Limits::default() };
    let all = runnables([("acme", vec![slow(&gate)]), ("globex", vec![Scripted::idle("sync")])]);
    let world = World::with_clients(all, limits).await;
    for number in 0..500 {
        world.accept(event(&format!("evt_{number}"), &format!("cus_{number}"), number)).await;
    }
    for number in 0..500 {
        let other = event(&format!("evt_{number}"), &format!("cus_{number}"), number);
        world.accept(Incoming { client: "globex".into(), ..other }).await;
    }
    world.until(async || world.ended(Outcome::Succeeded) == 500, || "all of globex".into()).await;
    assert_eq!(world.metric("lockstep_runs_running", ""), 8, "acme hangs, with what it may have at once");
    gate.open();
    world.until_idle().await;
    assert_eq!(world.ended(Outcome::Succeeded), 1_000);
}

#[tokio::test]
async fn clients_take_turns() {
    let gate = Gate::shut();
    let limits = Limits { runs: 2, ..Limits::default() };
    let all = runnables([("acme", vec![slow(&gate)]), ("globex", vec![slow(&gate)])]);
    let world = World::with_clients(all, limits).await;
    for number in 0..20 {
        let one = event(&format!("evt_{number}"), &format!("cus_{number}"), number);
        world.accept(one.clone()).await;
        world.accept(Incoming { client: "globex".into(), ..one }).await;
    }
    gate.open();
    world.until_idle().await;
    let runs = world.store.runs(RunFilter::default()).await.unwrap();
    assert_eq!(runs.len(), 40);
}

#[tokio::test]
async fn stopping_lets_runs_finish_and_begins_none() {
    let gate = Gate::shut();
    let limits = Limits { at_once: 1, ..Limits::default() };
    let world = World::with_clients(runnables([("acme", vec![slow(&gate)])]), limits).await;
    for id in ["a", "b"] {
        world.accept(event(id, id, 0)).await;
    }
    world.until(async || world.metric("lockstep_runs_running", "") == 1, || "one under way".into()).await;
    let stopping = world.engine.shutdown(Duration::from_mins(1));
    let opening = async {
        let refused = world.engine.accept(event("c", "c", 0)).await;
        assert_eq!(refused.unwrap_err().to_string(), "lockstep is being stopped");
        gate.open();
    };
    let (stopped, ()) = tokio::join!(stopping, opening);
    stopped.unwrap();
    let folder = std::sync::Arc::clone(&world.folder);
    drop(world);
    let store = super::world::open(folder.path());
    let runs = store.runs(RunFilter::default()).await.unwrap();
    let states: Vec<_> = runs.iter().rev().map(|run| run.state.word()).collect();
    assert_eq!(states, ["succeeded", "ready"]);
}
