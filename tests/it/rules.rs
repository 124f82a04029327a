//! Every rule has a page whose first example breaks it and whose second does not, and cases that show what a user
//! sees. A new case is a folder in `tests/cases/` and needs no Rust; `UPDATE_EXPECTED=1` writes what is expected.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lockstep::check::{Checked, Environments, check};
use lockstep::config;
use lockstep::diagnostic::{Code, Color};
use pretty_assertions::assert_eq;

use crate::example::project;

/// The codes of what is found in an example.
fn found(example: &str) -> BTreeSet<&'static str> {
    validate(example).report.findings.iter().map(|finding| finding.code.as_str()).collect()
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
    folders.retain(|path| !path.ends_with("corpus"));
    folders.sort();
    folders
}

/// What `lockstep validate` shows of an example. In this process: each new one would compile the manifests again.
fn validate(example: &str) -> Checked {
    let project = project(example);
    check(config::load(&[], project.path()).unwrap(), Environments::All).unwrap()
}

fn shown(checked: &Checked) -> String {
    checked.report.render_human(&checked.sources, Color::Plain)
}

#[test]
fn every_case_is_reported_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut differing = Vec::new();
    for folder in cases() {
        let shown_bad = shown(&validate(&fs::read_to_string(folder.join("bad.yaml")).unwrap()));
        let path = folder.join("expected.txt");
        if update {
            fs::write(&path, &shown_bad).unwrap();
        } else {
            let expected = fs::read_to_string(&path).unwrap_or_default();
            if expected != shown_bad {
                differing.push(format!("{}:\n{shown_bad}", folder.display()));
            }
        }
        let good = validate(&fs::read_to_string(folder.join("good.yaml")).unwrap());
        assert!(good.report.findings.is_empty(), "{}:\n{}", folder.display(), shown(&good));
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
