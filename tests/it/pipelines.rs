//! `lockstep test`, `lockstep dry-run` and `lockstep show`, as a user meets them.

use assert_cmd::Command;
use pretty_assertions::assert_eq;
use tempfile::TempDir;

use crate::example::project;

/// Runs the binary in a project: exit code, standard output, standard error.
pub(super) fn lockstep(project: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("lockstep")
        .unwrap()
        .current_dir(project.path())
        .args(arguments)
        .env_remove("ACME_SF_ID")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const PIPELINE: &str = "# file: paid.yaml
name: paid
description: A paid invoice shows on its account.
trigger: { stripe: { events: [invoice.paid] } }
when: object.total > 0
steps:
  - id: account
    find: { object: salesforce.Account, match: { Stripe_Customer_Id__c: $.object.customer }, none: skip }
  - update:
      object: salesforce.Account
      record: $.steps.account.id
      fields:
        Status__c: Paid
        Total__c: { from: $.object.total, money: usd, write: if_empty }
";

fn with_test(case: &str) -> TempDir {
    project(&format!("{PIPELINE}# file: paid.test.yaml\npipeline: paid\ncases:\n{case}"))
}

const GIVEN: &str = "    given: { salesforce.Account: [{ Id: 001A, Stripe_Customer_Id__c: cus_1 }] }\n";

#[test]
fn a_test_that_passes_says_so() {
    let project = with_test(&format!(
        "  - name: the account shows it
    event: {{ type: invoice.paid, object: {{ customer: cus_1, total: 4500 }} }}
{GIVEN}    expect:
      outcome: succeeded
      writes: [{{ update: salesforce.Account, id: 001A, fields: {{ Status__c: Paid, Total__c: 45 }} }}]
"
    ));
    let (code, shown, _) = lockstep(&project, &["test"]);
    assert_eq!(shown, "acme/paid\n  ok    the account shows it\n\n1 passed, 0 failed\n");
    assert_eq!(code, 0);
}

#[test]
fn a_test_that_fails_shows_what_differs_and_where() {
    let project = with_test(&format!(
        "  - name: the account shows it
    event: {{ type: invoice.paid, object: {{ customer: cus_1, total: 4500 }} }}
{GIVEN}    expect:
      outcome: skipped
      writes:
        - {{ update: salesforce.Account, fields: {{ Status__c: Open, Total__c: 45.00 }} }}
        - {{ create: salesforce.Task }}
"
    ));
    let (code, shown, _) = lockstep(&project, &["test"]);
    insta::assert_snapshot!(shown, @r#"
    acme/paid
      FAIL  the account shows it
            at pipelines/acme/paid.test.yaml:3
            expected the outcome skipped, and it is succeeded
            the writes are not as expected (- expected, + written):
              update salesforce.Account 001A, by steps[1].update at pipelines/acme/paid.yaml:8
            -     Status__c: "Open"
            +     Status__c: "Paid"
                  Total__c: 45.00
            - create salesforce.Task, which was not written

    0 passed, 1 failed
    "#);
    assert_eq!(code, 1);
}

#[test]
fn a_test_can_be_read_by_programs() {
    let project = with_test(
        "  - name: nothing is owed
    event: { type: invoice.paid, object: { total: 0 } }
    expect: { outcome: skipped, writes: [] }
",
    );
    let (code, shown, _) = lockstep(&project, &["test", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((json["passed"].as_u64(), json["failed"].as_u64()), (Some(1), Some(0)));
    let case = &json["cases"][0];
    assert_eq!(case["name"], "nothing is owed");
    assert_eq!(case["file"], "pipelines/acme/paid.test.yaml");
    assert_eq!(case["line"], 3);
    assert_eq!(case["reason"], "object.total > 0 is false: object.total = 0");
    assert_eq!(code, 0);
}

#[test]
fn an_event_that_the_pipeline_does_not_start_on_is_told() {
    let project = with_test(
        "  - name: another event
    event: { type: invoice.voided }
    expect: { writes: [] }
",
    );
    let (code, shown, _) = lockstep(&project, &["test"]);
    assert!(shown.contains("`invoice.voided` does not start the pipeline `paid`"), "{shown}");
    assert_eq!(code, 1);
}

#[test]
fn yaml_with_errors_is_not_tested() {
    let project = project(&PIPELINE.replace("$.steps.account.id", "$.steps.acount.id"));
    let (code, shown, _) = lockstep(&project, &["test"]);
    assert!(shown.contains("error[unknown-step]"), "{shown}");
    assert_eq!(code, 1);
}

const EVENT: &str = r#"{"id":"evt_1","object":"event","type":"invoice.paid","created":1767261600,"livemode":false,
    "data":{"object":{"id":"in_1","object":"invoice","customer":"cus_1","total":4500}}}"#;

#[test]
fn a_dry_run_shows_conditions_mappings_and_requests() {
    let project = project(PIPELINE);
    std::fs::write(project.path().join("event.json"), EVENT).unwrap();
    let given = r#"{"salesforce.Account":[{"Id":"001A","Stripe_Customer_Id__c":"cus_1","Total__c":1}]}"#;
    std::fs::write(project.path().join("given.json"), given).unwrap();
    let (code, shown, _) =
        lockstep(&project, &["dry-run", "acme/paid", "--event", "event.json", "--given", "given.json"]);
    insta::assert_snapshot!(shown, @r#"
    trigger
      when object.total > 0 -> holds (object.total = 4500)

    steps[0].find (account)
      Stripe_Customer_Id__c <- $.object.customer = "cus_1"
      => GET https://acme.my.salesforce.com/services/data/v66.0/query?q=SELECT%20Id%2C%20Status__c%2C%20Total__c%2C%20Stripe_Customer_Id__c%20FROM%20Account%20WHERE%20Stripe_Customer_Id__c%20%3D%20%27cus_1%27%20LIMIT%2010
         1 found in --given
      found 001A

    steps[1].update
      record <- $.steps.account.id = "001A"
      Status__c <- Paid = "Paid"
      Total__c <- $.object.total = 45.00 (4500 -> money: 45.00)
      => PATCH https://acme.my.salesforce.com/services/data/v66.0/sobjects/Account/001A
         {"Status__c":"Paid"}
         not sent
      updated 001A

    ends as succeeded
    "#);
    assert_eq!(code, 0);
}

#[test]
fn a_dry_run_without_records_says_what_is_missing() {
    let project = project(PIPELINE);
    std::fs::write(project.path().join("event.json"), EVENT).unwrap();
    let (code, shown, _) = lockstep(&project, &["dry-run", "acme/paid", "--event", "event.json"]);
    assert!(shown.contains("missing: --given has no such record"), "{shown}");
    let end = "ends as skipped: no salesforce.Account with Stripe_Customer_Id__c = cus_1\n";
    assert!(shown.ends_with(end), "{shown}");
    assert_eq!(code, 0);
}

#[test]
fn a_dry_run_tells_of_records_that_were_of_no_use() {
    let project = project(PIPELINE);
    std::fs::write(project.path().join("event.json"), EVENT).unwrap();
    let given =
        r#"{"salesforce.Account": [], "salesforce.Contact": [], "salesforc.Account": [{"Id": "001A"}]}"#;
    std::fs::write(project.path().join("given.json"), given).unwrap();
    let (code, _, shown) =
        lockstep(&project, &["dry-run", "acme/paid", "--event", "event.json", "--given", "given.json"]);
    insta::assert_snapshot!(shown, @r"
    note: --given has salesforce.Contact, and this run asked for none of it
    note: --given has salesforc.Account, and acme has no connection `salesforc`: did you mean `salesforce`?
    ");
    assert_eq!(code, 0);
}

#[test]
fn a_condition_that_cannot_be_decided_names_what_it_read() {
    let project = project(&PIPELINE.replace("when: object.total > 0", "when: object.attempt_count > 0"));
    std::fs::write(project.path().join("event.json"), EVENT).unwrap();
    let (_, shown, _) = lockstep(&project, &["dry-run", "acme/paid", "--event", "event.json"]);
    let end = "ends as dead: trigger: nothing and an integer have no order, in object.attempt_count > 0: \
               object.attempt_count = nothing\n";
    assert!(shown.ends_with(end), "{shown}");
}

#[test]
fn a_dry_run_says_what_it_cannot_use() {
    let project = project(PIPELINE);
    std::fs::write(project.path().join("event.json"), EVENT).unwrap();
    for (arguments, error) in [
        (["acme/payd", "event.json"], "`acme` has no pipeline `payd`: did you mean `paid`?"),
        (["acne/paid", "event.json"], "there is no client `acne`: did you mean `acme`?"),
        (["paid", "event.json"], "a pipeline is named `client/name`, or by its file"),
        (["acme/paid", "nothing.json"], "nothing.json could not be read"),
        (["acme/paid", "pipelines/acme/paid.yaml"], "paid.yaml is not JSON"),
    ] {
        let (code, _, shown) = lockstep(&project, &["dry-run", arguments[0], "--event", arguments[1]]);
        assert!(shown.contains(error), "{shown}");
        assert_eq!(code, 2);
    }
}

#[test]
fn a_pipeline_is_shown_in_plain_words() {
    let project = project(PIPELINE);
    let (code, shown, _) = lockstep(&project, &["show", "pipelines/acme/paid.yaml", "--format", "markdown"]);
    insta::assert_snapshot!(shown, @r#"
    # paid

    A paid invoice shows on its account.

    It starts on these events of stripe: invoice.paid.

    Only when object.total > 0; otherwise the run is skipped.

    Runs with an equal key (the event's own order key) go one at a time in the lane paid; of an event that is older than one already applied, a state is skipped and an occurrence applied.

    A run that fails is tried up to 8 times, after 2s and then ever later, at most 15m apart.

    **1.** Find salesforce.Account by Stripe_Customer_Id__c = object.customer. If there is none, the run is skipped; if there are several, a person decides. Later steps call it `account`.

    **2.** Update salesforce.Account steps.account.id, writing only what differs.

    | Field | Value | Conversion | Without a value | Written |
    | --- | --- | --- | --- | --- |
    | Status__c | "Paid" |  | left alone | when it differs |
    | Total__c | object.total | from minor units of "usd" | left alone | only while empty |
    "#);
    assert_eq!(code, 0);
}

#[test]
fn what_is_shown_tells_when_each_field_is_written() {
    let project = project(
        "# file: paid.yaml
name: paid
trigger: { stripe: { events: [invoice.paid] } }
steps:
  - create:
      object: salesforce.Task
      key: { from: $.object.id, transform: lower }
      fields: { Subject: Paid }
  - create:
      object: salesforce.Task
      key: { Invoice__c: $.object.id }
      fields: { Subject: Paid }
  - upsert:
      object: salesforce.Contact
      match: { Stripe_Customer_Id__c: $.object.customer }
      blind: true
      fields: { Email: $.object.customer_email }
",
    );
    let (code, shown, _) = lockstep(&project, &["show", "acme/paid", "--format", "markdown"]);
    let steps = shown.split_once("**1.**").unwrap().1;
    insta::assert_snapshot!(steps, @r#"
     Create salesforce.Task, once for each object.id, which lockstep remembers.

    | Field | Value | Conversion | Without a value | Written |
    | --- | --- | --- | --- | --- |
    | Subject | "Paid" |  | left out | into the new record |

    **2.** Create salesforce.Task, once for each Invoice__c = object.id. If it exists, nothing is written.

    | Field | Value | Conversion | Without a value | Written |
    | --- | --- | --- | --- | --- |
    | Invoice__c | object.id |  | a person decides | into the new record |
    | Subject | "Paid" |  | left out | into the new record |

    **3.** Create or update salesforce.Contact by Stripe_Customer_Id__c = object.customer, without reading it first: the system itself decides which, and every field is written each time.

    | Field | Value | Conversion | Without a value | Written |
    | --- | --- | --- | --- | --- |
    | Email | object.customer_email |  | left alone | always |
    "#);
    assert_eq!(code, 0);
}

#[test]
fn a_dry_run_tells_what_a_person_should_think_of() {
    let project = project(
        "# file: refuse.yaml
name: refuse
trigger: { stripe: { events: [invoice.finalized] } }
steps:
  - call: { connection: stripe, operation: invoice.void, params: { invoice: $.object.id } }
",
    );
    std::fs::write(
        project.path().join("event.json"),
        r#"{"type": "invoice.finalized", "id": "evt_1", "created": 1767607200, "data": {"object": {"id": "in_1"}}}"#,
    )
    .unwrap();
    let (code, shown, _) = lockstep(&project, &["dry-run", "acme/refuse", "--event", "event.json"]);
    assert!(shown.contains("take care: a voided invoice stays void"), "{shown}");
    assert_eq!(code, 0);
}
