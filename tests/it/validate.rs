//! `lockstep validate`, as a user and a build see it. What each rule says is in `tests/cases/`.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use lockstep::check::{Environments, check};
use lockstep::config;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::example::project;

/// What the command answered: exit code, standard output, standard error.
fn validate(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("lockstep")
        .unwrap()
        .current_dir(folder)
        .env_clear()
        .arg("validate")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json_of(folder: &Path, arguments: &[&str]) -> Value {
    let arguments = [&["--format", "json"], arguments].concat();
    serde_json::from_str(&validate(folder, &arguments).1).unwrap()
}

/// File and code of each finding.
fn found(answer: &Value) -> Vec<(&str, &str)> {
    let findings = answer["findings"].as_array().unwrap();
    findings.iter().map(|it| (it["file"].as_str().unwrap(), it["code"].as_str().unwrap())).collect()
}

const GOOD: &str = "
name: paid
trigger: { stripe: { events: [invoice.paid] } }
steps:
  - set: { total: $.object.total }
";

const TWO_CLIENTS: &str = "
# file: pipelines/acme/client.yaml
name: acme
connections: { stripe: { connector: stripe, config: { api_key: '${ACME_KEY}', webhook_secrets: ['${ACME_WHSEC}'] } } }
# file: pipelines/acme/paid.yaml
name: paid
trigger: { stripe: { events: [invoice.payd] } }
steps: [{ set: { total: $.object.total } }]
# file: pipelines/acme/voided.yaml
name: voided
trigger: { stripe: { events: [invoice.voidd] } }
steps: [{ set: { total: $.object.total } }]
# file: pipelines/beta/client.yaml
name: beta
connections: { stripe: { connector: stripe, config: { api_key: '${BETA_KEY}', webhook_secrets: ['${BETA_WHSEC}'] } } }
# file: pipelines/beta/paid.yaml
name: paid
trigger: { stripe: { events: [invoice.paid] } }
steps: [{ set: { total: $.object.total } }]
";

#[test]
fn a_good_project_needs_no_secrets_and_ends_with_0() {
    let project = project(GOOD);
    let answer = (0, "checked 2 files: no findings\n".to_owned(), String::new());
    assert_eq!(validate(project.path(), &[]), answer);
}

#[test]
fn programs_get_one_object_with_every_place() {
    let project = project(
        "\nname: paid\ntrigger: { stripe: { events: [invoice.payd] } }\nsteps: [{ set: { a: 1 } }]\n",
    );
    let (code, shown, _) = validate(project.path(), &["--format", "json"]);
    assert_eq!(code, 1);
    assert_eq!(
        serde_json::from_str::<Value>(&shown).unwrap(),
        json!({
            "findings": [{
                "code": "unknown-event",
                "severity": "error",
                "message": "Stripe has no event `invoice.payd`",
                "help": "did you mean `invoice.paid`?",
                "file": "pipelines/acme/paid.yaml",
                "line": 3,
                "column": 31,
                "end_line": 3,
                "end_column": 43,
                "label": "API version 2026-10-28.endive does not know it",
                "related": [],
                "fix": {
                    "safe": true,
                    "edits": [{
                        "file": "pipelines/acme/paid.yaml",
                        "line": 3,
                        "column": 31,
                        "end_line": 3,
                        "end_column": 43,
                        "start": 42,
                        "end": 54,
                        "text": "invoice.paid",
                    }],
                },
            }],
            "files": 2,
            "errors": 1,
            "warnings": 0,
        })
    );
}

#[test]
fn findings_come_all_at_once_and_in_the_order_of_the_files() {
    let project = project(TWO_CLIENTS);
    assert_eq!(
        found(&json_of(project.path(), &[])),
        [("pipelines/acme/paid.yaml", "unknown-event"), ("pipelines/acme/voided.yaml", "unknown-event")]
    );
}

#[test]
fn paths_narrow_down_what_is_checked() {
    let project = project(TWO_CLIENTS);
    let both =
        vec![("pipelines/acme/paid.yaml", "unknown-event"), ("pipelines/acme/voided.yaml", "unknown-event")];
    for (paths, expected, files) in [
        (&["."][..], both.clone(), 5),
        (&["pipelines"], both.clone(), 5),
        (&["pipelines/acme"], both.clone(), 3),
        (&["pipelines/beta"], vec![], 2),
        (&["pipelines/acme/voided.yaml"], vec![("pipelines/acme/voided.yaml", "unknown-event")], 2),
        (
            &["pipelines/acme/paid.yaml", "pipelines/beta"],
            vec![("pipelines/acme/paid.yaml", "unknown-event")],
            4,
        ),
    ] {
        let answer = json_of(project.path(), paths);
        assert_eq!((found(&answer), answer["files"].as_u64()), (expected, Some(files)), "{paths:?}");
    }
}

#[test]
fn files_are_named_as_seen_from_the_working_directory() {
    let project = project(TWO_CLIENTS);
    let inside = project.path().join("pipelines/acme");
    assert_eq!(found(&json_of(&inside, &["paid.yaml"])), [("paid.yaml", "unknown-event")]);
    let beside = project.path().join("pipelines/beta");
    assert_eq!(found(&json_of(&beside, &["../acme/paid.yaml"])), [("../acme/paid.yaml", "unknown-event")]);
}

#[test]
fn what_cannot_be_checked_ends_with_2_and_words() {
    let project = project(GOOD);
    let elsewhere = tempfile::TempDir::new().unwrap();
    let empty = tempfile::TempDir::new().unwrap();
    fs::create_dir(empty.path().join("pipelines")).unwrap();
    for (folder, arguments, words) in [
        (elsewhere.path(), &[][..], "no project here"),
        (empty.path(), &[], "holds no client"),
        (project.path(), &["pipelines/beta"], "pipelines/beta does not exist"),
        (project.path(), &["--env", "staging"], "no client has a `client.staging.yaml`"),
        (project.path(), &["--format", "xml"], "invalid value 'xml'"),
    ] {
        let (code, shown, told) = validate(folder, arguments);
        assert_eq!((code, shown.as_str()), (2, ""), "{arguments:?}");
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn warnings_end_with_0_unless_they_are_denied() {
    let project = project(&format!("{GOOD}enabled: false\n"));
    assert_eq!(validate(project.path(), &[]).0, 0);
    assert_eq!(validate(project.path(), &["--deny", "warnings"]).0, 1);
}

#[test]
fn every_environment_is_checked_unless_one_is_named() {
    let client = "
# file: client.yaml
name: acme
connections: { stripe: { connector: stripe, config: { api_key: '${KEY}', webhook_secrets: ['${WHSEC}'] } } }
# file: client.sandbox.yaml
connections: { stripe: { config: { api_key: '${SANDBOX-KEY}' } } }
# file: client.production.yaml
vars: { queue: billing }
# file: paid.yaml";
    let project = project(&format!("{client}{GOOD}"));
    let sandbox = [("pipelines/acme/client.sandbox.yaml", "bad-placeholder")];
    assert_eq!(found(&json_of(project.path(), &[])), sandbox);
    assert_eq!(found(&json_of(project.path(), &["--env", "sandbox"])), sandbox);
    assert_eq!(found(&json_of(project.path(), &["--env", "production"])), []);
}

#[test]
fn an_overlay_cannot_add_half_a_connection() {
    let client = "
# file: client.yaml
name: acme
connections: { stripe: { connector: stripe, config: { api_key: '${KEY}', webhook_secrets: ['${WHSEC}'] } } }
# file: client.sandbox.yaml
connections: { slack: { concurrency: 2 } }
# file: paid.yaml";
    let project = project(&format!("{client}{GOOD}"));
    assert_eq!(found(&json_of(project.path(), &[])), [("pipelines/acme/client.sandbox.yaml", "missing-key")]);
}

/// Invariant 6: who has errors does not run, who has none does.
#[test]
fn a_broken_client_does_not_keep_the_others_from_running() {
    let project = project(TWO_CLIENTS);
    let checked = check(config::load(&[], project.path()).unwrap(), Environments::Base).unwrap();
    let running: Vec<&str> = checked.project.clients().map(|client| &**client.name()).collect();
    assert_eq!(running, ["beta"]);
    assert_eq!(checked.broken.iter().map(|name| &**name).collect::<Vec<_>>(), ["acme"]);
}

#[test]
fn a_broken_test_keeps_nobody_from_running() {
    let tests = "# file: paid.test.yaml\npipeline: payed\ncases: [{ name: a, event: { type: invoice.paid }, expect: {} }]\n";
    let project = project(&format!("# file: paid.yaml{GOOD}{tests}"));
    let checked = check(config::load(&[], project.path()).unwrap(), Environments::Base).unwrap();
    assert_eq!(checked.report.errors(), 1);
    assert!(checked.project.client("acme").is_some());
}

/// Invariant 5.
#[test]
fn a_secret_that_was_written_out_is_in_no_output() {
    let secret = ["sk", "live", "51H8aXqLkjP0zTqvB"].join("_");
    for file in [
        format!(
            "# file: client.yaml\nname: acme\nconnections: {{ stripe: {{ connector: stripe, config: {{ api_key: {secret} }} }} }}\n"
        ),
        format!("# file: paid.yaml{GOOD}  - set: {{ key: {secret} }}\n"),
        format!("# file: paid.yaml{GOOD}# the old key: {secret}\n"),
    ] {
        let project = project(&file);
        for arguments in
            [&[][..], &["--format", "json"], &["--format", "sarif"], &["--format", "github"], &["--fix"]]
        {
            let (code, shown, told) = validate(project.path(), arguments);
            assert_eq!(code, 1);
            assert!(shown.contains("secret-written"), "{shown}");
            assert!(!shown.contains(&secret) && !told.contains(&secret), "{shown}{told}");
        }
    }
}

#[test]
fn anchors_and_merge_keys_are_fine() {
    let project = project(
        "
name: paid
trigger: { stripe: { events: [invoice.paid] } }
retry: &retry { attempts: 3 }
steps:
  - retry: *retry
    set: &base { total: $.object.total }
  - set: { <<: *base, currency: $.object.currency }
",
    );
    assert_eq!(validate(project.path(), &[]).1, "checked 2 files: no findings\n");
}

#[test]
fn a_file_that_is_not_text_is_a_finding() {
    let project = project(GOOD);
    fs::write(project.path().join("pipelines/acme/paid.yaml"), b"name: paid\n# \xff\n").unwrap();
    let answer = json_of(project.path(), &[]);
    assert!(found(&answer).contains(&("pipelines/acme/paid.yaml", "yaml-syntax")), "{answer}");
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::cargo_bin("lockstep")
        .unwrap()
        .current_dir(root)
        .args(["schema", "--check", "schemas"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "",
        "`lockstep schema --write schemas` renews them"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn rules_are_listed_and_explained() {
    let rules = |arguments: &[&str]| {
        let output = Command::cargo_bin("lockstep").unwrap().arg("rules").args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, list) = rules(&[]);
    assert_eq!(code, 0);
    assert!(list.lines().any(|line| line.starts_with("unknown-event ")), "{list}");
    assert!(rules(&["unknown-event"]).1.starts_with("# unknown-event\n"));
    assert_eq!(rules(&["no-such-rule"]), (2, String::new()));
}

fn lockstep(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output =
        Command::cargo_bin("lockstep").unwrap().current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_client_to_start_from_has_no_findings_and_is_never_overwritten() {
    for crm in ["activecampaign", "bitrix24", "http", "hubspot", "salesforce"] {
        let folder = tempfile::TempDir::new().unwrap();
        let (code, told, _) = lockstep(folder.path(), &["init", "--crm", crm, "--client", "acme-two"]);
        assert_eq!(code, 0);
        assert!(told.contains("ACME_TWO_STRIPE_KEY"), "{told}");
        assert_eq!(
            validate(folder.path(), &["--deny", "warnings"]),
            (0, "checked 3 files: no findings\n".to_owned(), String::new())
        );
        let (code, told, _) = lockstep(folder.path(), &["test"]);
        assert_eq!(code, 0, "{crm}: {told}");
        assert!(told.ends_with("2 passed, 0 failed\n"), "{crm}: {told}");
        let (code, _, told) = lockstep(folder.path(), &["init", "--crm", crm, "--client", "acme-two"]);
        assert_eq!(code, 2);
        assert!(told.contains("is there already"), "{told}");
    }
}

#[test]
fn connectors_are_listed_and_described() {
    let folder = tempfile::TempDir::new().unwrap();
    let (code, list, _) = lockstep(folder.path(), &["connectors"]);
    assert_eq!(code, 0);
    assert!(list.lines().any(|line| line.starts_with("salesforce ")), "{list}");
    let (_, described, _) = lockstep(folder.path(), &["connectors", "salesforce"]);
    for part in ["client_secret (text", "secret)", "find", "limits"] {
        assert!(described.contains(part), "{part}: {described}");
    }
    let (_, json, _) = lockstep(folder.path(), &["connectors", "slack", "--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["operations"][0]["name"], "message");
    let (code, _, told) = lockstep(folder.path(), &["connectors", "salesfroce"]);
    assert_eq!(code, 2);
    assert!(told.contains("did you mean `salesforce`?"), "{told}");
}

#[test]
fn a_projects_own_connector_is_one_like_the_others() {
    let project = project(
        "
# file: connectors/erp.yaml
name: erp
title: The ERP
config:
  token: { secret: true, required: true, description: A token. }
base_url: https://erp.example.com
auth: { bearer: $.config.token }
operations:
  ping: { request: { method: GET, path: /ping } }
# file: client.yaml
name: acme
connections:
  stripe: { connector: stripe, config: { api_key: '${ACME_KEY}', webhook_secrets: ['${ACME_WHSEC}'] } }
  erp: { connector: erp, config: { token: '${ACME_ERP_TOKEN}' } }
# file: paid.yaml
name: paid
trigger: { stripe: { events: [invoice.paid] } }
steps: [{ call: { connection: erp, operation: ping } }]
",
    );
    assert_eq!(validate(project.path(), &[]).1, "checked 3 files: no findings\n");
    assert!(lockstep(project.path(), &["connectors"]).1.contains("The ERP"));
}

#[test]
fn a_mistake_in_a_library_is_told_at_its_place_in_the_script() {
    let project =
        project(&format!("# file: lib.rhai\nfn tidy(name) {{\n    trimm(name)\n}}\n# file: paid.yaml{GOOD}"));
    let answer = json_of(project.path(), &[]);
    assert_eq!(found(&answer), [("pipelines/acme/lib.rhai", "unknown-function")]);
    assert_eq!(
        (answer["findings"][0]["line"].as_u64(), answer["findings"][0]["column"].as_u64()),
        (Some(2), Some(5))
    );
}

#[test]
fn a_mistake_in_a_pipeline_is_not_told_again_at_each_case_of_its_tests() {
    let folder = project(
        "
# file: pipelines/acme/client.yaml
name: acme
connections: { stripe: { connector: stripe, config: { api_key: '${ACME_KEY}', webhook_secrets: ['${ACME_WHSEC}'] } } }
# file: pipelines/acme/members.yaml
name: members
trigger: { schedule: { every: 1 minutes, list: { object: stripe.customer } } }
steps: [{ set: { email: $.object.email } }]
# file: pipelines/acme/members.test.yaml
pipeline: members
cases:
  - name: somebody is listed
    listing: [{ id: cus_1 }]
    expect: { records: { cus_1: { outcome: succeeded } } }
",
    );
    let answer = json_of(folder.path(), &["pipelines"]);
    assert_eq!(found(&answer), [("pipelines/acme/members.yaml", "invalid-format")]);
}

#[test]
fn what_could_not_be_looked_into_is_named() {
    let folder = tempfile::TempDir::new().unwrap();
    let (code, ..) = lockstep(folder.path(), &["init", "--crm", "salesforce", "--client", "acme"]);
    assert_eq!(code, 0);
    let file = |name: &str| folder.path().join("pipelines/acme").join(name);
    let misspelt = |name: &str, is: &str, becomes: &str| {
        let text = std::fs::read_to_string(file(name)).unwrap();
        std::fs::write(file(name), text.replace(is, becomes)).unwrap();
    };
    misspelt("payment-failed.yaml", "fields:", "feilds:");
    let (code, _, told) = lockstep(folder.path(), &["validate"]);
    assert_eq!(
        (code, &*told),
        (1, "not looked into any further until that is mended: pipelines/acme/payment-failed.yaml\n")
    );
    misspelt("client.yaml", "timezone: UTC", "timezone: Europe/Londn");
    let (_, _, told) = lockstep(folder.path(), &["validate"]);
    let all = ["client.yaml", "payment-failed.yaml", "payment-failed.test.yaml"];
    let all = all.map(|name| format!("pipelines/acme/{name}")).join(", ");
    assert_eq!(told, format!("not looked into any further until that is mended: {all}\n"));
    let (_, json, told) = lockstep(folder.path(), &["validate", "--format", "json"]);
    assert!(json.starts_with('{') && told.is_empty(), "{told}");
}
