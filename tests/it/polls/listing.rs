//! Polls of what a schedule lists.

use pretty_assertions::assert_eq;

use super::world::{Polling, tasks};

const CHANGED: &str =
    "{ schedule: { every: 1s, list: { object: stripe.customer }, only_changed: true, start: all } }";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_runs_once_and_again_when_it_changes() {
    let mut world = Polling::with(&tasks(CHANGED)).await;
    let first = world.customer("a@x.example").await;
    world.customer("b@x.example").await;
    world.start(&[]);
    world.until_subjects(&["a@x.example", "b@x.example"]).await;
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 2, "what is as it was starts nothing");
    world.stripe("POST", &format!("customers/{first}"), &[("email", "c@x.example")]).await;
    world.until_subjects(&["b@x.example", "c@x.example"]).await;
    world.until_runs(3).await;
    assert_eq!(world.runs().await[2], ("succeeded".to_owned(), first));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_poll_takes_note_of_what_there_is_and_runs_what_comes() {
    let trigger = "{ schedule: { every: 1s, list: { object: stripe.customer }, only_changed: true } }";
    let mut world = Polling::with(&tasks(trigger)).await;
    world.customer("old@x.example").await;
    world.start(&[]);
    world.a_poll().await;
    assert_eq!(world.runs().await, []);
    world.customer("new@x.example").await;
    world.until_subjects(&["new@x.example"]).await;
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_poll_has_seen_outlives_a_kill() {
    let mut world = Polling::with(&tasks(CHANGED)).await;
    for number in 0..3 {
        world.customer(&format!("{number}@x.example")).await;
    }
    world.start(&[]);
    world.until_runs(3).await;
    world.kill();
    world.customer("new@x.example").await;
    world.start(&[]);
    world.until_runs(4).await;
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_read_what_a_record_was() {
    let pipeline = "# file: pipelines/acme/members.yaml\nname: members\ntrigger: { schedule: { every: 1s, list: { object: \
                    stripe.customer }, only_changed: true, start: all } }\nwhen: changed(\"email\")\nsteps:\n  - create:\n      \
                    object: salesforce.Task\n      key: { Stripe_Charge_Id__c: $.event.id }\n      fields: { Subject: \
                    \"${before.email} to ${object.email}\", Status: Completed, Priority: Normal }\n";
    let mut world = Polling::with(pipeline).await;
    let customer = world.customer("a@x.example").await;
    world.start(&[]);
    world.until_runs(1).await;
    assert_eq!(world.subjects(), Vec::<String>::new(), "a first sight has changed nothing");
    world.stripe("POST", &format!("customers/{customer}"), &[("email", "b@x.example")]).await;
    world.until_subjects(&["a@x.example to b@x.example"]).await;
    world.stripe("POST", &format!("customers/{customer}"), &[("name", "Ann")]).await;
    world.until_runs(3).await;
    assert_eq!(world.runs().await[2].0, "skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_since_are_asked_for_late_ones_too_and_run_once() {
    let pipeline = "# file: pipelines/acme/won.yaml\nname: won\ntrigger: { schedule: { every: 1s, list: { object: \
                    salesforce.Opportunity, where: { StageName: Closed Won }, since: SystemModstamp }, start: all } }\nsteps:\n  \
                    - set: { name: $.object.Name }\n";
    let mut world = Polling::with(pipeline).await;
    world.opportunity("one", "Closed Won");
    world.opportunity("other", "Prospecting");
    world.start(&[]);
    world.until_runs(1).await;
    // Of the same second, most likely: the overlap lists the first one again, and it starts nothing.
    world.opportunity("two", "Closed Won");
    world.until_runs(2).await;
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 2);
    let calls = world.sandbox().salesforce().calls();
    let query = calls.iter().rev().find(|call| call.path.ends_with("/query")).unwrap();
    assert!(query.query.contains("SystemModstamp"), "{}", query.query);
}
