//! Runs of one lane and key go one at a time, oldest first; others go beside them (invariant 3).

use std::time::Duration;

use futures_util::FutureExt;
use lockstep::connector::Class;
use lockstep::engine::Limits;
use lockstep::store::Outcome;
use pretty_assertions::assert_eq;

use super::world::{Gate, Log, Scripted, World, event, event_id, failed, runnables};

/// Notes each beginning and end, and goes on only when the gate is open.
fn noting(name: &str, log: &Log, gate: &Gate) -> Scripted {
    let (log, gate) = (log.clone(), gate.clone());
    Scripted::new(name, move |run, _, _| {
        let (log, gate) = (log.clone(), gate.clone());
        async move {
            log.push(format!("{} begins", event_id(run)));
            gate.pass().await;
            log.push(format!("{} ends", event_id(run)));
            lockstep::steps::Ending::Succeeded
        }
        .boxed()
    })
}

#[tokio::test]
async fn runs_of_one_key_go_one_at_a_time_oldest_first() {
    let (log, gate) = (Log::default(), Gate::shut());
    let world = World::with(vec![noting("sync", &log, &gate)]).await;
    world.accept(event("first", "cus_1", 30)).await;
    world.until(async || log.lines() == ["first begins"], || "the first begins".into()).await;
    // These come in while it is under way, in the wrong order.
    for (id, created) in [("youngest", 50), ("oldest", 10), ("middle", 40)] {
        world.accept(event(id, "cus_1", created)).await;
    }
    gate.open();
    world.until_idle().await;
    let begins: Vec<String> = log.lines().into_iter().filter(|line| line.ends_with("begins")).collect();
    assert_eq!(begins[0], "first begins");
    assert_eq!(begins.len(), 3, "the oldest is stale by now, and is skipped");
    assert_eq!(begins[1..], ["middle begins", "youngest begins"]);
    assert_eq!(world.states().await, ["succeeded", "succeeded", "skipped", "succeeded"]);
    for pair in log.lines().chunks(2) {
        assert_eq!(pair[0].split(' ').next(), pair[1].split(' ').next(), "one at a time: {:?}", log.lines());
    }
}

#[tokio::test]
async fn events_of_one_moment_go_by_their_rank() {
    let (log, gate) = (Log::default(), Gate::shut());
    let world = World::with(vec![noting("sync", &log, &gate)]).await;
    world.accept(event("first", "cus_1", 0)).await;
    for (id, rank) in [("deleted", 90), ("created", 10), ("updated", 50)] {
        world.accept(lockstep::engine::Incoming { rank, ..event(id, "cus_1", 5) }).await;
    }
    gate.open();
    world.until_idle().await;
    let ends: Vec<String> = log.lines().into_iter().filter(|line| line.ends_with("ends")).collect();
    assert_eq!(ends, ["first ends", "created ends", "updated ends", "deleted ends"]);
}

#[tokio::test]
async fn runs_of_different_keys_go_beside_each_other() {
    let (log, gate) = (Log::default(), Gate::shut());
    let world = World::with(vec![noting("sync", &log, &gate)]).await;
    for id in ["a", "b", "c"] {
        world.accept(event(id, id, 0)).await;
    }
    world.until(async || log.lines().len() == 3, || "all three under way".into()).await;
    gate.open();
    world.until_idle().await;
}

#[tokio::test]
async fn pipelines_of_one_lane_share_their_order() {
    let (log, gate) = (Log::default(), Gate::shut());
    let world = World::with(vec![
        noting("customers", &log, &gate).in_lane("shared"),
        noting("payments", &log, &gate).in_lane("shared"),
    ])
    .await;
    world.accept(event("one", "cus_1", 0)).await;
    world.until(async || log.lines().len() == 1, || "one under way".into()).await;
    gate.open();
    world.until_idle().await;
    assert_eq!(log.lines(), ["one begins", "one ends", "one begins", "one ends"]);
}

#[tokio::test]
async fn a_failing_head_holds_its_lane_and_no_other() {
    let log = Log::default();
    let noted = log.clone();
    let sync = Scripted::new("sync", move |run, _, _| {
        noted.push(format!("{} {}", event_id(run), run.attempt));
        let fails = event_id(run) == "head" && run.attempt < 3;
        std::future::ready(if fails {
            failed(Class::Transient, None)
        } else {
            lockstep::steps::Ending::Succeeded
        })
        .boxed()
    });
    let world = World::with(vec![sync]).await;
    world.accept(event("head", "cus_1", 0)).await;
    world.until_states(&["held"]).await;
    world.accept(event("behind", "cus_1", 5)).await;
    world.accept(event("elsewhere", "cus_2", 5)).await;
    world.until_states(&["held", "blocked", "succeeded"]).await;
    world.passes(Duration::from_secs(2));
    world.until(async || log.lines().contains(&"head 2".to_owned()), || "the second attempt".into()).await;
    world.until_states(&["held", "blocked", "succeeded"]).await;
    world.passes(Duration::from_secs(4));
    world.until_idle().await;
    assert_eq!(log.lines(), ["head 1", "elsewhere 1", "head 2", "head 3", "behind 1"]);
}

#[tokio::test]
async fn a_dead_head_releases_its_lane() {
    let sync = Scripted::new("sync", |run, _, _| {
        let dead = event_id(run) == "head";
        std::future::ready(if dead {
            failed(Class::Permanent, None)
        } else {
            lockstep::steps::Ending::Succeeded
        })
        .boxed()
    });
    let world = World::with(vec![sync]).await;
    for (id, created) in [("head", 0), ("behind", 1)] {
        world.accept(event(id, "cus_1", created)).await;
    }
    world.until_states(&["dead", "succeeded"]).await;
    assert_eq!(world.runs().await[0].reason, "step 1: no");
}

