//! Every rule has a page whose first example breaks it and whose second does not, and cases that show what a user
//! sees. A new case is a folder in `tests/cases/` and needs no Rust; `UPDATE_EXPECTED=1` writes what is expected.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use lockstep::check::{Environments, check};
use lockstep::config;
use lockstep::diagnostic::Code;
use pretty_assertions::assert_eq;
use tempfile::TempDir;

/// A project of the files of one example. `# file: PATH` begins a file (a bare name is in the client's folder); without it, the example is one pipeline of the
/// client `acme`. A `client.yaml` that is left out has the connections that the example speaks of.
pub(crate) fn project(example: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut files = split(example);
    let is_client = |path: &str| path == "pipelines/acme/client.yaml";
    let needs_client = files.iter().any(|(path, _)| path.starts_with("pipelines/acme/"))
        || files.iter().all(|(path, _)| !path.ends_with("client.yaml"));
    if needs_client && !files.iter().any(|(path, _)| is_client(path)) {
        files.push(("pipelines/acme/client.yaml".to_owned(), client(example)));
    }
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn split(example: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in example.split_inclusive('\n') {
        match (line.trim_end().strip_prefix("# file: "), files.last_mut()) {
            (Some(path), _) => files.push((within_project(path), String::new())),
            (None, Some((_, text))) => text.push_str(line),
            (None, None) => files.push((format!("pipelines/acme/{}.yaml", name(example)), line.to_owned())),
        }
    }
    files
}

/// A bare name is a file of the client's folder.
fn within_project(path: &str) -> String {
    if path.contains('/') { path.to_owned() } else { format!("pipelines/acme/{path}") }
}

fn name(example: &str) -> &str {
    example.lines().find_map(|line| line.strip_prefix("name: ")).unwrap_or("example")
}

const CONNECTIONS: &[(&str, &str)] = &[
    ("stripe", "{ api_key: \"${ACME_STRIPE_KEY}\", webhook_secrets: [\"${ACME_STRIPE_WHSEC}\"] }"),
    (
        "salesforce",
        "{ login_url: https://acme.my.salesforce.com, client_id: \"${ACME_SF_ID}\", client_secret: \"${ACME_SF_SECRET}\" }",
    ),
    ("slack", "{ webhook_url: \"${ACME_SLACK_WEBHOOK}\" }"),
    ("http", "{ base_url: https://api.example.com }"),
];

fn client(example: &str) -> String {
    let mut text = "name: acme\nconnections:\n".to_owned();
    for (name, config) in CONNECTIONS.iter().filter(|(name, _)| example.contains(name)) {
        text.push_str(&format!("  {name}:\n    connector: {name}\n    config: {config}\n"));
    }
    if text.ends_with("connections:\n") { text.replace("connections:\n", "connections: {}\n") } else { text }
}

/// The codes of what is found in an example.
fn found(example: &str) -> BTreeSet<&'static str> {
    let project = project(example);
    let draft = config::load(&[], project.path()).unwrap_or_else(|error| panic!("{error}: {example}"));
    let checked = check(draft, Environments::All).unwrap();
    checked.report.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// The YAML blocks of a page.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_page_shows_its_rule_broken_and_kept() {
    let mut wrong = Vec::new();
    for code in Code::ALL {
        let [bad, good, ..] = blocks(code.page())[..] else { panic!("{code}: a page has two examples") };
        let (bad, good) = (found(bad), found(good));
        if bad != BTreeSet::from([code.as_str()]) {
            wrong.push(format!("{code}: the first example gives {bad:?}"));
        }
        if !good.is_empty() {
            wrong.push(format!("{code}: the second example gives {good:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn validate(example: &str) -> (i32, String) {
    let project = project(example);
    let output =
        Command::cargo_bin("lockstep").unwrap().current_dir(project.path()).arg("validate").output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_case_is_reported_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut differing = Vec::new();
    for folder in cases() {
        let (_, shown) = validate(&fs::read_to_string(folder.join("bad.yaml")).unwrap());
        let path = folder.join("expected.txt");
        if update {
            fs::write(&path, &shown).unwrap();
        } else {
            let expected = fs::read_to_string(&path).unwrap_or_default();
            if expected != shown {
                differing.push(format!("{}:\n{shown}", folder.display()));
            }
        }
        let (code, shown) = validate(&fs::read_to_string(folder.join("good.yaml")).unwrap());
        assert!(code == 0 && shown.ends_with("no findings\n"), "{}:\n{shown}", folder.display());
    }
    assert!(differing.is_empty(), "not as expected (UPDATE_EXPECTED=1 rewrites):\n{}", differing.join("\n"));
}

#[test]
fn every_rule_has_a_case() {
    let covered: BTreeSet<String> = cases()
        .iter()
        .flat_map(|folder| {
            let shown = fs::read_to_string(folder.join("expected.txt")).unwrap();
            let code = |line: &str| line.split_once('[')?.1.split_once("]:").map(|(code, _)| code.to_owned());
            shown.lines().filter(|line| line.starts_with(['e', 'w'])).filter_map(code).collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<&str> =
        Code::ALL.iter().map(|code| code.as_str()).filter(|code| !covered.contains(*code)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "a folder in tests/cases/ for each");
}
