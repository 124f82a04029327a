//! `lockstep dead`: runs that have used up their retries, kept whole for a person; and trying them again.

use std::sync::Arc;

use anyhow::Context;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::look::{ListOrShow, Looking};
use super::output::{Format, say, say_json};
use super::runs::{RunNarrow, Show};
use super::settle::{Kind, Settle};
use super::{ExitCode, runtime};
use crate::clock::{Clock, SystemClock};
use crate::listing::{ListingError, Listings};
use crate::store::{Outcome, PageLimit, RunId, RunState, Store, StoreError};

const DEAD: RunState = RunState::Ended(Outcome::Dead);

const EMPTY: &str =
    "no dead letters: a run becomes one when its retries are used up, or when a system refuses it for good";

/// With what, from where, and by whom: a process need not be told, it sees what is due in the store.
const TAKEN_UP: &str = "the `lockstep run` of this store, or the next one to start, goes on from where it stopped, with the client's present files";

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep dead --since 24h\n  lockstep dead show 17\n  lockstep dead retry 17\n  \
                  lockstep dead retry --all --client acme-saas --pipeline payment-failed\n  \
                  lockstep dead dismiss 17 --reason \"done by hand\""
)]
pub(super) struct Dead {
    #[command(flatten)]
    looking: Looking<RunNarrow, Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    #[command(flatten)]
    Look(ListOrShow<RunNarrow, Show>),
    /// Tries dead letters again, with all their attempts before them; what they have done stays done
    #[command(subcommand_negates_reqs = true)]
    Retry(Retry),
    /// Ends dead letters for good: they are not tried again
    Dismiss(Settle),
}

impl From<RunNarrow> for Action {
    fn from(list: RunNarrow) -> Self {
        Self::Look(list.into())
    }
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true))]
struct Retry {
    /// The runs' numbers
    #[arg(group = "which")]
    runs: Vec<String>,
    /// All dead letters that the other options leave
    #[arg(long, group = "which")]
    all: bool,
    #[command(flatten)]
    narrow: RunNarrow,
}

impl Dead {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.looking.action() {
            Action::Look(ListOrShow::List(list)) => list.dead(EMPTY),
            Action::Look(ListOrShow::Show(show)) => show.run(Some(Outcome::Dead)),
            Action::Retry(retry) => retry.run(),
            Action::Dismiss(settle) => {
                settle.run(Kind { was: Outcome::Dead, verb: "dismiss", done: "dismissed" })
            }
        }
    }
}

impl Retry {
    fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let store = self.narrow.store().open(&runtime)?;
        let tried = runtime.block_on(self.carry_out(store))?;
        match self.narrow.format() {
            Format::Json => {
                let refused: Vec<_> =
                    tried.refused.iter().map(|(run, why)| json!({ "run": run, "reason": why })).collect();
                let ready: Vec<_> = tried.ready.iter().map(|(id, _)| *id).collect();
                say_json(&json!({ "retried": ready, "refused": refused }))?;
            }
            Format::Human => say(tried.lines().join("\n"))?,
        }
        Ok(if tried.refused.is_empty() { ExitCode::Fine } else { ExitCode::Found })
    }

    async fn carry_out(&self, store: Arc<dyn Store>) -> anyhow::Result<Tried> {
        let mut tried = Tried::default();
        if self.all {
            self.all_of_them(&*store, &mut tried).await?;
            return Ok(tried);
        }
        let listings = Listings::new(Arc::clone(&store));
        for name in &self.runs {
            match listings.run(name, Some(Outcome::Dead)).await {
                Ok(detail) => {
                    let of = named(&detail.run.client, &detail.run.pipeline);
                    tried.again(&*store, detail.run.id, of).await?;
                }
                Err(ListingError::NotFound(why)) => tried.refused.push((name.clone(), why.to_string())),
                Err(error @ ListingError::Store(_)) => return Err(error.into()),
            }
        }
        Ok(tried)
    }

    async fn all_of_them(&self, store: &dyn Store, tried: &mut Tried) -> anyhow::Result<()> {
        loop {
            let mut filter = self.narrow.filter(Some(DEAD));
            if !self.narrow.is_limited() {
                filter.limit = PageLimit::most();
            }
            let before = tried.ready.len();
            // The oldest first: that is the order in which their lanes want them.
            for row in store.runs(filter).await?.into_iter().rev() {
                tried.again(store, row.id.0, named(&row.client, &row.pipeline)).await?;
            }
            // A page is bounded, and there may be another one; one that made nothing ready was the last.
            if self.narrow.is_limited() || tried.ready.len() == before {
                return Ok(());
            }
        }
    }
}

fn named(client: &str, pipeline: &str) -> String {
    format!("{client}/{pipeline}")
}

/// What came of trying again: runs with the pipelines that they are of, and why others do not go.
#[derive(Default)]
struct Tried {
    ready: Vec<(i64, String)>,
    refused: Vec<(String, String)>,
}

impl Tried {
    async fn again(&mut self, store: &dyn Store, run: i64, of: String) -> anyhow::Result<()> {
        match store.retry_dead(RunId(run), SystemClock.now()).await {
            Ok(()) => self.ready.push((run, of)),
            Err(StoreError::Assumption(why)) => self.refused.push((run.to_string(), why.to_string())),
            Err(error) => return Err(error).context("the store could not be changed"),
        }
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.refused.iter().map(|(_, why)| why.clone()).collect();
        match &*self.ready {
            [] if lines.is_empty() => lines.push(EMPTY.to_owned()),
            [] => {}
            [(run, of)] => lines.push(format!("run {run} of {of} is ready again; {TAKEN_UP}")),
            several => {
                lines.extend(several.iter().map(|(run, of)| format!("run {run} of {of}")));
                lines.push(format!("{} dead letters are ready again; {TAKEN_UP}", several.len()));
            }
        }
        lines
    }
}
