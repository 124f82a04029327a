//! Loops with `batch: true`: what goes together, and that each element keeps an outcome of its own (invariants 2 and 10).

use pretty_assertions::assert_eq;

use super::bench::{Bench, Crash, Plan, failure, line};
use crate::connector::{Class, Failure};
use crate::value::Value;

const LINES: &str = r"
steps:
  - for_each:
      in: $.object.lines
      as: line
      batch: true
      steps:
        - id: one
          create: { object: crm.Line, key: { Ref: $.line.id }, fields: { Amount: $.line.amount } }
        - update: { object: crm.Invoice, record: $.line.invoice, fields: { Total: $.line.amount } }
";

fn lines(count: usize) -> String {
    let line = |n: usize| format!(r#"{{"id":"il_{n}","amount":{n},"invoice":"in_{n}"}}"#);
    format!(r#"{{"lines":[{}]}}"#, (0..count).map(line).collect::<Vec<_>>().join(","))
}

fn bench(count: usize) -> Bench {
    (0..count)
        .fold(Bench::new(), |bench, n| bench.given("Invoice", &format!(r#"{{"Id":"in_{n}","Total":0}}"#)))
}

#[tokio::test]
async fn what_all_elements_ask_goes_together_step_by_step_and_the_audit_has_each() {
    let bench = bench(3);
    assert_eq!(line(&bench.run(LINES, &lines(3)).await), "succeeded");
    assert_eq!(bench.lots(), ["3 find Line", "3 create Line", "3 get Invoice", "2 update Invoice"]);
    assert_eq!(
        bench.writes(),
        [
            r#"create Line Line-1 {"Amount":0,"Ref":"il_0"}"#,
            r#"create Line Line-2 {"Amount":1,"Ref":"il_1"}"#,
            r#"create Line Line-3 {"Amount":2,"Ref":"il_2"}"#,
            r#"update Invoice in_1 {"Total":1}"#,
            r#"update Invoice in_2 {"Total":2}"#,
        ]
    );
    let audit = bench.memory.audit();
    assert_eq!(audit.iter().filter_map(|entry| entry.record.as_deref()).count(), 5, "{audit:#?}");
}

#[tokio::test]
async fn no_more_go_together_than_the_largest_batch_takes() {
    let steps = LINES.lines().take(9).collect::<Vec<_>>().join("\n");
    let bench = Bench::new();
    assert_eq!(line(&bench.run(&steps, &lines(450)).await), "succeeded");
    assert_eq!(
        bench.lots(),
        [
            "200 find Line",
            "200 create Line",
            "200 find Line",
            "200 create Line",
            "50 find Line",
            "50 create Line"
        ]
    );
}

#[tokio::test]
async fn a_loop_that_is_cut_anywhere_ends_as_if_it_had_not_been() {
    let (whole, event) = (bench(3), lines(3));
    assert_eq!(line(&whole.run(LINES, &event).await), "succeeded");
    // Without the ids, which follow the order of creates.
    let held = |record: &Value| {
        let values = ["Ref", "Amount", "Total"].map(|name| record.get(name).cloned().unwrap_or_default());
        Value::list(values).to_json()
    };
    let state = |bench: &Bench| {
        let records = ["Line", "Invoice"].iter().flat_map(|object| bench.crm.records("crm", object));
        let mut records: Vec<String> = records.map(|record| held(&record)).collect();
        records.sort();
        records
    };
    let mut cuts = 0;
    for nth in 0.. {
        let mut reached = false;
        for kept in [false, true] {
            let bench = bench(3);
            bench.crash_at(Some(Crash { nth, kept }));
            let first = bench.run(LINES, &event).await;
            reached |= line(&first).starts_with("interrupted");
            bench.crash_at(None);
            assert_eq!(line(&bench.attempt(LINES, &event, "run-1", 2).await), "succeeded", "{nth} {kept}");
            assert_eq!(state(&bench), state(&whole), "cut at {nth}, kept: {kept}");
            let creates = bench.writes().iter().filter(|write| write.starts_with("create")).count();
            assert_eq!(creates, 3, "cut at {nth}, kept: {kept}");
        }
        if !reached {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 6, "only {cuts} places were cut");
}

#[tokio::test]
async fn one_rejected_record_never_hides_behind_the_others() {
    let rejected = || Plan::Fail(Failure::permanent("Amount__c: no such field"));
    let plan = [Plan::Pass, Plan::Pass, Plan::Pass, Plan::Pass, rejected(), Plan::Pass];
    let bench = bench(3).plan(plan);
    let ending = line(&bench.run(LINES, &lines(3)).await);
    assert_eq!(ending, "failed, permanent: Amount__c: no such field (element 2 of 3)");
    assert_eq!(bench.writes().iter().filter(|write| write.starts_with("create")).count(), 2);
    assert!(bench.writes().iter().any(|write| write.starts_with("update Invoice in_2")), "the rest was done");
    // A person has mended it, and lets the run go on: nothing is done twice.
    assert_eq!(line(&bench.attempt(LINES, &lines(3), "run-1", 2).await), "succeeded");
    assert_eq!(bench.writes().iter().filter(|write| write.starts_with("create")).count(), 3);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_looked_for_record_by_record() {
    let plan =
        [Plan::Pass, Plan::Pass, Plan::Pass, Plan::Lose, Plan::Fail(failure(Class::Unknown)), Plan::Pass];
    let bench = bench(3).plan(plan);
    let first = line(&bench.run(LINES, &lines(3)).await);
    assert_eq!(
        first,
        "failed, unknown: the system says unknown (element 1 of 3); element 2: the system says unknown"
    );
    assert_eq!(line(&bench.attempt(LINES, &lines(3), "run-1", 2).await), "succeeded");
    let refs: Vec<String> =
        bench.crm.records("crm", "Line").iter().map(|line| line.get("Ref").unwrap().to_string()).collect();
    assert_eq!(refs, ["il_0", "il_2", "il_1"]);
    let notes: Vec<_> =
        bench.memory.audit().into_iter().filter(|it| it.verb == "create").map(|it| it.note).collect();
    assert_eq!(notes.iter().flatten().map(|note| &**note).collect::<Vec<_>>(), ["found after a lost answer"]);
}

#[tokio::test]
async fn what_can_be_tried_again_is_before_the_run_is_closed() {
    let busy = Plan::Fail(failure(Class::Throttled));
    let rejected = Plan::Fail(Failure::permanent("no"));
    let bench = bench(3).plan([Plan::Pass, Plan::Pass, Plan::Pass, rejected, busy, Plan::Pass]);
    let ending = line(&bench.run(LINES, &lines(3)).await);
    assert_eq!(ending, "failed, throttled: the system says throttled (element 2 of 3)");
}

#[tokio::test]
async fn a_failure_that_the_step_goes_on_over_is_its_element_s_alone() {
    let steps = r#"
steps:
  - for_each:
      in: $.object.lines
      as: line
      batch: true
      steps:
        - id: one
          create: { object: crm.Line, key: { Ref: $.line.id }, fields: { Amount: $.line.amount } }
          on_error: continue
        - when: steps.one.outcome == "failed"
          create: { object: crm.Task, key: { Ref: $.line.id }, fields: { Why: $.steps.one.error.message } }
"#;
    let rejected = Plan::Fail(Failure::permanent("no such field"));
    let bench = Bench::new().plan([Plan::Pass, Plan::Pass, Plan::Pass, rejected]);
    assert_eq!(line(&bench.run(steps, &lines(2)).await), "succeeded");
    assert_eq!(
        bench.writes(),
        [
            r#"create Line Line-1 {"Amount":0,"Ref":"il_0"}"#,
            r#"create Task Task-2 {"Why":"no such field","Ref":"il_1"}"#
        ]
    );
}

#[tokio::test]
async fn elements_that_turn_out_to_be_one_record_make_it_once() {
    let steps = r"
steps:
  - for_each:
      in: $.object.lines
      as: line
      batch: true
      steps:
        - upsert: { object: crm.Contact, match: { Email: $.line.email }, fields: { Plan: $.line.plan } }
";
    let event = r#"{"lines":[{"email":"ann@x.example","plan":"a"},{"email":"Ann@X.example","plan":"b"},{"email":"ben@x.example","plan":"c"}]}"#;
    let bench = Bench::new();
    assert_eq!(line(&bench.run(steps, event).await), "succeeded");
    assert_eq!(
        bench.writes(),
        [
            r#"create Contact Contact-1 {"Plan":"a","Email":"ann@x.example"}"#,
            r#"create Contact Contact-2 {"Plan":"c","Email":"ben@x.example"}"#,
            r#"update Contact Contact-1 {"Plan":"b"}"#,
        ]
    );
}

#[tokio::test]
async fn writes_of_one_record_go_one_after_the_other_and_reads_of_one_once() {
    let steps = r"
steps:
  - for_each:
      in: $.object.seats
      as: seat
      batch: true
      steps:
        - update: { object: crm.Deal, record: $.object.deal, fields: { Seats: $.seat } }
";
    let bench = Bench::new().given("Deal", r#"{"Id":"d1","Seats":0}"#);
    assert_eq!(line(&bench.run(steps, r#"{"deal":"d1","seats":[1,2,3]}"#).await), "succeeded");
    let seats = [1, 2, 3].map(|seats| format!(r#"update Deal d1 {{"Seats":{seats}}}"#));
    assert_eq!(bench.writes(), seats);
    assert_eq!(bench.lots()[0], "1 get Deal");
}
