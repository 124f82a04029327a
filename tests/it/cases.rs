//! `lockstep test`: what a failing case shows, cases that converge, coverage and `JUnit` XML.

use std::fs;

use pretty_assertions::assert_eq;
use tempfile::TempDir;

use crate::example::project;
use crate::pipelines::lockstep;

const STATUS: &str = "# file: status.yaml
name: status
trigger: { stripe: { events: [customer.subscription.*] } }
steps:
  - id: account
    find: { object: salesforce.Account, match: { Stripe_Customer_Id__c: $.object.customer }, none: skip }
  - update:
      object: salesforce.Account
      record: $.steps.account.id
      fields: { Status__c: $.object.status }
  - create:
      object: salesforce.Task
      key: { Event__c: $.object.id }
      fields: { Subject: New subscription, WhatId: $.steps.account.id }
";

const SCENARIO: &str = "# file: status.test.yaml
pipeline: status
cases:
  - name: trial, then paid, then canceled
    converge: true
    events:
      - { type: customer.subscription.created, object: { id: sub_1, customer: cus_1, status: trialing } }
      - { type: customer.subscription.updated, object: { id: sub_1, customer: cus_1, status: active } }
      - { type: customer.subscription.deleted, object: { id: sub_1, customer: cus_1, status: canceled } }
    given: { salesforce.Account: [{ Id: 001A, Stripe_Customer_Id__c: cus_1 }] }
    expect:
      outcome: succeeded
      writes:
        - { update: salesforce.Account, fields: { Status__c: trialing } }
        - { create: salesforce.Task, fields: { WhatId: 001A } }
        - { update: salesforce.Account, fields: { Status__c: active } }
        - { update: salesforce.Account, fields: { Status__c: canceled } }
";

fn scenario(change: impl Fn(String) -> String) -> TempDir {
    project(&change(format!("{STATUS}{SCENARIO}")))
}

