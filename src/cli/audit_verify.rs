//! `lockstep audit verify`: whether the audit still says what was sealed.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::look::{StoreArgs, Times};
use super::output::{Format, say, say_json};
use super::{ExitCode, runtime};
use crate::store::ChainHead;
use crate::upkeep::{Verdict, verify};

#[derive(Debug, Clone, Args)]
pub(super) struct Verify {
    /// A head that was printed earlier and kept elsewhere: the chain has to lead through it; may be given several times
    #[arg(long, value_name = "HEAD")]
    expect: Vec<ChainHead>,
    /// Prints nothing but the head of an unbroken chain, to be kept elsewhere
    #[arg(long, conflicts_with = "format")]
    head: bool,
    #[command(flatten)]
    store: StoreArgs,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What was found, for programs.
#[derive(Serialize)]
struct Report {
    unbroken: bool,
    entries: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    head: String,
    not_sealed_yet: u64,
    erased_by_retention: u64,
    erased_on_request: u64,
    dated_back: u64,
    flaw: Option<String>,
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        let store = self.store.open(&runtime)?;
        let verdict = runtime.block_on(verify(&*store, &self.expect))?;
        if self.format == Format::Json {
            say_json(&Report::of(&verdict))?;
        } else if self.head && verdict.flaw.is_none() {
            say(verdict.head)?;
        } else {
            say(lines(&verdict).join("\n"))?;
        }
        Ok(if verdict.flaw.is_none() { ExitCode::Fine } else { ExitCode::Found })
    }
}

fn lines(verdict: &Verdict) -> Vec<String> {
    let times = Times::in_zone(None);
    let span =
        verdict.span.map(|(first, last)| format!(" from {} to {} UTC", times.show(first), times.show(last)));
    let span = span.unwrap_or_default();
    let mut lines = Vec::new();
    if let Some(flaw) = &verdict.flaw {
        lines.push(format!("broken: {flaw}"));
        lines.push(format!("{} before it, unbroken{span}", entries(verdict.entries)));
    } else {
        let mut parts = vec![format!("{}, unbroken{span}", entries(verdict.entries))];
        parts.push(format!("{} not sealed yet", verdict.unsealed));
        parts.push(format!("{} erased by retention", verdict.retention));
        if verdict.request > 0 {
            parts.push(format!("{} erased on request", verdict.request));
        }
        lines.push(parts.join(", "));
    }
    lines.push(format!("head {}", verdict.head));
    if let Some(late) = verdict.late {
        lines.push(format!(
            "{} dated more than an hour before one that was sealed earlier, the first is number {}: a clock was set \
             back, or somebody wrote them in",
            entries(late.entries),
            late.first
        ));
    }
    lines
}

fn entries(number: u64) -> String {
    format!("{number} {}", if number == 1 { "entry" } else { "entries" })
}

impl Report {
    fn of(verdict: &Verdict) -> Self {
        let (first, last) = verdict.span.unzip();
        Self {
            unbroken: verdict.flaw.is_none(),
            entries: verdict.entries,
            first,
            last,
            head: verdict.head.to_string(),
            not_sealed_yet: verdict.unsealed,
            erased_by_retention: verdict.retention,
            erased_on_request: verdict.request,
            dated_back: verdict.late.map_or(0, |late| late.entries),
            flaw: verdict.flaw.map(|flaw| flaw.to_string()),
        }
    }
}
