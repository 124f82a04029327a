//! `script`: calls from Rhai, journalled like steps.

use pretty_assertions::assert_eq;

use super::bench::{Bench, Plan, failure, line};
use crate::connector::Class;

async fn ends(bench: &Bench, script: &str) -> String {
    let indented = format!("      {}\n", script.replace('\n', "\n      "));
    let rest = format!(
        "steps:\n  - id: s\n    script: |\n{indented}  - check: {{ that: 1 > 2, else: skip, reason: \"${{steps.s.result}}\" }}\n"
    );
    line(&bench.run(&rest, r#"{"email":"ann@x.example","phone":"1"}"#).await)
}

#[tokio::test]
async fn a_script_finds_and_updates() {
    let bench = Bench::new().given("Contact", r#"{"Id":"C1","Email":"ann@x.example"}"#);
    let script = "let c = crm.find(\"Contact\", #{ Email: object.email });
crm.update(\"Contact\", c.id, #{ Phone: object.phone });
c.record.Email";
    assert_eq!(ends(&bench, script).await, "skipped: ann@x.example");
    assert_eq!(bench.writes(), [r#"update Contact C1 {"Phone":"1"}"#]);
    assert_eq!(
        bench.sent(),
        ["find Contact", "update Contact"],
        "each call is made once, however often it starts"
    );
}

#[tokio::test]
async fn every_verb_can_be_asked_of_a_connection() {
    let bench = Bench::new().given("Line", r#"{"Id":"L1","Kind":"a"}"#).given("Task", r#"{"Id":"T1"}"#);
    let script = "let made = crm.create(\"Order\", #{ Total: 5 }, #{ Ref: \"r\" });
let again = crm.create(\"Order\", #{ Total: 5 }, #{ Ref: \"r\" });
let up = crm.upsert(\"Contact\", #{ Ref: \"x\" }, #{ Name: \"Ann\" });
crm.link(\"Contact\", up.id, \"tags\", \"vip\");
crm.unlink(\"Contact\", up.id, \"tags\", \"vip\");
crm.delete(\"Task\", \"T1\");
crm.call(\"charge\", #{ amount: 5 });
let lines = crm.list(\"Line\", #{ Kind: \"a\" });
let line = crm.get(\"Line\", \"L1\");
`${made.outcome} ${again.outcome} ${up.outcome} ${lines.records.len()} ${line.record.Kind}`";
    assert_eq!(ends(&bench, script).await, "skipped: created found created 1 a");
    assert_eq!(bench.writes().len(), 6);
}

#[tokio::test]
async fn a_script_can_catch_what_fails_for_good_and_nothing_else() {
    let script =
        "let r = \"fine\"; try { crm.get(\"Contact\", \"C1\"); } catch (e) { r = `caught: ${e}`; } r";
    let bench = Bench::new().plan([Plan::Fail(failure(Class::Permanent))]);
    assert_eq!(ends(&bench, script).await, "skipped: caught: the system says permanent");
    let bench = Bench::new().plan([Plan::Fail(failure(Class::Transient))]);
    assert_eq!(ends(&bench, script).await, "failed, transient: the system says transient");
}

#[tokio::test]
async fn what_does_not_exist_is_told() {
    let bench = Bench::new();
    assert_eq!(
        ends(&bench, "crm.call(\"nothing\")").await,
        "failed, permanent: crm has no operation `nothing`"
    );
    let ending = ends(&Bench::new(), "crm.delete(\"Fixed\", \"1\")").await;
    assert_eq!(ending, "failed, permanent: crm.Fixed has no `delete`");
}

#[tokio::test]
async fn a_script_makes_at_most_fifty_calls() {
    let ending = ends(&Bench::new(), "for i in 0..51 { crm.get(\"Contact\", `c${i}`); }").await;
    assert!(ending.contains("more than 50 calls"), "{ending}");
}
