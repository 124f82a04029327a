//! What is found by looking at all pipelines of a client together, and the drawing of them. What each rule says is in
//! `tests/cases/`; here is what it leaves alone.

use std::path::Path;

use assert_cmd::Command;
use insta::assert_snapshot;
use lockstep::check::{Environments, check, drawings};
use lockstep::config;
use pretty_assertions::assert_eq;

use crate::example::project;

/// Code, line and column of each finding of an example.
fn found(example: &str) -> Vec<String> {
    let folder = project(example);
    let checked = check(config::load(&[], folder.path()).unwrap(), Environments::All).unwrap();
    let place = |finding: &lockstep::diagnostic::Diagnostic| {
        let span = checked.sources.resolve(&finding.place);
        let at = checked.sources.file(&finding.place.file).unwrap().position(span.start);
        let file = finding.place.file.rsplit('/').next().unwrap().to_owned();
        format!("{} {file}:{}:{}", finding.code, at.line, at.column)
    };
    checked.report.findings.iter().map(place).collect()
}

/// Two pipelines that write one field, each with a head and a line of its own.
fn writers(first: (&str, &str), second: (&str, &str)) -> Vec<String> {
    let pipeline = |name: &str, (head, line): (&str, &str)| {
        format!(
            "# file: {name}.yaml\nname: {name}\ntrigger: {{ stripe: {{ events: [invoice.paid] }} }}\n{head}\nsteps:\n  \
             - upsert:\n      object: salesforce.Account\n      match: {{ Stripe_Customer_Id__c: $.object.customer }}\n      \
             fields: {{ Status__c: {line} }}\n"
        )
    };
    found(&[pipeline("a", first), pipeline("b", second)].concat())
}

#[test]
fn two_writers_are_found_unless_something_decides_between_them() {
    let lane = "order: { lane: customers }";
    let expected = ["two-writers b.yaml:8:17".to_owned()];
    assert_eq!(writers(("", "$.object.status"), ("", "Paid")), expected);
    assert_eq!(writers((lane, "$.object.status"), ("", "Paid")), expected, "one of them in the lane");
    assert_eq!(writers((lane, "$.object.status"), (lane, "Paid")), [""; 0]);
    assert_eq!(writers(("", "Paid"), ("", "Paid")), [""; 0], "the same value");
    let once = "{ from: $.object.status, write: on_create }";
    assert_eq!(writers(("", once), ("", "Paid")), [""; 0]);
    assert_eq!(writers(("enabled: false\ndescription: Later.", "x"), ("", "Paid")), [""; 0], "it never runs");
}

#[test]
fn two_writers_are_found_in_a_part_at_its_own_place() {
    let using = |name: &str, value: &str| {
        format!(
            "# file: {name}.yaml\nname: {name}\ntrigger: {{ stripe: {{ events: [invoice.paid] }} }}\nsteps:\n  \
             - use: {{ part: {value} }}\n"
        )
    };
    let part = |name: &str, value: &str| {
        format!(
            "# file: {name}.part.yaml\nsteps:\n  - update: {{ object: salesforce.Account, record: $.object.metadata.account, \
             fields: {{ Status__c: {value} }} }}\n"
        )
    };
    let example = [using("a", "one"), using("b", "two"), part("one", "Paid"), part("two", "Open")].concat();
    assert_eq!(found(&example), ["two-writers two.part.yaml:2:88"]);
    // One part that two pipelines use writes one value.
    let example = [using("a", "one"), using("b", "one"), part("one", "$.object.status")].concat();
    assert_eq!(found(&example), [""; 0]);
}

/// Two pipelines, each of which makes a record that starts the other.
fn cycle(accounts: &str, customers: &str) -> Vec<String> {
    found(&format!(
        "# file: accounts.yaml\nname: accounts\ntrigger: {{ stripe: {{ events: [customer.created] }} }}\n{accounts}\n\
         # file: customers.yaml\nname: customers\n\
         trigger: {{ schedule: {{ every: 1m, list: {{ object: salesforce.Account, since: SystemModstamp }} }} }}\n{customers}\n"
    ))
}

