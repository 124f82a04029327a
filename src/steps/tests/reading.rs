//! `find`, `get`, `list`.

use pretty_assertions::assert_eq;

use super::bench::{Bench, Plan, failure, line};
use crate::connector::Class;
use crate::steps::Ending;

const EVENT: &str = r#"{"id":"in_1","customer":"cus_1","email":" Ann@X.example "}"#;

async fn ends(bench: Bench, steps: &str) -> String {
    line(&bench.run(&format!("steps:\n{steps}"), EVENT).await)
}

/// A find of a contact by the stored id, then by the e-mail; and what it gave as the reason of a skip.
fn find(more: &str) -> String {
    format!(
        "  - id: who
    find:
      object: crm.Contact
      match: [{{ Ref: $.object.customer }}, {{ Email: $.object.email }}]
{more}  - check: {{ that: 1 > 2, else: skip, reason: \"${{steps.who.outcome}} ${{steps.who.id}} ${{steps.who.object}}\" }}
"
    )
}

#[tokio::test]
async fn alternatives_are_tried_in_order_and_emails_fold() {
    let bench = Bench::new()
        .given("Contact", r#"{"Id":"1","Email":"ann@x.example"}"#)
        .given("Contact", r#"{"Id":"2","Ref":"cus_1"}"#);
    assert_eq!(ends(bench, &find("")).await, "skipped: found 2 crm.Contact");
    let bench = Bench::new().given("Contact", r#"{"Id":"1","Email":"ANN@x.example"}"#);
    assert_eq!(ends(bench, &find("")).await, "skipped: found 1 crm.Contact");
    assert_eq!(ends(Bench::new(), &find("")).await, "skipped: missing  ");
}

#[tokio::test]
async fn what_none_and_many_mean() {
    let words = "no crm.Contact with Ref = cus_1, nor with Email = Ann@X.example";
    for (none, expected) in [
        ("skip", format!("skipped: {words}")),
        ("conflict", format!("conflict: {words}")),
        ("fail", format!("failed, permanent: {words}")),
        ("wait 1h", format!("waiting: {words}")),
    ] {
        assert_eq!(ends(Bench::new(), &find(&format!("      none: {none}\n"))).await, expected);
    }
    let several = "several crm.Contact with Ref = cus_1: 1, 2";
    for (many, expected) in [
        ("conflict", format!("conflict: {several}")),
        ("skip", format!("skipped: {several}")),
        ("fail", format!("failed, permanent: {several}")),
        ("first", "skipped: found 1 crm.Contact".to_owned()),
    ] {
        let bench = Bench::new()
            .given("Contact", r#"{"Id":"1","Ref":"cus_1"}"#)
            .given("Contact", r#"{"Id":"2","Ref":"cus_1"}"#);
        assert_eq!(ends(bench, &find(&format!("      many: {many}\n"))).await, expected);
    }
}

#[tokio::test]
async fn a_reason_may_name_the_candidates() {
    let bench = Bench::new()
        .given("Contact", r#"{"Id":"1","Ref":"cus_1"}"#)
        .given("Contact", r#"{"Id":"2","Ref":"cus_1"}"#);
    let more = "      reason: \"${candidates.len()} for ${object.customer}, first ${candidates[0].id}\"\n";
    let ending = bench.run(&format!("steps:\n{}", find(more)), EVENT).await;
    let Ending::Conflict { reason, candidates } = ending else { panic!("{ending:?}") };
    assert_eq!(reason, "2 for cus_1, first 1");
    assert_eq!(candidates.len(), 2);
}

#[tokio::test]
async fn a_record_that_says_it_is_another_one_is_a_conflict() {
    let bench = Bench::new().given("Contact", r#"{"Id":"1","Email":"ann@x.example","Ref":"cus_2"}"#);
    let expected = "conflict: the crm.Contact found by Email = Ann@X.example carries another Ref: \
                    \"cus_2\" instead of \"cus_1\"";
    assert_eq!(ends(bench, &find("")).await, expected);
}

#[tokio::test]
async fn blank_alternatives_are_passed_over_and_all_blank_is_a_conflict() {
    let steps =
        "  - find: { object: crm.Contact, match: [{ Ref: $.object.nothing }, { Email: $.object.blank }] }\n";
    assert_eq!(
        ends(Bench::new(), steps).await,
        "conflict: nothing to look by: Ref, Email of crm.Contact are empty"
    );
    let bench = Bench::new().given("Contact", r#"{"Id":"1"}"#);
    let steps = "  - id: x
    find: { object: crm.Contact, match: [{ Ref: $.object.nothing }, { Email: $.object.email }] }
  - check: { that: steps.x.outcome == \"found\", else: skip, reason: none }
";
    assert_eq!(ends(bench, steps).await, "skipped: none");
}

#[tokio::test]
async fn several_places_are_looked_at_in_turn() {
    let steps = "  - id: who
    find:
      any:
        - { object: crm.Account, match: { Ref: $.object.customer } }
        - { object: crm.Contact, match: { Email: $.object.email } }
  - check: { that: 1 > 2, else: skip, reason: \"${steps.who.object} ${steps.who.record.Name}\" }
";
    let bench = Bench::new().given("Contact", r#"{"Id":"1","Email":"ann@x.example","Name":"Ann"}"#);
    assert_eq!(ends(bench, steps).await, "skipped: crm.Contact Ann");
    let bench = Bench::new()
        .given("Contact", r#"{"Id":"1","Email":"ann@x.example","Name":"Ann"}"#)
        .given("Account", r#"{"Id":"2","Ref":"cus_1","Name":"Acme"}"#);
    assert_eq!(ends(bench, steps).await, "skipped: crm.Account Acme");
}

#[tokio::test]
async fn a_get_reads_one_record_or_says_that_there_is_none() {
    let get = |id: &str, none: &str| {
        format!(
            "  - id: x
    get: {{ object: crm.Account, record: {id}, none: {none} }}
  - check: {{ that: 1 > 2, else: skip, reason: \"${{steps.x.outcome}} ${{steps.x.record.Name}}\" }}
"
        )
    };
    let bench = || Bench::new().given("Account", r#"{"Id":"7","Name":"Acme"}"#);
    assert_eq!(ends(bench(), &get("7", "continue")).await, "skipped: found Acme");
    assert_eq!(ends(bench(), &get("8", "continue")).await, "skipped: missing ");
    assert_eq!(ends(bench(), &get("8", "fail")).await, "failed, permanent: no crm.Account 8");
    let nothing = ends(bench(), &get("$.object.nothing", "conflict")).await;
    assert_eq!(nothing, "conflict: no crm.Account to read: `record` gave nothing");
}

#[tokio::test]
async fn a_list_is_whole_or_not_at_all() {
    let list = |limit: u32| {
        format!(
            "  - id: all
    list: {{ object: crm.Line, match: {{ Kind: a }}, limit: {limit} }}
  - check: {{ that: 1 > 2, else: skip, reason: \"${{steps.all.records.len()}}: ${{steps.all.records[0].Ref}}\" }}
"
        )
    };
    let bench = || {
        Bench::new()
            .given("Line", r#"{"Id":"1","Kind":"a","Ref":"r1"}"#)
            .given("Line", r#"{"Id":"2","Kind":"a","Ref":"r2"}"#)
            .given("Line", r#"{"Id":"3","Kind":"b","Ref":"r3"}"#)
    };
    assert_eq!(ends(bench(), &list(2)).await, "skipped: 2: r1");
    assert_eq!(
        ends(bench(), &list(1)).await,
        "conflict: more than 1 crm.Line: a list is whole or not at all"
    );
}

#[tokio::test]
async fn the_class_of_a_failed_read_is_kept() {
    for class in [Class::Transient, Class::Throttled, Class::ConnectionDown, Class::Permanent] {
        let bench = Bench::new().plan([Plan::Fail(failure(class))]);
        assert_eq!(ends(bench, &find("")).await, format!("failed, {class}: the system says {class}"));
    }
}

#[tokio::test]
async fn what_a_branch_decides_by_is_the_same_in_every_attempt() {
    let steps = "steps:
  - id: who
    find: { object: crm.Contact, match: { Ref: $.object.customer } }
  - when: steps.who.outcome == \"missing\"
    create: { object: crm.Contact, key: { Ref: $.object.customer }, fields: { Name: Ann } }
  - update: { object: crm.Account, record: A1, fields: { Name: Ann } }
";
    let bench = Bench::new().given("Account", r#"{"Id":"A1"}"#);
    // The run is cut after the create; then the contact is there, and the branch is taken all the same.
    bench.crash_at(Some(super::bench::Crash { nth: 3, kept: false }));
    bench.run(steps, EVENT).await;
    bench.crash_at(None);
    assert_eq!(line(&bench.attempt(steps, EVENT, "run-1", 2).await), "succeeded");
    assert_eq!(bench.sent().iter().filter(|call| **call == "find Contact").count(), 2);
    assert_eq!(bench.writes().len(), 2);
}
