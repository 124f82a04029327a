//! `lockstep events`: what came in, and what came of it.

use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::look::{Asked, ListOrShow, Looking, Narrow, StoreArgs, Times, erased, of_event, run_lines, table};
use super::output::{Format, say, say_json};
use super::why::{self, PipelineView};
use super::{ExitCode, runtime};
use crate::check::{self, Environments};
use crate::config;
use crate::listing::{EventDetailView, EventView, Listings};
use crate::project::Client;
use crate::store::{EventFilter, Outcome, PageLimit};

const EMPTY: &str =
    "no events: a system's webhooks bring them, posted to /hooks/<client>/<connection> of `lockstep run`";

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep events --client acme-saas --type invoice.payment_failed --since 24h\n  \
                  lockstep events show evt_1N3T2r"
)]
pub(super) struct Events {
    #[command(flatten)]
    looking: Looking<List, ListOrShow<List, Show>>,
}

#[derive(Debug, Clone, Args)]
struct List {
    #[command(flatten)]
    narrow: Narrow,
    /// Only over this connection
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<Arc<str>>,
    /// Only of this type: `invoice.paid`
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<Arc<str>>,
    /// Only those that ended so without any run
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    outcome: Option<Outcome>,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Shows one event, and for each pipeline of its client what it did and why it did nothing
#[derive(Debug, Clone, Args)]
struct Show {
    /// The sender's id of the event, or its number
    event: String,
    /// The environment whose files tell the pipelines: `client.<NAME>.yaml` over `client.yaml`
    #[arg(long, value_name = "NAME", env = "LOCKSTEP_ENV")]
    env: Option<String>,
    /// Whose event, when several clients have one of this id
    #[arg(long, value_name = "CLIENT")]
    client: Option<Arc<str>>,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One event, and each pipeline of its client.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    detail: &'a EventDetailView,
    /// Nothing when there is no project here that has the client.
    pipelines: Option<&'a [PipelineView]>,
}

#[derive(Serialize)]
struct Listing {
    events: Vec<EventView>,
}

fn outcome(word: &str) -> Result<Outcome, String> {
    let known = Outcome::ALL.into_iter().find(|outcome| outcome.word() == word);
    known.ok_or_else(|| format!("expected one of {}", Outcome::ALL.map(Outcome::word).join(", ")))
}

impl Events {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.looking.action() {
            ListOrShow::List(list) => list.run(),
            ListOrShow::Show(show) => show.run(),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<ExitCode> {
        let filter = EventFilter {
            client: self.narrow.client.clone(),
            connection: self.connection.clone(),
            kind: self.kind.clone(),
            ended: self.outcome,
            since: self.narrow.window.since,
            limit: self.narrow.window.limit(),
            ..EventFilter::default()
        };
        let runtime = runtime()?;
        let store = self.store.open(&runtime)?;
        let events = runtime.block_on(Listings::new(Arc::clone(&store)).events(filter))?;
        if self.format == Format::Json {
            say_json(&Listing { events })?;
            return Ok(ExitCode::Fine);
        }
        if events.is_empty() {
            let all = EventFilter { limit: PageLimit::most(), ..EventFilter::default() };
            let all: Vec<_> = runtime.block_on(store.events(all))?.into_iter().map(of_event).collect();
            let asked = Asked::of("events", &self.narrow)
                .with("connection", self.connection)
                .with("type", self.kind)
                .with("outcome", self.outcome.map(|outcome| outcome.word().into()));
            say(asked.nothing_fits(&all).as_deref().unwrap_or(EMPTY))?;
            return Ok(ExitCode::Fine);
        }
        let zone = self.narrow.client.as_deref().and_then(|client| self.store.zone_of(client));
        let shown = events.len();
        say(rows(events, &Times::in_zone(zone)))?;
        if let Some(more) = self.narrow.window.more(shown) {
            say(more)?;
        }
        Ok(ExitCode::Fine)
    }
}

pub(super) fn rows(events: Vec<EventView>, times: &Times) -> String {
    let received = times.heading("received");
    let headings = ["event", &received, "client", "type", "about", "what came of it"].map(str::to_owned);
    let row = |event: EventView| {
        let result = what_came_of(&event);
        [
            event.id.to_string(),
            times.show(event.received),
            event.client.to_string(),
            event.kind.to_string(),
            event.object.as_deref().unwrap_or_default().to_owned(),
            result,
        ]
    };
    table(headings, events.into_iter().map(row))
}

fn what_came_of(event: &EventView) -> String {
    match (&event.outcome, &event.reason) {
        (Some(outcome), Some(reason)) => format!("{outcome}: {reason}"),
        (Some(outcome), None) => (*outcome).to_owned(),
        _ => {
            let runs = event.runs.iter().map(|run| format!("{} {}", run.pipeline, run.state));
            runs.collect::<Vec<_>>().join(", ")
        }
    }
}

impl Show {
    fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let listings = Listings::new(self.store.open(&runtime)?);
        let detail = runtime.block_on(listings.event(&self.event, self.client.clone()))?;
        let client = self.client_of(&detail);
        let pipelines = client.map(|client| runtime.block_on(why::why(&client, &detail)));
        match self.format {
            Format::Json => say_json(&Shown { detail: &detail, pipelines: pipelines.as_deref() })?,
            Format::Human => say(self.lines(&detail, pipelines.as_deref()).join("\n"))?,
        }
        Ok(ExitCode::Fine)
    }

    /// The event's client as its files are now; nothing when it is not here, or has errors.
    fn client_of(&self, detail: &EventDetailView) -> Option<Arc<Client>> {
        let root = self.store.root().ok()?;
        let folder = root.join("pipelines").join(&*detail.event.client);
        let environments = self.env.as_deref().map_or(Environments::Base, Environments::One);
        let checked = check::check(config::load(&[folder], &root).ok()?, environments).ok()?;
        checked.project.client(&detail.event.client).cloned()
    }

    fn lines(&self, detail: &EventDetailView, pipelines: Option<&[PipelineView]>) -> Vec<String> {
        let event = &detail.event;
        let times = Times::in_zone(self.store.zone_of(&event.client));
        let mut lines = vec![
            format!("event {} (number {}): {}", event.id, event.seq, event.kind),
            format!("  client    {}, over connection {}", event.client, event.connection),
            format!("  happened  {}, received {}", times.show(event.created), times.show(event.received)),
        ];
        if let Some(object) = &event.object {
            lines.push(format!("  about     {object}"));
        }
        if let Some(why) = event.erased {
            lines.push(format!("  content   {}", erased(why)));
        }
        if event.outcome.is_some() {
            lines.push(format!("  ended     {}", what_came_of(event)));
        }
        lines.push(String::new());
        match pipelines {
            Some(pipelines) => {
                lines.push(format!("pipelines of {}", event.client));
                lines.extend(why::lines(pipelines, &detail.runs));
            }
            None => lines.push(format!(
                "the files of {} are not here, or have errors: --project DIR tells which pipelines it did not start",
                event.client
            )),
        }
        for run in &detail.runs {
            lines.push(String::new());
            lines.extend(run_lines(run, &times));
        }
        lines.push(String::new());
        lines.push(format!("times are in {}", times.zone()));
        lines
    }
}
