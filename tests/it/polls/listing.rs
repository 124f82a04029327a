//! Polls of what a schedule lists.

use lockstep::sandbox::Fault;
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

const UNIQUE: &str = "{ schedule: { every: 1s, list: { object: stripe.customer }, unique: { by: $.object.email, as: email }, \
                      only_changed: true, start: all } }";

#[tokio::test(flavor = "multi_thread")]
async fn those_who_share_an_email_are_conflicts_that_name_both_until_one_changes() {
    let mut world = Polling::with(&tasks(UNIQUE)).await;
    let one = world.customer("ann@x.example").await;
    let other = world.customer("Ann@X.example").await;
    world.customer("bob@x.example").await;
    world.start(&[]);
    world.until_runs(3).await;
    assert_eq!(world.subjects(), ["bob@x.example"]);
    let conflicts = world.admin("/api/v1/conflicts").await.1["runs"].as_array().unwrap().clone();
    assert_eq!(conflicts.len(), 2);
    for conflict in &conflicts {
        let mut named: Vec<&str> =
            conflict["candidates"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
        named.sort_unstable();
        assert_eq!(named, [&*one, &*other]);
    }
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 3, "a conflict that stands is told once");
    let report = &world.reports().await[0];
    assert_eq!((report["listed"].as_u64(), report["unchanged"].as_u64()), (Some(3), Some(1)));
    let standing: u64 =
        report["conflicts"].as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(standing, 2, "and counted each time: {report}");
    // The other one is as it was, and runs all the same.
    world.stripe("POST", &format!("customers/{other}"), &[("email", "eve@x.example")]).await;
    world.until_subjects(&["ann@x.example", "bob@x.example", "eve@x.example"]).await;
    // One who was alone is torn when somebody else takes the address.
    world.customer("bob@x.example").await;
    world.until_runs(7).await;
    assert_eq!(world.subjects().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_share_an_email_the_oldest_may_go_on() {
    let trigger = UNIQUE.replace("as: email }", "as: email, keep: oldest }");
    let mut world = Polling::with(&tasks(&trigger)).await;
    let first = world.customer("ann@x.example").await;
    world.customer("ann@x.example").await;
    world.start(&[]);
    world.until_runs(2).await;
    let runs = world.runs().await;
    let went_on: Vec<_> = runs.iter().filter(|(state, _)| state == "succeeded").map(|(_, key)| key).collect();
    assert_eq!((went_on, world.subjects().len()), (vec![&first], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_listed_no_more_runs_with_what_it_was() {
    let pipeline = "# file: pipelines/acme/members.yaml\nname: members\ntrigger: { schedule: { every: 1s, list: { object: \
                    stripe.customer }, only_changed: true, start: all, gone: run } }\nwhen: event.type == \"gone\"\nsteps:\n  - \
                    create:\n      object: salesforce.Task\n      key: { Stripe_Charge_Id__c: $.event.record }\n      fields: { \
                    Subject: \"${before.email} left\", Status: Completed, Priority: Normal }\n";
    let mut world = Polling::with(pipeline).await;
    let customer = world.customer("ann@x.example").await;
    world.customer("bob@x.example").await;
    world.start(&[]);
    world.until_runs(2).await;
    world.stripe("DELETE", &format!("customers/{customer}"), &[]).await;
    world.until_subjects(&["ann@x.example left"]).await;
    world.a_poll().await;
    assert_eq!(world.runs().await.len(), 3, "gone once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_fails_says_so_and_is_tried_again() {
    let mut world = Polling::with(&tasks(CHANGED)).await;
    world.customer("ann@x.example").await;
    world.sandbox().stripe().faults().add(Fault::answer(403).on("GET", "/v1/customers").times(2));
    world.start(&[]);
    world.until_subjects(&["ann@x.example"]).await;
    let failed = world.admin("/api/v1/reports?failed=true").await.1["reports"].as_array().unwrap().clone();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed[0]["error"].as_str().unwrap().contains("403"), "{failed:?}");
    let page = world.admin("/metrics").await.1;
    let line = r#"lockstep_polls_total{client="acme",poll="members",outcome="failed"} 2"#;
    assert!(page.as_str().unwrap().contains(line), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_count_what_came_of_each_record_and_go_to_a_file_and_to_alerts() {
    let trigger = CHANGED.replace("start: all", "start: all, report: file");
    let alert = "# file: pipelines/acme/told.yaml\nname: told\ntrigger: { lockstep: { events: [poll.report] } }\nwhen: \
                 object.created > 0\nsteps:\n  - create:\n      object: salesforce.Task\n      key: { Stripe_Charge_Id__c: \
                 $.event.id }\n      fields: { Subject: \"${object.poll} created ${object.created}\", Status: Completed, \
                 Priority: Normal }\n";
    let mut world = Polling::with(&format!("{}{alert}", tasks(&trigger))).await;
    world.customer("ann@x.example").await;
    world.customer("bob@x.example").await;
    world.start(&[]);
    world.until_subjects(&["ann@x.example", "bob@x.example", "members created 2"]).await;
    let reports = world.reports().await;
    let first = reports.last().unwrap();
    assert_eq!(
        (first["id"].as_str(), first["listed"].as_u64(), first["created"].as_u64()),
        (Some("acme/members/1"), Some(2), Some(2))
    );
    let shown = world.json(&["reports", "show", "acme/members/1"]);
    assert_eq!(&shown, first);
    let file = std::fs::read_to_string(world.folder().join("reports/acme/members.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(file.lines().next().unwrap()).unwrap();
    assert_eq!((line["poll"].as_str(), line["created"].as_u64()), (Some("members"), Some(2)));
    let listed = world.lockstep(&["reports", "--limit", "3"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("acme/members/"), "{listed}");
}

/// Pages of a hundred; ten thousand customers were as cheap when this was written.
const PAGES: usize = 15;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_as_it_was_costs_a_call_a_page_and_no_write() {
    let trigger = "{ schedule: { every: 1s, list: { object: stripe.customer }, only_changed: true } }";
    let mut world = Polling::with(&tasks(trigger)).await;
    let customers = (0..PAGES).map(|hundred| {
        let world = &world;
        async move {
            for number in 0..100 {
                world.customer(&format!("{hundred}-{number}@x.example")).await;
            }
        }
    });
    futures_util::future::join_all(customers).await;
    world.start(&[]);
    world.until("three polls", async || world.reports().await.len() >= 3).await;
    let reports = world.reports().await;
    let second = reports.iter().find(|report| report["number"] == 2).unwrap();
    let all = Some(PAGES as u64 * 100);
    assert_eq!((second["listed"].as_u64(), second["unchanged"].as_u64()), (all, all));
    let calls = world.sandbox().stripe().calls();
    let pages = calls.iter().filter(|call| call.method == "GET" && call.path == "/v1/customers").count();
    // Others may have begun since.
    let most = (world.reports().await.len() + 1) * PAGES;
    assert!((reports.len() * PAGES..=most).contains(&pages), "{pages} of {}", reports.len());
    assert_eq!((world.runs().await, world.subjects()), (vec![], vec![]));
}
