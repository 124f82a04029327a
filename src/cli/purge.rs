//! `lockstep purge`: erases what is old, or what is about somebody, beside a running process.

use std::sync::Arc;

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use serde::Serialize;

use super::by::By;
use super::look::{StoreArgs, moment};
use super::output::{Format, say, say_json};
use super::{ExitCode, runtime};
use crate::clock::SystemClock;
use crate::store::{Erasure, ErasureFilter, RunId};
use crate::upkeep::{Left, Sweep, Swept};

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true),
    after_help = "Examples:\n  lockstep purge --before 30d --dry-run\n  lockstep purge --object cus_123 --client acme-saas\n\n\
                  Erased are payloads, what runs journalled, their reasons, order keys and candidates, the values in \
                  the audit, the records that polls have kept, and the words of their reports. Ids, types, times, outcomes and the names of fields stay; so does the chain of the audit. \
                  Events whose runs have not ended, and dead letters, are kept, and named."
)]
pub(super) struct Purge {
    /// Events that came, and whose runs had ended, before then: 30d, 2026-03-01
    #[arg(long, value_name = "WHEN", value_parser = moment, group = "what")]
    before: Option<Timestamp>,
    /// Events in which this id occurs: as their object, anywhere in their content, or in what their runs did
    #[arg(long, value_name = "ID", group = "what", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    object: Option<String>,
    /// Only of this client
    #[arg(long, value_name = "CLIENT")]
    client: Option<Arc<str>>,
    /// Tells what would be erased, and erases nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What came of it, for programs.
#[derive(Serialize)]
struct Report {
    dry_run: bool,
    events: u64,
    bytes: u64,
    calls: u64,
    audit_entries: u64,
    /// Records that polls had kept.
    records: u64,
    /// Reports of polls whose words went.
    reports: u64,
    /// Alerts still to be told whose words went.
    alerts: u64,
    kept: Kept,
}

#[derive(Serialize)]
struct Kept {
    unfinished: KeptFor,
    dead: KeptFor,
    busy: u64,
}

#[derive(Serialize)]
struct KeptFor {
    events: u64,
    runs: Vec<i64>,
}

impl Purge {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let store = self.store.open(&runtime)?;
        let sweep = self.sweep();
        let swept = runtime.block_on(async {
            if self.dry_run {
                sweep.survey(&*store).await
            } else {
                sweep.carry_out(&*store, &SystemClock).await
            }
        })?;
        match self.format {
            Format::Json => say_json(&Report::of(&swept, self.dry_run))?,
            Format::Human => say(self.lines(&swept).join("\n"))?,
        }
        // Who asks for one person's data wants to know that some of it is still there.
        let incomplete = self.object.is_some() && swept.left() > 0;
        Ok(if incomplete { ExitCode::Found } else { ExitCode::Fine })
    }

    fn sweep(&self) -> Sweep {
        let client = self.client.clone();
        let (filter, why) = match (&self.object, self.before) {
            (Some(id), _) => (ErasureFilter::About { id: id.as_str().into(), client }, Erasure::Request),
            (None, before) => {
                let before = before.unwrap_or(Timestamp::MIN);
                (ErasureFilter::Before { before, client }, Erasure::Retention)
            }
        };
        Sweep { filter, why, by: self.by.name() }
    }

    fn lines(&self, swept: &Swept) -> Vec<String> {
        let mut lines = Vec::new();
        let of = self.client.as_ref().map_or_else(String::new, |client| format!(" of client `{client}`"));
        let which = match &self.object {
            Some(id) => format!("{of} in which `{id}` occurs"),
            None => format!("{of} that old"),
        };
        if swept.is_nothing() && swept.left() == 0 {
            lines.push(format!("nothing to erase: no event{which} is here, or they are erased already"));
        } else {
            let verb = if self.dry_run { "would erase" } else { "erased" };
            lines.push(format!(
                "{verb} {}{which}: {} of content, {}, the values of {}{}",
                counted(swept.events, "event", "events"),
                size(swept.bytes),
                counted(swept.calls, "journalled call", "journalled calls"),
                counted(swept.entries, "audit entry", "audit entries"),
                beside(swept),
            ));
        }
        if swept.unfinished.events > 0 {
            lines.push(format!(
                "kept {}: not all runs have ended ({}); purge again when they have",
                counted(swept.unfinished.events, "event", "events"),
                named(&swept.unfinished)
            ));
        }
        if swept.dead.events > 0 {
            lines.push(format!(
                "kept {} with dead letters ({}): `lockstep dead retry` or `lockstep dead dismiss` them first",
                counted(swept.dead.events, "event", "events"),
                named(&swept.dead)
            ));
        }
        if swept.busy > 0 {
            let busy = counted(swept.busy, "event", "events");
            lines.push(format!("kept {busy} that a process was just working on; purge again"));
        }
        lines
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// What went beside events.
fn beside(swept: &Swept) -> String {
    let all = [
        (swept.records, "record that a poll had kept", "records that polls had kept"),
        (swept.reports, "report's words", "reports' words"),
        (swept.alerts, "alert's words", "alerts' words"),
    ];
    let all = all.into_iter().filter(|(number, ..)| *number > 0);
    all.flat_map(|(number, one, many)| [", ".to_owned(), counted(number, one, many)]).collect()
}

fn named(left: &Left) -> String {
    let mut runs: Vec<String> = left.runs.iter().map(RunId::to_string).collect();
    if left.events > left.runs.len() as u64 {
        runs.push("...".to_owned());
    }
    format!("{} {}", if left.events == 1 { "run" } else { "runs" }, runs.join(", "))
}

/// Bytes, for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

impl Report {
    fn of(swept: &Swept, dry_run: bool) -> Self {
        let kept_for =
            |left: &Left| KeptFor { events: left.events, runs: left.runs.iter().map(|run| run.0).collect() };
        Self {
            dry_run,
            events: swept.events,
            bytes: swept.bytes,
            calls: swept.calls,
            audit_entries: swept.entries,
            records: swept.records,
            reports: swept.reports,
            alerts: swept.alerts,
            kept: Kept {
                unfinished: kept_for(&swept.unfinished),
                dead: kept_for(&swept.dead),
                busy: swept.busy,
            },
        }
    }
}
