//! Lists that must agree with the code, so that they cannot drift.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;
use regex::Regex;

/// Module -> the modules that it may name. Dependencies point one way: ARCHITECTURE.md draws the picture.
const ARROWS: &[(&str, &[&str])] = &[
    ("surrogate", &[]),
    ("value", &["surrogate"]),
    ("clock", &[]),
    ("failpoint", &[]),
    ("seal", &[]),
    ("secret", &["value"]),
    ("nearest", &[]),
    ("cron", &[]),
    ("words", &["cron", "nearest"]),
    ("written", &["value"]),
    ("diagnostic", &["nearest"]),
    ("yaml", &["diagnostic", "value"]),
    ("catalog", &["value"]),
    ("expr", &["nearest", "value"]),
    (
        "connector",
        &[
            "clock",
            "diagnostic",
            "expr",
            "failpoint",
            "nearest",
            "secret",
            "value",
            "words",
            "written",
            "yaml",
        ],
    ),
    ("config", &["connector", "diagnostic", "nearest", "value", "words", "written", "yaml"]),
    (
        "steps",
        &[
            "clock",
            "config",
            "connector",
            "diagnostic",
            "expr",
            "failpoint",
            "nearest",
            "value",
            "words",
            "written",
        ],
    ),
    (
        "rehearsal",
        &[
            "catalog",
            "clock",
            "config",
            "connector",
            "engine",
            "expr",
            "poll",
            "project",
            "steps",
            "value",
            "words",
        ],
    ),
    ("project", &["config", "connector", "cron", "diagnostic", "expr", "steps", "value", "words"]),
    (
        "check",
        &[
            "catalog",
            "config",
            "connector",
            "diagnostic",
            "expr",
            "nearest",
            "project",
            "steps",
            "value",
            "words",
            "written",
            "yaml",
        ],
    ),
    ("quota", &["config", "connector", "words"]),
    ("store", &["config", "failpoint", "steps", "value"]),
    (
        "engine",
        &[
            "clock",
            "config",
            "connector",
            "expr",
            "failpoint",
            "metrics",
            "project",
            "secret",
            "steps",
            "store",
            "value",
        ],
    ),
    (
        "poll",
        &[
            "clock",
            "config",
            "connector",
            "engine",
            "expr",
            "failpoint",
            "metrics",
            "project",
            "steps",
            "store",
            "value",
            "words",
        ],
    ),
    ("metrics", &[]),
    ("serving", &[]),
    ("ingest", &["clock", "connector", "engine", "expr", "metrics", "secret", "store", "value"]),
    ("listing", &["store", "value", "words"]),
    ("admin", &["clock", "listing", "metrics", "store"]),
    ("telemetry", &["secret"]),
    ("upkeep", &["clock", "store", "value"]),
    (
        "runtime",
        &[
            "admin",
            "check",
            "clock",
            "config",
            "connector",
            "diagnostic",
            "engine",
            "expr",
            "failpoint",
            "ingest",
            "metrics",
            "poll",
            "project",
            "seal",
            "secret",
            "serving",
            "steps",
            "store",
            "upkeep",
            "value",
        ],
    ),
    ("sandbox", &["catalog", "clock", "value"]),
];

/// Modules in which no system is known by name (invariant 8).
const NAMELESS: &[&str] = &[
    "value",
    "yaml",
    "diagnostic",
    "expr",
    "steps",
    "store",
    "engine",
    "poll",
    "ingest",
    "admin",
    "project",
];

const SYSTEMS: &str =
    r"(?i)(?:\b|_)(?:stripe|salesforce|hubspot|bitrix|activecampaign|slack|pipedrive|zoho|odoo)";

#[test]
fn dependencies_point_one_way() {
    let name = Regex::new(r"\bcrate::([a-z_]+)").unwrap();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(module, to)| (*module, to.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    for (module, file, line) in code() {
        let Some(to) = allowed.get(module.as_str()) else { continue };
        for found in name.captures_iter(&line) {
            let target = &found[1];
            if target != module && !to.contains(target) {
                wrong.push(format!("{}: {module} -> {target}", file.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "an arrow that the list above does not allow");
}

#[test]
fn every_module_has_its_line() {
    let listed: BTreeSet<String> = ARROWS.iter().map(|(module, _)| (*module).to_owned()).collect();
    let present: BTreeSet<String> = code().into_iter().map(|(module, ..)| module).collect();
    // `cli` may name everything; `lib` and `main` are the doors.
    let doors: BTreeSet<String> = ["cli", "lib", "main"].map(str::to_owned).into();
    assert_eq!(present.difference(&doors).cloned().collect::<BTreeSet<_>>(), listed);
}

#[test]
fn no_system_is_known_by_name_where_all_are_equal() {
    let system = Regex::new(SYSTEMS).unwrap();
    let named: Vec<String> = code()
        .into_iter()
        .filter(|(module, _, line)| NAMELESS.contains(&module.as_str()) && system.is_match(line))
        .map(|(_, file, line)| format!("{}: {}", file.display(), line.trim()))
        .collect();
    assert_eq!(named, Vec::<String>::new(), "what is specific to a system lives in its manifest");
}

/// Lines of code outside comments and tests: module, file, line.
fn code() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lines = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                lines.extend(code_of(&root, &path));
            }
        }
    }
    lines
}

fn code_of(root: &Path, path: &Path) -> Vec<(String, PathBuf, String)> {
    let inside = path.strip_prefix(root).unwrap().to_owned();
    if inside.iter().any(|part| part == "tests" || part == "tests.rs") {
        return Vec::new();
    }
    let module = inside.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
    let text = fs::read_to_string(path).unwrap();
    let body = text.split("#[cfg(test)]").next().unwrap_or_default();
    body.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| (module.clone(), inside.clone(), line.to_owned()))
        .collect()
}

#[test]
fn both_stores_have_the_same_schema_versions() {
    let of = |store: &str| -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store").join(store).join("migrations");
        let files = fs::read_dir(folder).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(of("sqlite"), of("postgres"));
}
