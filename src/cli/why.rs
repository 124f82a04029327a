//! Why an event did what it did, for each pipeline of its client, those that it did not start included.
//!
//! Trigger and condition are those of the files as they are now; a run says itself which version it went by.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;

use crate::clock::SystemClock;
use crate::config::env::System;
use crate::connector::{Abilities, Call, Failure, Gateway, Reply};
use crate::listing::{EventDetailView, RunDetailView};
use crate::project::{Client, Pipeline, Trigger};
use crate::rehearsal::Memory;
use crate::secret::Redactor;
use crate::steps::{self, ClientFacts, EventInput, Observer, RunInput, Sight, Spent, World};
use crate::store::Outcome;
use crate::value::Value;

/// One pipeline, and what it made of the event.
#[derive(Debug, Serialize)]
pub(super) struct PipelineView {
    /// Its name.
    pub(super) pipeline: Arc<str>,
    /// What it listens for.
    pub(super) listens: Vec<Arc<str>>,
    /// Whether its trigger matches the event.
    pub(super) matches: bool,
    /// False when it is switched off.
    pub(super) enabled: bool,
    /// Its condition, decided on the event; nothing when it has none or it was not reached.
    pub(super) condition: Option<Decided>,
    /// Its run for the event.
    pub(super) run: Option<i64>,
}

/// A condition, with the values that it read.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Decided {
    text: String,
    /// Nothing when it was decided on a record that the run read, and the run does not tell.
    holds: Option<bool>,
    /// Nothing when it was decided on a record that the run read: it is not kept.
    values: Value,
    /// What the run says of the values, when it read them itself.
    #[serde(skip)]
    said: String,
}

/// Each pipeline of `client`, and what it made of the event.
pub(super) async fn why(client: &Client, detail: &EventDetailView) -> Vec<PipelineView> {
    let mut views = Vec::new();
    for pipeline in &client.pipelines {
        let (listens, matches) = match &pipeline.trigger {
            Trigger::Events { patterns, .. } => {
                (patterns.clone(), pipeline.starts_on(&detail.event.connection, &detail.event.kind))
            }
            Trigger::Schedule(_) => {
                let matches = detail.runs.iter().any(|run| run.run.pipeline == pipeline.name);
                (vec!["listed".into()], matches)
            }
            Trigger::Reports(reports) => {
                let types: Vec<Arc<str>> = reports.events.iter().map(|it| it.as_str().into()).collect();
                let matches = types.iter().any(|kind| **kind == *detail.event.kind);
                (types, matches)
            }
        };
        let run = detail.runs.iter().find(|run| run.run.pipeline == pipeline.name);
        let condition = match &pipeline.written.when {
            Some(when) if matches && pipeline.program.reads_first().is_some() => {
                Some(Decided::by_run(when.0.trim(), run))
            }
            Some(_) if matches => decide(client, pipeline, detail).await,
            _ => None,
        };
        views.push(PipelineView {
            pipeline: Arc::clone(&pipeline.name),
            listens,
            matches,
            enabled: pipeline.enabled,
            condition,
            run: run.map(|run| run.run.id),
        });
    }
    views
}

/// The lines for people; `run_of` has a run's own lines.
pub(super) fn lines(views: &[PipelineView], runs: &[RunDetailView]) -> Vec<String> {
    let mut lines = Vec::new();
    for view in views {
        let state = runs.iter().find(|run| Some(run.run.id) == view.run).map(|run| &run.run);
        lines.push(match (view.matches, state) {
            (_, Some(run)) => format!("  {}: {} (run {})", view.pipeline, run.state, run.id),
            (false, None) => {
                format!("  {}: not started, it listens for {}", view.pipeline, view.listens.join(", "))
            }
            (true, None) if !view.enabled => format!("  {}: not started, it is switched off", view.pipeline),
            (true, None) => {
                format!(
                    "  {}: not started, though it listens for this now: it did not when the event came",
                    view.pipeline
                )
            }
        });
        if let Some(condition) = &view.condition {
            let gave = match condition.holds {
                Some(true) => "true",
                Some(false) => "false",
                None => "not known: it is decided on the record that the run reads first, which is not kept",
            };
            lines.push(format!("      when {} -> {gave}", condition.text));
            for (path, value) in condition.values.as_map().into_iter().flatten() {
                lines.push(format!("        {path} = {}", value.to_json()));
            }
            if !condition.said.is_empty() {
                lines.push(format!("        {}", condition.said));
            }
        }
    }
    lines
}

impl Decided {
    /// What a run tells of a condition over the record that it read.
    fn by_run(text: &str, run: Option<&RunDetailView>) -> Self {
        let decided = |holds, said: &str| Self {
            text: text.to_owned(),
            holds,
            values: Value::Null,
            said: said.trim_start_matches(": ").to_owned(),
        };
        let Some(RunDetailView { run, .. }) = run else { return decided(None, "") };
        let reason = &*run.reason;
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.word() == run.state);
        match (outcome, reason.strip_prefix(&format!("{text} is false"))) {
            (Some(Outcome::Skipped), Some(values)) => decided(Some(false), values),
            (Some(Outcome::Succeeded | Outcome::Conflict), _) => decided(Some(true), ""),
            (Some(Outcome::Dead), _) if !reason.starts_with("trigger: ") => decided(Some(true), ""),
            _ => decided(None, ""),
        }
    }
}