#[test]
fn a_cycle_is_found_unless_something_cuts_it() {
    let account = "steps:\n  - create:\n      object: salesforce.Account\n      key: { Stripe_Customer_Id__c: $.object.id }\n      fields: { Name: x }";
    let customer = "steps:\n  - create:\n      object: stripe.customer\n      key: \"account/${object.Id}\"\n      fields: { name: x }";
    assert_eq!(cycle(account, customer), ["endless-loop accounts.yaml:5:15"]);
    for (accounts, customers, why) in [
        (account.to_owned(), format!("when: object.Name != ()\n{customer}"), "a condition of a pipeline"),
        (
            account.replace("- create", "- when: object.email != ()\n    create"),
            customer.to_owned(),
            "a condition of a step",
        ),
        (account.replace("$.object.id", "$.object.email"), customer.to_owned(), "what both sides have"),
        (
            account.replace("steps:\n", "steps:\n  - check: { that: object.email != (), else: skip }\n"),
            customer.to_owned(),
            "a check before it",
        ),
    ] {
        assert_eq!(cycle(&accounts, &customers), [""; 0], "{why}");
    }
}

#[test]
fn a_pipeline_that_starts_itself_is_a_cycle() {
    let example = "
name: again
trigger: { stripe: { events: [customer.created] } }
steps:
  - create:
      object: stripe.customer
      key: $.object.id
      fields: { name: $.object.name }
";
    assert_eq!(found(example), ["endless-loop again.yaml:6:15"]);
}

#[test]
fn a_look_up_that_decides_or_is_read_is_of_use() {
    let step = |text: &str, after: &str| {
        found(&format!(
            "\nname: paid\ntrigger: {{ stripe: {{ events: [invoice.paid] }} }}\nsteps:\n  - {text}\n{after}  - set: {{ a: 1 }}\n"
        ))
    };
    let find = "find: { object: salesforce.Account, match: { Name: x }";
    for (text, after, unused) in [
        (format!("{find} }}"), "", false),
        (format!("id: a\n    {find} }}"), "", true),
        (format!("id: a\n    {find} }}"), "  - set: { b: $.steps.a.id }\n", false),
        (format!("id: a\n    {find} }}"), "  - set: { b: \"${steps.a.outcome}\" }\n", false),
        (format!("id: a\n    {find}, none: skip }}"), "", false),
        (format!("id: a\n    {find}, many: conflict }}"), "", false),
        (format!("id: a\n    {find}, many: first }}"), "", true),
        ("id: a\n    get: { object: salesforce.Account, record: x }".to_owned(), "", true),
        ("id: a\n    get: { object: salesforce.Account, record: x, none: fail }".to_owned(), "", false),
        ("id: a\n    list: { object: salesforce.Account }".to_owned(), "", true),
        ("id: a\n    list: { object: salesforce.Account, limit: 1 }".to_owned(), "", false),
    ] {
        let expected: &[&str] = if unused { &["unused-result"] } else { &[] };
        let found = step(&text, after);
        let codes: Vec<&str> = found.iter().map(|it| it.split(' ').next().unwrap()).collect();
        assert_eq!(codes, expected, "{text} {after}");
    }
}

#[test]
fn names_of_ones_own_are_no_card_data() {
    for (value, refused) in [
        ("$.object.payment_method_details.card.fingerprint", true),
        ("\"${object.payment_method_details.card.number}\"", true),
        ("{ from: [$.object.id, $.object.card.cvc] }", true),
        ("$.object.payment_method_details.card.last4", false),
        ("$.object.number", false),
        ("$.vars.card.number", false),
    ] {
        let client = "# file: client.yaml\nname: acme\nvars: { card: { number: 7 } }\nconnections:\n  \
                      stripe: { connector: stripe, config: { api_key: '${A_KEY}', webhook_secrets: ['${A_SECRET}'] } }\n";
        let pipeline = format!(
            "# file: paid.yaml\nname: paid\ntrigger: {{ stripe: {{ events: [charge.succeeded] }} }}\nsteps: [{{ set: {{ a: {value} }} }}]\n"
        );
        let codes = found(&format!("{client}{pipeline}"));
        assert_eq!(codes.iter().any(|it| it.starts_with("card-data")), refused, "{value}: {codes:?}");
    }
}

