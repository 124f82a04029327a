//! Invariant 2, at every place at which a run can be cut: what is journalled is never done again, what was only
//! intended is looked up, and in the end the system holds what one undisturbed run leaves there.

use pretty_assertions::assert_eq;

use super::bench::{Bench, Crash, Plan, failure, line};
use crate::connector::Class;

const CREATE: &str = r"
steps:
  - create:
      object: crm.Task
      key: { Invoice: $.object.id }
      fields: { Subject: Paid }
";

const ALL_VERBS: &str = r#"
steps:
  - id: account
    find: { object: crm.Account, match: { Ref: $.object.customer } }
  - id: contact
    upsert:
      object: crm.Contact
      match: [{ Ref: $.object.customer }, { Email: $.object.email }]
      fields: { Name: $.object.name, Account: $.steps.account.id }
  - update:
      object: crm.Account
      record: $.steps.account.id
      fields: { Status: Paid, Contact: $.steps.contact.id }
  - id: task
    create:
      object: crm.Task
      key: { Invoice: $.object.id }
      fields: { Subject: Paid, Who: $.steps.contact.id }
  - when: steps.task.outcome == "created"
    create: { object: crm.Note, key: { Ref: "note-${object.id}" }, fields: { Text: New } }
  - link: { object: crm.Contact, record: $.steps.contact.id, relation: tags, to: [paying, happy] }
  - for_each:
      in: $.object.lines
      as: line
      steps:
        - create: { object: crm.Line, key: { Ref: $.line.id }, fields: { Amount: $.line.amount } }
  - script: |
      let old = crm.find("Order", #{ Ref: object.id });
      if old.id == () { crm.create("Order", #{ Total: 5 }, #{ Ref: object.id }) } else { crm.update("Order", old.id, #{ Total: 5 }) }
  - call: { connection: crm, operation: charge, key: $.object.id, params: { amount: 5 } }
"#;

const EVENT: &str = r#"{"id":"in_1","customer":"cus_1","email":"Ann@X.example","name":"Ann",
    "lines":[{"id":"il_1","amount":1},{"id":"il_2","amount":2}]}"#;

fn bench() -> Bench {
    Bench::new().given("Account", r#"{"Id":"001","Ref":"cus_1"}"#)
}

/// All records in the end, without the ids that were given on the way.
fn state(bench: &Bench) -> Vec<String> {
    let objects = ["Account", "Contact", "Task", "Note", "Line", "Order"];
    let all = objects.iter().flat_map(|object| bench.crm.records("crm", object));
    all.map(|record| record.to_json()).collect()
}

#[tokio::test]
async fn a_run_that_is_cut_anywhere_ends_as_if_it_had_not_been() {
    let whole = bench();
    assert_eq!(line(&whole.run(ALL_VERBS, EVENT).await), "succeeded");
    assert_eq!(whole.writes().len(), 10, "{:#?}", whole.writes());

    let mut cuts = 0;
    for nth in 0.. {
        let mut reached = false;
        for kept in [false, true] {
            let bench = bench();
            bench.crash_at(Some(Crash { nth, kept }));
            let first = bench.run(ALL_VERBS, EVENT).await;
            reached |= line(&first).starts_with("interrupted");
            bench.crash_at(None);
            let second = bench.attempt(ALL_VERBS, EVENT, "run-1", 2).await;
            assert_eq!(line(&second), "succeeded", "cut at {nth}, kept: {kept}");
            assert_eq!(state(&bench), state(&whole), "cut at {nth}, kept: {kept}");
            let creates =
                |bench: &Bench| bench.writes().iter().filter(|write| write.starts_with("create")).count();
            assert_eq!(creates(&bench), creates(&whole), "cut at {nth}, kept: {kept}");
        }
        if !reached {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 15, "only {cuts} places were cut");
}

#[tokio::test]
async fn what_only_our_own_store_knows_is_never_done_twice_and_a_person_decides_where_it_is_lost() {
    let steps = "steps:\n  - create: { object: crm.Note, key: $.object.id, fields: { Text: New } }\n";
    let mut endings = Vec::new();
    for (nth, kept) in [(0, false), (0, true), (1, false), (1, true)] {
        let bench = Bench::new();
        bench.crash_at(Some(Crash { nth, kept }));
        bench.run(steps, EVENT).await;
        bench.crash_at(None);
        let second = line(&bench.attempt(steps, EVENT, "run-1", 2).await);
        endings.push(second.chars().take(17).collect::<String>());
        assert!(bench.writes().len() <= 1, "cut at {nth}, kept: {kept}");
    }
    assert_eq!(endings, ["succeeded", "failed, permanent", "failed, permanent", "succeeded"]);
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_and_not_sent_again() {
    let bench = Bench::new().plan([Plan::Pass, Plan::Lose]);
    let event = r#"{"id":"in_1"}"#;
    assert_eq!(line(&bench.run(CREATE, event).await), "failed, unknown: the system says unknown");
    assert_eq!(line(&bench.attempt(CREATE, event, "run-1", 2).await), "succeeded");
    assert_eq!(bench.sent(), ["find Task", "create Task", "find Task"]);
    assert_eq!(bench.writes().len(), 1);
    let audit = bench.memory.audit();
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0].note.as_deref(), Some("found after a lost answer"));
}

#[tokio::test]
async fn a_passing_fault_after_which_it_is_perhaps_done_keeps_the_intent() {
    let bench = Bench::new().plan([Plan::Pass, Plan::LoseKeyed]);
    let event = r#"{"id":"in_1"}"#;
    assert_eq!(line(&bench.run(CREATE, event).await), "failed, transient: the system says transient");
    assert_eq!(line(&bench.attempt(CREATE, event, "run-2", 1).await), "held");
    assert_eq!(line(&bench.attempt(CREATE, event, "run-1", 2).await), "succeeded");
    assert_eq!(bench.writes().len(), 1);
    assert_eq!(bench.memory.audit()[0].note.as_deref(), Some("found after a lost answer"));
}

#[tokio::test]
async fn a_refusal_in_between_does_not_make_a_lost_call_undone() {
    let steps = "steps:\n  - call: { connection: crm, operation: charge, params: { amount: 1 } }\n";
    let refused = Plan::Fail(failure(Class::Throttled));
    for plan in [vec![Plan::LoseKeyed], vec![Plan::LoseKeyed, refused]] {
        let (attempts, bench) = (plan.len(), Bench::new().plan(plan));
        for attempt in (1..).take(attempts) {
            bench.attempt(steps, "{}", "run-1", attempt).await;
        }
        bench.clock.set(super::bench::now() + jiff::SignedDuration::from_hours(25));
        let last = line(&bench.attempt(steps, "{}", "run-1", 3).await);
        assert!(last.starts_with("failed, permanent: it was sent by an earlier attempt"), "{last}");
        assert_eq!(bench.writes().len(), 1);
    }
}

#[tokio::test]
async fn a_create_that_never_arrived_is_sent_again_with_the_same_idempotency_key() {
    let bench = Bench::new().plan([Plan::Pass, Plan::Fail(failure(Class::Unknown))]);
    let event = r#"{"id":"in_1"}"#;
    bench.run(CREATE, event).await;
    assert_eq!(line(&bench.attempt(CREATE, event, "run-1", 2).await), "succeeded");
    assert_eq!(bench.writes().len(), 1);
    let keys = bench.keys();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    assert_eq!(&*keys[0], "lockstep-run-1-0");
}

#[tokio::test]
async fn an_answer_that_says_nothing_was_done_takes_the_intent_back() {
    for class in [Class::Transient, Class::Throttled, Class::Locked, Class::Permanent] {
        let bench = Bench::new().plan([Plan::Pass, Plan::Fail(failure(class))]);
        let event = r#"{"id":"in_1"}"#;
        bench.run(CREATE, event).await;
        let other = bench.attempt(CREATE, event, "run-2", 1).await;
        assert_eq!(line(&other), "succeeded", "{class}: the identity is free for others");
        assert_eq!(bench.writes().len(), 1);
    }
}

#[tokio::test]
async fn two_runs_never_hold_one_identity() {
    let bench = Bench::new().plan([Plan::Pass, Plan::Fail(failure(Class::Unknown))]);
    let event = r#"{"id":"in_1"}"#;
    bench.run(CREATE, event).await;
    assert_eq!(line(&bench.attempt(CREATE, event, "run-2", 1).await), "held");
    bench.memory.end("run-1");
    assert_eq!(line(&bench.attempt(CREATE, event, "run-2", 2).await), "succeeded");
}

#[tokio::test]
async fn a_run_that_is_tried_again_after_it_ended_holds_its_identity_again() {
    let upsert =
        "steps:\n  - upsert: { object: crm.Contact, match: { Ref: $.object.id }, fields: { Name: Ann } }\n";
    let call =
        "steps:\n  - call: { connection: crm, operation: post, key: $.object.id, params: { text: Hi } }\n";
    let lost = || Plan::Fail(failure(Class::Unknown));
    for (steps, first, second) in [
        (CREATE, vec![Plan::Pass, lost()], vec![Plan::Pass, lost()]),
        (upsert, vec![Plan::Pass, Plan::Pass, lost()], vec![Plan::Pass, lost()]),
        (call, vec![lost()], vec![lost()]),
    ] {
        let event = r#"{"id":"in_1"}"#;
        let bench = Bench::new().plan(first);
        assert_eq!(line(&bench.run(steps, event).await), "failed, unknown: the system says unknown");
        bench.memory.end("run-1");
        let bench = bench.plan(second);
        let again = bench.attempt(steps, event, "run-1", 2).await;
        assert_eq!(line(&again), "failed, unknown: the system says unknown");
        assert_eq!(line(&bench.attempt(steps, event, "run-2", 1).await), "held", "{steps}");
    }
}

#[tokio::test]
async fn nothing_is_intended_any_more_when_the_look_up_fails() {
    let upsert =
        "steps:\n  - upsert: { object: crm.Task, match: { Ref: $.object.id }, fields: { Name: Ann } }\n";
    let fails = || Plan::Fail(failure(Class::Transient));
    // Whether the run itself had written before it was tried again is not known of an upsert: its audit says "perhaps".
    let perhaps = "as wanted already, perhaps by an attempt whose answer was lost";
    for (steps, plan, expected) in
        [(CREATE, vec![fails()], vec![None]), (upsert, vec![Plan::Pass, fails()], vec![None, Some(perhaps)])]
    {
        let event = r#"{"id":"in_1"}"#;
        let bench = Bench::new().plan(plan);
        assert_eq!(line(&bench.run(steps, event).await), "failed, transient: the system says transient");
        assert_eq!(line(&bench.attempt(steps, event, "run-2", 1).await), "succeeded", "{steps}");
        assert_eq!(line(&bench.attempt(steps, event, "run-1", 2).await), "succeeded", "{steps}");
        let audit = bench.memory.audit();
        let notes: Vec<_> = audit.iter().map(|entry| entry.note.as_deref()).collect();
        assert_eq!(notes, expected, "only the other run created it: {steps}");
    }
}

#[tokio::test]
async fn what_cannot_be_computed_is_not_intended() {
    let create = "steps:\n  - create: { object: crm.Task, key: { Ref: $.object.id }, fields: { N: { from: $.object.n, money: usd } } }\n";
    let upsert = "steps:\n  - upsert: { object: crm.Task, match: { Ref: $.object.id }, fields: { N: { from: $.object.n, money: usd } } }\n";
    for steps in [create, upsert] {
        let bench = Bench::new();
        let ending = line(&bench.run(steps, r#"{"id":"in_1","n":"a lot"}"#).await);
        assert!(ending.starts_with("failed, permanent: N: "), "{ending}");
        let other = bench.attempt(steps, r#"{"id":"in_1","n":100}"#, "run-2", 1).await;
        assert_eq!(line(&other), "succeeded", "the identity is free: {steps}");
    }
}

#[tokio::test]
async fn a_message_that_was_perhaps_sent_is_sent_again_and_marked() {
    let steps = "steps:\n  - call: { connection: crm, operation: post, params: { text: Hi } }\n";
    let bench = Bench::new().plan([Plan::Lose]);
    bench.run(steps, "{}").await;
    assert_eq!(line(&bench.attempt(steps, "{}", "run-1", 2).await), "succeeded");
    assert_eq!(bench.writes().len(), 2);
    assert_eq!(bench.memory.audit()[0].note.as_deref(), Some("possibly repeated"));
}

#[tokio::test]
async fn a_script_whose_answers_are_lost_does_each_of_its_calls_once() {
    let steps = r#"
steps:
  - script: |
      let order = crm.create("Order", #{ Total: 5 }, #{ Ref: object.id });
      crm.update("Order", order.id, #{ Total: 6 });
      crm.create("Note", #{ Text: "New" }, #{ Ref: object.id });
"#;
    let event = r#"{"id":"in_1"}"#;
    let whole = Bench::new();
    assert_eq!(line(&whole.run(steps, event).await), "succeeded");
    assert_eq!(whole.writes().len(), 3);
    for nth in 0..whole.sent().len() {
        let plan = std::iter::repeat_n(Plan::Pass, nth).chain([Plan::Lose]);
        let bench = Bench::new().plan(plan);
        let first = line(&bench.run(steps, event).await);
        assert_eq!(first, "failed, unknown: the system says unknown", "answer {nth}");
        assert_eq!(line(&bench.attempt(steps, event, "run-1", 2).await), "succeeded", "answer {nth}");
        assert_eq!(bench.writes(), whole.writes(), "answer {nth} was lost");
        // A replay of all of it does nothing.
        assert_eq!(line(&bench.attempt(steps, event, "run-1", 3).await), "succeeded");
        assert_eq!(bench.writes(), whole.writes(), "answer {nth} was lost");
    }
}

/// Nothing is intended before these: doing them twice does nothing more. That they were done is told all the same.
#[tokio::test]
async fn what_was_done_and_not_answered_stands_in_the_audit_and_may_be_somebody_elses() {
    let done = "done already, perhaps by an attempt whose answer was lost";
    let delete = "steps:\n  - delete: { object: crm.Task, record: T1 }\n";
    let link = "steps:\n  - link: { object: crm.Task, record: T1, relation: tags, to: paying }\n";
    let unlink = "steps:\n  - unlink: { object: crm.Task, record: T1, relation: tags, to: paying }\n";
    let upsert = "steps:\n  - upsert: { object: crm.Note, match: { Ref: $.object.id }, fields: { Name: Ann }, blind: true }\n";
    let created = "sent again: perhaps created by an attempt whose answer was lost";
    for (steps, already, verb, note) in [
        (delete, Some(Class::Missing), "delete", done),
        (link, Some(Class::Duplicate), "link", done),
        (unlink, Some(Class::Missing), "unlink", done),
        (upsert, None, "update", created),
    ] {
        let event = r#"{"id":"in_1"}"#;
        let bench = Bench::new().given("Task", r#"{"Id":"T1","tags":["paying"]}"#).plan([Plan::Lose]);
        assert_eq!(line(&bench.run(steps, event).await), "failed, unknown: the system says unknown");
        assert_eq!(bench.memory.audit().len(), 0, "{verb}");
        let bench = bench.plan(already.map(|class| Plan::Fail(failure(class))));
        assert_eq!(line(&bench.attempt(steps, event, "run-1", 2).await), "succeeded", "{verb}");
        let audit = bench.memory.audit();
        assert_eq!((audit.len(), audit[0].verb, audit[0].note.as_deref()), (1, verb, Some(note)));
    }
    // Of a run that was never cut off, nobody has lost an answer.
    for (steps, class) in [(delete, Class::Missing), (link, Class::Duplicate)] {
        let bench = Bench::new().plan([Plan::Fail(failure(class))]);
        assert_eq!(line(&bench.run(steps, "{}").await), "succeeded");
        assert_eq!(bench.memory.audit().len(), 0);
    }
}

#[tokio::test]
async fn a_message_that_was_refused_is_sent_again_and_not_marked() {
    let steps = "steps:\n  - call: { connection: crm, operation: post, params: { text: Hi } }\n";
    let bench = Bench::new().plan([Plan::Fail(failure(Class::Throttled))]);
    bench.run(steps, "{}").await;
    assert_eq!(line(&bench.attempt(steps, "{}", "run-1", 2).await), "succeeded");
    assert_eq!(bench.memory.audit()[0].note, None);
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_left_to_a_person() {
    let steps = "steps:\n  - call: { connection: crm, operation: order, params: { item: 1 } }\n";
    let bench = Bench::new().plan([Plan::Lose]);
    bench.run(steps, "{}").await;
    let second = line(&bench.attempt(steps, "{}", "run-1", 2).await);
    assert!(second.starts_with("failed, permanent: it was sent by an earlier attempt"), "{second}");
    assert_eq!(bench.writes().len(), 1);
}

#[tokio::test]
async fn an_idempotency_key_is_trusted_only_while_it_lives() {
    let steps = "steps:\n  - call: { connection: crm, operation: charge, params: { amount: 1 } }\n";
    for (hours, ending) in [(23, "succeeded"), (25, "failed, permanent: it was sent")] {
        let bench = Bench::new().plan([Plan::Lose]);
        bench.run(steps, "{}").await;
        bench.clock.set(super::bench::now() + jiff::SignedDuration::from_hours(hours));
        let second = line(&bench.attempt(steps, "{}", "run-1", 2).await);
        assert!(second.starts_with(ending), "after {hours} hours: {second}");
    }
}

#[tokio::test]
async fn a_run_that_would_do_something_else_than_it_began_is_a_dead_letter() {
    let bench = Bench::new();
    bench.run(CREATE, r#"{"id":"in_1"}"#).await;
    let second = line(&bench.attempt(CREATE, r#"{"id":"in_2"}"#, "run-1", 2).await);
    assert!(
        second.starts_with("failed, permanent: an earlier attempt of this run did something else"),
        "{second}"
    );
    assert_eq!(bench.writes().len(), 1);
}

#[tokio::test]
async fn a_duplicate_that_the_search_did_not_show_is_found_by_another_look() {
    let duplicate = Plan::Fail(failure(Class::Duplicate));
    let bench = Bench::new().plan([Plan::Pass, duplicate]);
    let ending = bench.run(CREATE, r#"{"id":"in_1"}"#).await;
    let words = "conflict: crm.Task exists already, though not with this key: the system says duplicate";
    assert_eq!(line(&ending), words);

    let mut named = failure(Class::Duplicate);
    named.other = Some("T9".into());
    let bench = Bench::new().given("Task", r#"{"Id":"T9","Subject":"Old"}"#);
    let bench = bench.plan([Plan::Pass, Plan::Fail(named)]);
    assert_eq!(line(&bench.run(CREATE, r#"{"id":"in_1"}"#).await), "succeeded");
    assert_eq!(bench.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_search_that_lags_behind_never_decides_a_create() {
    let steps =
        "steps:\n  - upsert: { object: crm.Lagging, match: { Ref: $.object.id }, fields: { A: 1 } }\n";
    let bench = Bench::new();
    assert_eq!(line(&bench.run(steps, r#"{"id":"x"}"#).await), "succeeded");
    // The index shows nothing yet: the record is known to us all the same.
    let nothing = || Plan::Fail(failure(Class::Missing));
    let bench = bench.plan([nothing()]);
    assert_eq!(line(&bench.attempt(steps, r#"{"id":"x"}"#, "run-2", 1).await), "succeeded");
    assert_eq!(bench.writes().len(), 1);
}
