//! `lockstep audit`: who changed which record's which field, from what to what, when and why.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::look::{Narrow, StoreArgs, Times, audit_lines};
use super::output::{Format, say, say_json};
use super::{ExitCode, runtime};
use crate::listing::{AuditView, Listings};
use crate::store::{AuditFilter, RunId};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  lockstep audit --client acme-saas --since 24h\n  \
                  lockstep audit --object Account --record 001A\n  lockstep audit show 17"
)]
pub(super) struct Audit {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists what was changed, newest run first
    List(List),
    /// Shows what one run changed
    Show(Show),
}

#[derive(Debug, Clone, Args)]
struct List {
    #[command(flatten)]
    narrow: Narrow,
    /// Only by this pipeline
    #[arg(long, value_name = "PIPELINE")]
    pipeline: Option<Arc<str>>,
    /// Only over this connection
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<Arc<str>>,
    /// Only of this kind of object
    #[arg(long, value_name = "OBJECT")]
    object: Option<Arc<str>>,
    /// Only of this record
    #[arg(long, value_name = "ID")]
    record: Option<Arc<str>>,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Args)]
struct Show {
    /// The run's number
    run: i64,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Listing {
    audit: Vec<AuditView>,
}

impl Audit {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.action.unwrap_or(Action::List(self.list)) {
            Action::List(list) => list.run(),
            Action::Show(show) => {
                let filter = AuditFilter { run: Some(RunId(show.run)), ..AuditFilter::default() };
                let empty = format!("run {} changed nothing", show.run);
                print(&show.store, filter, None, show.format, &empty).map(|_| ExitCode::Fine)
            }
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<ExitCode> {
        let filter = AuditFilter {
            client: self.narrow.client.clone(),
            pipeline: self.pipeline,
            connection: self.connection,
            object: self.object,
            record: self.record,
            since: self.narrow.window.since,
            limit: self.narrow.window.limit(),
            run: None,
        };
        let empty = "nothing was changed: every write of a run to a system is kept here";
        let shown = print(&self.store, filter, self.narrow.client.as_deref(), self.format, empty)?;
        if self.format == Format::Human
            && let Some(more) = self.narrow.window.more(shown)
        {
            say(more)?;
        }
        Ok(ExitCode::Fine)
    }
}

fn print(
    store: &StoreArgs,
    filter: AuditFilter,
    client: Option<&str>,
    format: Format,
    empty: &str,
) -> anyhow::Result<usize> {
    let listings = Listings::new(store.open()?);
    let audit = runtime()?.block_on(listings.audit(filter))?;
    let shown = audit.len();
    if format == Format::Json {
        say_json(&Listing { audit })?;
        return Ok(shown);
    }
    if audit.is_empty() {
        say(empty)?;
        return Ok(0);
    }
    let times = Times::in_zone(client.and_then(|client| store.zone_of(client)));
    for entry in &audit {
        let mut lines = audit_lines(entry);
        lines[0] = format!(
            "{}  {}  {}  (run {}, pipeline {}, event {})",
            times.show(entry.at),
            entry.client,
            lines[0],
            entry.run,
            entry.pipeline,
            entry.event
        );
        say(lines.join("\n"))?;
    }
    say(format_args!("times are in {}", times.zone()))?;
    Ok(shown)
}
