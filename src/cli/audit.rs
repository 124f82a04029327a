//! `lockstep audit`: who changed which record's which field, from what to what, when and why.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::audit_verify::Verify;
use super::look::{
    Asked, ListOrShow, Looking, Narrow, StoreArgs, Times, audit_lines, nothing_changed, of_change,
};
use super::output::{Format, say, say_json};
use super::{ExitCode, runtime};
use crate::listing::{AuditView, Listings};
use crate::store::{AuditFilter, PageLimit};

const EMPTY: &str = "nothing was changed: every write of a run to a system is kept here";

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep audit --client acme-saas --since 24h\n  \
                  lockstep audit --object Account --record 001A\n  lockstep audit show 17\n  lockstep audit verify")]
pub(super) struct Audit {
    #[command(flatten)]
    looking: Looking<List, Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    #[command(flatten)]
    Look(ListOrShow<List, Show>),
    /// Checks that nothing of it was changed, taken out or put in since it was sealed
    Verify(Verify),
}

impl From<List> for Action {
    fn from(list: List) -> Self {
        Self::Look(list.into())
    }
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
    /// Only what did this: create, update, delete, call, erase, dismiss, resolve, ...
    #[arg(long, value_name = "VERB")]
    verb: Option<Arc<str>>,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Shows what one run changed
#[derive(Debug, Clone, Args)]
struct Show {
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
    audit: Vec<AuditView>,
}

impl Audit {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.looking.action() {
            Action::Look(ListOrShow::List(list)) => list.run(),
            Action::Look(ListOrShow::Show(show)) => show.run(),
            Action::Verify(verify) => verify.run(),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let store = self.store.open(&runtime)?;
        let audit = runtime.block_on(Listings::new(Arc::clone(&store)).audit(self.filter()))?;
        if self.format == Format::Json {
            say_json(&Listing { audit })?;
            return Ok(ExitCode::Fine);
        }
        if audit.is_empty() {
            let all = AuditFilter { limit: PageLimit::most(), ..AuditFilter::default() };
            let all: Vec<_> = runtime.block_on(store.audit(all))?.into_iter().map(of_change).collect();
            say(self.asked().nothing_fits(&all).as_deref().unwrap_or(EMPTY))?;
            return Ok(ExitCode::Fine);
        }
        let zone = self.narrow.client.as_deref().and_then(|client| self.store.zone_of(client));
        say(lines(&audit, &Times::in_zone(zone)).join("\n"))?;
        if let Some(more) = self.narrow.window.more(audit.len()) {
            say(more)?;
        }
        Ok(ExitCode::Fine)
    }

    fn filter(&self) -> AuditFilter {
        AuditFilter {
            client: self.narrow.client.clone(),
            pipeline: self.pipeline.clone(),
            connection: self.connection.clone(),
            object: self.object.clone(),
            record: self.record.clone(),
            verb: self.verb.clone(),
            since: self.narrow.window.since,
            limit: self.narrow.window.limit(),
            run: None,
        }
    }

    fn asked(&self) -> Asked {
        Asked::of("changes", &self.narrow)
            .with("pipeline", self.pipeline.clone())
            .with("connection", self.connection.clone())
            .with("object", self.object.clone())
            .with("record", self.record.clone())
            .with("verb", self.verb.clone())
    }
}

impl Show {
    fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let listings = Listings::new(self.store.open(&runtime)?);
        let detail = runtime.block_on(listings.run(&self.run, None))?;
        if self.format == Format::Json {
            say_json(&Listing { audit: detail.changes })?;
        } else if detail.changes.is_empty() {
            say(format_args!("run {} changed nothing: {}", detail.run.id, nothing_changed(&detail)))?;
        } else {
            let times = Times::in_zone(self.store.zone_of(&detail.run.client));
            say(lines(&detail.changes, &times).join("\n"))?;
        }
        Ok(ExitCode::Fine)
    }
}

fn lines(audit: &[AuditView], times: &Times) -> Vec<String> {
    let mut text = Vec::new();
    for entry in audit {
        let mut lines = audit_lines(entry);
        lines[0] = format!("{}  {}  {}{}", times.show(entry.at), entry.client, lines[0], origin(entry));
        text.extend(lines);
    }
    text.push(format!("times are in {}", times.zone()));
    text
}

/// Which run did it, and for which event; nothing for what no run did.
fn origin(entry: &AuditView) -> String {
    match (entry.run, &entry.pipeline, &entry.event) {
        (Some(run), Some(pipeline), Some(event)) => {
            format!("  (run {run}, pipeline {pipeline}, event {event})")
        }
        _ => String::new(),
    }
}
