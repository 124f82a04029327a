//! What has happened: events that the store keeps, or files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;

use crate::cli::kept_run::kept_run;
use crate::rehearsal::KeptRun;
use crate::store::{EventDetail, EventFilter, EventRow, PageLimit, Store, Version};
use crate::value::Value;

/// How many events are asked for at once.
const PAGE: u32 = 200;

/// An event, and what is kept of its runs.
pub(super) struct Happened {
    /// Whose it is; `None` for one of a file, which may be anybody's.
    pub(super) client: Option<Arc<str>>,
    /// The connection that it came over, where that is known.
    pub(super) connection: Option<Arc<str>>,
    /// What it is called: the sender's id, or its file.
    pub(super) name: String,
    /// Its type, where that is known.
    pub(super) kind: String,
    pub(super) body: Value,
    pub(super) runs: Vec<Ran>,
}

/// A run of an event.
pub(super) struct Ran {
    pub(super) id: i64,
    pub(super) pipeline: Arc<str>,
    pub(super) version: Version,
    /// When it began to count.
    pub(super) received: Timestamp,
    pub(super) kept: KeptRun,
}

/// A pipeline that an event has started, or would.
pub(super) struct Seen<'a> {
    pub(super) client: &'a str,
    pub(super) pipeline: &'a str,
    pub(super) event: &'a Happened,
    pub(super) ran: Option<&'a Ran>,
}

/// The newest events that the store keeps and `filter` wants, at most `limit`, oldest first; and how many of them are erased.
pub(super) async fn kept(
    store: &dyn Store,
    filter: EventFilter,
    limit: usize,
) -> anyhow::Result<(Vec<Happened>, usize)> {
    let mut rows: Vec<EventRow> = Vec::new();
    let mut before = None;
    while rows.len() < limit {
        let page = EventFilter { before, limit: PageLimit::new(PAGE), ..filter.clone() };
        let page = store.events(page).await?;
        before = page.last().map(|row| row.seq);
        let is_last = page.len() < PAGE as usize;
        rows.extend(page);
        if is_last {
            break;
        }
    }
    rows.truncate(limit);
    let erased = rows.iter().filter(|row| row.erased.is_some()).count();
    let mut events = Vec::new();
    for row in rows.into_iter().rev().filter(|row| row.erased.is_none()) {
        // One that is erased meanwhile is gone.
        if let Some(detail) = store.event(row.seq).await? {
            events.push(happened(detail));
        }
    }
    Ok((events, erased))
}

fn happened(detail: EventDetail) -> Happened {
    let EventDetail { event, body, runs } = detail;
    let ran = runs.into_iter().map(|run| Ran {
        id: run.run.id.0,
        pipeline: Arc::clone(&run.run.pipeline),
        version: run.run.version.clone(),
        received: run.run.received,
        kept: kept_run(&run),
    });
    Happened {
        client: Some(event.client),
        connection: Some(event.connection),
        name: event.id.to_string(),
        kind: event.kind.to_string(),
        body,
        runs: ran.collect(),
    }
}

/// The events of a file, or of all files of a folder: each file one event, a list of them, or one in each line (`.jsonl`).
pub(super) fn of_files(path: &Path) -> anyhow::Result<Vec<Happened>> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries =
            std::fs::read_dir(path).with_context(|| format!("{} could not be read", path.display()))?;
        files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        files.retain(|file| file.extension().is_some_and(|it| it == "json" || it == "jsonl"));
        files.sort();
    }
    let mut events = Vec::new();
    for file in files {
        events.extend(of_file(&file)?);
    }
    anyhow::ensure!(!events.is_empty(), "there are no events in {}", path.display());
    Ok(events)
}

fn of_file(file: &PathBuf) -> anyhow::Result<Vec<Happened>> {
    let name = file.display();
    let text = std::fs::read(file).with_context(|| format!("{name} could not be read"))?;
    let read = |text: &[u8]| Value::from_json(text).with_context(|| format!("{name} is not JSON"));
    let values = if file.extension().is_some_and(|extension| extension == "jsonl") {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        lines.map(read).collect::<Result<Vec<_>, _>>()?
    } else {
        let value = read(&text)?;
        value.as_list().map_or_else(|| vec![value.clone()], <[Value]>::to_vec)
    };
    let event = |body: Value| Happened {
        client: None,
        connection: None,
        name: body.get("id").and_then(Value::to_text).map_or_else(|| name.to_string(), |id| id.to_string()),
        kind: body.get("type").and_then(Value::to_text).unwrap_or_default().to_string(),
        body,
        runs: Vec::new(),
    };
    Ok(values.into_iter().map(event).collect())
}
