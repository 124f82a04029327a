//! `lockstep dead`: runs that have used up their retries, kept whole for a person; and trying them again.

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{Format, say, say_json};
use super::runs::{RunNarrow, Show};
use super::{ExitCode, runtime};
use crate::clock::{Clock, SystemClock};
use crate::store::{Outcome, PageLimit, RunId, RunState, Store, StoreError};

const DEAD: RunState = RunState::Ended(Outcome::Dead);

const EMPTY: &str =
    "no dead letters: a run becomes one when its retries are used up, or when a system refuses it for good";

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  lockstep dead --since 24h\n  lockstep dead show 17\n  lockstep dead retry 17\n  \
                  lockstep dead retry --all --client acme-saas --pipeline payment-failed"
)]
pub(super) struct Dead {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: RunNarrow,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists dead letters, newest first
    List(RunNarrow),
    /// Shows one: what it failed on, what it had done before
    Show(Show),
    /// Tries dead letters again, with all their attempts before them; what they have done stays done
    #[command(subcommand_negates_reqs = true)]
    Retry(Retry),
}

#[derive(Debug, Args)]
struct Retry {
    /// The runs' numbers
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    runs: Vec<i64>,
    /// All dead letters that the other options leave
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    narrow: RunNarrow,
}

impl Dead {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.action.unwrap_or(Action::List(self.list)) {
            Action::List(list) => list.run(Some(DEAD), EMPTY),
            Action::Show(show) => show.run(Some(Outcome::Dead)),
            Action::Retry(retry) => retry.run(),
        }
    }
}

impl Retry {
    fn run(self) -> anyhow::Result<ExitCode> {
        let store = self.narrow.store().open()?;
        let Tried { ready, refused } = runtime()?.block_on(self.carry_out(&*store))?;
        if self.narrow.format() == Format::Json {
            let refused: Vec<_> =
                refused.iter().map(|(run, why)| json!({ "run": run.0, "reason": why })).collect();
            say_json(
                &json!({ "retried": ready.iter().map(|run| run.0).collect::<Vec<_>>(), "refused": refused }),
            )?;
        } else {
            for (run, why) in &refused {
                say(format_args!("run {run}: {why}"))?;
            }
            match ready.len() {
                0 if refused.is_empty() => say(EMPTY)?,
                0 => {}
                1 => say("1 dead letter is ready again: `lockstep run` takes it up")?,
                many => {
                    say(format_args!("{many} dead letters are ready again: `lockstep run` takes them up"))?;
                }
            }
        }
        Ok(if refused.is_empty() { ExitCode::Fine } else { ExitCode::Found })
    }

    async fn carry_out(&self, store: &dyn Store) -> anyhow::Result<Tried> {
        let mut tried = Tried::default();
        if !self.all {
            tried.again(store, self.runs.iter().copied().map(RunId)).await?;
            return Ok(tried);
        }
        loop {
            let mut filter = self.narrow.filter(Some(DEAD));
            if !self.narrow.is_limited() {
                filter.limit = PageLimit::new(u32::MAX);
            }
            let before = tried.ready.len();
            let page = store.runs(filter).await?;
            // The oldest first: that is the order in which their lanes want them.
            tried.again(store, page.into_iter().rev().map(|row| row.id)).await?;
            // A page is bounded, and there may be another one; one that made nothing ready was the last.
            if self.narrow.is_limited() || tried.ready.len() == before {
                return Ok(tried);
            }
        }
    }
}

/// What came of trying again.
#[derive(Default)]
struct Tried {
    ready: Vec<RunId>,
    refused: Vec<(RunId, String)>,
}

impl Tried {
    async fn again(&mut self, store: &dyn Store, runs: impl Iterator<Item = RunId>) -> anyhow::Result<()> {
        for run in runs {
            match store.retry_dead(run, SystemClock.now()).await {
                Ok(()) => self.ready.push(run),
                Err(StoreError::Assumption(why)) => self.refused.push((run, why.to_string())),
                Err(error) => return Err(error).context("the store could not be changed"),
            }
        }
        Ok(())
    }
}
