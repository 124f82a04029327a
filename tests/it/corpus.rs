//! The corpus of faults: short projects with one mistake each, found with the right code at the exact place, and of projects
//! without a fault, in which nothing is found.
//!
//! `tests/cases/corpus/*.yaml` hold one case after another, each below a line `=== what it is`. `<!code>` stands right before what is found;
//! it is taken out before the project is written. A case that begins with its steps is a pipeline on `invoice.paid`; one that
//! speaks of Salesforce has the account of `account.json`. `UPDATE_EXPECTED=1 cargo test --test it corpus` writes the marks:
//! read them before you commit them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use lockstep::check::{Checked, Environments, check};
use lockstep::config;
use lockstep::diagnostic::Code;
use pretty_assertions::assert_eq;
use regex::Regex;

use crate::example::project;

/// So many faults at least.
const FAULTS: usize = 150;

const PROLOGUE: &str = "name: paid\ntrigger: { stripe: { events: [invoice.paid] } }\n";

static MARK: LazyLock<Regex> = LazyLock::new(|| Regex::new("<!([a-z-]+)>").unwrap());

/// A finding: file, line, column, code.
type Found = BTreeSet<(String, usize, usize, String)>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/corpus")
}

/// The cases of a file: what each is, and its text.
fn cases(text: &str) -> Vec<(&str, &str)> {
    text.split("=== ").skip(1).map(|case| case.split_once('\n').unwrap()).collect()
}

/// A case as a project's text, with its marks.
fn example(case: &str) -> String {
    let mut example =
        if MARK.replace_all(case, "").starts_with("steps:") { PROLOGUE.to_owned() } else { String::new() };
    example.push_str(case);
    if case.contains("salesforce.") {
        let of_one = !case.contains("# file: ");
        let name = case.lines().find_map(|line| line.strip_prefix("name: ")).unwrap_or("paid").to_owned();
        let account = fs::read_to_string(folder().join("account.json")).unwrap();
        example = format!(
            "{}{example}# file: pipelines/acme/schemas/salesforce.json\n{account}",
            if of_one { format!("# file: {name}.yaml\n") } else { String::new() }
        );
    }
    example
}

/// The text without its marks, and what they say.
fn unmarked(example: &str) -> (String, Found) {
    let (mut text, mut expected) = (String::new(), Found::new());
    let (mut file, mut line) = (None, 0);
    let default = format!("pipelines/acme/{}.yaml", name(&MARK.replace_all(example, "")));
    for written in example.split_inclusive('\n') {
        let plain = MARK.replace_all(written, "");
        if let Some(path) = plain.trim_end().strip_prefix("# file: ") {
            (file, line) = (Some(within(path)), 0);
        } else {
            line += 1;
        }
        let mut taken = 0;
        for mark in MARK.captures_iter(written) {
            let whole = mark.get(0).unwrap();
            let column = written[..whole.start()].chars().count() - taken + 1;
            taken += whole.len();
            expected.insert((
                file.clone().unwrap_or_else(|| default.clone()),
                line,
                column,
                mark[1].to_owned(),
            ));
        }
        text.push_str(&plain);
    }
    (text, expected)
}

fn name(example: &str) -> String {
    example.lines().find_map(|line| line.strip_prefix("name: ")).unwrap_or("example").to_owned()
}

fn within(path: &str) -> String {
    if path.contains('/') { path.to_owned() } else { format!("pipelines/acme/{path}") }
}

fn found(text: &str) -> Found {
    let project = project(text);
    let Checked { report, sources, .. } =
        check(config::load(&[], project.path()).unwrap(), Environments::All).unwrap();
    let place = |finding: &lockstep::diagnostic::Diagnostic| {
        let file = sources.files().find(|file| *file.path() == finding.place.file);
        let position = file.map(|file| file.position(sources.resolve(&finding.place).start));
        let (line, column) = position.map_or((1, 1), |position| (position.line, position.column));
        (finding.place.file.to_string(), line, column, finding.code.as_str().to_owned())
    };
    report.findings.iter().map(place).collect()
}

/// A case with marks where these findings are.
fn marked(case: &str, found: &Found) -> String {
    let plain = MARK.replace_all(case, "").into_owned();
    let (text, _) = unmarked(&example(&plain));
    let first = text.find(&plain).unwrap();
    let before = text[..first].lines().filter(|line| !line.starts_with("# file: ")).count();
    let mut by_line: BTreeMap<(String, usize), Vec<(usize, &str)>> = BTreeMap::new();
    for (file, line, column, code) in found {
        by_line.entry((file.clone(), *line)).or_default().push((*column, code));
    }
    let (mut file, mut line) = (format!("pipelines/acme/{}.yaml", name(&text)), before);
    let mut marked = String::new();
    for written in plain.split_inclusive('\n') {
        if let Some(path) = written.trim_end().strip_prefix("# file: ") {
            (file, line) = (within(path), 0);
            marked.push_str(written);
            continue;
        }
        line += 1;
        let mut marks = by_line.remove(&(file.clone(), line)).unwrap_or_default();
        marks.sort_unstable();
        let mut end = written.to_owned();
        for (column, code) in marks.into_iter().rev() {
            let at = end.char_indices().nth(column - 1).map_or(end.len(), |(at, _)| at);
            end.insert_str(at, &format!("<!{code}>"));
        }
        marked.push_str(&end);
    }
    marked
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

#[test]
fn every_fault_is_found_at_its_place() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let (mut faults, mut differing) = (0, Vec::new());
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let is_valid = path.ends_with("valid.yaml");
        let mut rewritten = String::new();
        for (title, case) in cases(&text) {
            let (plain, expected) = unmarked(&example(case));
            let found = found(&plain);
            if update {
                let _ = write!(rewritten, "=== {title}\n{}", marked(case, &found));
            } else if found != expected {
                differing.push(format!("{title}:\n  found    {found:?}\n  expected {expected:?}"));
            }
            assert_eq!(expected.is_empty() && !update, is_valid && !update, "{title}");
            faults += expected.len();
        }
        if update {
            fs::write(&path, rewritten).unwrap();
        }
    }
    assert!(differing.is_empty(), "not as marked (UPDATE_EXPECTED=1 rewrites):\n{}", differing.join("\n"));
    assert!(update || faults >= FAULTS, "{faults} faults");
}

#[test]
fn marks_name_codes() {
    for path in files() {
        for mark in MARK.captures_iter(&fs::read_to_string(&path).unwrap()) {
            assert!(mark[1].parse::<Code>().is_ok(), "{}: {}", path.display(), &mark[1]);
        }
    }
}
