//! A connection that is down is paused: runs wait for it without attempts, and it is tried now and then.

use std::time::Duration;

use futures_util::FutureExt;
use lockstep::connector::{Action, Call, Class, Failure, Gateway};
use lockstep::steps::Ending;
use lockstep::store::{CircuitState, RunState};
use pretty_assertions::assert_eq;

use super::world::{Scripted, World, event};

/// Creates a task, without a journal.
fn calling() -> Scripted {
    Scripted::new("sync", |run, gateway, _| {
        async move {
            match create(gateway, &super::world::event_id(run)).await {
                Ok(()) => Ending::Succeeded,
                Err(failure) => {
                    Ending::Failed { step: "1".into(), failure, connection: Some("crm".into()), retry: None }
                }
            }
        }
        .boxed()
    })
}

async fn create(gateway: &dyn Gateway, key: &str) -> Result<(), Failure> {
    let fields = [("key".into(), key.into())].into_iter().collect();
    gateway.call("acme", &Call::new("crm", Action::Create { object: "Task".into(), fields })).await.map(drop)
}

fn revoked() -> Failure {
    Failure::new(Class::ConnectionDown, "the key was revoked")
}

#[tokio::test]
async fn runs_wait_for_a_paused_connection_without_calls_and_attempts() {
    let world = World::with(vec![calling()]).await;
    world.crm.fails([revoked()]);
    for number in 0..50 {
        world.accept(event(&format!("evt_{number}"), &format!("cus_{number}"), number)).await;
        world
            .until(
                async || world.runs().await.iter().all(|run| run.state == RunState::Held),
                || "held".into(),
            )
            .await;
    }
    assert_eq!(world.crm.calls(), 1, "one found out, the others left it alone");
    let runs = world.runs().await;
    assert!(
        runs.iter().all(|run| run.attempts == 0 && run.connection.as_deref() == Some("crm")),
        "{runs:#?}"
    );
    assert_eq!(runs[7].reason, "step 1: connection `crm` is paused: the key was revoked");

    // The first try finds it still down, and the pause doubles.
    world.crm.fails([revoked()]);
    world.passes(Duration::from_secs(10));
    world.until(async || world.crm.calls() == 2, || "a try".into()).await;
    world
        .until(
            async || {
                let state = world.store.connections().await.unwrap().remove(0);
                matches!(state.circuit, CircuitState::Open { probes: 1, .. })
            },
            || "the pause has grown".into(),
        )
        .await;
    world.passes(Duration::from_secs(20));
    world.until_idle().await;
    assert_eq!(world.crm.tasks.lock().unwrap().len(), 50);
    assert_eq!(world.store.connections().await.unwrap()[0].circuit, CircuitState::Closed);
}

#[tokio::test]
async fn a_paused_connection_is_tried_at_once_after_a_start() {
    let world = World::with(vec![calling()]).await;
    world.crm.fails([revoked()]);
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until_states(&["held"]).await;
    let world = world.crash(vec![calling()]).await;
    world.until_states(&["succeeded"]).await;
    assert_eq!(world.crm.calls(), 2);
}

#[tokio::test]
async fn runs_that_do_not_need_a_paused_connection_go_on() {
    let world = World::with(vec![Scripted::idle("another"), calling()]).await;
    world.crm.fails([revoked()]);
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until_states(&["succeeded", "held"]).await;
}
