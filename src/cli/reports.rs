//! `lockstep reports`: what came of each poll.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::look::{Asked, Facets, ListOrShow, Looking, Narrow, StoreArgs, Times, table};
use super::output::{Format, say, say_json};
use super::{ExitCode, runtime};
use crate::listing::{Listings, ReportView};
use crate::store::{PageLimit, ReportFilter, ReportRow};

const EMPTY: &str = "no reports: every poll ends with one, of pipelines with `trigger: { schedule: ... }` or `delivery: poll`";

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep reports --client acme-saas --since 24h\n  lockstep reports --failed\n  \
                  lockstep reports show acme-saas/members/37"
)]
pub(super) struct Reports {
    #[command(flatten)]
    looking: Looking<List, ListOrShow<List, Show>>,
}

#[derive(Debug, Clone, Args)]
struct List {
    #[command(flatten)]
    narrow: Narrow,
    /// Only of this poll: a pipeline, or CONNECTION.events
    #[arg(long, value_name = "POLL")]
    poll: Option<Arc<str>>,
    /// Only of polls that failed
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Shows one report: how many records came to what, and why
#[derive(Debug, Clone, Args)]
struct Show {
    /// The report: CLIENT/POLL/NUMBER
    report: String,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Listing {
    reports: Vec<ReportView>,
}

impl Reports {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.looking.action() {
            ListOrShow::List(list) => list.run(),
            ListOrShow::Show(show) => show.run(),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let store = self.store.open(&runtime)?;
        let filter = ReportFilter {
            client: self.narrow.client.clone(),
            poll: self.poll.clone(),
            number: None,
            failed: self.failed,
            since: self.narrow.window.since,
            limit: self.narrow.window.limit(),
        };
        let reports = runtime.block_on(Listings::new(Arc::clone(&store)).reports(filter))?;
        if self.format == Format::Json {
            say_json(&Listing { reports })?;
            return Ok(ExitCode::Fine);
        }
        if reports.is_empty() {
            let all = ReportFilter { limit: PageLimit::most(), ..ReportFilter::default() };
            let all: Vec<_> = runtime.block_on(store.reports(all))?.into_iter().map(of_report).collect();
            let asked = Asked::of("reports", &self.narrow).with("poll", self.poll.clone());
            say(asked.nothing_fits(&all).as_deref().unwrap_or(EMPTY))?;
            return Ok(ExitCode::Fine);
        }
        let times =
            Times::in_zone(self.narrow.client.as_deref().and_then(|client| self.store.zone_of(client)));
        let shown = reports.len();
        say(rows(reports, &times))?;
        if let Some(more) = self.narrow.window.more(shown) {
            say(more)?;
        }
        Ok(ExitCode::Fine)
    }
}

/// A report as filters see it.
fn of_report(row: ReportRow) -> Facets {
    vec![("client", row.id.name.client), ("poll", row.id.name.poll)]
}

fn rows(reports: Vec<ReportView>, times: &Times) -> String {
    let began = times.heading("began");
    let headings = [
        "report",
        &began,
        "listed",
        "created",
        "updated",
        "unchanged",
        "skipped",
        "conflicts",
        "failed",
        "why",
    ]
    .map(str::to_owned);
    let row = |report: ReportView| {
        let why = match (&report.error, report.ended) {
            (Some(error), _) => format!("poll failed: {error}"),
            (None, None) => "runs are under way".to_owned(),
            (None, Some(_)) => String::new(),
        };
        [
            report.id,
            times.show(report.began),
            report.listed.to_string(),
            report.created.to_string(),
            report.updated.to_string(),
            report.unchanged.to_string(),
            total(&report.skipped).to_string(),
            total(&report.conflicts).to_string(),
            total(&report.failed).to_string(),
            why,
        ]
    };
    table(headings, reports.into_iter().map(row))
}

fn total(reasons: &BTreeMap<String, u64>) -> u64 {
    reasons.values().sum()
}

impl Show {
    fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let listings = Listings::new(self.store.open(&runtime)?);
        let report = runtime.block_on(listings.report(&self.report))?;
        match self.format {
            Format::Json => say_json(&report)?,
            Format::Human => {
                let times = Times::in_zone(self.store.zone_of(&report.client));
                say(lines(&report, &times).join("\n"))?;
                say(format_args!("times are in {}", times.zone()))?;
            }
        }
        Ok(ExitCode::Fine)
    }
}

fn lines(report: &ReportView, times: &Times) -> Vec<String> {
    let state = match (&report.error, report.ended) {
        (Some(_), _) => "failed".to_owned(),
        (None, None) => "its runs are under way".to_owned(),
        (None, Some(ended)) => format!("over at {}", times.show(ended)),
    };
    let mut lines = vec![format!("report {}: {state}", report.id)];
    lines.extend(report.error.as_ref().map(|error| format!("  why        {error}")));
    let connection = report.connection.as_ref().map_or_else(String::new, |it| format!(" of {it}"));
    lines.push(format!("  began      {}", times.show(report.began)));
    lines.push(format!("  listed     {}{connection}, by {}", report.listed, times.show(report.listed_by)));
    lines.push(format!("  created    {}", report.created));
    lines.push(format!("  updated    {}", report.updated));
    lines.push(format!("  unchanged  {}", report.unchanged));
    for (what, reasons) in
        [("skipped", &report.skipped), ("conflicts", &report.conflicts), ("failed", &report.failed)]
    {
        lines.push(format!("  {what:10} {}", total(reasons)));
        lines.extend(reasons.iter().map(|(reason, count)| format!("    {count:>6}  {reason}")));
    }
    lines
}
