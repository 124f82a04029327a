//! `lockstep test`: runs the pipeline tests.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::ExitCode;
use super::block_on::runtime;
use super::output::{Format, say, say_json};
use crate::check::{self, Environments};
use crate::config::{self, DraftFile, TestFile};
use crate::diagnostic::{Color, Part, Path as Place, Source};
use crate::project::{Client, Project};
use crate::rehearsal::{run_case, shown, word};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep test\n  lockstep test pipelines/acme --format json\n\n\
                        A case runs the production code over records in memory; nothing is sent anywhere.\n\
                        Exit codes: 0 all passed, 1 a case failed or the YAML has errors, 2 could not run.")]
pub(super) struct Test {
    /// The project, its `pipelines`, clients or single files; the nearest project when left out
    paths: Vec<PathBuf>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What came of all cases: the JSON form.
#[derive(Debug, Default, Serialize)]
struct Results {
    passed: usize,
    failed: usize,
    cases: Vec<Case>,
}

#[derive(Debug, Serialize)]
struct Case {
    client: String,
    pipeline: String,
    name: String,
    file: String,
    line: usize,
    passed: bool,
    outcome: Option<&'static str>,
    reason: Option<String>,
    writes: Vec<String>,
    problems: Vec<String>,
}

impl Test {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let draft = config::load(&self.paths, &std::env::current_dir()?)?;
        let checked = check::check(draft, Environments::Base)?;
        if checked.report.errors() > 0 {
            // A test of YAML that is wrong tells nothing.
            match self.format {
                Format::Human => {
                    say(checked.report.render_human(&checked.sources, Color::Styled).trim_end())?;
                }
                Format::Json => say(checked.report.render_json(&checked.sources).trim_end())?,
            }
            return Ok(ExitCode::Found);
        }
        let results = runtime()?.block_on(self.all(&checked.project))?;
        match self.format {
            Format::Human => say(human(&results))?,
            Format::Json => say_json(&results)?,
        }
        Ok(if results.failed > 0 { ExitCode::Found } else { ExitCode::Fine })
    }
}

impl Test {
    async fn all(&self, project: &Project) -> anyhow::Result<Results> {
        let mut results = Results::default();
        for client in project.clients() {
            for file in client.tests.iter().filter(|file| self.asks_for(file)) {
                for case in file_cases(client, file).await? {
                    if case.passed {
                        results.passed += 1;
                    } else {
                        results.failed += 1;
                    }
                    results.cases.push(case);
                }
            }
        }
        Ok(results)
    }

    /// True when the paths of the command name this test file: a folder above it, itself, or its pipeline's file.
    fn asks_for(&self, file: &DraftFile<TestFile>) -> bool {
        let Ok(test) = file.location.canonicalize() else { return true };
        let pipeline = file
            .content
            .as_ref()
            .and_then(|content| Some(test.parent()?.join(format!("{}.yaml", content.pipeline.0))));
        let names = |path: &PathBuf| {
            path.canonicalize().is_ok_and(|path| test.starts_with(&path) || pipeline.as_ref() == Some(&path))
        };
        self.paths.is_empty() || self.paths.iter().any(names)
    }
}

async fn file_cases(client: &Client, file: &DraftFile<TestFile>) -> anyhow::Result<Vec<Case>> {
    let Some(test) = &file.content else { return Ok(Vec::new()) };
    // What a test names is there: `check` has seen to it.
    let pipeline = client.pipeline(&test.pipeline.0).context("the pipeline of a test is not there")?;
    let folder = file.location.parent().unwrap_or(Path::new("."));
    let mut cases = Vec::with_capacity(test.cases.len());
    for (index, written) in test.cases.iter().enumerate() {
        let place = Place::root().key("cases").index(index);
        let span = file.document.as_ref().map(|document| document.locate(&place, Part::Value, None));
        let mut case = Case {
            client: client.name().to_string(),
            pipeline: test.pipeline.0.to_string(),
            name: written.name.clone(),
            file: file.path.to_string(),
            line: file.file.position(span.unwrap_or_default().start).line,
            passed: false,
            outcome: None,
            reason: None,
            writes: Vec::new(),
            problems: Vec::new(),
        };
        match run_case(client, pipeline, folder, written).await {
            Ok(result) => {
                case.passed = result.problems.is_empty();
                case.outcome = Some(word(result.outcome));
                case.reason = result.reason;
                case.writes = result.writes.iter().map(shown).collect();
                case.problems = result.problems;
            }
            // The author's mistake: the event is not one that could come.
            Err(error) => case.problems.push(format!("{:#}", anyhow::Error::from(error))),
        }
        cases.push(case);
    }
    Ok(cases)
}

fn human(results: &Results) -> String {
    let good = anstyle::AnsiColor::Green.on_default();
    let bad = anstyle::AnsiColor::Red.on_default().bold();
    let mut text = String::new();
    let mut heading = String::new();
    for case in &results.cases {
        let name = format!("{}/{}", case.client, case.pipeline);
        if name != heading {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{name}");
            heading = name;
        }
        if case.passed {
            let _ = writeln!(text, "  {good}ok{good:#}    {}", case.name);
            continue;
        }
        let _ = writeln!(text, "  {bad}FAIL{bad:#}  {}\n        at {}:{}", case.name, case.file, case.line);
        for line in case.problems.iter().flat_map(|problem| problem.lines()) {
            let _ = writeln!(text, "        {line}");
        }
    }
    if results.cases.is_empty() {
        return "no tests: write `<pipeline>.test.yaml` beside a pipeline".to_owned();
    }
    let _ = write!(text, "\n{} passed, {} failed", results.passed, results.failed);
    text
}