#[test]
fn a_case_that_converges_is_tried_in_many_ways() {
    let project = scenario(|files| files);
    let (code, shown, _) = lockstep(&project, &["test", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(told["cases"][0]["problems"], serde_json::json!([]), "{shown}");
    // Five other orders, two backlogs, six with a twin, one sent again, and crashes at each call of two orders.
    let ways = told["cases"][0]["ways"].as_u64().unwrap();
    assert!(ways > 14 + 2 * 3 * 5, "{ways}");
    assert_eq!(code, 0);
    let (_, shown, _) = lockstep(&project, &["test"]);
    assert!(shown.contains(&format!("trial, then paid, then canceled ({ways} ways)")), "{shown}");
}

#[test]
fn an_order_in_which_it_ends_otherwise_is_named() {
    let project = scenario(|files| {
        files.replace("steps:\n  - id: account", "order: { stale: apply }\nsteps:\n  - id: account")
    });
    let (code, shown, _) = lockstep(&project, &["test"]);
    insta::assert_snapshot!(shown, @r#"
    acme/status
      FAIL  trial, then paid, then canceled
            at pipelines/acme/status.test.yaml:3
            it does not converge: the events in the order 1, 3, 2, it ends otherwise than in the order in which it is written:
            salesforce.Account 001A: Status__c is "active", and not "canceled"

    0 passed, 1 failed
    "#);
    assert_eq!(code, 1);
    assert_eq!(lockstep(&project, &["test"]).1, shown, "the same is found each time");
}

#[test]
fn an_event_under_two_ids_that_creates_twice_is_found() {
    let project =
        scenario(|files| files.replace("key: { Event__c: $.object.id }", "key: { Event__c: $.run.id }"));
    let (code, shown, _) = lockstep(&project, &["test"]);
    assert!(shown.contains("salesforce.Task: "), "{shown}");
    assert!(shown.contains(" created, and not "), "{shown}");
    assert_eq!(code, 1);
}

/// The newest of several values is added to the others: what an attempt has added that died is added again.
const TOTAL: &str = "# file: total.yaml
name: total
trigger: { stripe: { events: [invoice.paid] } }
steps:
  - id: account
    find: { object: salesforce.Account, match: { Stripe_Customer_Id__c: $.object.customer }, none: skip }
  - update:
      object: salesforce.Account
      record: $.steps.account.id
      fields: { Total__c: \"${(if steps.account.record.Total__c == () { 0 } else { steps.account.record.Total__c }) + object.total}\" }
  - update:
      object: salesforce.Account
      record: $.steps.account.id
      fields: { Status__c: Paid }
# file: total.test.yaml
pipeline: total
cases:
  - name: what was paid is added up
    converge: true
    event: { type: invoice.paid, object: { customer: cus_1, total: 5 } }
    given: { salesforce.Account: [{ Id: 001A, Stripe_Customer_Id__c: cus_1, Total__c: 10 }] }
    expect: { outcome: succeeded }
";

#[test]
fn a_crash_after_which_it_ends_otherwise_is_named_with_its_call() {
    let project = project(TOTAL);
    let (code, shown, _) = lockstep(&project, &["test"]);
    assert!(shown.contains("it does not converge: event 1 twice, under two ids"), "{shown}");
    assert!(shown.contains("salesforce.Account 001A: Total__c is 20, and not 15"), "{shown}");
    assert_eq!(code, 1);
}

#[test]
fn what_waits_in_the_order_of_a_case_is_taken_up_when_what_it_waits_for_is_there() {
    let project = project(
        "# file: tasks.yaml
name: tasks
trigger: { stripe: { events: [customer.created, invoice.paid] } }
steps:
  - choose:
      - when: event.type == \"customer.created\"
        steps:
          - upsert: { object: salesforce.Account, match: { Stripe_Customer_Id__c: $.object.id }, fields: { Name: $.object.name } }
      - steps:
          - id: account
            find: { object: salesforce.Account, match: { Stripe_Customer_Id__c: $.object.customer }, none: wait 1h }
          - create: { object: salesforce.Task, key: { Invoice__c: $.object.id }, fields: { WhatId: $.steps.account.id } }
# file: tasks.test.yaml
pipeline: tasks
cases:
  - name: the customer may come late
    converge: true
    events:
      - { type: customer.created, object: { id: cus_1, name: Ann } }
      - { type: invoice.paid, object: { id: in_1, customer: cus_1 } }
    expect:
      outcome: succeeded
      writes: [{ create: salesforce.Account }, { create: salesforce.Task, fields: { WhatId: Account-1 } }]
  - name: it never comes
    event: { type: invoice.paid, object: { id: in_1, customer: cus_1 } }
    expect: { outcome: waiting, writes: [] }
",
    );
    let (code, shown, _) = lockstep(&project, &["test"]);
    assert!(shown.contains("2 passed, 0 failed"), "{shown}");
    assert_eq!(code, 0);
}

#[test]
fn an_older_event_of_a_scenario_is_stale() {
    let project = scenario(|_| {
        format!(
            "{STATUS}# file: status.test.yaml
pipeline: status
cases:
  - name: the older one comes second
    events:
      - {{ type: customer.subscription.updated, created: 1767261600, object: {{ id: sub_1, customer: cus_1, status: active }} }}
      - {{ type: customer.subscription.updated, created: 1767261500, object: {{ id: sub_1, customer: cus_1, status: trialing }} }}
    given: {{ salesforce.Account: [{{ Id: 001A, Stripe_Customer_Id__c: cus_1 }}] }}
    expect: {{ outcome: skipped, reason: a newer event about sub_1 }}
"
        )
    });
    let (code, shown, _) = lockstep(&project, &["test"]);
    assert_eq!((code, shown.contains("1 passed, 0 failed")), (0, true), "{shown}");
}

#[test]
fn polls_cannot_converge() {
    let project = project(
        "# file: members.yaml
name: members
trigger: { schedule: { every: 1m, list: { object: stripe.customer } } }
steps: [{ set: { a: 1 } }]
# file: members.test.yaml
pipeline: members
cases:
  - name: all
    converge: true
    listing: []
    expect: {}
",
    );
    let (code, shown, _) = lockstep(&project, &["validate"]);
    assert!(shown.contains("error[test-case]: `converge` is of cases with events"), "{shown}");
    assert!(shown.contains("members.test.yaml:4:5"), "{shown}");
    assert_eq!(code, 1);
}

const COVERED: &str = "# file: paid.yaml
name: paid
trigger: { stripe: { events: [invoice.paid] } }
when: object.total > 0
steps:
  - id: account
    find:
      object: salesforce.Account
      match: { Stripe_Customer_Id__c: $.object.customer }
      none: skip
      many: first
  - check: { that: object.currency == \"usd\", reason: dollars only }
  - when: object.total > 100
    update:
      object: salesforce.Account
      record: $.steps.account.id
      fields: { Status__c: Paid }
  - choose:
      - when: object.attempt_count > 1
        steps:
          - create: { object: salesforce.Task, key: { Invoice__c: $.object.id }, fields: { Subject: Late } }
      - when: object.attempt_count == 1
        steps:
          - for_each:
              in: $.object.nothing[*] # lockstep: allow(unknown-path) no invoice has it: nothing is done for each of none
              as: one
              steps:
                - update: { object: salesforce.Account, record: $.one.id, fields: { Status__c: One } }
  - on_error: continue
    update: { object: salesforce.Account, record: 001X, fields: { Name: X } }
# file: paid.test.yaml
pipeline: paid
cases:
  - name: it is paid
    event: { type: invoice.paid, object: { customer: cus_1, currency: usd, total: 500, attempt_count: 1 } }
    given: { salesforce.Account: [{ Id: 001A, Stripe_Customer_Id__c: cus_1 }] }
    expect: { outcome: succeeded }
";

#[test]
fn what_no_test_reaches_is_named_with_its_line() {
    let project = project(COVERED);
    let (code, shown, _) = lockstep(&project, &["test", "--coverage"]);
    let (_, told) = shown.split_once("\n\n").unwrap();
    insta::assert_snapshot!(told, @r"
    1 passed, 0 failed

    coverage: 47.0 % (8 of 17 steps and branches)
    no test in which
      pipelines/acme/paid.yaml:3  trigger: `when` is false
      pipelines/acme/paid.yaml:9  steps[0].find (account): `none` is met
      pipelines/acme/paid.yaml:10  steps[0].find (account): `many` is met
      pipelines/acme/paid.yaml:11  steps[1].check: the check does not hold
      pipelines/acme/paid.yaml:12  steps[2].update: `when` is false
      pipelines/acme/paid.yaml:17  steps[3].choose: no branch holds
      pipelines/acme/paid.yaml:18  steps[3].choose: branch 1 is taken
      pipelines/acme/paid.yaml:20  steps[3].choose[0].steps[0].create: the step is performed
      pipelines/acme/paid.yaml:27  steps[3].choose[1].steps[0].for_each.steps[0].update: the step is performed
    ");
    assert_eq!(code, 0);
}

#[test]
fn too_little_coverage_can_fail() {
    let project = project(COVERED);
    let (code, _, said) = lockstep(&project, &["test", "--min-coverage", "90"]);
    assert!(said.contains("tests reach less than the 90 % that --min-coverage asks for"), "{said}");
    assert_eq!(code, 1);
    let (code, shown, _) = lockstep(&project, &["test", "--min-coverage", "20", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let coverage = &told["coverage"];
    let missed = coverage["missed"].as_array().unwrap();
    let left = coverage["all"].as_u64().unwrap() - coverage["reached"].as_u64().unwrap();
    assert_eq!(u64::try_from(missed.len()).unwrap(), left);
    assert_eq!(missed[0]["file"], "pipelines/acme/paid.yaml");
    assert_eq!(code, 0);
    assert_eq!(lockstep(&project, &["test", "--min-coverage", "101"]).0, 2);
}

#[test]
fn every_way_is_reached_by_tests_that_take_it() {
    let more = "  - name: nothing is owed
    event: { type: invoice.paid, object: { total: 0 } }
    expect: { outcome: skipped }
  - name: nobody
    event: { type: invoice.paid, object: { customer: cus_2, total: 1 } }
    expect: { outcome: skipped }
  - name: two of them, in another currency
    event: { type: invoice.paid, object: { customer: cus_3, total: 1, currency: eur } }
    given: { salesforce.Account: [{ Id: 001B, Stripe_Customer_Id__c: cus_3 }, { Id: 001C, Stripe_Customer_Id__c: cus_3 }] }
    expect: { outcome: conflict }
  - name: little, and late
    event: { type: invoice.paid, object: { customer: cus_1, currency: usd, total: 5, attempt_count: 2 } }
    given: { salesforce.Account: [{ Id: 001A, Stripe_Customer_Id__c: cus_1 }] }
    expect: { outcome: succeeded }
  - name: little, and never tried
    event: { type: invoice.paid, object: { customer: cus_1, currency: usd, total: 5, attempt_count: 0 } }
    given: { salesforce.Account: [{ Id: 001A, Stripe_Customer_Id__c: cus_1 }] }
    expect: { outcome: succeeded }
  - name: things
    event: { type: invoice.paid, object: { customer: cus_1, currency: usd, total: 5, attempt_count: 1, nothing: [{ id: 001A }] } }
    given: { salesforce.Account: [{ Id: 001A, Stripe_Customer_Id__c: cus_1 }] }
    expect: { outcome: succeeded }
";
    let project = project(&format!("{COVERED}{more}"));
    let (code, shown, _) = lockstep(&project, &["test", "--coverage"]);
    let (_, told) = shown.split_once("\ncoverage: ").unwrap();
    insta::assert_snapshot!(told, @r"
    100.0 % (17 of 17 steps and branches)
    ");
    assert_eq!(code, 0);
}

#[test]
fn results_are_written_as_junit_xml_beside_the_usual_answer() {
    let project =
        scenario(|files| files.replace("Status__c: canceled", "Status__c: \"<gone> & \\\"over\\\"\""));
    let (code, shown, _) = lockstep(&project, &["test", "--junit", "target/out.xml"]);
    assert!(shown.contains("0 passed, 1 failed"), "{shown}");
    assert_eq!(code, 1);
    let xml = fs::read_to_string(project.path().join("target/out.xml")).unwrap();
    let time = regex::Regex::new(r#"time="[0-9.]+""#).unwrap();
    insta::assert_snapshot!(time.replace_all(&xml, r#"time="-""#), @r##"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="lockstep" tests="1" failures="1" errors="0" skipped="0" time="-">
      <testsuite name="acme/status" file="pipelines/acme/status.test.yaml" tests="1" failures="1" errors="0" skipped="0" time="-">
        <testcase name="trial, then paid, then canceled" classname="acme/status" file="pipelines/acme/status.test.yaml" line="3" time="-">
          <failure message="the writes are not as expected (- expected, + written):">the writes are not as expected (- expected, + written):
      update salesforce.Account 001A
      create salesforce.Task Task-1
      update salesforce.Account 001A
      update salesforce.Account 001A, by steps[1].update at pipelines/acme/status.yaml:6
    -     Status__c: &quot;&lt;gone&gt; &amp; \&quot;over\&quot;&quot;
    +     Status__c: &quot;canceled&quot;
    at pipelines/acme/status.test.yaml:3</failure>
        </testcase>
      </testsuite>
    </testsuites>
    "##);
    fs::create_dir(project.path().join("folder")).unwrap();
    let (code, _, said) = lockstep(&project, &["test", "--junit", "folder"]);
    assert!(said.contains("folder could not be written"), "{said}");
    assert_eq!(code, 2);
}

#[test]
fn a_failing_case_shows_what_was_expected_beside_what_was_written() {
    let project = scenario(|files| {
        files
            .replace("        - { create: salesforce.Task, fields: { WhatId: 001A } }\n", "")
            .replace(
                "fields: { Status__c: active } }",
                "id: 001B, fields: { Status__c: past_due, Name: null } }",
            )
            .replace(
                "fields: { Status__c: canceled } }\n",
                "fields: { Status__c: canceled } }\n        - { delete: salesforce.Account, id: 001A }\n",
            )
    });
    let (code, shown, _) = lockstep(&project, &["test"]);
    insta::assert_snapshot!(shown, @r#"
    acme/status
      FAIL  trial, then paid, then canceled
            at pipelines/acme/status.test.yaml:3
            the writes are not as expected (- expected, + written):
              update salesforce.Account 001A
            + create salesforce.Task Task-1, which is not expected, by steps[2].create at pipelines/acme/status.yaml:10
            +     Subject: "New subscription"
            +     WhatId: "001A"
            +     Event__c: "sub_1"
              update salesforce.Account 001A, by steps[1].update at pipelines/acme/status.yaml:6
            -     id: "001B"
            +     id: "001A"
            -     Status__c: "past_due"
            +     Status__c: "active"
                  Name: null
              update salesforce.Account 001A
            - delete salesforce.Account 001A, which was not written

    0 passed, 1 failed
    "#);
    assert_eq!(code, 1);
    let (_, shown, _) = lockstep(&project, &["test", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let differences = told["cases"][0]["differences"].as_array().unwrap();
    let is: Vec<_> = differences.iter().map(|it| it["is"].as_str().unwrap()).collect();
    assert_eq!(is, ["agrees", "unexpected", "differs", "agrees", "missing"]);
    assert_eq!(differences[1]["file"], "pipelines/acme/status.yaml");
    assert_eq!(differences[1]["line"], 10);
}

/// Parts of one payment, some of which have a task already: what is asked for all of them goes together.
const PARTS: &str = "# file: parts.yaml
name: parts
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - for_each:
      in: $.object.parts # lockstep: allow(unknown-path) no charge has it: parts are what this test is about
      as: part
      batch: true
      steps:
        - when: part.task != ()
          update: { object: salesforce.Task, record: $.part.task, fields: { Status: Completed } }
        - when: part.task == ()
          create: { object: salesforce.Task, key: { Part__c: $.part.id }, fields: { Status: Completed } }
# file: parts.test.yaml
pipeline: parts
cases:
  - name: two are known and one is new
    converge: true
    event: { type: charge.succeeded, object: { parts: [{ id: p1, task: 00TA }, { id: p2 }, { id: p3, task: 00TB }] } }
    given: { salesforce.Task: [{ Id: 00TA }, { Id: 00TB }] }
    expect:
      outcome: succeeded
      writes:
        - { update: salesforce.Task, id: 00TA, fields: { Status: Completed } }
        - { create: salesforce.Task, fields: { Part__c: p2 } }
        - { update: salesforce.Task, id: 00TB, fields: { Status: Completed } }
";

#[test]
fn what_a_loop_writes_together_converges_and_is_covered() {
    let project = project(PARTS);
    let (code, shown, said) = lockstep(&project, &["test", "--coverage"]);
    assert!(shown.contains("1 passed, 0 failed"), "{shown}{said}");
    assert!(shown.contains("coverage: 100.0 % (5 of 5 steps and branches)"), "{shown}");
    assert_eq!(code, 0);
}

#[test]
fn each_write_of_calls_that_go_together_is_its_own_steps() {
    let project = project(
        &PARTS.replace("Status: Completed } }\n        - { create", "Status: Open } }\n        - { create"),
    );
    let (code, shown, said) = lockstep(&project, &["test", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&shown).unwrap_or_else(|_| panic!("{said}"));
    let differences = told["cases"][0]["differences"].as_array().unwrap();
    let whose = |it: &serde_json::Value| (it["is"].clone(), it["step"].clone(), it["line"].clone());
    let (update, create) = ("steps[0].for_each.steps[0].update", "steps[0].for_each.steps[1].create");
    assert_eq!(
        differences.iter().map(whose).collect::<Vec<_>>(),
        [
            ("differs".into(), update.into(), 10.into()),
            ("agrees".into(), create.into(), 12.into()),
            ("agrees".into(), update.into(), 10.into()),
        ]
    );
    assert_eq!(code, 1);
}
