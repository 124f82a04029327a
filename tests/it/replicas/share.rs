//! The work is shared, and nothing of it is done twice or out of order.

use pretty_assertions::assert_eq;

use super::fleet::{Fleet, until};
use crate::postgres::pooler::Pooler;
use crate::postgres::server::{database, psql, server};

/// Events come in at all of them, and each does some of the work.
async fn all_do_some(fleet: &Fleet) {
    fleet.send(0..48, 0..8).await;
    fleet.all_ended().await;
    fleet.judge(0..48, 0..8);
    for replica in &fleet.replicas {
        assert!(fleet.ended(replica).await > 0, "one of them did nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_do_everything_once_and_in_order() {
    all_do_some(&Fleet::of(2).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_behind_a_pooler_in_transaction_mode_do_everything_once_and_in_order() {
    let pooler = Pooler::before(server());
    let mut fleet = Fleet::on(pooler.url(&database()), "").await;
    fleet.start_all(3).await;
    all_do_some(&fleet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_come_and_go_under_load_leave_everything_done_once_and_in_order() {
    let mut fleet = Fleet::of(1).await;
    for round in 0..3 {
        fleet.start("all").await;
        fleet.send(0..30, round * 4..(round + 1) * 4).await;
    }
    // Two of four are asked to stop in the middle of the work, and senders go to the others.
    for mut leaving in [fleet.replicas.remove(0), fleet.replicas.remove(1)] {
        leaving.signal("TERM");
        fleet.send(0..30, 12 + fleet.replicas.len()..12 + fleet.replicas.len() + 1).await;
        assert_eq!(tokio::task::spawn_blocking(move || leaving.end()).await.unwrap(), Some(0));
        fleet.replicas.rotate_left(1);
        if fleet.replicas.len() == 2 {
            break;
        }
    }
    fleet.all_ended().await;
    let entries = fleet.crm.by_customer();
    for (customer, numbers) in entries {
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(numbers, sorted, "{customer}: out of order, or twice");
        assert_eq!(numbers.len(), 13, "{customer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_hands_its_partitions_over_at_once() {
    let mut fleet = Fleet::of(2).await;
    let mut leaving = fleet.replicas.remove(0);
    let began = std::time::Instant::now();
    leaving.signal("TERM");
    fleet.is_shared_out(1).await;
    assert!(began.elapsed().as_secs() < 5, "no lease has to run out for it: {:?}", began.elapsed());
    assert_eq!(tokio::task::spawn_blocking(move || leaving.end()).await.unwrap(), Some(0));
    fleet.send(0..5, 0..1).await;
    fleet.all_ended().await;
    fleet.judge(0..5, 0..1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_replicas_one_erases_what_is_old() {
    let mut fleet = Fleet::of(1).await;
    // More than one batch, so that two who are at it would both find something.
    fleet.send(0..150, 0..1).await;
    fleet.all_ended().await;
    let age = "UPDATE lockstep.event SET received = 0; UPDATE lockstep.run SET received = 0, ended = 0";
    psql(fleet.store(), age);
    fleet.environment.push(("LOCKSTEP_RETAIN", "30d"));
    for _ in 0..3 {
        fleet.start("all").await;
    }
    let mut first = fleet.replicas.remove(0);
    first.signal("TERM");
    assert_eq!(tokio::task::spawn_blocking(move || first.end()).await.unwrap(), Some(0));
    let left = async || psql(fleet.store(), "SELECT count(*) FROM lockstep.payload");
    until("it is erased", async || left().await == "0").await;
    fleet.is_shared_out(3).await;
    // Two who sweep at one time would both have found something.
    assert_eq!(fleet.log().matches("erased by retention").count(), 1, "{}", fleet.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_and_metrics_tell_who_shares_and_how() {
    let fleet = Fleet::of(3).await;
    for replica in &fleet.replicas {
        let ready = fleet.ready(replica).await;
        assert_eq!(ready["role"], "all");
        let all = ready["replicas"].as_array().unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all.iter().map(|it| it["partitions"].as_u64().unwrap()).sum::<u64>(), 256);
        let own: Vec<_> = all.iter().filter(|it| it["this"] == true).collect();
        assert_eq!(own.len(), 1);
        assert_eq!(own[0]["partitions"], ready["partitions"]);
        until("the metrics say the same", async || {
            let held = fleet.counted(replica, "lockstep_partitions_held").await;
            let workers = fleet.counted(replica, "lockstep_replicas_working").await;
            (held - ready["partitions"].as_f64().unwrap()).abs() < 0.5 && (workers - 3.0).abs() < 0.5
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_makes_ready_again_is_found_by_the_process_that_has_it() {
    let fleet = Fleet::of(2).await;
    fleet.send(0..6, 0..1).await;
    fleet.all_ended().await;
    // As if they had died.
    psql(fleet.store(), "UPDATE lockstep.run SET state = 7, ended = 0");
    let retried = fleet.command(&["dead", "retry", "--all", "--format", "json"]).output().unwrap();
    assert!(retried.status.success(), "{}", String::from_utf8_lossy(&retried.stderr));
    until("they have ended again", async || {
        psql(fleet.store(), "SELECT count(*) FROM lockstep.run WHERE state = 4") == "6"
    })
    .await;
    fleet.judge(0..6, 0..1);
}