#[tokio::test]
async fn a_waiting_run_leaves_its_lane_and_comes_back() {
    let world = World::with(vec![Scripted::new("sync", |run, _, _| {
        let waits = event_id(run) == "ahead" && run.event.object.get("id").is_some();
        std::future::ready(if waits {
            lockstep::steps::Ending::Waiting {
                call: lockstep::steps::CallId("0".into()),
                reason: "no account yet".into(),
                at_most: Duration::from_mins(1),
            }
        } else {
            lockstep::steps::Ending::Succeeded
        })
        .boxed()
    })])
    .await;
    world.accept(event("ahead", "cus_1", 5)).await;
    world.until_states(&["waiting"]).await;
    world.accept(event("behind", "cus_1", 1)).await;
    world.until_states(&["waiting", "succeeded"]).await;
    world.passes(Duration::from_secs(5));
    world
        .until(
            async || {
                world.runs().await[0]
                    .due
                    .is_some_and(|due| due > super::world::start() + Duration::from_secs(5))
            },
            || "it was looked at again".into(),
        )
        .await;
    world.passes(Duration::from_mins(1));
    world.until_states(&["dead", "succeeded"]).await;
    assert_eq!(world.runs().await[0].reason, "no account yet; waited for it as long as was allowed");
}

#[tokio::test]
async fn a_busy_key_spills_and_keeps_its_order() {
    let (log, gate) = (Log::default(), Gate::shut());
    let limits = Limits { lane: 4, ..Limits::default() };
    let world = World::with_clients(runnables([("acme", vec![noting("sync", &log, &gate)])]), limits).await;
    for number in 0..100 {
        world.accept(event(&format!("{number:03}"), "cus_1", number)).await;
    }
    world.accept(event("other", "cus_2", 0)).await;
    world.until(async || log.lines().contains(&"other begins".to_owned()), || "the other key".into()).await;
    gate.open();
    world.until_idle().await;
    let ends: Vec<String> =
        log.lines().into_iter().filter(|line| line.ends_with("ends") && !line.starts_with("other")).collect();
    assert_eq!(ends, (0..100).map(|number| format!("{number:03} ends")).collect::<Vec<_>>());
    assert_eq!(world.ended(Outcome::Succeeded), 101);
}

#[tokio::test]
async fn a_backlog_far_beyond_the_memory_is_carried_out_to_the_last_run() {
    let world = World::with(vec![Scripted::idle("sync")]).await;
    world.engine.shutdown(Duration::ZERO).await.unwrap();
    let limits = Limits { runs: 64, bytes: 64 << 10, lane: 4, ..Limits::default() };
    let folder = std::sync::Arc::clone(&world.folder);
    drop(world);
    let store = super::world::open(folder.path());
    let all = runnables([("acme", vec![Scripted::idle("sync")])]);
    let now = super::world::start();
    let world = World::over(folder, store, std::sync::Arc::default(), now, all, limits).await;
    let events = (0..10_000).map(|number| {
        world.accept(event(&format!("evt_{number}"), &format!("cus_{}", number % 700), number))
    });
    futures_util::future::join_all(events).await;
    world.until(async || world.ended(Outcome::Succeeded) == 10_000, || "10,000 runs".into()).await;
    world.until_idle().await;
    assert!(world.metric("lockstep_runs_in_memory", "") <= 64 + 4);
}

#[tokio::test]
async fn waiting_begins_with_the_first_miss_and_not_with_the_event() {
    let waiting = || {
        Scripted::new("sync", |_, _, _| {
            let (call, reason) = (lockstep::steps::CallId("0".into()), "no account yet".into());
            let ending = lockstep::steps::Ending::Waiting { call, reason, at_most: Duration::from_hours(1) };
            std::future::ready(ending).boxed()
        })
    };
    // Kept by a lockstep that then stood still for two hours.
    let world = World::with(vec![Scripted::held_back("sync")]).await;
    world.accept(event("evt_1", "cus_1", 0)).await;
    let world = world.crash_for(Duration::from_hours(2), vec![waiting()]).await;
    world.until_states(&["waiting"]).await;
    let first = world.runs().await[0].due;
    // The first miss is remembered.
    let world = world.crash_for(Duration::from_mins(40), vec![waiting()]).await;
    world.until(async || world.runs().await[0].due > first, || "it was looked at again".into()).await;
    let world = world.crash_for(Duration::from_mins(21), vec![waiting()]).await;
    world.until_states(&["dead"]).await;
}

#[tokio::test]
async fn what_is_due_by_time_is_not_forgotten_under_constant_mail() {
    let sync = Scripted::new("sync", |run, _, _| {
        let held = event_id(run) == "held" && run.attempt == 1;
        std::future::ready(if held {
            failed(Class::Transient, None)
        } else {
            lockstep::steps::Ending::Succeeded
        })
        .boxed()
    });
    let world = World::with(vec![sync]).await;
    world.accept(event("held", "held", 0)).await;
    world.until_states(&["held"]).await;
    // Nobody wakes it: time alone passes, while events come without a pause.
    world.clock.set(super::world::start() + Duration::from_secs(3));
    let number = std::cell::Cell::new(0);
    let done = async || {
        for _ in 0..20 {
            number.set(number.get() + 1);
            world.accept(event(&format!("evt_{}", number.get()), &format!("cus_{}", number.get()), 1)).await;
        }
        let held = world.store.run(lockstep::store::RunId(1)).await.unwrap().unwrap();
        held.run.state.word() == "succeeded"
    };
    world.until(done, || "the held run's second attempt".into()).await;
}
