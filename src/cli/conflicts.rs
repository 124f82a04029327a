//! `lockstep conflicts`: business ambiguities, for a person to decide.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::events;
use super::output::{Format, say, say_json};
use super::runs::{self, RunNarrow, Show};
use super::{ExitCode, runtime};
use crate::listing::{EventView, Listings, RunView};
use crate::store::{Outcome, RunState};

const EMPTY: &str = "no conflicts: a run becomes one when it would have to guess, for instance between two contacts with one e-mail; an event, when it is of another mode, account or API version";

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
            Action::List(narrow) => list(&narrow),
            Action::Show(show) => show.run(Some(Outcome::Conflict)),
        }
    }
}

/// Runs, and events that no pipeline could take as they are.
#[derive(Serialize)]
struct Listing {
    runs: Vec<RunView>,
    events: Vec<EventView>,
}

fn list(narrow: &RunNarrow) -> anyhow::Result<ExitCode> {
    let listings = Listings::new(narrow.store().open()?);
    let listing = runtime()?.block_on(async {
        let runs = listings.runs(narrow.filter(Some(RunState::Ended(Outcome::Conflict)))).await?;
        // Events have no pipeline: who asks for one pipeline's conflicts is not shown them.
        let events = match narrow.events_ended(Outcome::Conflict) {
            Some(filter) => listings.events(filter).await?,
            None => Vec::new(),
        };
        anyhow::Ok(Listing { runs, events })
    })?;
    if narrow.format() == Format::Json {
        say_json(&listing)?;
        return Ok(ExitCode::Fine);
    }
    let times = narrow.times();
    if listing.runs.is_empty() && listing.events.is_empty() {
        say(EMPTY)?;
    }
    if !listing.runs.is_empty() {
        say(runs::rows(listing.runs, &times))?;
    }
    if !listing.events.is_empty() {
        say(events::rows(listing.events, &times))?;
    }
    Ok(ExitCode::Fine)
}
