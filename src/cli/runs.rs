//! `lockstep runs`: what was carried out, and how it ended.

use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::look::{Asked, ListOrShow, Looking, Narrow, StoreArgs, Times, of_run, run_lines, table};
use super::output::{Format, say, say_json};
use super::{ExitCode, runtime};
use crate::listing::{Listings, RunView};
use crate::store::{EventFilter, Outcome, PageLimit, RunFilter, RunState};

const EMPTY: &str = "no runs: a run begins when an event matches a pipeline's trigger (`lockstep events`)";

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep runs --client acme-saas --since 24h\n  lockstep runs --outcome conflict\n  \
                  lockstep runs show 17"
)]
pub(super) struct Runs {
    #[command(flatten)]
    looking: Looking<List, ListOrShow<List, Show>>,
}

#[derive(Debug, Clone, Args)]
struct List {
    #[command(flatten)]
    narrow: RunNarrow,
    /// Only those that ended so
    #[arg(long, value_parser = outcomes(), value_name = "OUTCOME")]
    outcome: Option<String>,
    /// Only those that stand there: ready, blocked, held or waiting have not ended
    #[arg(long, value_parser = states(), value_name = "STATE", conflicts_with = "outcome")]
    state: Option<String>,
}

/// What narrows every listing of runs.
#[derive(Debug, Clone, Args)]
pub(super) struct RunNarrow {
    #[command(flatten)]
    narrow: Narrow,
    /// Only of this pipeline
    #[arg(long, value_name = "PIPELINE")]
    pipeline: Option<Arc<str>>,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Shows one run: why it ended so, what it called and what it changed
#[derive(Debug, Clone, Args)]
pub(super) struct Show {
    /// The run's number
    run: String,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Listing {
    runs: Vec<RunView>,
}

fn outcomes() -> clap::builder::PossibleValuesParser {
    Outcome::ALL.map(Outcome::word).into()
}

fn states() -> clap::builder::PossibleValuesParser {
    RunState::ALL.map(RunState::word).into()
}

impl Runs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.looking.action() {
            ListOrShow::List(list) => list.run(),
            ListOrShow::Show(show) => show.run(None),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<ExitCode> {
        let word = self.outcome.as_ref().or(self.state.as_ref());
        let state = word.and_then(|word| RunState::ALL.into_iter().find(|state| state.word() == word));
        let asked = self
            .narrow
            .asked("runs")
            .with("outcome", self.outcome.as_deref().map(Into::into))
            .with("state", self.state.as_deref().map(Into::into));
        self.narrow.list(state, &asked, None, EMPTY)
    }
}

impl RunNarrow {
    /// True when a number of rows was asked for.
    pub(super) fn is_limited(&self) -> bool {
        self.narrow.window.is_limited()
    }

    /// The filter, for runs that stand at `state`.
    pub(super) fn filter(&self, state: Option<RunState>) -> RunFilter {
        RunFilter {
            client: self.narrow.client.clone(),
            pipeline: self.pipeline.clone(),
            state,
            since: self.narrow.window.since,
            limit: self.narrow.window.limit(),
            ..RunFilter::default()
        }
    }

    /// The events that ended so without any run; nothing when only one pipeline is asked for.
    pub(super) fn events_ended(&self, outcome: Outcome) -> Option<EventFilter> {
        let filter = EventFilter {
            client: self.narrow.client.clone(),
            ended: Some(outcome),
            since: self.narrow.window.since,
            limit: self.narrow.window.limit(),
            ..EventFilter::default()
        };
        self.pipeline.is_none().then_some(filter)
    }

    /// Times in the zone of the client, when one is asked for.
    pub(super) fn times(&self) -> Times {
        Times::in_zone(self.narrow.client.as_deref().and_then(|client| self.store.zone_of(client)))
    }

    /// Which store.
    pub(super) fn store(&self) -> &StoreArgs {
        &self.store
    }

    /// How to answer.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// What is asked for, of runs that the command calls `noun`.
    pub(super) fn asked(&self, noun: &'static str) -> Asked {
        Asked::of(noun, &self.narrow).with("pipeline", self.pipeline.clone())
    }

    /// Lists the dead letters.
    pub(super) fn dead(&self, empty: &str) -> anyhow::Result<ExitCode> {
        let dead = Some(RunState::Ended(Outcome::Dead));
        self.list(dead, &self.asked("dead letters"), dead, empty)
    }

    /// Lists the runs that stand at `state`. Where there are none, it says so of `asked`, which was a choice among
    /// those `among`; `empty` says what would bring such runs about.
    fn list(
        &self,
        state: Option<RunState>,
        asked: &Asked,
        among: Option<RunState>,
        empty: &str,
    ) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let store = self.store.open(&runtime)?;
        let runs = runtime.block_on(Listings::new(Arc::clone(&store)).runs(self.filter(state)))?;
        if self.format == Format::Json {
            say_json(&Listing { runs })?;
            return Ok(ExitCode::Fine);
        }
        if runs.is_empty() {
            let all = RunFilter { state: among, limit: PageLimit::most(), ..RunFilter::default() };
            let all: Vec<_> = runtime.block_on(store.runs(all))?.into_iter().map(of_run).collect();
            say(asked.nothing_fits(&all).as_deref().unwrap_or(empty))?;
            return Ok(ExitCode::Fine);
        }
        let times = self.times();
        let shown = runs.len();
        say(rows(runs, &times))?;
        if let Some(more) = self.narrow.window.more(shown) {
            say(more)?;
        }
        Ok(ExitCode::Fine)
    }
}

pub(super) fn rows(runs: Vec<RunView>, times: &Times) -> String {
    let received = times.heading("received");
    let headings = ["run", &received, "client", "pipeline", "event", "outcome", "why"].map(str::to_owned);
    let row = |run: RunView| {
        [
            run.id.to_string(),
            times.show(run.received),
            run.client.to_string(),
            run.pipeline.to_string(),
            format!("{} {}", run.kind, run.event),
            run.state.to_owned(),
            run.reason,
        ]
    };
    table(headings, runs.into_iter().map(row))
}

impl Show {
    /// Shows the run; with `outcome`, only when it ended so.
    pub(super) fn run(&self, outcome: Option<Outcome>) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let listings = Listings::new(self.store.open(&runtime)?);
        let detail = runtime.block_on(listings.run(&self.run, outcome))?;
        match self.format {
            Format::Json => say_json(&detail)?,
            Format::Human => {
                let times = Times::in_zone(self.store.zone_of(&detail.run.client));
                say(run_lines(&detail, &times).join("\n"))?;
                say(format_args!("times are in {}", times.zone()))?;
            }
        }
        Ok(ExitCode::Fine)
    }
}
