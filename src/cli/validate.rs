//! `lockstep validate`: everything that can be known before running.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::ExitCode;
use super::fix::{Fixer, fixable};
use super::online::check_online;
use super::output::{remark, say};
use crate::check::{self, Checked, Environments};
use crate::config;
use crate::diagnostic::Color;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep validate\n  lockstep validate pipelines/acme --env production\n  \
                        lockstep validate --fix\n  lockstep validate --format json --deny warnings\n  \
                        lockstep validate --format sarif > lockstep.sarif\n\n\
                        No secret has to be set. Exit codes: 0 no errors, 1 errors found, 2 could not check."
)]
pub(super) struct Validate {
    /// The project, its `pipelines`, clients or single files; the nearest project when left out
    paths: Vec<PathBuf>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// Checks clients as they are in this environment: `client.<ENV>.yaml` over `client.yaml`. Without it, every
    /// environment is checked
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// What else is taken for an error
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// Puts right in the files what can have been meant in one way only, says what it did, and checks again
    #[arg(long)]
    fix: bool,
    /// Asks the accounts behind the connections, too: whether they let us in, and which objects and fields they have now, in
    /// place of what was pulled. Nothing is written; secrets have to be set
    #[arg(long, conflicts_with = "fix")]
    online: bool,
}

/// What else is taken for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    /// Warnings.
    Warnings,
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    #[default]
    Human,
    /// For programs: one JSON document.
    Json,
    /// For code scanning: one SARIF 2.1.0 document.
    Sarif,
    /// For the log of a GitHub workflow, which shows each finding beside its line.
    Github,
}

impl Validate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let here = std::env::current_dir()?;
        let mut checked = self.check(&here)?;
        if self.fix {
            let mut fixer = Fixer::new(here.clone());
            while fixer.round(&checked.report, &checked.sources)? {
                checked = self.check(&here)?;
            }
            fixer.done.iter().for_each(remark);
        }
        let Checked { report, sources, .. } = &checked;
        match self.format {
            // `say` takes the colours off again where nobody would see them.
            Form::Human => say(report.render_human(sources, Color::Styled).trim_end())?,
            Form::Json => say(report.render_json(sources).trim_end())?,
            Form::Sarif => say(report.render_sarif(sources).trim_end())?,
            Form::Github => say(report.render_github(sources).trim_end())?,
        }
        let fixable = fixable(report, sources).count();
        if self.format == Form::Human && !self.fix && fixable > 0 {
            say(format_args!("`lockstep validate --fix` puts {fixable} of them right"))?;
        }
        if self.format == Form::Human && !checked.unread.is_empty() {
            let unread = checked.unread.iter().map(|path| &**path).collect::<Vec<_>>().join(", ");
            remark(format_args!("not looked into any further until that is mended: {unread}"));
        }
        let denied = report.errors() > 0 || (self.deny.is_some() && report.warnings() > 0);
        Ok(if denied { ExitCode::Found } else { ExitCode::Fine })
    }

    fn check(&self, here: &Path) -> anyhow::Result<Checked> {
        if self.online {
            return check_online(&self.paths, here, self.env.as_deref());
        }
        let environments = self.env.as_deref().map_or(Environments::All, Environments::One);
        Ok(check::check(config::load(&self.paths, here)?, environments)?)
    }
}
