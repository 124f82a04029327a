//! The reports of polls: ended when their runs have, told to whoever listens, and written to files.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::job::Job;
use super::round::Around;
use crate::store::{DueReport, PollName, ReportEnd, ReportRow, StoreError};
use crate::value::{Map, Value};

/// How often is looked for reports whose runs have ended. What is looked at is empty nearly always.
const LOOK: Duration = Duration::from_secs(1);

/// So many at once.
const REPORTS: usize = 100;

/// Jobs by name.
pub(super) type Jobs = Arc<BTreeMap<PollName, Arc<Job>>>;

/// Ends reports, for ever.
pub(super) async fn run(around: Arc<Around>, jobs: watch::Receiver<Jobs>) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !around.store.works() {
            continue;
        }
        if let Err(error) = look(&around, &jobs).await {
            tracing::warn!(%error, "the reports of polls could not be ended");
        }
    }
}

async fn look(around: &Around, jobs: &watch::Receiver<Jobs>) -> Result<(), StoreError> {
    for DueReport { report, runs } in around.store.due_reports(REPORTS).await? {
        let mut row = ReportRow { ended: Some(around.clock.now()), ..report };
        for (outcome, effect, reason, count) in runs {
            row.tally.add(outcome, effect, &reason, count);
        }
        let at = row.ended.unwrap_or_else(|| around.clock.now());
        let end = ReportEnd { id: row.id.clone(), at, tally: row.tally.clone() };
        match around.engine.report_poll(end, object(&row)).await {
            // Another process was faster.
            Err(StoreError::Assumption(_)) => continue,
            told => told?,
        }
        let job = jobs.borrow().get(&row.id.name).cloned();
        if job.is_some_and(|job| job.reports_to_file()) {
            append(&around.root, &row).await;
        }
    }
    Ok(())
}

/// What a report says, to alerts and in files.
pub(super) fn object(row: &ReportRow) -> Map {
    let time =
        |time: Option<jiff::Timestamp>| Value::from(time.map(|time| Arc::<str>::from(time.to_string())));
    let about = [
        ("poll", Value::from(Arc::clone(&row.id.name.poll))),
        ("number", Value::from(row.id.number)),
        ("connection", Value::from(row.connection.clone())),
        ("began", time(Some(row.began))),
        ("ended", time(row.ended)),
        ("error", Value::from(row.error.as_deref().map(Arc::<str>::from))),
    ];
    let mut object: Map = about.into_iter().map(|(key, value)| (key.into(), value)).collect();
    object.extend(row.tally.to_value().as_map().cloned().unwrap_or_default());
    object
}

/// Appends a report to its pipeline's file, `reports/<client>/<pipeline>.jsonl`. Both names are words of letters, digits
/// and hyphens: no other file can be meant. What cannot be written is in the store all the same.
pub(super) async fn append(root: &Path, row: &ReportRow) {
    let folder = root.join("reports").join(&*row.id.name.client);
    let path = folder.join(format!("{}.jsonl", row.id.name.poll));
    let mut line = Value::from(object(row)).to_json();
    line.push('\n');
    let shown = path.display().to_string();
    let written = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
        // In one piece, so that two processes never mix their lines.
        file.write_all(line.as_bytes())
    });
    let written = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    if let Err(error) = written {
        tracing::warn!(path = shown, %error, "a report could not be written to its file; the store has it");
    }
}
