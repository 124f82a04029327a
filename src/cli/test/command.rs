//! The command: which tests are run, and how it is told.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::coverage::{Coverage, Reached};
use super::human::human;
use super::junit::junit;
use super::results::{Case, Results};
use crate::check::{self, Checked, Environments};
use crate::cli::ExitCode;
use crate::cli::block_on::runtime;
use crate::cli::output::{Format, remark, say, say_json};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, DraftFile, TestFile};
use crate::diagnostic::{Color, Path as Place, Sources};
use crate::project::Client;
use crate::rehearsal::run_case;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep test\n  lockstep test pipelines/acme --format json\n  \
                        lockstep test --coverage --junit target/lockstep.xml\n\n\
                        A case runs the production code over records in memory; nothing is sent anywhere.\n\
                        Exit codes: 0 all passed, 1 a case failed, the YAML has errors or too little is covered, 2 could not run.")]
pub(in crate::cli) struct Test {
    /// The project, its `pipelines`, clients or single files; the nearest project when left out
    paths: Vec<PathBuf>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Names the steps and branches that no test has reached
    #[arg(long)]
    coverage: bool,
    /// Fails when tests reach less than so many percent of the steps and branches; tells the coverage, too
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// Writes what came of the cases as `JUnit` XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Test {
    pub(in crate::cli) fn run(self) -> anyhow::Result<ExitCode> {
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
        let mut reached = Reached::default();
        let mut results = runtime()?.block_on(self.all(&checked, &mut reached))?;
        if self.coverage || self.min_coverage.is_some() {
            results.coverage = Some(Coverage::of(&checked.project, &checked.sources, &reached));
        }
        if let Some(path) = &self.junit {
            write(path, &junit(&results))?;
        }
        match self.format {
            Format::Human => say(human(&results))?,
            Format::Json => say_json(&results)?,
        }
        Ok(if results.failed > 0 || self.covers_too_little(&results) {
            ExitCode::Found
        } else {
            ExitCode::Fine
        })
    }

    async fn all(&self, checked: &Checked, reached: &mut Reached) -> anyhow::Result<Results> {
        let mut results = Results::default();
        for client in checked.project.clients() {
            for file in client.tests.iter().filter(|file| self.asks_for(file)) {
                for case in file_cases(client, file, &checked.sources, reached).await? {
                    results.add(case);
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

    /// True, and said, when tests reach less than is asked for.
    fn covers_too_little(&self, results: &Results) -> bool {
        let (Some(wanted), Some(coverage)) = (self.min_coverage, &results.coverage) else { return false };
        let too_little = coverage.is_below(wanted);
        if too_little {
            remark(format_args!("tests reach less than the {wanted} % that --min-coverage asks for"));
        }
        too_little
    }
}

/// Writes a file, in a folder that is made where it is not there.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(path, text))
        .with_context(|| format!("{} could not be written", path.display()))
}

async fn file_cases(
    client: &Client,
    file: &DraftFile<TestFile>,
    sources: &Sources,
    reached: &mut Reached,
) -> anyhow::Result<Vec<Case>> {
    let Some(test) = &file.content else { return Ok(Vec::new()) };
    // What a test names is there: `check` has seen to it.
    let pipeline = client.pipeline(&test.pipeline.0).context("the pipeline of a test is not there")?;
    let folder = file.location.parent().unwrap_or(Path::new("."));
    let mut cases = Vec::with_capacity(test.cases.len());
    for (index, written) in test.cases.iter().enumerate() {
        let place = file.value(Place::root().key("cases").index(index));
        let began = SystemClock.elapsed();
        let result = run_case(client, pipeline, folder, written).await;
        let took = SystemClock.elapsed().saturating_sub(began);
        let mut case = Case {
            client: client.name().to_string(),
            pipeline: test.pipeline.0.to_string(),
            name: written.name.clone(),
            file: file.path.to_string(),
            line: sources.position(&place).line,
            seconds: took.as_secs_f64(),
            ..Case::default()
        };
        match result {
            Ok(result) => {
                reached.add(client, pipeline, &result.taken);
                case.tell(result, pipeline, sources);
            }
            // The author's mistake: the event is not one that could come.
            Err(error) => case.problems.push(format!("{:#}", anyhow::Error::from(error))),
        }
        cases.push(case);
    }
    Ok(cases)
}
