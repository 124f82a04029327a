//! `lockstep schema pull`: an account's fields into a file.

use std::fs;

use anyhow::Context;
use clap::Args;

use super::look::{Look, Seen};
use crate::cli::ExitCode;
use crate::cli::output::say;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep schema pull acme-saas salesforce\n  \
                        lockstep schema pull acme-saas salesforce --object Lead\n\n\
                        Writes pipelines/<client>/schemas/<connection>.json: objects, fields, types, options, lengths, what is required, \
                        unique and writable; no record and no secret. Commit it, and `lockstep validate` checks mappings against it. \
                        An object that was asked for once is asked for again.")]
pub(super) struct Pull {
    #[command(flatten)]
    look: Look,
}

impl Pull {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Seen { path, before, now } = match self.look.look()? {
            Ok(seen) => seen,
            Err(code) => return Ok(code),
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("{} could not be made", folder.display()))?;
        }
        fs::write(&path, now.render()).with_context(|| format!("{} could not be written", path.display()))?;
        let fields: usize = now.objects.values().map(|object| object.fields.len()).sum();
        say(format_args!("{}: {} objects, {fields} fields", path.display(), now.objects.len()))?;
        for difference in before.iter().flat_map(|before| before.differences(&now)) {
            say(difference)?;
        }
        Ok(ExitCode::Fine)
    }
}
