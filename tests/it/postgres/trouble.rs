//! What goes wrong with a database, and what is said of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep::config::Stale;
use lockstep::store::{
    Accepted, Access, Change, EventFilter, NewEvent, NewRun, Outcome, PARTS, Parts, Place, RunId, Source,
    Store, StoreAddress, StoreError, Version, open,
};
use pretty_assertions::assert_eq;

use super::server::{Stoppable, database, psql};

fn address(url: &str) -> StoreAddress {
    url.parse().unwrap()
}

async fn refusal(url: &str, access: Access) -> StoreError {
    match open(&address(url), access).await {
        Ok(_) => panic!("it was opened"),
        Err(refusal) => refusal,
    }
}

fn event(id: &str) -> NewEvent {
    let created = Timestamp::from_second(1_700_000_000).unwrap();
    NewEvent {
        client: "acme".into(),
        connection: "billing".into(),
        id: id.into(),
        kind: "customer.updated".into(),
        object_kind: None,
        object: None,
        source: Source::Webhook,
        created,
        received: created,
        body: "{}".into(),
        ended: None,
        runs: vec![NewRun {
            pipeline: "sync".into(),
            version: Version("v1".into()),
            place: Place { lane: "sync".into(), key: id.into(), created, rank: 0 },
            stale: Stale::Skip,
            ended: None,
        }],
    }
}

fn ended(run: RunId) -> Change {
    Change::Ended {
        run,
        at: Timestamp::from_second(1_700_000_100).unwrap(),
        attempts: 0,
        outcome: Outcome::Succeeded,
        reason: String::new(),
        candidates: Vec::new(),
        applied: None,
    }
}

