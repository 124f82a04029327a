//! What the pages for people show is true: their YAML is checked, and the messages they print are the real ones.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use lockstep::check::{Environments, check};
use lockstep::config;
use lockstep::diagnostic::Color;
use lockstep::sandbox::{Sandbox, SandboxOptions};
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
    let said = validated(&one_project(&page("docs/language.md")));
    assert!(said.ends_with("no findings\n"), "{said}");
}

#[test]
fn pages_of_connectors_are_projects_without_findings() {
    for name in ["hubspot", "smtp"] {
        let said = validated(&one_project(&page(&format!("docs/connectors/{name}.md"))));
        assert!(said.ends_with("no findings\n"), "{name}: {said}");
    }
}

#[test]
fn what_the_page_about_ci_shows_is_right() {
    let page = page("docs/ci.md");
    let ours = |block: &&str| block.starts_with("# file: pipelines/");
    let project: String = blocks(&page, "yaml").into_iter().filter(ours).collect();
    let said = validated(&project);
    assert!(said.ends_with("no findings\n"), "{said}");
    for input in ["deny-warnings", "sarif"] {
        assert!(self::page("action.yml").contains(&format!("  {input}:\n")), "the action has no {input}");
    }
}

/// All that a page shows, each block a file: by its own words, or by the name in it.
fn one_project(page: &str) -> String {
    let mut example = String::new();
    for block in blocks(page, "yaml") {
        if !block.starts_with("# file: ") {
            let name = block.lines().find_map(|line| line.strip_prefix("name: ")).unwrap();
            let _ = writeln!(example, "# file: {name}.yaml");
        }
        example.push_str(block);
    }
    example
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
    for page_name in ["README.md", "docs/operating.md", "docs/sandbox.md"] {
        let page = page(page_name);
        for block in blocks(&page, "console") {
            for command in block.lines().filter_map(|line| line.strip_prefix("$ lockstep ")) {
                let command = command.split_whitespace().next().unwrap();
                assert!(known.contains(&command), "{page_name}: `lockstep {command}` does not exist");
            }
        }
    }
}

#[tokio::test]
async fn the_sandbox_obeys_what_its_page_types() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = page("docs/sandbox.md");
    let mut typed = 0;
    for command in blocks(&page, "console").into_iter().flat_map(str::lines) {
        let Some(command) = command.strip_prefix("$ curl ") else { continue };
        // The last address: another one may stand in the body.
        let (options, url) = command.rsplit_once("http://127.0.0.1:").unwrap();
        let (port, path) = url.split_once('/').unwrap();
        let base = match port {
            "12111" => sandbox.stripe().url(),
            "12112" => sandbox.salesforce().url(),
            "12113" => sandbox.slack().url(),
            "12114" => sandbox.bitrix24().url(),
            "12115" => sandbox.hubspot().url(),
            "12116" => sandbox.activecampaign().url(),
            "12118" => sandbox.smtp().url(),
            // An event that the reader signs: for `lockstep run`, which is none of the simulators.
            "8080" => continue,
            other => panic!("no simulator has the port {other}"),
        };
        let body = options.split('\'').nth(1).map(str::to_owned);
        let method = match options.strip_prefix("-X ") {
            Some(rest) => rest.split_whitespace().next().unwrap(),
            None if body.is_some() => "POST",
            None => "GET",
        };
        let request = client.request(method.parse().unwrap(), format!("{base}/{path}"));
        let answer = request.body(body.unwrap_or_default()).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{command}: {status} {}", answer.text().await.unwrap());
        typed += 1;
    }
    assert!(typed > 10, "only {typed} commands were found");
}

/// The tables of a connector's page that are said to be generated are those of its manifest.
#[test]
fn the_tables_of_connectors_pages_are_those_of_their_manifests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/connectors");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "README" {
            continue;
        }
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_lockstep"))
            .current_dir(std::env::temp_dir())
            .args(["connectors", name, "--format", "markdown"])
            .output()
            .unwrap();
        let tables = String::from_utf8(output.stdout).unwrap();
        assert!(!tables.is_empty(), "there is no connector {name}");
        let page = std::fs::read_to_string(&path).unwrap();
        if !page.contains(&format!("<!-- lockstep connectors {name} --format markdown -->")) {
            continue;
        }
        let hint = format!(
            "put what `lockstep connectors {name} --format markdown` prints at the end of {}",
            path.display()
        );
        assert!(page.ends_with(&tables), "{hint}");
    }
}
