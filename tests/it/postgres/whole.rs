//! `lockstep run` on PostgreSQL, as an operator runs it: from a signed webhook to the CRM.

use pretty_assertions::assert_eq;
use reqwest::StatusCode;
use serde_json::json;

use super::pooler::Pooler;
use super::server::{PASSWORD, database, server};
use crate::world::{World, charge};

/// Sends events, some of them twice, and looks at what came of them.
async fn payments_reach_the_crm_once(store: &str) {
    let mut world = World::at_rest().await;
    world.start(&[("LOCKSTEP_STORE", store)]);
    for number in 0..20 {
        let event = charge("charge.succeeded", number);
        let (first, again) = tokio::join!(world.deliver(&event), world.deliver(&event));
        assert_eq!((first.0, again.0), (StatusCode::OK, StatusCode::OK));
    }
    world.deliver(&charge("charge.refunded", 100)).await;
    world.deliver(&charge("charge.failed", 101)).await;
    world.all_ended().await;
    assert_eq!(world.sandbox().salesforce().records("Task").len(), 20);

    let look = |command: &[&str]| world.json(&[command, &["--store", store]].concat());
    assert_eq!(look(&["events", "list"])["events"].as_array().unwrap().len(), 22);
    assert_eq!(look(&["dead", "list"])["runs"].as_array().unwrap().len(), 1);
    assert_eq!(look(&["conflicts", "list"])["runs"].as_array().unwrap().len(), 1);
    let audit = look(&["audit", "list"]);
    assert_eq!(audit["audit"].as_array().unwrap().len(), 20);
    let run = look(&["dead", "list"])["runs"][0]["id"].as_i64().unwrap().to_string();
    assert_eq!(look(&["dead", "retry", &run])["retried"], json!([run.parse::<i64>().unwrap()]));
    assert_eq!(world.terminate(), Some(0));
}

#[tokio::test]
async fn payments_reach_the_crm_once_over_postgresql() {
    payments_reach_the_crm_once(&database()).await;
}

#[tokio::test]
async fn payments_reach_the_crm_once_behind_a_pooler_in_transaction_mode() {
    let pooler = Pooler::before(server());
    payments_reach_the_crm_once(&pooler.url(&database())).await;
}

/// Half a character, as systems leave it that cut texts off, and NULs in whatever names something.
async fn what_no_text_can_hold_blocks_nobody(store: Option<&str>) {
    let mut world = World::at_rest().await;
    let environment = store.map(|store| ("LOCKSTEP_STORE", store));
    world.start(environment.as_slice());
    let mut all = Vec::new();
    for number in 1..=3 {
        let mut event = charge("charge.succeeded", number);
        event["id"] = json!(format!("evt_\0{number}"));
        event["data"]["object"]["customer"] = json!("cus_\0");
        event["data"]["object"]["description"] = json!("HALF \0");
        let text = event.to_string().replace("HALF", r"a \ud83d");
        all.push(text.clone());
        assert_eq!(world.deliver_text(text).await.0, StatusCode::OK);
    }
    assert_eq!(world.deliver(&charge("charge.succeeded", 4)).await.0, StatusCode::OK);
    world.all_ended().await;
    assert_eq!(world.deliver_text(all.remove(0)).await.0, StatusCode::OK);
    world.all_ended().await;
    assert_eq!(world.sandbox().salesforce().records("Task").len(), 4);
    let look = |command: &[&str]| match store {
        Some(store) => world.json(&[command, &["--store", store]].concat()),
        None => world.json(command),
    };
    let runs = look(&["runs", "--pipeline", "log-payment"]);
    let mut keys: Vec<&str> =
        runs["runs"].as_array().unwrap().iter().filter_map(|run| run["key"].as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["cus_4", "cus_\u{2400}", "cus_\u{2400}", "cus_\u{2400}"]);
    let event = look(&["events", "show", "evt_\u{2400}2"]);
    assert_eq!(event["body"]["data"]["object"]["description"], "a \u{fffd} \0", "the rest is there");
}

#[tokio::test]
async fn what_no_text_can_hold_blocks_nobody_over_sqlite() {
    what_no_text_can_hold_blocks_nobody(None).await;
}

#[tokio::test]
async fn what_no_text_can_hold_blocks_nobody_over_postgresql() {
    what_no_text_can_hold_blocks_nobody(Some(&database())).await;
}

#[tokio::test]
async fn a_killed_process_is_taken_up_by_the_next_start() {
    let store = database();
    let mut world = World::at_rest().await;
    world.start(&[("LOCKSTEP_STORE", &store)]);
    for number in 0..30 {
        assert_eq!(world.deliver(&charge("charge.succeeded", number)).await.0, StatusCode::OK);
    }
    world.kill();
    world.start(&[("LOCKSTEP_STORE", &store)]);
    world.all_ended().await;
    assert_eq!(world.sandbox().salesforce().records("Task").len(), 30);
}

#[tokio::test]
async fn the_password_is_shown_nowhere() {
    let store = database();
    let mut world = World::at_rest().await;
    world.start(&[("LOCKSTEP_STORE", &store)]);
    assert_eq!(world.terminate(), Some(0));
    let unreachable = store.replace("127.0.0.1", "127.0.0.2");
    for arguments in [
        &["runs", "list", "--store", store.as_str()][..],
        &["runs", "list", "--store", unreachable.as_str()],
        &["runs", "list", "--store", &format!("{store}?sslmode=prefer")],
        &["runs", "list", "--store", &format!("{store}_missing")],
        &["runs", "list", "--store", &store.replace("postgres:", "mysql:")],
        &["run", "--store", &format!("{store}?sslmode=require"), "--admin", "127.0.0.1:0"],
        &["runs", "--help"],
    ] {
        let mut command = world.command(arguments);
        let output = command.env("LOCKSTEP_STORE", &store).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!text.contains(PASSWORD), "{arguments:?}: {text}");
        assert!(!text.is_empty(), "{arguments:?} says nothing");
    }
}
