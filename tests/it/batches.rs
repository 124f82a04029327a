//! A loop with `batch: true`, end to end: one event with many parts, a running lockstep, and what reaches Salesforce.

use lockstep::sandbox::salesforce::FieldShape;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::world::{World, charge};

const PARTS: &str = r#"
# file: pipelines/acme/parts.yaml
name: parts
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - for_each:
      in: $.object.parts # lockstep: allow(unknown-path) no field of a charge: parts are what this test is about
      as: part
      batch: true
      steps:
        - create:
            object: salesforce.Task
            key: { Stripe_Charge_Id__c: $.part.id }
            fields: { Subject: "Part ${part.id}", Status: Completed, Priority: Normal, Later_Field__c: $.part.later }
"#;

/// A payment in so many parts, of which the eighth has what Salesforce does not know yet.
fn payment(parts: usize) -> Value {
    let mut event = charge("charge.succeeded", 1);
    let part = |n: usize| json!({"id": format!("part_{n}"), "later": (n == 7).then_some("x")});
    event["data"]["object"]["parts"] = (0..parts).map(part).collect();
    event
}

fn requests(world: &World, path: &str) -> usize {
    let calls = world.sandbox().salesforce().calls();
    calls.iter().filter(|call| call.path.ends_with(path)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_records_are_four_requests_and_the_one_that_is_refused_is_told() {
    let mut world = World::with_pipelines(PARTS).await;
    world.start(&[]);
    assert_eq!(world.deliver(&payment(60)).await.0, 200);
    world.all_ended().await;
    let org = world.sandbox().salesforce();
    assert_eq!(org.records("Task").len(), 59, "all but the one");
    assert_eq!((requests(&world, "/composite/batch"), requests(&world, "/composite/sobjects")), (3, 1));
    let dead = world.json(&["dead"])["runs"][0].clone();
    let reason = dead["reason"].as_str().unwrap();
    assert!(reason.contains("Later_Field__c") && reason.contains("(element 8 of 60)"), "{reason}");
    let audit = world.json(&["audit", "--limit", "100"]);
    assert_eq!(audit["audit"].as_array().unwrap().len(), 59, "one line a record: {audit}");

    // The field is there now: only what was not done is done.
    org.declare("Task", "Later_Field__c", FieldShape::of("string"));
    let retried = world.lockstep(&["dead", "retry", &dead["id"].to_string()]);
    assert_eq!(retried.status.code(), Some(0), "{}", String::from_utf8_lossy(&retried.stderr));
    world.until("the last part", async || org.records("Task").len() == 60).await;
    world.all_ended().await;
    assert_eq!(requests(&world, "/composite/sobjects"), 1, "one record goes alone");
    let ids: std::collections::BTreeSet<String> =
        org.records("Task").iter().map(|task| task.get("Stripe_Charge_Id__c").unwrap().to_string()).collect();
    assert_eq!(ids.len(), 60, "none twice");
}
