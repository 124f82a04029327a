//! `lockstep schema diff`: what was changed in an account since it was pulled.

use anyhow::Context;
use clap::Args;

use super::look::{Look, Seen};
use crate::cli::ExitCode;
use crate::cli::output::{Format, say, say_json};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep schema diff acme-saas salesforce\n  \
                        lockstep schema diff acme-saas salesforce --format json\n\n\
                        Compares pipelines/<client>/schemas/<connection>.json with the account as it is now: `-` is gone, `+` is new, `~` is \
                        another type, length, option or rule. Writes nothing. Labels and the order of options are no differences.")]
pub(super) struct Diff {
    #[command(flatten)]
    look: Look,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Diff {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Seen { path, before, now } = match self.look.look()? {
            Ok(seen) => seen,
            Err(code) => return Ok(code),
        };
        let before = before.with_context(|| {
            format!("{} cannot be read; `lockstep schema pull` writes it", path.display())
        })?;
        let differences = before.differences(&now);
        match self.format {
            Format::Json => say_json(&differences)?,
            Format::Human if differences.is_empty() => say("nothing was changed")?,
            Format::Human => {
                for difference in &differences {
                    say(difference)?;
                }
            }
        }
        Ok(if differences.is_empty() { ExitCode::Fine } else { ExitCode::Found })
    }
}