#[tokio::test]
async fn processes_that_start_at_one_time_share_the_work_and_whoever_ends_leaves_its_part_at_once() {
    let url = database();
    let address = address(&url);
    let opening = (0..4).map(|_| open(&address, Access::Run));
    let mut opened = futures_util::future::try_join_all(opening).await.unwrap();
    let parts = |store: &Arc<dyn Store>| store.sharing().unwrap().tenure().borrow().parts;
    let all_shared = |stores: &[Arc<dyn Store>]| {
        let all = stores.iter().map(parts).fold(Parts::NONE, Parts::and);
        all == Parts::ALL && stores.iter().map(|store| parts(store).count()).sum::<usize>() == PARTS
    };
    let waited = async |stores: &[Arc<dyn Store>]| {
        let waiting = async {
            while !all_shared(stores) {
                // Nobody carries anything out here: what leaves a process is handed over on the spot.
                for store in stores {
                    let tenure = *store.sharing().unwrap().tenure().borrow();
                    if !tenure.leaving.is_empty() {
                        store.sharing().unwrap().hand_over(tenure.leaving).await.unwrap();
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), waiting).await.unwrap();
    };
    waited(&opened).await;
    opened.pop().unwrap().close().await.unwrap();
    waited(&opened).await;
}

#[tokio::test]
async fn who_was_taken_for_dead_cannot_write_beside_its_successor() {
    let url = database();
    let silent = open(&address(&url), Access::Run).await.unwrap();
    silent.accept(vec![event("evt_1")]).await.unwrap();
    // What its successor does when it has been silent for too long.
    psql(&url, "DELETE FROM lockstep.replica");
    let successor = open(&address(&url), Access::Run).await.unwrap();
    let refused = silent.commit(vec![ended(RunId(1))]).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    assert!(successor.works());
    successor.commit(vec![ended(RunId(1))]).await.unwrap();
    // What it receives is kept all the same, for the successor.
    silent.accept(vec![event("evt_2")]).await.unwrap();
    assert_eq!(successor.due("acme", Timestamp::MAX, 10, RunId(0)).await.unwrap().len(), 1);
    let waited = tokio::time::timeout(Duration::from_mins(1), async {
        while silent.works() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(waited.await.is_ok(), "it learns that it may not go on");
}

#[tokio::test]
async fn a_store_of_a_newer_lockstep_is_refused_with_words() {
    let url = database();
    open(&address(&url), Access::Run).await.unwrap().close().await.unwrap();
    psql(&url, "UPDATE lockstep.meta SET value = '99' WHERE name = 'schema'");
    for access in [Access::Run, Access::Beside] {
        let refusal = refusal(&url, access).await.to_string();
        assert!(
            refusal.contains("was made by a newer lockstep (schema 99; this one knows up to"),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn looking_at_a_database_makes_no_store_in_it() {
    let url = database();
    let refusal = refusal(&url, Access::Beside).await.to_string();
    assert!(refusal.ends_with("cannot be opened: there is no lockstep store in this database"), "{refusal}");
    assert_eq!(psql(&url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'lockstep'"), "0");
}

#[tokio::test]
async fn what_cannot_be_opened_is_told_in_words() {
    let url = database();
    let wrong_password = url.replacen("correct-horse", "wrong", 1);
    for (url, words) in [
        (format!("{url}_missing"), "does not exist"),
        (wrong_password, "password authentication failed"),
        (url.replace("127.0.0.1", "127.0.0.2"), "error connecting to server"),
        (format!("{url}?sslmode=require"), "TLS"),
    ] {
        let refusal = refusal(&url, Access::Run).await;
        assert!(matches!(refusal, StoreError::Unopened { .. }), "{refusal:?}");
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
}

/// What a batch has written is neither lost nor written again when connections break at any moment of it.
#[tokio::test]
async fn connections_that_break_under_load_lose_and_double_nothing() {
    let url = database();
    let store = open(&address(&url), Access::Run).await.unwrap();
    let breaking = tokio::spawn({
        let url = url.clone();
        async move {
            for _ in 0..15 {
                let url = url.clone();
                let cut = move || {
                    psql(
                        &url,
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = current_database() AND application_name = 'lockstep'",
                    )
                };
                tokio::task::spawn_blocking(cut).await.unwrap();
            }
        }
    });
    let mut number = 0;
    while !breaking.is_finished() || number < 200 {
        let ids: Vec<String> = (number..number + 20).map(|number| format!("evt_{number}")).collect();
        let accepting = ids.iter().map(|id| store.accept(vec![event(id)]));
        let accepted = futures_util::future::try_join_all(accepting.collect::<Vec<_>>()).await.unwrap();
        let runs = accepted.iter().map(|accepted| match &accepted[0] {
            Accepted::New { runs, .. } => runs[0],
            Accepted::Duplicate => panic!("an event was taken for a duplicate of itself"),
        });
        let ending = runs.map(|run| store.commit(vec![ended(run)])).collect::<Vec<_>>();
        futures_util::future::try_join_all(ending).await.unwrap();
        number += 20;
    }
    breaking.await.unwrap();
    assert_eq!(psql(&url, "SELECT count(*) FROM lockstep.event"), number.to_string());
    assert_eq!(psql(&url, "SELECT count(*) FROM lockstep.run WHERE state = 4"), number.to_string());
}

#[tokio::test]
async fn a_database_that_goes_away_is_told_and_served_again_when_it_is_back() {
    let mut own = Stoppable::start("");
    let url = own.server().database();
    let store: Arc<dyn Store> = open(&address(&url), Access::Run).await.unwrap();
    store.accept(vec![event("evt_1")]).await.unwrap();
    own.stop();
    assert!(matches!(store.counts().await, Err(StoreError::Unreachable { .. })));
    let refused = store.accept(vec![event("evt_2")]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unreachable { .. }), "{refused}");
    // A change waits for longer than a sender does.
    let changed = store.commit(vec![ended(RunId(1))]);
    own.start_again();
    tokio::time::timeout(Duration::from_mins(1), changed).await.unwrap().unwrap();
    assert!(matches!(store.accept(vec![event("evt_2")]).await.unwrap()[0], Accepted::New { .. }));
    assert_eq!(store.events(EventFilter::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn texts_that_a_column_or_an_index_cannot_hold_are_kept_all_the_same() {
    let url = database();
    let store = open(&address(&url), Access::Run).await.unwrap();
    let long = format!("evt_{}", "0123456789abcdef".repeat(5_000));
    let odd = NewEvent { object: Some("cus\0tomer".into()), ..event("evt\0") };
    let accepted = store.accept(vec![event(&long), odd.clone()]).await.unwrap();
    assert!(accepted.iter().all(|accepted| matches!(accepted, Accepted::New { .. })), "{accepted:?}");
    assert_eq!(
        store.accept(vec![event(&long), odd]).await.unwrap(),
        [Accepted::Duplicate, Accepted::Duplicate]
    );
    assert_eq!(store.due("acme", Timestamp::MAX, 10, RunId(0)).await.unwrap().len(), 2);
}
