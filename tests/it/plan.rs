//! `lockstep plan`: what changed YAML would write otherwise, over what has happened.

use std::fs;

use lockstep::value::Value;
use pretty_assertions::assert_eq;
use serde_json::{Value as Json, json};

use crate::world::{World, charge};

const PIPELINE: &str = "
# file: pipelines/acme/paid.yaml
name: paid
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - id: account
    find: { object: salesforce.Account, match: { Stripe_Customer_Id__c: $.object.customer }, none: skip }
  - update:
      object: salesforce.Account
      record: $.steps.account.id
      fields: { Phone: \"paid ${money(object.amount, object.currency)}\" }
  - create:
      object: salesforce.Task
      key: { Stripe_Charge_Id__c: $.object.id }
      fields:
        Subject: \"Payment ${object.id}\"
        Status: Completed
        Priority: Normal
        Description: $.steps.account.record.Website
        WhatId: $.steps.account.id
";

/// Two payments, one of them of nobody who is known, and lockstep at rest.
async fn after_two_payments(pipeline: &str) -> World {
    let mut world = World::with_pipelines(pipeline).await;
    let account = json!({ "Name": "One", "Phone": "1", "Website": "https://one.example", "Stripe_Customer_Id__c": "cus_1" });
    world.sandbox().salesforce().seed("Account", &Value::from(&account)).unwrap();
    world.start(&[]);
    for number in [1, 2] {
        assert_eq!(world.deliver(&charge("charge.succeeded", number)).await.0, 200);
    }
    world.all_ended().await;
    let runs = world.json(&["runs"]);
    assert_eq!(runs["runs"][1]["state"], "succeeded", "{runs}");
    assert_eq!(world.terminate(), Some(0));
    world
}

fn plan(world: &World, arguments: &[&str]) -> (i32, Json) {
    let arguments: Vec<&str> =
        ["plan", "--format", "json"].into_iter().chain(arguments.iter().copied()).collect();
    let output = world.lockstep(&arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    (output.status.code().unwrap(), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_changed_or_only_in_words_comes_to_the_same() {
    let world = after_two_payments(PIPELINE).await;
    let (code, told) = plan(&world, &["--since", "1h"]);
    assert_eq!((code, &told["events"], &told["runs"], &told["differ"]), (0, &json!(2), &json!(2), &json!(0)));
    world.edit("pipelines/acme/paid.yaml", "steps:", "description: Who paid is called.\nsteps:");
    let (code, told) = plan(&world, &[]);
    assert_eq!(told["differences"], json!([]), "what the runs had read is known from what is kept of them");
    assert_eq!(told["not_compared"], json!([]), "{told}");
    assert_eq!(code, 0);
    let output = world.lockstep(&["plan"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 events, 2 runs: nothing would be otherwise\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_written_otherwise_is_shown_field_by_field() {
    let world = after_two_payments(PIPELINE).await;
    let tasks = world.sandbox().salesforce().records("Task").len();
    world.edit("pipelines/acme/paid.yaml", "Priority: Normal", "Priority: High");
    world.edit(
        "pipelines/acme/paid.yaml",
        "fields: { Phone: \"paid ${money(object.amount, object.currency)}\" }",
        "fields: { Phone: \"1\" }",
    );
    let (code, told) = plan(&world, &["--since", "1h"]);
    assert_eq!(code, 1, "{told}");
    assert_eq!(told["differ"], 1, "{told}");
    assert_eq!(told["fields"], json!({ "salesforce.Account.Phone": 1, "salesforce.Task.Priority": 1 }));
    let run = &told["differences"][0];
    assert_eq!(run["event"], "evt_charge.succeeded_1");
    assert_eq!(run["before"]["outcome"], "succeeded");
    let writes = run["writes"].as_array().unwrap();
    assert_eq!(writes[0]["is"], "gone", "the account has this phone already");
    assert_eq!(writes[1]["is"], "differs");
    assert_eq!(writes[1]["fields"], json!([{ "field": "Priority", "before": "Normal", "after": "High" }]));
    assert_eq!(world.sandbox().salesforce().records("Task").len(), tasks, "nothing is written");
    let output = world.lockstep(&["plan"]);
    let shown = String::from_utf8_lossy(&output.stdout);
    for part in [
        "acme/paid  charge.succeeded evt_charge.succeeded_1, run ",
        "  -     Priority: \"Normal\"\n  +     Priority: \"High\"\n",
        "  salesforce.Task.Priority: 1\n",
        "2 events, 2 runs: 1 would come to something else",
    ] {
        assert!(shown.contains(part), "`{part}` is not in\n{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_changed_files_ask_and_nothing_is_kept_of_is_told() {
    let world = after_two_payments(PIPELINE).await;
    world.edit(
        "pipelines/acme/paid.yaml",
        "Subject: \"Payment ${object.id}\"",
        "Subject: $.steps.account.record.Name",
    );
    let (code, told) = plan(&world, &[]);
    let unknown = told["differences"][0]["unknown"].to_string();
    assert!(unknown.contains("reads steps.account.record.Name, and no value is kept"), "{told}");
    assert_eq!(code, 1);
    let given = json!({ "salesforce.Account": [{ "Id": "x" }] });
    world.write("given.json", &given.to_string());
    assert_eq!(plan(&world, &["--given", "given.json"]).0, 1);
    world.edit(
        "pipelines/acme/paid.yaml",
        "trigger: { stripe: { events: [charge.succeeded] } }",
        "enabled: false\ntrigger: { stripe: { events: [charge.succeeded] } }",
    );
    let (code, told) = plan(&world, &[]);
    assert_eq!((code, &told["differ"]), (1, &json!(2)));
    assert_eq!(told["differences"][0]["after"], Json::Null, "it would not start");
}

/// What a modifier has made of a value is kept, and the value is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_could_show_only_in_what_is_not_kept_is_told_as_uncertain() {
    let cut =
        |length: u32| format!("Description: {{ from: $.steps.account.record.Website, truncate: {length} }}");
    let as_it_runs = cut(5);
    let pipeline = PIPELINE.replace("Description: $.steps.account.record.Website", &as_it_runs);
    // What an update has found is in the journal.
    let (start, _) = pipeline.split_once("  - update:").unwrap();
    let (_, create) = pipeline.split_once("  - create:").unwrap();
    let world = after_two_payments(&format!("{start}  - create:{create}")).await;
    world.edit("pipelines/acme/paid.yaml", &as_it_runs, &cut(9));
    let (code, told) = plan(&world, &[]);
    assert_eq!((code, &told["differ"], &told["uncertain"]), (2, &json!(0), &json!(1)), "{told}");
    let shown = world.lockstep(&["plan"]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(
        shown.contains("not known: `Description` of steps[1].create reads steps.account.record.Website"),
        "{shown}"
    );
    assert!(
        shown.ends_with("nothing that is known would be otherwise, and of 1 not all is known\n"),
        "{shown}"
    );
    // Who changes something else is not bothered with it.
    world.edit("pipelines/acme/paid.yaml", &cut(9), &as_it_runs);
    world.edit("pipelines/acme/paid.yaml", "Priority: Normal", "Priority: High");
    let (code, told) = plan(&world, &[]);
    assert_eq!((code, &told["differ"], &told["uncertain"]), (1, &json!(1), &json!(0)), "{told}");
    assert_eq!(told["differences"][0]["unknown"], json!([]), "{told}");
}

/// What a run had found that died before it wrote is in no journal.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_run_of_which_nothing_is_kept_is_not_compared_in_silence() {
    let mut world = World::with_pipelines(&PIPELINE.replace("paid ${money(", "${money(")).await;
    let account = json!({ "Name": "One", "Stripe_Customer_Id__c": "cus_1" });
    world.sandbox().salesforce().seed("Account", &Value::from(&account)).unwrap();
    world.start(&[]);
    // Salesforce takes no number for a text.
    assert_eq!(world.deliver(&charge("charge.succeeded", 1)).await.0, 200);
    world.all_ended().await;
    assert_eq!(world.terminate(), Some(0));
    world.edit("pipelines/acme/paid.yaml", "Priority: Normal", "Priority: High");
    let (code, told) = plan(&world, &[]);
    assert_eq!((code, &told["differ"]), (2, &json!(0)), "{told}");
    assert_eq!(told["not_compared"][0]["event"], "evt_charge.succeeded_1");
    let shown = world.lockstep(&["plan"]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.starts_with("acme/paid  evt_charge.succeeded_1 could not be compared: "), "{shown}");
    assert!(shown.ends_with("nothing would be otherwise in those that could be compared\n"), "{shown}");
}

/// An older event that came late was skipped, and would be with any files.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_stale_stays_so() {
    let states = PIPELINE.replace("events: [charge.succeeded]", "events: [charge.updated]");
    let mut world = World::with_pipelines(&states).await;
    let account = json!({ "Name": "One", "Stripe_Customer_Id__c": "cus_1" });
    world.sandbox().salesforce().seed("Account", &Value::from(&account)).unwrap();
    world.start(&[]);
    let newer = charge("charge.updated", 1);
    let mut older = newer.clone();
    older["id"] = json!("evt_older");
    older["created"] = json!(newer["created"].as_i64().unwrap() - 100);
    for event in [newer, older] {
        assert_eq!(world.deliver(&event).await.0, 200);
        world.all_ended().await;
    }
    assert_eq!(world.terminate(), Some(0));
    world.edit("pipelines/acme/paid.yaml", "Priority: Normal", "Priority: High");
    let (code, told) = plan(&world, &[]);
    assert_eq!((code, &told["runs"], &told["differ"]), (1, &json!(2), &json!(1)), "{told}");
    assert_eq!((&told["uncertain"], &told["not_compared"]), (&json!(0), &json!([])), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_folders_revisions_and_events_of_files_can_be_compared() {
    let world = World::with_pipelines(PIPELINE).await;
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.current_dir(world.folder()).args(["-c", "user.name=t", "-c", "user.email=t@x.example"]);
        assert!(command.args(arguments).output().unwrap().status.success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "as it runs"]);
    fs::create_dir(world.folder().join("events")).unwrap();
    world.write("events/one.json", &charge("charge.succeeded", 1).to_string());
    world.write(
        "events/two.jsonl",
        &format!("{}\n{}\n", charge("charge.succeeded", 2), charge("charge.failed", 3)),
    );
    world.write(
        "given.json",
        &json!({ "salesforce.Account": [{ "Id": "001A", "Stripe_Customer_Id__c": "cus_1" }] }).to_string(),
    );
    let arguments = ["--against", "HEAD", "--events", "events", "--given", "given.json"];
    let (code, told) = plan(&world, &arguments);
    assert_eq!((code, &told["events"], &told["runs"]), (0, &json!(3), &json!(2)), "{told}");
    world.edit("pipelines/acme/paid.yaml", "Priority: Normal", "Priority: High");
    let (code, told) = plan(&world, &arguments);
    assert_eq!((code, &told["differ"]), (1, &json!(1)), "{told}");
    assert_eq!(told["differences"][0]["writes"][0]["write"], "create salesforce.Task new Task 1");
    for (against, error) in [
        ("nothing", "`nothing` is neither a folder nor a revision of git"),
        ("--output=x", "neither a folder nor a revision of git"),
        ("events", "events holds no `pipelines`"),
    ] {
        let output = world.lockstep(&["plan", &format!("--against={against}"), "--events", "events"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(error), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
    let output = world.lockstep(&["plan"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no store at"), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
}