const DRAWN: &str = r#"
# file: a-b.yaml
name: a-b
trigger: { stripe: { events: [invoice.paid, invoice.payment_failed] } }
steps:
  - upsert:
      object: salesforce.Account
      match: { Stripe_Customer_Id__c: $.object.customer }
      fields: { Status__c: $.object.status }
  - use: { part: note }
# file: note.part.yaml
steps:
  - when: object.total > 0
    create:
      object: salesforce.Task
      key: { Stripe_Invoice_Id__c: $.object.id }
      fields: { Subject: Paid }
# file: nightly.yaml
name: nightly
trigger: { schedule: { cron: "0 3 * * *" } }
steps: [{ set: { a: 1 } }]
# file: alerts.yaml
name: alerts
trigger: { lockstep: { events: [run.dead] } }
steps: [{ set: { a: 1 } }]
"#;

#[test]
fn a_client_is_drawn() {
    let folder = project(DRAWN);
    let output = Command::cargo_bin("lockstep")
        .unwrap()
        .current_dir(folder.path())
        .args(["show", "--graph"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r#"
    flowchart LR
      subgraph c_stripe["stripe"]
        r_stripe_invoice["invoice"]
      end
      subgraph c_salesforce["salesforce"]
        r_salesforce_Account["Account"]
        r_salesforce_Task["Task"]
      end
      at_lockstep[/"lockstep"/]
      at_set_32_times[/"set times"/]
      p_a_45_b(["a-b"])
      p_alerts(["alerts"])
      p_nightly(["nightly"])
      r_stripe_invoice -- "invoice.paid, invoice.payment_failed" --> p_a_45_b
      p_a_45_b -- "upsert" --> r_salesforce_Account
      p_a_45_b -- "create" --> r_salesforce_Task
      at_lockstep -- "run.dead" --> p_alerts
      at_set_32_times -- "runs" --> p_nightly
    "#);
}

#[test]
fn the_client_to_draw_is_named_where_there_are_several() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let show = |arguments: &[&str]| {
        let mut command = Command::cargo_bin("lockstep").unwrap();
        let output = command.current_dir(root).arg("show").args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    for name in ["web-shop", "pipelines/web-shop"] {
        let (code, drawing, _) = show(&[name, "--graph"]);
        assert_eq!(code, 0);
        assert!(drawing.starts_with("flowchart LR\n") && drawing.contains("\"activecampaign\""), "{drawing}");
    }
    let (code, _, told) = show(&["--graph"]);
    assert!(code == 2 && told.contains("name one of the clients: acme-saas, "), "{told}");
    let (code, _, told) = show(&["web-shp", "--graph"]);
    assert!(code == 2 && told.contains("did you mean `web-shop`?"), "{told}");
    assert_eq!(show(&[]).0, 2, "a pipeline is named where nothing is to be drawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn mermaid_as_an_sdk_reads_the_drawings_of_all_example_clients() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = drawings(&config::load(&[], root).unwrap());
    assert!(all.len() >= 5);
    let folder = project(&DRAWN.replace("a-b", "end").replace("Status__c", "\"a#b\""));
    all.insert("made up".into(), drawings(&config::load(&[], folder.path()).unwrap())["acme"].clone());
    let text: serde_json::Map<_, _> =
        all.iter().map(|(name, text)| (name.to_string(), text.as_str().into())).collect();
    let file = folder.path().join("drawings.json");
    std::fs::write(&file, serde_json::to_vec(&text).unwrap()).unwrap();
    crate::sandbox_sdk::run("mermaid.test.mjs", vec![("DRAWINGS", file.to_str().unwrap().to_owned())]).await;
}
