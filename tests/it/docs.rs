//! What the pages for people show is true: their YAML is checked, and the messages they print are the real ones.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use lockstep::check::{Environments, check};
use lockstep::config;
use lockstep::diagnostic::Color;
use pretty_assertions::assert_eq;

use crate::example::project;

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The fenced blocks of a page in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    page.split(&format!("```{language}\n")).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What `lockstep validate` says of a project that is written as one text.
fn validated(example: &str) -> String {
    let project = project(example);
    let checked = check(config::load(&[], project.path()).unwrap(), Environments::All).unwrap();
    checked
        .report
        .render_human(&checked.sources, Color::Plain)
        .replace(&format!("{}/", project.path().display()), "")
}

#[test]
fn the_language_page_is_one_project_without_findings() {
    let page = page("docs/language.md");
    let mut example = String::new();
    for block in blocks(&page, "yaml") {
        if !block.starts_with("# file: ") {
            let name = block.lines().find_map(|line| line.strip_prefix("name: ")).unwrap();
            let _ = writeln!(example, "# file: {name}.yaml");
        }
        example.push_str(block);
    }
    let said = validated(&example);
    assert!(said.ends_with("no findings\n"), "{said}");
}

#[test]
fn the_readme_shows_a_mistake_and_its_real_message() {
    let readme = page("README.md");
    let broken = format!("# file: payment-failed.yaml\n{}", blocks(&readme, "yaml")[0]);
    assert_eq!(validated(&broken), blocks(&readme, "text")[0]);
}

#[test]
fn the_readme_names_commands_that_exist() {
    let help = assert_cmd::Command::cargo_bin("lockstep").unwrap().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let known: Vec<&str> =
        help.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()).collect();
    for page_name in ["README.md", "docs/operating.md"] {
        let page = page(page_name);
        for block in blocks(&page, "console") {
            for command in block.lines().filter_map(|line| line.strip_prefix("$ lockstep ")) {
                let command = command.split_whitespace().next().unwrap();
                assert!(known.contains(&command), "{page_name}: `lockstep {command}` does not exist");
            }
        }
    }
}
