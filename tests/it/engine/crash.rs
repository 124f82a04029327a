//! After a crash everything goes on from its journal: nothing is lost, nothing is done twice (invariants 2 and 9).

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use lockstep::connector::{Action, Call, Class, Failure, Gateway, Select};
use lockstep::engine::Incoming;
use lockstep::steps::{
    CallId, CallOutcome, Durability, Ending, EntryState, Grant, Identity, Intent, Journal, RunInput,
};
use lockstep::value::Value;
use pretty_assertions::assert_eq;

use super::world::{Gate, Log, Scripted, World, event, event_id, failed};

/// Creates one task an event, as the verb `create` does: from the journal, else looked up, else created.
async fn create_once(run: &RunInput, gateway: &dyn Gateway, journal: &dyn Journal) -> Result<(), Ending> {
    let call = CallId("0".into());
    let key: Arc<str> = event_id(run).into();
    let intended = match journal.entry(&call).map(|entry| entry.state) {
        Some(EntryState::Done(_)) => return Ok(()),
        Some(EntryState::Intended) => true,
        None => false,
    };
    let identity = Identity { connection: "crm".into(), object: "Task".into(), key: Arc::clone(&key) };
    let intent = Intent { call: call.clone(), fingerprint: 1, identities: vec![identity.clone()] };
    let granted = journal.intend(intent).await;
    match granted.map_err(|error| Ending::Interrupted { reason: error.to_string() })? {
        Grant::Held => return Err(Ending::Held { call }),
        Grant::Granted => {}
    }
    let fields: lockstep::connector::Fields = [("key".into(), Value::from(key))].into_iter().collect();
    let object: Arc<str> = "Task".into();
    let find = Action::Find {
        object: Arc::clone(&object),
        identity: fields.clone(),
        select: Select::default(),
        limit: 2,
    };
    let found =
        if intended { ask(gateway, find).await?.records.first().and_then(|it| it.id.clone()) } else { None };
    let id = match found {
        Some(id) => id,
        None => ask(gateway, Action::Create { object, fields }).await?.id.unwrap(),
    };
    let outcome = CallOutcome {
        call,
        fingerprint: 1,
        result: Value::from(Arc::clone(&id)),
        audit: None,
        identified: vec![(identity, id)],
        agreed: Vec::new(),
        durability: Durability::BeforeGoingOn,
    };
    journal.record(outcome).await.map_err(|error| Ending::Interrupted { reason: error.to_string() })
}

async fn ask(gateway: &dyn Gateway, action: Action) -> Result<lockstep::connector::Reply, Ending> {
    let asked = gateway.call("acme", &Call::new("crm", action)).await;
    asked.map_err(|failure: Failure| Ending::Failed {
        step: "1".into(),
        failure,
        connection: Some("crm".into()),
        retry: None,
    })
}

