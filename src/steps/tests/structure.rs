//! What holds steps together: conditions, names, loops, branches, parts, failures that the run goes on over.

use pretty_assertions::assert_eq;

use super::bench::{Bench, Plan, failure, json, line};
use crate::connector::Class;
use crate::steps::EventInput;
use crate::steps::execute::before;

async fn ends(bench: &Bench, rest: &str, event: &str) -> String {
    line(&bench.run(rest, event).await)
}

#[tokio::test]
async fn a_condition_that_does_not_hold_says_why() {
    let rest = "when: object.attempts >= 1 && object.total > 0\nsteps:\n  - set: { a: 1 }\n";
    let ending = ends(&Bench::new(), rest, r#"{"attempts":0,"total":5}"#).await;
    assert_eq!(
        ending,
        "skipped: object.attempts >= 1 && object.total > 0 is false: object.attempts = 0, object.total = 5"
    );
    assert_eq!(ends(&Bench::new(), rest, r#"{"attempts":1,"total":5}"#).await, "succeeded");
    let ending = ends(&Bench::new(), rest, r#"{"attempts":"1","total":5}"#).await;
    assert!(ending.starts_with("failed, permanent: "), "{ending}");
}

#[tokio::test]
async fn a_step_that_is_not_wanted_is_skipped_and_the_run_goes_on() {
    let rest = "steps:
  - id: a
    when: object.go
    create: { object: crm.Task, key: { Ref: x }, fields: { A: 1 } }
  - check: { that: 1 > 2, else: skip, reason: \"${steps.a.outcome} ${steps.a.id}\" }
";
    assert_eq!(ends(&Bench::new(), rest, r#"{"go":false}"#).await, "skipped: skipped ");
    assert_eq!(ends(&Bench::new(), rest, r#"{"go":true}"#).await, "skipped: created Task-1");
}

#[tokio::test]
async fn names_are_seen_by_what_comes_after_them() {
    let rest = "steps:
  - set: { a: 2, b: \"${set.a * 3}\" }
  - check: { that: set.b == 6 && vars.queue == \"Q1\" && client == \"acme\" && run.attempt == 1, reason: no }
  - check: { that: event.type == \"a.b\" && event.source == \"webhook\", reason: no }
";
    assert_eq!(ends(&Bench::new(), rest, "{}").await, "succeeded");
}

#[tokio::test]
async fn a_loop_takes_each_element_and_its_steps_see_only_their_own() {
    let rest = "steps:
  - for_each:
      in: $.object.lines
      as: line
      steps:
        - id: one
          create: { object: crm.Line, key: { Ref: $.line.id }, fields: { Amount: $.line.amount } }
        - update: { object: crm.Line, record: $.steps.one.id, fields: { Seen: \"yes\" } }
";
    let bench = Bench::new();
    let event = r#"{"lines":[{"id":"a","amount":1},{"id":"b","amount":2}]}"#;
    assert_eq!(ends(&bench, rest, event).await, "succeeded");
    assert_eq!(
        bench.writes(),
        [
            r#"create Line Line-1 {"Amount":1,"Ref":"a"}"#,
            r#"update Line Line-1 {"Seen":"yes"}"#,
            r#"create Line Line-2 {"Amount":2,"Ref":"b"}"#,
            r#"update Line Line-2 {"Seen":"yes"}"#,
        ]
    );
    assert_eq!(ends(&Bench::new(), rest, r#"{"lines":null}"#).await, "succeeded");
    let many = format!(r#"{{"lines":[{}]}}"#, vec!["1"; 1_001].join(","));
    let ending = ends(&Bench::new(), rest, &many).await;
    assert_eq!(ending, "conflict: 1001 elements, and a loop takes at most 1000");
}

#[tokio::test]
async fn the_first_branch_that_holds_is_taken() {
    let rest = "steps:
  - choose:
      - when: object.total > 100
        steps:
          - id: size
            set: { word: large }
      - when: object.total > 10
        steps:
          - set: { word: middle }
      - steps:
          - set: { word: small }
  - check: { that: 1 > 2, else: skip, reason: $.set.word }
";
    for (total, word) in [(500, "large"), (50, "middle"), (5, "small")] {
        let event = format!(r#"{{"total":{total}}}"#);
        assert_eq!(ends(&Bench::new(), rest, &event).await, format!("skipped: {word}"));
    }
}

#[tokio::test]
async fn a_check_ends_the_run_as_it_says() {
    for (otherwise, ending) in [
        ("", "conflict: object.ok is false: object.ok = false"),
        (", else: skip", "skipped: object.ok is false: object.ok = false"),
        (", else: fail", "failed, permanent: object.ok is false: object.ok = false"),
        (", reason: \"because of ${object.id}\"", "conflict: because of x"),
    ] {
        let rest = format!("steps:\n  - check: {{ that: object.ok{otherwise} }}\n");
        assert_eq!(ends(&Bench::new(), &rest, r#"{"ok":false,"id":"x"}"#).await, ending);
    }
}

#[tokio::test]
async fn a_part_sees_what_it_takes_and_gives_its_steps() {
    let part = "takes: { ref: The reference. }
steps:
  - id: account
    find: { object: crm.Account, match: { Ref: $.with.ref }, none: skip, reason: \"no ${with.ref}\" }
";
    let rest = "steps:
  - use: { part: find-account, with: { ref: $.object.customer } }
  - check: { that: 1 > 2, else: skip, reason: $.steps.account.id }
";
    let bench = Bench::new().part("find-account", part).given("Account", r#"{"Id":"A1","Ref":"cus_1"}"#);
    assert_eq!(ends(&bench, rest, r#"{"customer":"cus_1"}"#).await, "skipped: A1");
    let bench = Bench::new().part("find-account", part);
    assert_eq!(ends(&bench, rest, r#"{"customer":"cus_1"}"#).await, "skipped: no cus_1");
}

const GOES_ON: &str = "retry: { attempts: 3 }
steps:
  - id: alert
    on_error: continue
    call: { connection: crm, operation: post, params: { text: Hi } }
  - create: { object: crm.Task, key: { Ref: x }, fields: { Alert: $.steps.alert.outcome } }
";

#[tokio::test]
async fn a_run_goes_on_over_a_failure_that_no_attempt_would_change() {
    let bench = Bench::new().plan([Plan::Fail(failure(Class::Permanent))]);
    assert_eq!(ends(&bench, GOES_ON, "{}").await, "succeeded");
    assert_eq!(bench.writes(), [r#"create Task Task-1 {"Alert":"failed","Ref":"x"}"#]);
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_before_the_run_goes_on_over_it() {
    let transient = || Plan::Fail(failure(Class::Transient));
    let bench = Bench::new().plan([transient(), transient()]);
    assert_eq!(ends(&bench, GOES_ON, "{}").await, "failed, transient: the system says transient");
    assert_eq!(line(&bench.attempt(GOES_ON, "{}", "run-1", 3).await), "succeeded");
    assert_eq!(bench.writes(), [r#"create Task Task-1 {"Alert":"failed","Ref":"x"}"#]);
    // A throttled connection uses up no attempt, so the last one is never reached by it.
    let bench = Bench::new().plan([Plan::Fail(failure(Class::Throttled))]);
    let ending = line(&bench.attempt(GOES_ON, "{}", "run-1", 3).await);
    assert_eq!(ending, "failed, throttled: the system says throttled");
}

#[tokio::test]
async fn a_failure_that_the_run_went_on_over_is_not_tried_again() {
    let bench = Bench::new().plan([Plan::Fail(failure(Class::Permanent)), Plan::Pass, Plan::Lose]);
    assert!(ends(&bench, GOES_ON, "{}").await.starts_with("failed, unknown"));
    assert_eq!(line(&bench.attempt(GOES_ON, "{}", "run-1", 2).await), "succeeded");
    assert_eq!(bench.writes(), [r#"create Task Task-1 {"Alert":"failed","Ref":"x"}"#]);
}

#[tokio::test]
async fn a_value_that_cannot_be_computed_names_its_field() {
    let rest = "steps:
  - create: { object: crm.Task, key: { Ref: x }, fields: { Amount: { from: $.object.total, money: usd } } }
";
    let ending = ends(&Bench::new(), rest, r#"{"total":"a lot"}"#).await;
    assert!(ending.starts_with("failed, permanent: Amount: "), "{ending}");
}

#[test]
fn the_old_object_is_the_present_one_with_the_old_values() {
    let event = EventInput {
        object: json(r#"{"id":1,"plan":{"name":"b","price":2},"n":3}"#),
        previous: json(r#"{"plan":{"name":"a"},"n":null}"#),
        ..EventInput::default()
    };
    let old = before(&event.object, &event.previous);
    assert_eq!(old, json(r#"{"id":1,"plan":{"name":"a","price":2},"n":null}"#));
    let first = before(&event.object, &json("null"));
    assert!(first.is_nothing());
}
