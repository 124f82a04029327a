//! `lockstep validate`: everything that can be known before running.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ExitCode;
use super::output::{Format, say};
use crate::check::{self, Environments};
use crate::config;
use crate::diagnostic::Color;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep validate\n  lockstep validate pipelines/acme --env production\n  \
                        lockstep validate --format json --deny warnings\n\n\
                        No secret has to be set. Exit codes: 0 no errors, 1 errors found, 2 could not check."
)]
pub(super) struct Validate {
    /// The project, its `pipelines`, clients or single files; the nearest project when left out
    paths: Vec<PathBuf>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Checks clients as they are in this environment: `client.<ENV>.yaml` over `client.yaml`. Without it, every
    /// environment is checked
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// What else is taken for an error
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
}

/// What else is taken for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    /// Warnings.
    Warnings,
}

impl Validate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let draft = config::load(&self.paths, &std::env::current_dir()?)?;
        let environments = self.env.as_deref().map_or(Environments::All, Environments::One);
        let check::Checked { report, sources, .. } = check::check(draft, environments)?;
        match self.format {
            // `say` takes the colours off again where nobody would see them.
            Format::Human => say(report.render_human(&sources, Color::Styled).trim_end())?,
            Format::Json => say(report.render_json(&sources).trim_end())?,
        }
        let denied = report.errors() > 0 || (self.deny.is_some() && report.warnings() > 0);
        Ok(if denied { ExitCode::Found } else { ExitCode::Fine })
    }
}
