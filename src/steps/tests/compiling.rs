//! What is found before anything runs, all at once, and where; and what a program asks for when it reads.

use pretty_assertions::assert_eq;

use super::bench::Bench;
use crate::connector::{Action, Select};
use crate::diagnostic::{Diagnostic, Spot};

/// A finding in one line: code, place, message.
fn shown(finding: &Diagnostic) -> String {
    let place = match &finding.place.spot {
        Spot::Node { path, within: Some(range), .. } => format!("{path} {}..{}", range.start, range.end),
        Spot::Node { path, .. } => path.to_string(),
        other => format!("{other:?}"),
    };
    format!("{} {}:{place}: {}", finding.code, finding.place.file, finding.message)
}

fn findings(bench: &Bench, rest: &str) -> Vec<String> {
    bench.compile(rest).1.iter().map(shown).collect()
}

#[test]
fn all_mistakes_are_found_at_once() {
    let rest = "when: objct.total > 0
steps:
  - find: { object: cmr.Account, match: { Ref: $.steps.later.id } }
  - id: later
    find: { object: crm.Fixed, match: { Name: $.objekt.id } }
  - create: { object: crm.Task, fields: { A: \"${lowr(object.a)}\", B: { from: $.object.b, monney: usd } } }
  - id: later
    call: { connection: crm, operation: pots }
  - choose:
      - steps: [{ set: { a: 1 } }]
      - when: 2 > 1
        steps: [{ delete: { object: crm.Fixed, record: x } }]
  - find: { object: crm.Account }
  - link: { object: crm.Contact, record: x, relation: tag, to: y }
  - use: { part: nothing }
";
    assert_eq!(
        findings(&Bench::new(), rest),
        [
            "unknown-variable tested.yaml:when 0..5: `objct` is not known here",
            "unknown-connection tested.yaml:steps[0].find.object: `acme` has no connection `cmr`",
            "later-step tested.yaml:steps[0].find.match.Ref 8..13: the step `later` has not run yet here",
            "unknown-variable tested.yaml:steps[1].find.match.Name 2..8: `objekt` is not known here",
            "unsupported-action tested.yaml:steps[1].find.match: `crm.Fixed` cannot be looked up by Name",
            "create-without-key tested.yaml:steps[2].create: nothing says what makes this record the same one again",
            "unknown-function tested.yaml:steps[2].create.fields.A 2..6: there is no function `lowr`",
            "unknown-modifier tested.yaml:steps[2].create.fields.B.monney: `monney` is not a modifier of `from`",
            "unknown-operation tested.yaml:steps[3].call.operation: `crm` has no operation `pots`",
            "duplicate-step tested.yaml:steps[3].id: the step id `later` is used twice",
            "unreachable-branch tested.yaml:steps[4].choose[0]: a branch without `when` always holds, so the branches below it never run",
            "unsupported-action tested.yaml:steps[4].choose[1].steps[0].delete.object: `crm.Fixed` has no `delete`",
            "incomplete-find tested.yaml:steps[5].find: `find` needs either `object` and `match`, or `any`",
            "unknown-relation tested.yaml:steps[6].link.relation: `crm.Contact` has no relation `tag`",
            "unknown-part tested.yaml:steps[7].use.part: there is no part `nothing`",
        ]
    );
}

#[test]
fn parts_are_checked_where_they_are_used() {
    let bench = Bench::new()
        .part("find", "takes: { ref: A reference. }\nsteps:\n  - id: a\n    find: { object: crm.A, match: { Ref: $.with.rev } }\n")
        .part("one", "steps:\n  - use: { part: two }\n")
        .part("two", "steps:\n  - use: { part: one }\n");
    let rest = "steps:
  - use: { part: find, with: { rf: 1 } }
  - use: { part: one }
";
    assert_eq!(
        findings(&bench, rest),
        [
            "part-arguments tested.yaml:steps[0].use.part: the part `find` needs `ref`: A reference.",
            "part-arguments tested.yaml:steps[0].use.with.rf: the part `find` takes no `rf`",
            "unknown-variable find.part.yaml:steps[0].find.match.Ref 7..10: `rev` is not in `with`",
            "part-cycle two.part.yaml:steps[0].use.part: the part `one` uses itself: one -> two -> one",
        ]
    );
}

#[test]
fn two_branches_may_give_one_id_and_a_loops_ids_end_with_it() {
    let rest = "steps:
  - choose:
      - when: object.a
        steps:
          - id: who
            find: { object: crm.A, match: { Ref: x } }
      - steps:
          - id: who
            find: { object: crm.B, match: { Ref: x } }
  - set: { a: $.steps.who.id }
  - for_each:
      in: $.object.lines
      as: line
      steps:
        - id: inner
          get: { object: crm.A, record: $.line.id }
  - set: { b: $.steps.inner.id }
";
    let found = findings(&Bench::new(), rest);
    assert_eq!(found, ["unknown-step tested.yaml:steps[3].set.b 8..13: no step has the id `inner`"]);
}

/// What the first read of a program asks for.
async fn selected(rest: &str) -> Select {
    let bench = Bench::new().given("Account", r#"{"Id":"A1","Ref":"r"}"#);
    bench.run(rest, r#"{"ref":"r"}"#).await;
    let action = bench.first_call().action;
    match action {
        Action::Find { select, .. } | Action::Get { select, .. } | Action::List { select, .. } => select,
        other => panic!("{other:?}"),
    }
}

fn fields(names: &[&str]) -> Select {
    Select::Fields(names.iter().map(|name| (*name).into()).collect())
}

#[tokio::test]
async fn a_read_asks_for_what_is_read_of_it() {
    let find = "steps:\n  - id: a\n    find: { object: crm.Account, match: { Ref: $.object.ref } }\n";
    let with = |more: &str| format!("{find}{more}");
    assert_eq!(selected(find).await, fields(&["Ref"]));
    assert_eq!(selected(&with("  - set: { x: $.steps.a.record.Owner }\n")).await, fields(&["Owner", "Ref"]));
    assert_eq!(
        selected(&with("  - check: { that: steps.a.record.Type == \"x\", else: skip }\n")).await,
        fields(&["Type", "Ref"])
    );
    let update = "  - update: { object: crm.Account, record: $.steps.a.id, fields: { Status: Paid } }\n";
    assert_eq!(selected(&with(update)).await, fields(&["Status", "Ref"]));
    assert_eq!(selected(&with("  - set: { x: $.steps.a.record }\n")).await, Select::All);
    let several = "steps:
  - id: a
    find: { any: [{ object: crm.Account, match: { Ref: $.object.ref } }, { object: crm.Lead, match: { Ref: $.object.ref } }] }
";
    assert_eq!(selected(several).await, Select::All);
}
