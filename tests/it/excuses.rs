//! What a project says about rules: in `pipelines/rules.yaml`, and by comments in one place.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use lockstep::check::{Checked, Environments, check};
use lockstep::config::{self, load_kept};
use lockstep::diagnostic::{Code, Color, Severity};
use pretty_assertions::assert_eq;

use crate::example::project;

fn checked(folder: &Path, environments: Environments) -> Checked {
    check(config::load(&[], folder).unwrap(), environments).unwrap()
}

/// Code and severity of each finding of an example.
fn found(example: &str) -> Vec<String> {
    let checked = checked(project(example).path(), Environments::All);
    checked.report.findings.iter().map(|it| format!("{} {}", it.severity.as_str(), it.code)).collect()
}

const OFF: &str = "# file: paid.yaml
name: paid
enabled: false
trigger: { stripe: { events: [invoice.paid] } }
steps: [{ set: { a: 1 } }]
";

#[test]
fn a_project_says_how_much_a_rule_matters() {
    for (rules, expected) in [
        ("{}", &["warning disabled-pipeline"][..]),
        ("disabled-pipeline: off", &[]),
        ("disabled-pipeline: error", &["error disabled-pipeline"]),
        ("unused-part: off", &["warning disabled-pipeline"]),
        ("disabled-pipelin: off", &["warning disabled-pipeline", "error unknown-key"]),
        ("unknown-key: off", &["warning disabled-pipeline", "error unknown-word"]),
        ("disabled-pipeline: info", &["warning disabled-pipeline", "error unknown-word"]),
    ] {
        assert_eq!(found(&format!("{OFF}# file: pipelines/rules.yaml\n{rules}\n")), expected, "{rules}");
    }
}

#[test]
fn what_a_project_takes_for_an_error_keeps_its_client_from_running() {
    let rules = |level: &str| format!("{OFF}# file: pipelines/rules.yaml\ndisabled-pipeline: {level}\n");
    for (level, runs) in [("warning", true), ("off", true), ("error", false)] {
        let project = project(&rules(level));
        let checked = checked(project.path(), Environments::Base);
        assert_eq!(checked.project.client("acme").is_some(), runs, "{level}");
    }
}

#[test]
fn a_version_that_was_kept_is_judged_by_the_rules_that_it_passed() {
    let project = project(
        "# file: paid.yaml
name: paid
trigger: { stripe: { events: [invoice.brand_new] } }
steps: [{ set: { a: 1 } }]
# file: pipelines/rules.yaml
unknown-event: warning
",
    );
    let passed = checked(project.path(), Environments::Base);
    let version = &passed.project.client("acme").unwrap().version;
    let kept = check(load_kept(&passed.made_of["acme"].whole).unwrap(), Environments::Base).unwrap();
    assert_eq!(&kept.project.client("acme").unwrap().version, version);
}

#[test]
fn a_comment_is_told_to_be_of_no_use_only_where_all_was_looked_at() {
    let example = format!(
        "# file: pipelines/find.part.yaml
# lockstep: allow(unused-part) of no use: shared parts may wait for a user
steps: [{{ set: {{ a: 1 }} }}]
# file: old.part.yaml
# lockstep: allow(unused-part) the next client wants it
steps: [{{ set: {{ b: 1 }} }}]
{}",
        OFF.replace("false", "true")
    );
    let project = project(&example);
    let codes = |paths: &[&str], environments| {
        let paths: Vec<_> = paths.iter().map(|path| project.path().join(path)).collect();
        let checked = check(config::load(&paths, project.path()).unwrap(), environments).unwrap();
        checked.report.findings.iter().map(|it| it.code.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&[], Environments::All), ["unused-allow"], "of the shared part");
    assert_eq!(codes(&["pipelines/acme"], Environments::All), [""; 0], "others may use what is shared");
    assert_eq!(codes(&["pipelines/acme/paid.yaml"], Environments::All), [""; 0]);
    assert_eq!(codes(&[], Environments::Base), [""; 0]);
}

#[test]
fn a_comment_in_a_script_excuses_too() {
    let example = |comment: &str| {
        format!(
            "# file: paid.yaml
name: paid
trigger: {{ stripe: {{ events: [invoice.paid] }} }}
steps:
  - set: {{ a: 1 }}
# file: lib.rhai
{comment}
fn key() {{ \"{}\" }}
",
            ["sk", "test", "51H8aXqLkjP0zTqvB"].join("_")
        )
    };
    assert_eq!(found(&example("//")), ["error secret-written"]);
    let excused =
        project(&example("// lockstep: allow(secret-written) revoked, kept for the test of the redaction"));
    let checked = checked(excused.path(), Environments::All);
    assert_eq!(checked.report.findings, []);
    let shown = checked.sources.file("pipelines/acme/lib.rhai").unwrap();
    assert!(!shown.text().contains("51H8aXq"), "excused, and still never shown");
}

/// The example of a rule's page with a comment above each of its findings.
fn excused(code: Code) -> Option<String> {
    let bad = code.page().split("```yaml\n").nth(1)?.split("```").next()?;
    let folder = project(bad);
    let checked = checked(folder.path(), Environments::All);
    let mut lines: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for finding in &checked.report.findings {
        let line = checked.sources.lines(&finding.place)[0];
        lines.entry(finding.place.file.to_string()).or_default().push(line);
    }
    let mut example = String::new();
    for file in checked.sources.files() {
        let path = file.path().split_once("pipelines/").map(|(_, inside)| format!("pipelines/{inside}"));
        let path =
            path.or_else(|| Some(format!("connectors/{}", file.path().split_once("connectors/")?.1)))?;
        writeln!(example, "# file: {path}").unwrap();
        let text = fs::read_to_string(folder.path().join(&path)).ok()?;
        for (index, line) in text.lines().enumerate() {
            if lines.get(&**file.path()).is_some_and(|lines| lines.contains(&(index + 1))) {
                let indent = &line[..line.len() - line.trim_start().len()];
                writeln!(example, "{indent}# lockstep: allow({code}) a test").unwrap();
            }
            example.push_str(line);
            example.push('\n');
        }
    }
    Some(example)
}

/// These stand where no comment of ours is read, or are about comments.
const APART: &[Code] = &[Code::StrayFile, Code::AllowComment, Code::UnknownRule, Code::UnusedAllow];

#[test]
fn what_can_be_excused_runs_then_and_what_is_firm_stays() {
    let mut wrong = Vec::new();
    for code in Code::ALL.iter().filter(|code| !APART.contains(code)) {
        let example = excused(*code).unwrap_or_else(|| panic!("{code}: no example"));
        let folder = project(&example);
        let checked = checked(folder.path(), Environments::All);
        let errors = checked.report.findings.iter().any(|it| it.code == *code);
        let refused = checked.report.findings.iter().any(|it| it.code == Code::UnknownRule);
        let shown = || checked.report.render_human(&checked.sources, Color::Plain);
        if code.is_firm() {
            if !errors || !refused {
                wrong.push(format!("{code} is firm, and can be excused:\n{}", shown()));
            }
        } else if !checked.report.findings.is_empty() || !checked.broken.is_empty() {
            let broken = if checked.broken.is_empty() { "" } else { ", and does not run" };
            wrong.push(format!("{code} cannot be excused{broken}:\n{}", shown()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn warnings_are_never_firm() {
    assert!(Code::ALL.iter().all(|code| code.severity() == Severity::Error || !code.is_firm()));
}
