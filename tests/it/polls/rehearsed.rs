//! Tests of pipelines that poll, and dry runs of them, as an author has them.

use super::world::Polling;

const MEMBERS: &str = r#"
# file: pipelines/acme/members.yaml
name: members
trigger:
  schedule:
    every: 1m
    list: { object: stripe.customer }
    unique: { by: $.object.email, as: email, keep: none }
    only_changed: true
    gone: run
when: object.email != () || event.type == "gone"
steps:
  - check: { that: object.name != "Nobody", else: skip, reason: nobody is no member }
  - create:
      object: salesforce.Task
      key: { Stripe_Charge_Id__c: "${event.type} ${event.record}" }
      fields: { Subject: "${event.type} ${before.name} ${object.name} ${today()}" }
# file: pipelines/acme/members.test.yaml
pipeline: members
cases:
  - name: a new member is told of
    now: 2026-03-02T10:00:00Z
    listing: [{ id: cus_1, email: a@x.example, name: Ann }, { id: cus_2, email: b@x.example, name: Nobody }]
    expect:
      records:
        cus_1: { outcome: succeeded }
        cus_2: { outcome: skipped, reason: nobody is }
      writes:
        - { create: salesforce.Task, fields: { Subject: "listed  Ann 2026-03-02" } }
  - name: two who share an e-mail are conflicts, and go on when one of them changes
    polls:
      - listing: [{ id: cus_1, email: A@x.example, name: Ann }, { id: cus_2, email: a@x.example, name: Bob }]
      - listing: [{ id: cus_1, email: A@x.example, name: Ann }, { id: cus_2, email: b@x.example, name: Bob }]
    expect: { records: { cus_1: { outcome: succeeded }, cus_2: { outcome: succeeded } } }
  - name: both are named
    listing: [{ id: cus_1, email: A@x.example }, { id: cus_2, email: a@x.example }, { id: cus_3 }]
    expect:
      records:
        cus_1: { outcome: conflict, candidates: [cus_2, cus_1] }
        cus_2: { outcome: conflict, reason: must be unique }
        cus_3: { outcome: skipped }
      writes: []
  - name: what is as it was does nothing, and who is gone is told of
    polls:
      - listing: [{ id: cus_1, email: a@x.example, name: Ann }, { id: cus_2, email: b@x.example, name: Bob }]
      - listing: [{ id: cus_2, email: b@x.example, name: Bob }]
    expect:
      records: { cus_1: { outcome: succeeded }, cus_2: { outcome: unchanged } }
      writes:
        - { create: salesforce.Task }
        - { create: salesforce.Task }
        - { create: salesforce.Task, fields: { Subject: "gone Ann  2026-01-01" } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_in_a_test_comes_to_what_a_poll_would() {
    let world = Polling::with(MEMBERS).await;
    let output = world.lockstep(&["test"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && told.contains("4 passed"), "{told}");
    world.edit("pipelines/acme/members.test.yaml", "cus_3: { outcome: skipped }", "cus_3: { outcome: dead }");
    let told = String::from_utf8(world.lockstep(&["test"]).stdout).unwrap();
    assert!(told.contains("cus_3: expected the outcome dead, and it is skipped"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_in_a_file_can_be_run_dry() {
    let world = Polling::with(MEMBERS).await;
    world.write("record.json", r#"{ "id": "cus_1", "email": "a@x.example", "name": "Ann" }"#);
    let output = world.lockstep(&["dry-run", "acme/members", "--event", "record.json"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("listed  Ann"), "{told}");
}
