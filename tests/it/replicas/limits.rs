//! What holds for a connection holds for all replicas together: its rate, its pauses, and what is told of them.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;

use super::fleet::{Fleet, Told, until};

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_keep_the_rate_of_one_connection() {
    const RATE: u128 = 20;
    let mut fleet = Fleet::limited(", rate_limit: 20/s").await;
    fleet.start_all(3).await;
    fleet.send(0..50, 0..1).await;
    fleet.all_ended().await;
    fleet.judge(0..50, 0..1);
    let calls = fleet.crm.calls();
    assert_eq!(calls.len(), 100, "a look and a write for each");
    // A burst of a second's worth, then evenly; what is delayed on its way here bunches up a little.
    for (first, began) in calls.iter().enumerate() {
        for (last, ended) in calls.iter().enumerate().skip(first) {
            let allowed = RATE * (1_250 + ended.duration_since(*began).as_millis()) / 1_000;
            let made = last - first + 1;
            assert!(made as u128 <= allowed, "{made} calls in {:?}", ended.duration_since(*began));
        }
    }
    for replica in &fleet.replicas {
        assert!(fleet.ended(replica).await > 0, "one of them did nothing");
    }
    let took = calls[99].duration_since(calls[0]);
    assert!(took < Duration::from_secs(20), "the rate is used: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_finds_down_all_leave_alone_and_it_is_told_once() {
    let fleet = Fleet::of(3).await;
    fleet.crm.is_down(true);
    fleet.send(0..40, 0..1).await;
    until("it was told", async || !fleet.desk.records("outages").is_empty()).await;
    // Whoever did not know yet has learned it, or found out.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let before = fleet.crm.calls().len();
    fleet.send(0..40, 1..2).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let since = fleet.crm.calls().len() - before;
    assert!(since <= 1, "{since} calls to a connection that is paused");
    // One tries, again and again; when it is back, all are.
    fleet.crm.is_down(false);
    let back = Instant::now();
    fleet.all_ended().await;
    assert!(back.elapsed() < Duration::from_mins(1), "{:?}", back.elapsed());
    fleet.judge(0..40, 0..2);
    assert_eq!(fleet.desk.records("outages").len(), 1, "three replicas, one outage");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_a_rate_that_throttles_one_replica_is_left_alone_by_all() {
    const WAIT: u64 = 15;
    // A second less, in which nobody may have called.
    const LEFT_ALONE: Duration = Duration::from_secs(WAIT - 1);
    // As long as it may take until the others have heard of it, on a machine that has much else to do.
    const HEARD: Duration = Duration::from_secs(5);
    let fleet = Fleet::of(3).await;
    fleet.send(0..6, 0..1).await;
    fleet.all_ended().await;
    fleet.crm.throttles_once(WAIT);
    fleet.send(0..1, 1..2).await;
    until("one was asked to wait", async || fleet.crm.has_throttled()).await;
    let asked = Instant::now();
    until("the others have heard of it", async || asked.elapsed() > HEARD).await;
    fleet.send(0..40, 2..3).await;
    fleet.all_ended().await;
    assert!(asked.elapsed() >= LEFT_ALONE, "{:?}", asked.elapsed());
    let too_soon = asked + HEARD..asked + LEFT_ALONE;
    let calls = fleet.crm.calls().into_iter().filter(|call| too_soon.contains(call)).count();
    assert_eq!(calls, 0, "calls to a system that asked to wait");
    let entries = fleet.crm.by_customer();
    assert_eq!(entries["cus_0"], [0, 1, 2]);
    assert_eq!(entries.values().map(Vec::len).sum::<usize>(), 6 + 1 + 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_is_told_only_so_often_is_told_so_often_by_all_together() {
    let fleet = Fleet::of(3).await;
    let hooks: Vec<&str> = fleet.replicas.iter().filter_map(|replica| replica.hook()).collect();
    for customer in 0..30 {
        let told = Told { customer, number: 0 };
        assert!(fleet.deliver(hooks[customer % 3], "customer.deleted", told).await);
    }
    let grouped = || -> Vec<u64> {
        let told = fleet.desk.records("doubts");
        told.iter().map(|told| told["grouped"].as_str().unwrap().parse().unwrap()).collect()
    };
    until("all are told", async || grouped().iter().map(|grouped| grouped + 1).sum::<u64>() == 30).await;
    assert!(grouped().len() <= 4, "at most one each five seconds: {:?}", grouped());
}
