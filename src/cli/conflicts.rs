//! `lockstep conflicts`: business ambiguities, for a person to decide.

use clap::{Args, Subcommand};

use super::ExitCode;
use super::runs::{RunNarrow, Show};
use crate::store::{Outcome, RunState};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  lockstep conflicts --client acme-saas\n  lockstep conflicts show 17"
)]
pub(super) struct Conflicts {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: RunNarrow,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists conflicts, newest first
    List(RunNarrow),
    /// Shows one: what is ambiguous, and the records it is between
    Show(Show),
}

impl Conflicts {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.action.unwrap_or(Action::List(self.list)) {
            Action::List(list) => list.run(
                Some(RunState::Ended(Outcome::Conflict)),
                "no conflicts: a run becomes one when it would have to guess, for instance between two contacts with one e-mail",
            ),
            Action::Show(show) => show.run(Some(Outcome::Conflict)),
        }
    }
}
