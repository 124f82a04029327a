//! `lockstep quota`: what pipelines will cost, from the YAML alone.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use super::ExitCode;
use super::output::{Format, say, say_json};
use crate::check;
use crate::config;
use crate::quota::{Budget, ClientQuota, ConnectionQuota, PipelineQuota};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep quota\n  lockstep quota pipelines/acme-saas --events 5000 --records 200000\n  \
                  lockstep quota --quota salesforce=150000 --format json\n\n\
                  Counts what each verb calls, at the least (all is there, nothing differs) and at the most (all is looked for and written). \
                  An event whose condition does not hold calls nothing. Left out: tokens and names of fields, which are asked for once an hour, \
                  and retries. Where a system sets no pace, a call is taken to last 0.3 s, and as many are under way as its connector allows."
)]
pub(super) struct Quota {
    /// The project, clients or pipelines; the nearest project when left out
    paths: Vec<PathBuf>,
    /// Events a day, of each pipeline
    #[arg(long, value_name = "N", default_value_t = 1000)]
    events: u64,
    /// Records of a backfill
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    records: u64,
    /// How many elements a `for_each` is taken to have
    #[arg(long, value_name = "N", default_value_t = 1)]
    items: u64,
    /// The calls a day that a connection may make, where the connector's own figure is not the account's
    #[arg(long = "quota", value_name = "CONNECTION=CALLS", value_parser = of_connection)]
    given: Vec<(String, u64)>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn of_connection(text: &str) -> Result<(String, u64), String> {
    let (name, calls) = text.split_once('=').ok_or("write `salesforce=150000`")?;
    let calls = calls.parse().map_err(|_| format!("`{calls}` is not a number of calls"))?;
    Ok((name.to_owned(), calls))
}

impl Quota {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let draft = config::load(&self.paths, &std::env::current_dir()?)?;
        let manifests = check::manifests(&draft);
        let quotas = self.given.into_iter().collect();
        let budget = Budget { events: self.events, records: self.records, items: self.items, quotas };
        let named = |name: &str| {
            let clients = draft.clients.iter().filter_map(|client| client.file.content.as_ref());
            clients.flat_map(|client| client.connections.keys()).any(|known| *known.0 == *name)
        };
        if let Some(name) = budget.quotas.keys().find(|name| !named(name)) {
            bail!("no client has a connection `{name}`");
        }
        let of = |client| {
            ClientQuota::of(client, &draft.shared, &manifests, &budget)
                .with_context(|| format!("{} cannot be read; `lockstep validate` says why", client.file.path))
        };
        let clients = draft.clients.iter().map(of).collect::<anyhow::Result<Vec<_>>>()?;
        match self.format {
            Format::Json => say_json(&clients)?,
            Format::Human => {
                let shown: Vec<String> = clients.iter().map(|client| human(client, &budget)).collect();
                say(shown.join("\n\n"))?;
            }
        }
        Ok(ExitCode::Fine)
    }
}

fn human(client: &ClientQuota, budget: &Budget) -> String {
    let mut lines = vec![format!(
        "{}: {} events a day of each pipeline, a backfill of {} records",
        client.client,
        grouped(budget.events),
        grouped(budget.records)
    )];
    let width = client.pipelines.iter().map(|it| it.pipeline.len()).max().unwrap_or_default();
    lines.extend(client.pipelines.iter().map(|it| format!("  {}", pipeline(it, width))));
    let width = client.connections.iter().map(|it| it.connection.len()).max().unwrap_or_default();
    lines.extend(client.connections.iter().map(|it| format!("  {}", connection(it, width))));
    lines.join("\n")
}

fn pipeline(quota: &PipelineQuota, width: usize) -> String {
    let calls = quota.calls_an_event.0.iter().map(|(connection, calls)| format!("{connection} {calls}"));
    let calls = calls.collect::<Vec<_>>().join(", ");
    let calls = if calls.is_empty() { "no calls".to_owned() } else { format!("{calls} an event") };
    let polls = quota.polls_a_day.as_ref();
    let polls = polls.map(|poll| {
        let jobs = poll.jobs.map(|jobs| format!(", for {} jobs", grouped(jobs.a_day)));
        let jobs = jobs.unwrap_or_default();
        format!("; polls {} {} a day{jobs}", poll.connection, grouped(poll.calls))
    });
    let backfill = match quota.backfill_minutes {
        0 => String::new(),
        minutes => format!("; backfill up to {}", lasts(minutes)),
    };
    format!("{:<width$}  {calls}{}{backfill}", quota.pipeline, polls.unwrap_or_default())
}

fn connection(quota: &ConnectionQuota, width: usize) -> String {
    let ConnectionQuota { connection, calls_a_day: calls, .. } = quota;
    let calls = match (calls.least, calls.most) {
        (least, most) if least == most => grouped(most),
        (least, most) => format!("{} to {}", grouped(least), grouped(most)),
    };
    let share = match (quota.quota, quota.percent) {
        (Some(of), Some(percent)) => format!(", up to {percent} % of {}", grouped(of)),
        _ => String::new(),
    };
    let jobs = quota.jobs.map(|jobs| match jobs.quota {
        Some(of) => format!("; {} jobs a day of {}", grouped(jobs.a_day), grouped(of)),
        None => format!("; {} jobs a day", grouped(jobs.a_day)),
    });
    let pace = format!("{}.{}", quota.calls_in_1000_s / 1000, quota.calls_in_1000_s % 1000 / 100);
    format!(
        "{connection:<width$}  {calls} calls a day{share}{}; {pace} calls a second can be kept up",
        jobs.unwrap_or_default()
    )
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Minutes as a person says them.
fn lasts(minutes: u64) -> String {
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes.div_ceil(60)),
        _ => format!("{} days", minutes.div_ceil(24 * 60)),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        for (minutes, text) in
            [(5, "5 min"), (119, "119 min"), (121, "3 h"), (2_880, "2 days"), (2_881, "3 days")]
        {
            assert_eq!(lasts(minutes), text);
        }
        assert_eq!(of_connection("salesforce=150000"), Ok(("salesforce".to_owned(), 150_000)));
        assert!(of_connection("salesforce").is_err() && of_connection("salesforce=many").is_err());
    }
}
