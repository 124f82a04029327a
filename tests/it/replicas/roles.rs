//! Some processes take events in, others carry runs out.

use pretty_assertions::assert_eq;

use super::fleet::Fleet;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_takes_in_others_carry_out() {
    let mut fleet = Fleet::at_rest().await;
    fleet.start("ingest").await;
    fleet.start("worker").await;
    fleet.start("worker").await;
    fleet.is_shared_out(2).await;
    fleet.send(0..20, 0..4).await;
    fleet.all_ended().await;
    fleet.judge(0..20, 0..4);
    let [ingest, first, second] = &fleet.replicas[..] else { panic!("three processes") };
    assert_eq!(fleet.ended(ingest).await, 0);
    assert!(fleet.ended(first).await > 0 && fleet.ended(second).await > 0);
    assert_eq!(fleet.ready(ingest).await["partitions"], 0);
    assert_eq!(fleet.ready(ingest).await["role"], "ingest");
    assert_eq!((first.hook(), second.hook()), (None, None), "nobody can send to a worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_in_waits_for_a_worker() {
    let mut fleet = Fleet::at_rest().await;
    fleet.start("ingest").await;
    fleet.send(0..5, 0..2).await;
    assert_eq!(fleet.ready(&fleet.replicas[0]).await["unfinished_runs"], 10);
    fleet.start("worker").await;
    fleet.all_ended().await;
    fleet.judge(0..5, 0..2);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_role_on_a_store_of_one_process_is_refused_with_words() {
    let fleet = Fleet::at_rest().await;
    for role in ["ingest", "worker"] {
        let mut command =
            fleet.command(&["run", "--store", "sqlite:a.db", "--role", role, "--admin", "127.0.0.1:0"]);
        let output = command.output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(
            words.contains("an SQLite store has one process: leave it out, or name a PostgreSQL store"),
            "{words}"
        );
    }
}
