//! `lockstep quota`: what it estimates is what really happens.

use std::path::Path;
use std::process::Command;

use pretty_assertions::assert_eq;
use serde_json::{Value as Json, json};

use crate::world::{World, charge};

const EXAMPLE: &str = r#"
# file: pipelines/acme/client.yaml
name: acme
connections:
  stripe:
    connector: stripe
    config: { api_key: "${ACME_KEY}", webhook_secrets: ["${ACME_WHSEC}"], base_url: "${STRIPE_URL}" }
  salesforce:
    connector: salesforce
    config: { login_url: "${SF_URL}", client_id: "${SF_ID}", client_secret: "${SF_SECRET}" }
    rate_limit: 20/s
# file: pipelines/acme/paid.yaml
name: paid
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - id: account
    find:
      object: salesforce.Account
      match: [{ Stripe_Customer_Id__c: $.object.customer }, { Name: Acme }]
      none: skip
  - update:
      object: salesforce.Account
      record: $.steps.account.id
      fields: { Plan__c: "${object.currency}" }
  - upsert:
      object: salesforce.Task
      match: { Stripe_Charge_Id__c: $.object.customer }
      fields: { Subject: Paid, Status: Completed, Priority: Normal }
"#;

/// The calls of an event of a pipeline, by connection: the least and the most.
fn estimate(world: &World) -> (u64, u64) {
    let quota = world.json(&["quota", "--events", "100"]);
    let calls = &quota[0]["pipelines"][0]["calls_an_event"]["salesforce"];
    (calls["least"].as_u64().unwrap(), calls["most"].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_call_as_often_as_was_said_before() {
    let mut world = World::with(EXAMPLE).await;
    let org = world.sandbox().salesforce();
    org.seed("Account", &lockstep::value::Value::from(&json!({ "Name": "Acme" }))).unwrap();
    let counted = |world: &World| {
        let calls = world.sandbox().salesforce().calls();
        calls.iter().filter(|call| !call.path.contains("oauth2")).count() as u64
    };
    let before = counted(&world);
    let (least, most) = estimate(&world);
    assert_eq!((least, most), (1, 6));
    world.start(&[]);
    let mut event = charge("charge.succeeded", 1);
    event["data"]["object"]["customer"] = json!("cus_1");
    assert!(world.deliver(&event).await.0.is_success());
    world.all_ended().await;
    let first = counted(&world) - before;
    assert_eq!(first, most, "both alternatives, the account written, the task looked for twice and made");
    event["id"] = json!("evt_again");
    assert!(world.deliver(&event).await.0.is_success());
    world.all_ended().await;
    let second = counted(&world) - before - first;
    assert_eq!(second, 3, "both alternatives, the task: nothing is new");
}

/// What `cargo bench --bench calls` measured of events of the example clients, and the pipeline that each starts.
const MEASURED: [(&str, &str, u64); 6] = [
    ("acme-saas", "payment-failed", 6),
    ("orchard-apps", "customer", 7),
    ("orchard-apps", "payment", 5),
    ("orchard-apps", "payment-failed", 4),
    ("web-shop", "customers", 8),
    ("web-shop", "charges", 5),
];

fn quota(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lockstep"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env_clear()
        .arg("quota")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_the_example_clients_really_call_is_within_the_estimate() {
    let (code, shown, error) = quota(&["--format", "json"]);
    assert_eq!(code, 0, "{error}");
    let clients: Json = serde_json::from_str(&shown).unwrap();
    let mut wrong = Vec::new();
    for (client, pipeline, measured) in MEASURED {
        let client = clients.as_array().unwrap().iter().find(|it| it["client"] == client).unwrap();
        let found = client["pipelines"].as_array().unwrap().iter().find(|it| it["pipeline"] == pipeline);
        let calls = found.unwrap()["calls_an_event"].as_object().unwrap();
        let sum = |key: &str| calls.values().map(|calls| calls[key].as_u64().unwrap()).sum::<u64>();
        let (least, most) = (sum("least"), sum("most"));
        if !(least..=most).contains(&measured) {
            wrong.push(format!("{pipeline}: {measured} is not within {least} to {most}: {calls:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn shares_and_hours_follow_from_the_calls() {
    let project = crate::example::project(EXAMPLE);
    let lockstep = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_lockstep"))
            .current_dir(project.path())
            .env_clear()
            .arg("quota")
            .args(arguments)
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, shown) = lockstep(&["--events", "5000", "--records", "60000"]);
    insta::assert_snapshot!(shown.trim_end(), @r"
    acme: 5,000 events a day of each pipeline, a backfill of 60,000 records
      paid  salesforce 1-6 an event; backfill up to 3 days
      salesforce  5,000 to 30,000 calls a day, up to 30 % of 100,000; 20.0 calls a second can be kept up
    ");
    assert_eq!(code, 0);
    let (_, shown) = lockstep(&["--quota", "salesforce=15000", "--records", "60000"]);
    insta::assert_snapshot!(shown.trim_end(), @r"
    acme: 1,000 events a day of each pipeline, a backfill of 60,000 records
      paid  salesforce 1-6 an event; backfill up to 23 days
      salesforce  1,000 to 6,000 calls a day, up to 40 % of 15,000; 20.0 calls a second can be kept up
    ");
    let (code, _, error) = quota(&["--quota", "sales=1"]);
    assert_eq!((code, &*error), (2, "error: no client has a connection `sales`\n"));
}
