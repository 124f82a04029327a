//! Who may write a field, and what becomes of those that several sides write.

use pretty_assertions::assert_eq;

use super::bench::{Bench, line};

const SEATS: &str = "steps:
  - update:
      object: crm.Deal
      record: D1
      fields: { Seats: $.object.seats }
";

fn shared(tie: &str) -> Bench {
    let ownership = format!(r#"{{"crm.Deal": {{"Seats": {{"both": ["crm", "billing"], "tie": "{tie}"}}}}}}"#);
    Bench::new().given("Deal", r#"{"Id":"D1","Seats":5}"#).owned(&ownership)
}

fn seats(bench: &Bench) -> String {
    bench.crm.records("crm", "Deal")[0].get("Seats").unwrap().to_string()
}

/// The notes of the audit, newest last.
fn notes(bench: &Bench) -> Vec<String> {
    bench.memory.audit().iter().filter_map(|entry| entry.note.as_deref().map(str::to_owned)).collect()
}

/// A person changes the deal.
fn by_hand(bench: &Bench, seats: u32) {
    let record = format!(r#"{{"Id":"D1","Seats":{seats}}}"#);
    bench.crm.give("crm", "Deal", super::bench::json(&record).as_map().unwrap());
}

async fn told(bench: &Bench, run: &str, seats: u32) {
    let ending = bench.attempt(SEATS, &format!(r#"{{"seats":{seats}}}"#), run, 1).await;
    assert_eq!(line(&ending), "succeeded");
}

#[tokio::test]
async fn a_value_that_comes_by_way_of_set_is_left_to_the_owner_of_its_field() {
    let bench = Bench::new()
        .given("Deal", r#"{"Id":"D1","Name":"Acme","Phone":null}"#)
        .owned(r#"{"crm.Deal": {"*": "sales", "Stage": "crm"}}"#);
    let steps = "steps:
  - set: { name: $.object.name }
  - for_each:
      in: $.object.lines
      as: line
      steps:
        - update:
            object: crm.Deal
            record: D1
            fields:
              Name: $.set.name
              Code: $.line.code
              Phone: { from: $.object.phone, write: if_empty }
              Stage: $.line.stage
              Kind: New
";
    let object = r#"{"name":"Other","phone":"1","lines":[{"code":"X","stage":"Won"}]}"#;
    assert_eq!(line(&bench.run(steps, object).await), "succeeded");
    assert_eq!(bench.writes(), [r#"update Deal D1 {"Phone":"1","Stage":"Won","Kind":"New"}"#]);
    assert_eq!(notes(&bench), ["Name is left to sales, which owns it; Code is left to sales, which owns it"]);
}

#[tokio::test]
async fn what_a_script_writes_is_held_to_ownership_too() {
    let owned = r#"{"crm.Deal": {"Name": "sales", "Stage": "crm", "Seats": {"both": ["sales", "billing"], "tie": "sales"}}}"#;
    for (fields, written, told) in [
        // Written out: from the event, which is `crm`'s.
        (
            "#{ Name: object.name, Stage: object.stage }",
            r#"{"Stage":"Won"}"#,
            "Name is left to sales, which owns it",
        ),
        ("#{ Name: \"New\", Stage: object.stage }", r#"{"Name":"New","Stage":"Won"}"#, ""),
        (
            "#{ Seats: object.seats, Stage: \"Won\" }",
            r#"{"Stage":"Won"}"#,
            "Seats is left to sales, which owns it",
        ),
        // Computed: from everything that the script reads.
        (
            "{ let all = #{}; all[`Na${\"me\"}`] = object.name; all.Stage = 1; all }",
            r#"{"Stage":1}"#,
            "Name is left to sales, which owns it",
        ),
    ] {
        let bench = Bench::new().given("Deal", r#"{"Id":"D1","Name":"Acme","Seats":1}"#).owned(owned);
        let steps = format!("steps:\n  - script: |\n      crm.update(\"Deal\", \"D1\", {fields});\n");
        let ending = bench.run(&steps, r#"{"name":"Other","stage":"Won","seats":5}"#).await;
        assert_eq!(line(&ending), "succeeded", "{fields}");
        assert_eq!(bench.writes(), [format!("update Deal D1 {written}")], "{fields}");
        assert_eq!(notes(&bench).join("; "), told, "{fields}");
    }
}

#[tokio::test]
async fn when_nothing_is_left_to_write_the_audit_says_why() {
    let bench =
        Bench::new().given("Deal", r#"{"Id":"D1","Seats":5}"#).owned(r#"{"crm.Deal": {"Seats": "sales"}}"#);
    told(&bench, "run-1", 7).await;
    assert_eq!(
        (bench.writes(), notes(&bench)),
        (vec![], vec!["Seats is left to sales, which owns it".to_owned()])
    );
}

#[tokio::test]
async fn what_one_side_changes_is_written_and_what_the_other_changes_stays() {
    let bench = shared("billing");
    told(&bench, "run-1", 5).await;
    told(&bench, "run-2", 8).await;
    assert_eq!(seats(&bench), "8", "nobody else has changed it");
    by_hand(&bench, 9);
    told(&bench, "run-3", 8).await;
    assert_eq!((seats(&bench).as_str(), bench.writes().len()), ("9", 1), "that change is on its way");
    assert_eq!(notes(&bench), ["Seats was changed there since both sides agreed, and stays"]);
}

#[tokio::test]
async fn when_both_sides_changed_a_field_its_rule_decides_and_the_audit_says_so() {
    for (tie, left, note) in [
        ("billing", "9", "Seats was changed on both sides: billing wins, and it stays"),
        ("crm", "12", "Seats was changed on both sides: crm wins, and it is written"),
    ] {
        let bench = shared(tie);
        told(&bench, "run-1", 5).await;
        by_hand(&bench, 9);
        told(&bench, "run-2", 12).await;
        assert_eq!((seats(&bench).as_str(), notes(&bench)), (left, vec![note.to_owned()]), "{tie}");
    }
}

#[tokio::test]
async fn both_sides_that_came_to_the_same_by_themselves_agree_from_then_on() {
    let bench = shared("billing");
    told(&bench, "run-1", 5).await;
    by_hand(&bench, 9);
    told(&bench, "run-2", 9).await;
    told(&bench, "run-3", 10).await;
    assert_eq!((seats(&bench).as_str(), notes(&bench)), ("10", vec![]));
}