/// The pipeline's condition, decided without calling anything: what is beyond it is not carried out.
async fn decide(client: &Client, pipeline: &Pipeline, detail: &EventDetailView) -> Option<Decided> {
    let (envelope, object, previous) = read(client, detail)?;
    // Where a variable's placeholder cannot be filled here, its text stands for it.
    let (vars, secrets) = client
        .resolve(&System)
        .map_or_else(|_| (client.vars.clone(), Vec::new()), |resolved| (resolved.vars, resolved.secrets));
    let facts = ClientFacts { name: Arc::clone(client.name()), zone: client.zone.clone(), vars };
    let event = EventInput { envelope, object, previous, source: detail.event.source.into() };
    let begun: Timestamp = detail.event.received;
    let run = RunInput {
        id: "why".into(),
        attempt: 1,
        spent: Spent::default(),
        resumed: false,
        began: begun,
        now: begun,
        event: Arc::new(event),
    };
    let redactor = Redactor::default();
    redactor.learn_all(secrets.iter().map(String::as_str));
    let witness = Witness { redactor, decided: Mutex::default() };
    let (memory, nothing) = (Memory::default(), Nothing(client));
    let journal = memory.journal("why");
    let world = World {
        gateway: &nothing,
        journal: &journal,
        clock: &SystemClock,
        client: &facts,
        observer: Some(&witness),
    };
    steps::execute(&pipeline.program, &run, &world).await;
    witness.decided.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The event, its object and the old values of what changed, as its connector reads them.
fn read(client: &Client, detail: &EventDetailView) -> Option<(Value, Value, Value)> {
    let Some(connection) = client.connections.get(&detail.event.connection) else {
        return Some((detail.body.clone(), detail.body.get("object")?.clone(), Value::Null));
    };
    let events = connection.manifest.events()?;
    let envelope = events.envelope(&detail.body).ok()?;
    let event = events.told(detail.body.clone(), &envelope);
    Some((event, envelope.object, envelope.previous))
}

/// Hears the first condition, which is the pipeline's own.
struct Witness {
    redactor: Redactor,
    decided: Mutex<Option<Decided>>,
}

impl Witness {
    /// Variables may be secret.
    fn shown(&self, value: &Value) -> Value {
        value.as_str().map_or_else(|| value.clone(), |text| Value::from(self.redactor.redact(text)))
    }
}

impl Observer for Witness {
    fn saw(&self, step: &str, sight: &Sight<'_>) {
        let Sight::Condition { text, holds, values } = sight else { return };
        if step == "trigger" {
            let values = values.iter().map(|(path, value)| (path.as_str(), self.shown(value)));
            let decided = Decided {
                text: (*text).to_owned(),
                holds: Some(*holds),
                values: Value::map(values),
                said: String::new(),
            };
            self.decided.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(decided);
        }
    }
}

/// Systems that are not there: whatever would be asked of them ends the explanation.
struct Nothing<'a>(&'a Client);

impl Gateway for Nothing<'_> {
    fn call<'a>(&'a self, _: &'a str, _: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async { Err(Failure::permanent("nothing is called to explain")) })
    }

    fn abilities(&self, _: &str, connection: &str) -> Option<Arc<Abilities>> {
        Some(Arc::clone(self.0.connections.get(connection)?.manifest.abilities()))
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::listing::RunView;

    fn ended(state: &'static str, reason: &str) -> RunDetailView {
        let text: Arc<str> = "x".into();
        let run = RunView {
            id: 1,
            event: Arc::clone(&text),
            event_seq: 1,
            kind: Arc::clone(&text),
            client: Arc::clone(&text),
            pipeline: Arc::clone(&text),
            version: Arc::clone(&text),
            lane: Arc::clone(&text),
            key: text,
            state,
            attempts: 0,
            reason: reason.to_owned(),
            candidates: Vec::new(),
            created: Timestamp::UNIX_EPOCH,
            received: Timestamp::UNIX_EPOCH,
            due: None,
            connection: None,
            ended: Some(Timestamp::UNIX_EPOCH),
            erased: None,
        };
        RunDetailView { run, calls: Vec::new(), changes: Vec::new() }
    }

    #[test]
    fn a_condition_over_a_record_that_was_read_is_told_as_its_run_tells_it() {
        for (state, reason, holds, said) in [
            ("skipped", "object.total > 5 is false: object.total = 4", Some(false), "object.total = 4"),
            ("skipped", "stripe.Charge ch_1, which the event is about, is not there any more", None, ""),
            ("succeeded", "", Some(true), ""),
            ("conflict", "who is it?", Some(true), ""),
            ("dead", "step 1: no such field", Some(true), ""),
            ("dead", "trigger: nothing and an integer have no order", None, ""),
            ("held", "", None, ""),
        ] {
            let decided = Decided::by_run("object.total > 5", Some(&ended(state, reason)));
            assert_eq!((decided.holds, &*decided.said), (holds, said), "{state}: {reason}");
        }
        assert_eq!(Decided::by_run("true", None).holds, None);
    }
}
