//! Which of the two is meant: the schemas of lockstep's own files, or those of a client's accounts.

use clap::{Args, Subcommand};

use super::diff::Diff;
use super::files::Files;
use super::pull::Pull;
use crate::cli::ExitCode;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  lockstep schema pipeline > pipeline.schema.json\n  \
                  lockstep schema --write schemas\n  \
                  lockstep schema pull acme-saas salesforce\n  \
                  lockstep schema diff acme-saas salesforce\n\n\
                  A file that begins with\n  \
                  # yaml-language-server: $schema=../../schemas/pipeline.schema.json\n\
                  is completed and explained by editors that know JSON Schema."
)]
pub(in crate::cli) struct Schema {
    #[command(subcommand)]
    account: Option<Account>,
    #[command(flatten)]
    files: Files,
}

/// What is done about an account's own fields.
#[derive(Debug, Subcommand)]
enum Account {
    /// Stores which fields an account has, so that mappings are checked against them offline
    Pull(Pull),
    /// Tells what was changed in an account since it was pulled; exit code 1 when anything was
    Diff(Diff),
}

impl Schema {
    pub(in crate::cli) fn run(self) -> anyhow::Result<ExitCode> {
        match self.account {
            Some(Account::Pull(pull)) => pull.run(),
            Some(Account::Diff(diff)) => diff.run(),
            None => self.files.run(),
        }
    }
}
