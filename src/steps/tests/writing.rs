//! `create`, `update`, `upsert`, `delete`, `link`, `call`.

use pretty_assertions::assert_eq;

use super::bench::{Bench, Plan, failure, line};
use crate::connector::Class;

const EVENT: &str = r#"{"id":"in_1","customer":"cus_1","email":"ann@x.example","name":"Ann","total":4500}"#;

/// How the run ends, and what it wrote.
async fn does(bench: &Bench, steps: &str) -> (String, Vec<String>) {
    let ending = line(&bench.run(&format!("steps:\n{steps}"), EVENT).await);
    (ending, bench.writes())
}

async fn writes(bench: Bench, steps: &str) -> Vec<String> {
    let (ending, writes) = does(&bench, steps).await;
    assert_eq!(ending, "succeeded");
    writes
}

#[tokio::test]
async fn a_create_writes_its_key_with_the_record() {
    let steps = "  - create:
      object: crm.Task
      key: { Invoice: $.object.id }
      fields: { Subject: Paid, Nothing: $.object.nothing }
";
    assert_eq!(
        writes(Bench::new(), steps).await,
        [r#"create Task Task-1 {"Subject":"Paid","Invoice":"in_1"}"#]
    );
    let bench = Bench::new().given("Task", r#"{"Id":"T1","Invoice":"in_1"}"#);
    assert_eq!(writes(bench, steps).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_audit_tells_what_was_written_and_what_was_left_alone() {
    let steps = "  - id: task
    create:
      object: crm.Task
      key: { Invoice: $.object.id }
      fields: { Subject: Paid, Nothing: $.object.nothing }
";
    let bench = Bench::new();
    does(&bench, steps).await;
    let audit = bench.memory.audit();
    let [entry] = audit.as_slice() else { panic!("{audit:?}") };
    assert_eq!((entry.verb, entry.record.as_deref()), ("create", Some("Task-1")));
    assert_eq!(&*entry.step, "steps[0].create (task)");
    assert_eq!(entry.left_alone, ["Nothing".into()]);
    let fields: Vec<&str> = entry.changes.iter().map(|change| &*change.field).collect();
    assert_eq!(fields, ["Subject", "Invoice"]);
}

#[tokio::test]
async fn a_bare_key_is_kept_in_our_own_store() {
    let steps = "steps:
  - create: { object: crm.Note, key: \"note-${object.id}\", fields: { Text: Paid } }
";
    let bench = Bench::new();
    assert_eq!(line(&bench.run(steps, EVENT).await), "succeeded");
    assert_eq!(line(&bench.attempt(steps, EVENT, "run-2", 1).await), "succeeded");
    assert_eq!(bench.writes().len(), 1);
    assert_eq!(bench.sent(), ["create Note", "get Note"]);
}

#[tokio::test]
async fn an_empty_key_identifies_nothing() {
    for key in ["{ Invoice: $.object.nothing }", "$.object.nothing"] {
        let steps = format!("  - create: {{ object: crm.Task, key: {key}, fields: {{ A: 1 }} }}\n");
        let (ending, writes) = does(&Bench::new(), &steps).await;
        assert!(ending.starts_with("conflict: the key of crm.Task is empty"), "{ending}");
        assert_eq!(writes, Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_update_sends_only_what_differs() {
    let steps = "  - id: done
    update:
      object: crm.Account
      record: A1
      fields:
        Same: Yes
        Number: 45
        Differs: New
        Missing: { from: $.object.nothing }
        Cleared: { from: $.object.nothing, nothing: clear }
        OnlyNew: { literal: x, write: on_create }
        Empty: { literal: first, write: if_empty }
        Full: { literal: first, write: if_empty }
  - check: { that: 1 > 2, else: skip, reason: \"${steps.done.outcome} ${steps.done.record.Differs}\" }
";
    let bench = Bench::new().given(
        "Account",
        r#"{"Id":"A1","Same":"Yes","Number":"45.00","Differs":"Old","Missing":"kept","Cleared":"x","Full":"kept"}"#,
    );
    let (ending, writes) = does(&bench, steps).await;
    assert_eq!(ending, "skipped: updated New");
    assert_eq!(writes, [r#"update Account A1 {"Differs":"New","Cleared":null,"Empty":"first"}"#]);
    let audit = bench.memory.audit();
    let before: Vec<String> = audit[0].changes.iter().map(|change| change.before.to_string()).collect();
    assert_eq!(before, ["Old", "x", ""]);
    assert_eq!(audit[0].left_alone, ["Missing".into()]);
}

#[tokio::test]
async fn an_update_with_nothing_left_to_write_makes_no_call() {
    let steps = "  - id: done
    update: { object: crm.Account, record: A1, fields: { Status: Paid } }
  - check: { that: 1 > 2, else: skip, reason: $.steps.done.outcome }
";
    let bench = Bench::new().given("Account", r#"{"Id":"A1","Status":"Paid"}"#);
    assert_eq!(does(&bench, steps).await, ("skipped: unchanged".to_owned(), Vec::new()));
    assert_eq!(bench.sent(), ["get Account"]);
}

#[tokio::test]
async fn a_record_that_was_read_in_the_run_counts_as_read() {
    let steps = "  - id: account
    find: { object: crm.Account, match: { Ref: $.object.customer } }
  - update: { object: crm.Account, record: $.steps.account.id, fields: { Status: Paid } }
  - update: { object: crm.Account, record: $.steps.account.id, fields: { Status: Paid } }
";
    let bench = Bench::new().given("Account", r#"{"Id":"A1","Ref":"cus_1"}"#);
    does(&bench, steps).await;
    assert_eq!(bench.sent(), ["find Account", "update Account"]);
}

#[tokio::test]
async fn a_blind_update_sends_everything_unread() {
    let steps = "  - update: { object: crm.Account, record: A1, blind: true, fields: { Status: Paid } }\n";
    let bench = Bench::new().given("Account", r#"{"Id":"A1","Status":"Paid"}"#);
    assert_eq!(does(&bench, steps).await.1, [r#"update Account A1 {"Status":"Paid"}"#]);
    assert_eq!(bench.sent(), ["update Account"]);
}

#[tokio::test]
async fn a_record_that_is_not_there_cannot_be_updated() {
    let update = |record: &str| {
        format!("  - update: {{ object: crm.Account, record: {record}, fields: {{ Status: Paid }} }}\n")
    };
    let (ending, _) = does(&Bench::new(), &update("A9")).await;
    assert_eq!(ending, "failed, permanent: crm.Account A9 is not there");
    let (ending, _) = does(&Bench::new(), &update("$.object.nothing")).await;
    assert_eq!(ending, "failed, permanent: no crm.Account to update: `record` gave nothing");
}

const UPSERT: &str = "  - id: who
    upsert:
      object: crm.Contact
      match: [{ Ref: $.object.customer }, { Email: $.object.email }]
      guard: found.Owner != \"other\"
      fields: { Name: $.object.name, Source: { literal: billing, write: on_create } }
  - check: { that: 1 > 2, else: skip, reason: \"${steps.who.outcome} ${steps.who.id}\" }
";

#[tokio::test]
async fn an_upsert_creates_updates_or_leaves_alone() {
    let (ending, writes) = does(&Bench::new(), UPSERT).await;
    assert_eq!(ending, "skipped: created Contact-1");
    assert_eq!(writes, [r#"create Contact Contact-1 {"Name":"Ann","Source":"billing","Ref":"cus_1"}"#]);

    let bench = Bench::new().given("Contact", r#"{"Id":"C1","Email":"ann@x.example","Name":"Anna"}"#);
    let (ending, writes) = does(&bench, UPSERT).await;
    assert_eq!(ending, "skipped: updated C1");
    assert_eq!(writes, [r#"update Contact C1 {"Name":"Ann"}"#]);

    let bench = Bench::new().given("Contact", r#"{"Id":"C1","Ref":"cus_1","Name":"Ann"}"#);
    assert_eq!(does(&bench, UPSERT).await, ("skipped: unchanged C1".to_owned(), Vec::new()));
}

#[tokio::test]
async fn an_upsert_never_guesses() {
    let bench = Bench::new()
        .given("Contact", r#"{"Id":"C1","Ref":"cus_1"}"#)
        .given("Contact", r#"{"Id":"C2","Ref":"cus_1"}"#);
    let (ending, writes) = does(&bench, UPSERT).await;
    assert_eq!(ending, "conflict: several crm.Contact with Ref = cus_1: C1, C2");
    assert_eq!(writes, Vec::<String>::new());

    let bench = Bench::new().given("Contact", r#"{"Id":"C1","Ref":"cus_1","Owner":"other"}"#);
    let (ending, _) = does(&bench, UPSERT).await;
    assert!(ending.starts_with("conflict: the crm.Contact C1 that was found is not as the guard demands"));
}

#[tokio::test]
async fn an_upsert_looks_again_after_it_won_the_identity() {
    let bench = Bench::new();
    does(&bench, UPSERT).await;
    assert_eq!(
        bench.sent(),
        ["find Contact", "find Contact", "find Contact", "find Contact", "create Contact"]
    );
}

#[tokio::test]
async fn a_duplicate_of_an_upsert_goes_on_as_an_update() {
    let steps =
        "  - upsert: { object: crm.Contact, match: { Ref: $.object.customer }, fields: { Name: Ann } }\n";
    // Another program creates it between our look and our create.
    let nothing = || Plan::Fail(failure(Class::Missing));
    let bench = Bench::new().given("Contact", r#"{"Id":"C1","Ref":"cus_1","Name":"Anna"}"#).plan([
        nothing(),
        nothing(),
        Plan::Fail(failure(Class::Duplicate)),
    ]);
    let (ending, writes) = does(&bench, steps).await;
    assert_eq!(ending, "succeeded");
    assert_eq!(writes, [r#"update Contact C1 {"Name":"Ann"}"#]);
}

#[tokio::test]
async fn a_blind_upsert_is_the_systems_own() {
    let steps = "  - upsert: { object: crm.Contact, match: { Ref: $.object.customer }, blind: true, fields: { Name: Ann } }\n";
    let bench = Bench::new();
    assert_eq!(does(&bench, steps).await.0, "succeeded");
    assert_eq!(bench.sent(), ["upsert Contact"]);
}

#[tokio::test]
async fn a_delete_of_what_is_gone_is_fine() {
    let steps = "  - id: x
    delete: { object: crm.Task, record: T1 }
  - check: { that: 1 > 2, else: skip, reason: $.steps.x.outcome }
";
    let bench = Bench::new().given("Task", r#"{"Id":"T1"}"#);
    assert_eq!(does(&bench, steps).await.0, "skipped: deleted");
    assert_eq!(does(&Bench::new(), steps).await.0, "skipped: missing");
}

#[tokio::test]
async fn linking_twice_does_nothing() {
    let link = |verb: &str| {
        format!(
            "  - id: x
    {verb}: {{ object: crm.Contact, record: C1, relation: tags, to: [a, b] }}
  - check: {{ that: 1 > 2, else: skip, reason: $.steps.x.outcome }}
"
        )
    };
    let bench = Bench::new();
    assert_eq!(does(&bench, &link("link")).await.0, "skipped: updated");
    let again = bench.attempt(&format!("steps:\n{}", link("link")), EVENT, "run-2", 1).await;
    assert_eq!(line(&again), "skipped: unchanged");
    let gone = bench.attempt(&format!("steps:\n{}", link("unlink")), EVENT, "run-3", 1).await;
    assert_eq!(line(&gone), "skipped: updated");
    assert_eq!(bench.writes().len(), 4);
}

#[tokio::test]
async fn a_call_with_a_key_is_made_once() {
    let steps = "steps:
  - id: x
    call: { connection: crm, operation: post, key: $.object.id, params: { text: \"Paid ${object.total}\" } }
  - check: { that: 1 > 2, else: skip, reason: $.steps.x.outcome }
";
    let bench = Bench::new();
    assert_eq!(line(&bench.run(steps, EVENT).await), "skipped: done");
    assert_eq!(line(&bench.attempt(steps, EVENT, "run-2", 1).await), "skipped: found");
    assert_eq!(bench.writes(), [r#"call post {"text":"Paid 4500"}"#]);
}

#[tokio::test]
async fn a_call_may_take_a_failure_as_success() {
    let steps = "  - id: x
    call: { connection: crm, operation: order, accept: [duplicate] }
  - check: { that: 1 > 2, else: skip, reason: \"${steps.x.outcome}: ${steps.x.error.message}\" }
";
    let bench = Bench::new().plan([Plan::Fail(failure(Class::Duplicate))]);
    assert_eq!(does(&bench, steps).await.0, "skipped: duplicate: the system says duplicate");
    let bench = Bench::new().plan([Plan::Fail(failure(Class::Permanent))]);
    assert_eq!(does(&bench, steps).await.0, "failed, permanent: the system says permanent");
}

#[tokio::test]
async fn a_duplicate_that_is_accepted_is_not_taken_for_our_own() {
    let steps = "steps:
  - id: charged
    call: { connection: crm, operation: charge, key: $.object.id, accept: [duplicate], params: { amount: 5 } }
";
    let bench = Bench::new().plan([Plan::Fail(failure(Class::Duplicate))]);
    assert_eq!(line(&bench.run(steps, EVENT).await), "succeeded");
    assert_eq!(line(&bench.attempt(steps, EVENT, "run-2", 1).await), "succeeded");
    assert_eq!(bench.sent(), ["call", "call"], "whose it was is not known, so the next run asks again");
    assert_eq!(line(&bench.attempt(steps, EVENT, "run-3", 1).await), "succeeded");
    assert_eq!(bench.sent().len(), 2, "this one was ours");
}

#[tokio::test]
async fn a_run_that_finds_nothing_and_writes_nothing_has_applied_nothing() {
    let find = "  - id: account
    find: { object: crm.Account, match: { Ref: $.object.customer } }
  - when: steps.account.outcome == \"found\"
    update: { object: crm.Account, record: $.steps.account.id, fields: { Status: Paid } }
";
    assert_eq!(does(&Bench::new(), find).await.0, "missed");
    let given = || Bench::new().given("Account", r#"{"Id":"001","Ref":"cus_1","Status":"Paid"}"#);
    assert_eq!(does(&given(), find).await, ("succeeded".into(), vec![]), "it is as it should be");
    let noted =
        format!("{find}  - create: {{ object: crm.Note, key: $.object.id, fields: {{ Text: Paid }} }}\n");
    assert_eq!(does(&Bench::new(), &noted).await.0, "succeeded");
}
