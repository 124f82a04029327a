//! What became of it: a line for each run as it ends, and the sums.

use std::collections::BTreeSet;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indexmap::IndexMap;
use serde::Serialize;

use super::stage::Stage;
use crate::cli::output::say;
use crate::listing::{AuditView, Listings, RunDetailView};
use crate::store::{EventFilter, Outcome, PageLimit, RunFilter, RunId, RunState};

/// How often the store is looked at while something is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// More than the story makes.
const ALL: u32 = 10_000;

/// Shows what happens.
pub(super) struct View {
    listings: Listings,
    shown: BTreeSet<i64>,
    told: BTreeSet<i64>,
    speaks: bool,
}

impl View {
    /// Shows what happens on `stage`, or only waits for it.
    pub(super) fn new(stage: &Stage, speaks: bool) -> Self {
        let listings = Listings::new(stage.runtime().store().clone());
        Self { listings, shown: BTreeSet::new(), told: BTreeSet::new(), speaks }
    }

    /// Says what is about to be seen.
    pub(super) fn open(&self, stage: &Stage) -> anyhow::Result<()> {
        if self.speaks {
            let sandbox = stage.sandbox();
            say(format_args!(
                "simulators: Stripe {}, Salesforce {}, HubSpot {}, ActiveCampaign {}, Slack {}; of the club Stripe {}, Bitrix24 {}; of the harbor Stripe {}, Salesforce {}\n\
                 four clients get signed events, the club lists its customers each second and the harbor its deals; each line below is a run that ended\n",
                sandbox.stripe().url(),
                sandbox.salesforce().url(),
                sandbox.hubspot().url(),
                sandbox.activecampaign().url(),
                sandbox.slack().url(),
                stage.club().stripe().url(),
                stage.club().bitrix24().url(),
                stage.harbor().stripe().url(),
                stage.harbor().salesforce().url(),
            ))?;
        }
        Ok(())
    }

    /// Shows the runs that have ended since the last look.
    pub(super) async fn catch_up(&mut self) -> anyhow::Result<()> {
        self.look().await.map(drop)
    }

    /// Shows runs as they end, until none is left.
    pub(super) async fn until_all_ended(&mut self) -> anyhow::Result<()> {
        while !self.look().await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Shows what is new; true when every run has ended.
    async fn look(&mut self) -> anyhow::Result<bool> {
        let runs = self.listings.runs(all_runs(None)).await?;
        let all_ended = runs.iter().all(|run| run.ended.is_some());
        let mut new: Vec<_> =
            runs.into_iter().filter(|run| run.ended.is_some() && !self.shown.contains(&run.id)).collect();
        new.sort_by_key(|run| (run.ended, run.id));
        for run in new {
            self.shown.insert(run.id);
            if self.speaks {
                let detail = self.listings.run(&RunId(run.id).to_string(), None).await?;
                say(line(&detail))?;
            }
        }
        if self.speaks {
            self.tell_events().await?;
        }
        Ok(all_ended)
    }

    /// Shows the events that ended as conflicts before any pipeline saw them.
    async fn tell_events(&mut self) -> anyhow::Result<()> {
        let newest = EventFilter { limit: PageLimit::new(20), ..EventFilter::default() };
        for event in self.listings.events(newest).await? {
            let conflict = event.outcome.filter(|outcome| *outcome == Outcome::Conflict.word());
            if let (Some(outcome), Some(reason)) = (conflict, &event.reason)
                && self.told.insert(event.seq)
            {
                let style = colour(outcome);
                say(format_args!(
                    "{style}{outcome:9}{style:#}  {:30} {:20} {reason}",
                    event.kind, "(no pipeline)"
                ))?;
            }
        }
        Ok(())
    }
}

fn all_runs(state: Option<RunState>) -> RunFilter {
    RunFilter { state, limit: PageLimit::new(ALL), ..RunFilter::default() }
}

/// `succeeded  invoice.payment_failed  payment-failed  create salesforce.Task 00T.., ...`.
fn line(detail: &RunDetailView) -> String {
    let run = &detail.run;
    let style = colour(run.state);
    let mut why = vec![run.reason.clone()];
    why.extend(detail.changes.iter().map(change));
    if run.attempts > 0 {
        why.push(format!(
            "after {} failed {}",
            run.attempts,
            if run.attempts == 1 { "attempt" } else { "attempts" }
        ));
    }
    why.retain(|part| !part.is_empty());
    let why = if why.is_empty() { "nothing had to be changed".to_owned() } else { why.join(", ") };
    format!("{style}{:9}{style:#}  {:30} {:20} {why}", run.state, run.kind, run.pipeline)
}

fn change(entry: &AuditView) -> String {
    let record = entry.record.as_deref().unwrap_or_default();
    let what = format!("{} {}.{} {record}", entry.verb, entry.connection, entry.object);
    what.trim_end().to_owned()
}

fn colour(state: &str) -> Style {
    let colour = match state {
        "succeeded" => AnsiColor::Green,
        "skipped" => AnsiColor::BrightBlack,
        "conflict" => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    colour.on_default()
}

/// The sums.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Events that were taken in.
    events: usize,
    /// How their runs ended.
    runs: IndexMap<&'static str, usize>,
    /// Records that were written, and messages that were sent: client -> connection -> object -> how many.
    crm: IndexMap<String, IndexMap<String, IndexMap<String, usize>>>,
}

impl Summary {
    /// Of everything that happened on `stage`.
    pub(super) async fn of(stage: &Stage) -> anyhow::Result<Self> {
        let store = stage.runtime().store();
        let events =
            store.events(EventFilter { limit: PageLimit::new(ALL), ..EventFilter::default() }).await?;
        let listings = Listings::new(store.clone());
        let mut runs = IndexMap::new();
        for outcome in Outcome::ALL {
            let ended = listings.runs(all_runs(Some(RunState::Ended(outcome)))).await?;
            runs.insert(outcome.word(), ended.len());
        }
        let audit = crate::store::AuditFilter { limit: PageLimit::new(ALL), ..Default::default() };
        let written = listings.audit(audit).await?;
        Ok(Self { events: events.len(), runs, crm: counted(&written) })
    }

    /// As a table.
    pub(super) fn page(&self) -> String {
        let runs: Vec<String> =
            self.runs.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let mut lines = vec![format!("{} events; runs: {}", self.events, runs.join(", "))];
        let names = self.crm.values().flat_map(IndexMap::values).flat_map(IndexMap::keys);
        let width = names.map(String::len).max().unwrap_or_default();
        for (client, connections) in &self.crm {
            for (connection, objects) in connections {
                for (object, count) in objects {
                    lines.push(format!("  {client:12} {connection:14} {object:width$} {count:>4}"));
                }
            }
        }
        lines.join("\n")
    }
}

/// How many records of each object were written; what has no record counts each time.
fn counted(written: &[AuditView]) -> IndexMap<String, IndexMap<String, IndexMap<String, usize>>> {
    let mut crm: IndexMap<String, IndexMap<String, IndexMap<String, usize>>> = IndexMap::new();
    let mut seen = BTreeSet::new();
    for entry in written {
        let record = (&entry.client, &entry.connection, &entry.object, &entry.record);
        if entry.record.is_some() && !seen.insert(record) {
            continue;
        }
        let objects = crm.entry(entry.client.to_string()).or_default();
        let objects = objects.entry(entry.connection.to_string()).or_default();
        *objects.entry(entry.object.to_string()).or_default() += 1;
    }
    crm
}
