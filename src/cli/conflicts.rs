//! `lockstep conflicts`: business ambiguities, for a person to decide.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::events;
use super::look::{Facets, ListOrShow, Looking, of_event, of_run};
use super::output::{Format, say, say_json};
use super::runs::{self, RunNarrow, Show};
use super::settle::{Kind, Settle};
use super::{ExitCode, runtime};
use crate::listing::{EventView, Listings, RunView};
use crate::store::{EventFilter, Outcome, PageLimit, RunFilter, RunState, Store, StoreError};

const CONFLICT: RunState = RunState::Ended(Outcome::Conflict);

const EMPTY: &str = "no conflicts: a run becomes one when it would have to guess, for instance between two contacts with one e-mail; an event, when it is of another mode, account or API version";

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep conflicts --client acme-saas\n  lockstep conflicts show 17\n  \
                  lockstep conflicts resolve 17 --reason \"merged the two contacts\""
)]
pub(super) struct Conflicts {
    #[command(flatten)]
    looking: Looking<RunNarrow, Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    #[command(flatten)]
    Look(ListOrShow<RunNarrow, Show>),
    /// Ends conflicts for good, once a person has put right what they are about
    Resolve(Settle),
}

impl From<RunNarrow> for Action {
    fn from(list: RunNarrow) -> Self {
        Self::Look(list.into())
    }
}

impl Conflicts {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.looking.action() {
            Action::Look(ListOrShow::List(narrow)) => list(&narrow),
            Action::Look(ListOrShow::Show(show)) => show.run(Some(Outcome::Conflict)),
            Action::Resolve(settle) => {
                settle.run(Kind { was: Outcome::Conflict, verb: "resolve", done: "resolved" })
            }
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
    let runtime = runtime()?;
    let store = narrow.store().open(&runtime)?;
    let listings = Listings::new(Arc::clone(&store));
    let listing = runtime.block_on(async {
        let runs = listings.runs(narrow.filter(Some(CONFLICT))).await?;
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
        let all = runtime.block_on(all(&*store))?;
        say(narrow.asked("conflicts").nothing_fits(&all).as_deref().unwrap_or(EMPTY))?;
    }
    if !listing.runs.is_empty() {
        say(runs::rows(listing.runs, &times))?;
    }
    if !listing.events.is_empty() {
        say(events::rows(listing.events, &times))?;
    }
    Ok(ExitCode::Fine)
}

/// All conflicts, as filters see them.
async fn all(store: &dyn Store) -> Result<Vec<Facets>, StoreError> {
    let runs = RunFilter { state: Some(CONFLICT), limit: PageLimit::most(), ..RunFilter::default() };
    let events =
        EventFilter { ended: Some(Outcome::Conflict), limit: PageLimit::most(), ..EventFilter::default() };
    let runs = store.runs(runs).await?.into_iter().map(of_run);
    Ok(runs.chain(store.events(events).await?.into_iter().map(of_event)).collect())
}
