//! A replica dies, or is silent for too long: the others carry on what it was at, and nothing is done twice.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;

use super::fleet::{Fleet, until};

/// As long as a dead process's partitions may be without one, on a machine that has much else to do.
const TAKEN_OVER: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_replica_was_at_is_taken_over_within_seconds_and_nothing_is_doubled() {
    let mut fleet = Fleet::of(3).await;
    fleet.crm.is_slow(Duration::from_millis(20));
    let (killed, ()) = {
        let crm = fleet.crm.clone();
        let mut victim = fleet.replicas.remove(1);
        let killing = async move {
            until("some of the work is done", async || crm.by_customer().len() > 20).await;
            victim.kill();
            Instant::now()
        };
        tokio::join!(killing, fleet.send(0..60, 0..5))
    };
    fleet.is_shared_out(2).await;
    assert!(killed.elapsed() < TAKEN_OVER, "taken over after {:?}", killed.elapsed());
    fleet.all_ended().await;
    fleet.judge(0..60, 0..5);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_silent_for_too_long_writes_nothing_of_what_was_taken_over_and_takes_part_again() {
    let mut fleet = Fleet::of(3).await;
    fleet.crm.is_slow(Duration::from_millis(20));
    let silent = fleet.replicas.remove(0);
    let stopping = async {
        until("some of the work is done", async || fleet.crm.by_customer().len() > 20).await;
        silent.signal("STOP");
    };
    tokio::join!(stopping, fleet.send(0..60, 0..5));
    fleet.is_shared_out(2).await;
    fleet.all_ended().await;
    fleet.judge(0..60, 0..5);
    // It wakes up in the middle of what it was at.
    silent.signal("CONT");
    fleet.replicas.push(silent);
    fleet.is_shared_out(3).await;
    let silent = fleet.replicas.last().unwrap();
    let counted = fleet.counted(silent, "lockstep_taken_for_dead_total").await;
    assert!((counted - 1.0).abs() < 0.1, "{counted}");
    let told = fleet.log().matches("others have taken over its work").count();
    assert_eq!(told, 1, "said once: {}", fleet.log());
    let before = fleet.ended(silent).await;
    fleet.send(0..60, 5..7).await;
    fleet.all_ended().await;
    fleet.judge(0..60, 0..7);
    assert!(fleet.ended(silent).await > before, "it works again");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_frozen_for_a_moment_goes_on_with_what_it_has() {
    let fleet = Fleet::of(2).await;
    fleet.crm.is_slow(Duration::from_millis(20));
    let freezing = async {
        until("some of the work is done", async || fleet.crm.by_customer().len() > 5).await;
        fleet.replicas[0].signal("STOP");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        fleet.replicas[0].signal("CONT");
    };
    tokio::join!(freezing, fleet.send(0..30, 0..4));
    fleet.all_ended().await;
    fleet.judge(0..30, 0..4);
    assert!(!fleet.log().contains("others have taken over"), "{}", fleet.log());
}
