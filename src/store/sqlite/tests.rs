//! What is special to SQLite: which files are refused, and which indexes the queries use.

use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use rusqlite::Connection;

use super::open;
use super::{SqliteStore, read, seal, versions};
use crate::store::{Access, StoreError};

fn refusal(path: &Path, access: Access) -> StoreError {
    match SqliteStore::open(path, access) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(refusal) => refusal,
    }
}

fn in_a_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    (folder, path)
}

/// The steps of a query's plan.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let unbound = vec![rusqlite::types::Null; statement.parameter_count()];
    let rows = statement.query_map(rusqlite::params_from_iter(unbound), |row| row.get(3)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_queries_of_the_engine_go_by_their_partial_indexes() {
    let (_folder, path) = in_a_folder();
    let connection = open::open(&path, Access::Run).unwrap().connection;
    let cases = [
        (read::DUE_READY, "run_ready"),
        (read::DUE_HELD, "run_held"),
        (read::DUE_WAITING, "run_waiting"),
        (read::BEHIND, "run_blocked"),
        (read::NEXT_CLIENT[0], "run_ready"),
        (read::NEXT_CLIENT[1], "run_held"),
        (read::NEXT_CLIENT[2], "run_waiting"),
        (read::NEXT_DUE[0], "run_held"),
        (read::NEXT_DUE[1], "run_waiting"),
    ];
    for (sql, index) in cases {
        let plan = plan(&connection, sql);
        assert!(
            plan.iter().all(|step| step.contains("SEARCH") && step.contains("COVERING")),
            "{sql}: {plan:?}"
        );
        assert!(plan.iter().any(|step| step.contains(&format!("INDEX {index}"))), "{sql}: {plan:?}");
    }
}

#[test]
fn what_is_forgotten_is_found_without_a_look_at_everything() {
    let (_folder, path) = in_a_folder();
    let connection = open::open(&path, Access::Run).unwrap().connection;
    let [ready, blocked, held, waiting] = versions::IN_USE;
    let cases = [
        (versions::RETIRED, "version_retired"),
        (ready, "run_ready (client=?)"),
        (blocked, "run_blocked (client=?)"),
        (held, "run_held (client=?)"),
        (waiting, "run_waiting (client=?)"),
    ];
    for (sql, index) in cases {
        let plan = plan(&connection, sql);
        assert!(plan.len() == 1 && plan[0].contains("SEARCH") && plan[0].contains(index), "{sql}: {plan:?}");
    }
}

#[test]
fn what_stands_behind_a_held_run_is_found_by_its_lane() {
    let (_folder, path) = in_a_folder();
    let connection = open::open(&path, Access::Run).unwrap().connection;
    let plan = plan(&connection, &read::due_sql(read::DUE_READY));
    assert!(
        plan.iter().any(|step| step.contains("run_held_lane (client=? AND lane=? AND order_key=?)")),
        "{plan:?}"
    );
    assert!(!plan.iter().any(|step| step.contains("SCAN r") || step.contains("SCAN run")), "{plan:?}");
}

#[test]
fn another_programs_database_is_left_alone() {
    let (_folder, path) = in_a_folder();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(refusal(&path, Access::Run).to_string().contains("it is a database of another program"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_with_words() {
    let (_folder, path) = in_a_folder();
    fs::write(&path, "name,email\n".repeat(100)).unwrap();
    let refusal = refusal(&path, Access::Run);
    assert!(matches!(refusal, StoreError::Damaged { .. }), "{refusal}");
}

#[test]
fn a_store_of_a_newer_lockstep_is_refused_with_words() {
    let (_folder, path) = in_a_folder();
    drop(SqliteStore::open(&path, Access::Run).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refusal = refusal(&path, Access::Run).to_string();
    let words = "was made by a newer lockstep (schema 99; this one knows up to ";
    assert!(refusal.contains(words), "{refusal}");
}

#[test]
fn one_process_at_a_time_carries_runs_out() {
    let (_folder, path) = in_a_folder();
    let first = SqliteStore::open(&path, Access::Run).unwrap();
    assert!(matches!(refusal(&path, Access::Run), StoreError::InUse { .. }));
    assert!(SqliteStore::open(&path, Access::Beside).is_ok(), "looking at it is always possible");
    drop(first);
    assert!(SqliteStore::open(&path, Access::Run).is_ok());
}

#[test]
fn looking_at_a_store_makes_none() {
    let (_folder, path) = in_a_folder();
    let refusal = refusal(&path, Access::Beside).to_string();
    assert!(refusal.ends_with("cannot be opened: there is no such file"), "{refusal}");
    assert!(!path.exists());
    let missing = path.join("deeper").join("a.db");
    assert!(matches!(self::refusal(&missing, Access::Run), StoreError::Unopened { .. }));
}

#[tokio::test]
async fn a_short_transaction_of_another_process_is_waited_for() {
    use crate::store::Store;
    let (_folder, path) = in_a_folder();
    let store = SqliteStore::open(&path, Access::Run).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = store.commit(Vec::new());
    other.execute_batch("COMMIT").unwrap();
    assert!(waiting.await.is_ok(), "it waits for a short transaction");
}

#[test]
fn what_waits_for_the_sealer_is_found_without_a_look_at_the_audit() {
    let (_folder, path) = in_a_folder();
    let connection = open::open(&path, Access::Run).unwrap().connection;
    let plan = plan(&connection, &format!("SELECT run {}", seal::UNSEALED));
    assert!(plan.len() == 1 && plan[0].contains("INDEX audit_unsealed"), "{plan:?}");
}