/// Creates, then waits at the gate, if there is one.
fn creating(gate: Option<Gate>) -> Scripted {
    Scripted::new("sync", move |run, gateway, journal| {
        let gate = gate.clone();
        async move {
            if let Err(ending) = create_once(run, gateway, journal).await {
                return ending;
            }
            if let Some(gate) = gate {
                gate.pass().await;
            }
            Ending::Succeeded
        }
        .boxed()
    })
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_looked_up_and_not_repeated() {
    let world = World::with(vec![creating(None)]).await;
    *world.crm.silent.lock().unwrap() = true;
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until(async || world.crm.tasks.lock().unwrap().len() == 1, || "the task".into()).await;
    let world = world.crash(vec![creating(None)]).await;
    world.until_states(&["succeeded"]).await;
    assert_eq!(world.crm.tasks.lock().unwrap().len(), 1);
    assert_eq!(world.crm.calls(), 2, "a create, and a look");
}

#[tokio::test]
async fn an_outcome_that_is_journalled_is_not_executed_again() {
    let gate = Gate::shut();
    let world = World::with(vec![creating(Some(gate))]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    let journalled = async || {
        let run = world.store.run(lockstep::store::RunId(1)).await.unwrap().unwrap();
        run.calls.first().is_some_and(|call| call.result.is_some())
    };
    world.until(journalled, || "a journalled outcome".into()).await;
    let world = world.crash(vec![creating(None)]).await;
    world.until_states(&["succeeded"]).await;
    assert_eq!(world.crm.calls(), 1);
}

#[tokio::test]
async fn what_was_accepted_and_never_begun_is_carried_out_after_a_crash() {
    let gate = Gate::shut();
    let world = World::with(vec![creating(Some(gate))]).await;
    for number in 0..300 {
        world.accept(event(&format!("evt_{number}"), &format!("cus_{}", number % 40), number)).await;
    }
    let mut world = world;
    // Twice, at moments that nobody chose.
    for _ in 0..2 {
        let calls = world.crm.calls();
        world = world.crash(vec![creating(Some(Gate::shut()))]).await;
        world.until(async || world.crm.calls() > calls || calls > 39, || "some progress".into()).await;
    }
    let world = world.crash(vec![creating(None)]).await;
    world.until_idle().await;
    let mut keys: Vec<String> =
        world.crm.tasks.lock().unwrap().iter().map(|task| task.get("key").unwrap().to_string()).collect();
    keys.sort_unstable();
    let mut wanted: Vec<String> = (0..300).map(|number| format!("evt_{number}")).collect();
    wanted.sort_unstable();
    assert_eq!(keys, wanted, "each once");
}

#[tokio::test]
async fn two_runs_that_create_one_record_take_turns() {
    let both = |name: &str| {
        Scripted::new(name, |_, gateway, journal| {
            async move {
                // One identity, whatever the event.
                let event = lockstep::steps::EventInput {
                    envelope: Value::map([("id", Value::from("the same"))]),
                    ..Default::default()
                };
                let run = RunInput {
                    id: "x".into(),
                    attempt: 1,
                    spent: lockstep::steps::Spent::default(),
                    resumed: false,
                    began: super::world::start(),
                    now: super::world::start(),
                    event: Arc::new(event),
                };
                create_if_unknown(&run, gateway, journal).await
            }
            .boxed()
        })
    };
    let world = World::with(vec![both("one"), both("two")]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    world
        .until(
            async || {
                world.passes(std::time::Duration::from_secs(1));
                world.store.counts().await.unwrap().unfinished.is_empty()
            },
            || "both".into(),
        )
        .await;
    assert_eq!(world.states().await, ["succeeded", "succeeded"]);
    assert_eq!(world.crm.tasks.lock().unwrap().len(), 1);
}

/// Wins the identity first, then looks again, as a create has to.
async fn create_if_unknown(run: &RunInput, gateway: &dyn Gateway, journal: &dyn Journal) -> Ending {
    let key: Arc<str> = event_id(run).into();
    let identity = Identity { connection: "crm".into(), object: "Task".into(), key };
    let intent = Intent { call: CallId("0".into()), fingerprint: 1, identities: vec![identity.clone()] };
    match journal.intend(intent).await {
        Ok(Grant::Granted) => {}
        Ok(Grant::Held) => return Ending::Held { call: CallId("0".into()) },
        Err(error) => return Ending::Interrupted { reason: error.to_string() },
    }
    if journal.known(&identity).await.unwrap().is_some() {
        return Ending::Succeeded;
    }
    match create_once(run, gateway, journal).await {
        Ok(()) => Ending::Succeeded,
        Err(ending) => ending,
    }
}

#[tokio::test]
async fn a_run_that_has_begun_does_not_go_on_with_another_version() {
    let gate = Gate::shut();
    let world = World::with(vec![creating(Some(gate))]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until(async || world.crm.calls() == 1, || "the create".into()).await;
    let newer = Scripted { version: "v2".into(), ..creating(None) };
    let world = world.crash(vec![newer]).await;
    world.until_states(&["dead"]).await;
    assert_eq!(
        world.runs().await[0].reason,
        "step pipeline: pipeline `sync` was changed, and the version that this run has begun with is not on the shelf"
    );
}

#[tokio::test]
async fn a_run_that_has_begun_has_its_version_fetched_after_a_crash() {
    // Invariant 6; a store that cannot tell just now is asked again.
    let gate = Gate::shut();
    let world = World::with(vec![creating(Some(gate))]).await;
    for number in 0..3 {
        world.accept(event(&format!("evt_{number}"), &format!("cus_{number}"), 0)).await;
    }
    world.until(async || world.crm.calls() == 3, || "the creates".into()).await;
    world.shelf.put(creating(None), 1);
    let newer = Scripted::new("sync", |_, _, _| async { panic!("the new version") }.boxed());
    let world = world.crash(vec![Scripted { version: "v2".into(), ..newer }]).await;
    world
        .until(
            async || {
                world.passes(Duration::from_secs(1));
                world.store.counts().await.unwrap().unfinished.is_empty()
            },
            || "all".into(),
        )
        .await;
    assert_eq!(world.states().await, ["succeeded", "succeeded", "succeeded"]);
    assert_eq!(world.crm.tasks.lock().unwrap().len(), 3);
    assert_eq!(world.shelf.asked(), 2, "what was fetched stays at hand");
}

#[tokio::test]
async fn a_run_that_has_begun_finishes_with_its_version_when_that_is_at_hand() {
    let gate = Gate::shut();
    let held = Scripted::new("sync", {
        let gate = gate.clone();
        move |run, gateway, journal| {
            let gate = gate.clone();
            async move {
                if let Err(ending) = create_once(run, gateway, journal).await {
                    return ending;
                }
                gate.pass().await;
                if run.attempt == 1 {
                    super::world::failed(Class::Transient, None)
                } else {
                    Ending::Succeeded
                }
            }
            .boxed()
        }
    });
    let world = World::with(vec![held]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until(async || world.crm.calls() == 1, || "the create".into()).await;
    let newer = Scripted::new("sync", |_, _, _| async { panic!("the new version") }.boxed());
    world
        .engine
        .replace(&super::world::runnables([("acme", vec![Scripted { version: "v2".into(), ..newer }])]));
    gate.open();
    world.until_states(&["held"]).await;
    world.passes(std::time::Duration::from_secs(2));
    world.until_states(&["succeeded"]).await;
}

/// Notes which events it was run for; the first time, `first` fails.
fn failing_once(log: &Log) -> Scripted {
    let log = log.clone();
    Scripted::new("sync", move |run, _, _| {
        let event = event_id(run);
        let fails = event == "first" && !log.lines().contains(&event);
        log.push(event);
        let ending = if fails { failed(Class::Transient, None) } else { Ending::Succeeded };
        std::future::ready(ending).boxed()
    })
}

#[tokio::test]
async fn who_stood_behind_a_held_run_follows_it_although_that_one_was_due_at_the_start() {
    let log = Log::default();
    let world = World::with(vec![failing_once(&log)]).await;
    world.accept(event("first", "cus_1", 1)).await;
    world.until_states(&["held"]).await;
    world.accept(event("second", "cus_1", 2)).await;
    world.until_states(&["held", "blocked"]).await;
    let world = world.crash_for(Duration::from_hours(1), vec![failing_once(&log)]).await;
    world.until_states(&["succeeded", "succeeded"]).await;
    assert_eq!(log.lines(), ["first", "first", "second"]);
}

#[tokio::test]
async fn an_intent_of_a_step_that_is_gone_blocks_nobody() {
    // The first version loses the answer of its create and then dies; the mended one has no such step.
    let losing = Scripted::new("one", |run, gateway, journal| {
        async move {
            match create_once(run, gateway, journal).await {
                Ok(()) => Ending::Succeeded,
                Err(_) => failed(Class::Permanent, None),
            }
        }
        .boxed()
    });
    let world = World::with(vec![losing]).await;
    world.crm.fails([Failure::new(Class::Unknown, "the answer was lost")]);
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until_states(&["dead"]).await;
    let dead = world.runs().await[0].id;
    let without = Scripted { version: "v2".into(), ..Scripted::held_back("one") };
    let other = Scripted { name: "two".into(), ..creating(None) };
    let world = world.crash(vec![without, other]).await;
    world.store.retry_dead(dead, lockstep::clock::Clock::now(&*world.clock)).await.unwrap();
    world.engine.wake();
    world.until(async || world.metric("lockstep_runs_running", "") == 1, || "the retry".into()).await;
    // The same identity, of another pipeline's run.
    let same = Incoming { id: "evt_2".into(), ..event("evt_1", "cus_2", 1) };
    world.accept(Incoming { kind: "only.two".into(), ..same }).await;
    world
        .until(
            async || world.crm.tasks.lock().unwrap().len() == 1,
            || "the create of the other pipeline".into(),
        )
        .await;
}

#[tokio::test]
async fn a_run_does_not_end_as_done_while_the_store_has_refused_a_part_of_it() {
    let world = World::with(vec![Scripted::new("sync", |run, _, journal| {
        async move {
            let outcome = || CallOutcome {
                call: CallId("0".into()),
                fingerprint: 1,
                result: Value::from(event_id(run)),
                audit: None,
                identified: Vec::new(),
                agreed: Vec::new(),
                durability: Durability::WithNextCommit,
            };
            if journal.entry(&outcome().call).is_none() {
                // Both are only queued; the store takes the first and refuses the second.
                for _ in 0..2 {
                    journal.record(outcome()).await.unwrap();
                }
            }
            Ending::Succeeded
        }
        .boxed()
    })])
    .await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    world.until_states(&["held"]).await;
    let reason = &world.runs().await[0].reason;
    assert!(reason.contains("journalled already"), "{reason}");
    world.passes(Duration::from_secs(2));
    world.until_states(&["succeeded"]).await;
}
