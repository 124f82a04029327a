//! lockstep's reports about its own work, as events that pipelines can listen for.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::carry_out::Done;
use super::runnable::{Runnable, Runnables};
use super::verdict::{Verdict, after};
use crate::config::{LockstepEvent, Stale};
use crate::store::{ConnectionState, NewEvent, NewRun, Outcome, Place, Source};
use crate::value::Value;

/// The connection that reports come over.
const CONNECTION: &str = "lockstep";

/// What was reported to whom, for `at_most`. Remembered within one process.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    windows: HashMap<(Arc<str>, Arc<str>), Window>,
}

/// A stretch of time in which a pipeline is started only so often.
#[derive(Debug)]
struct Window {
    ends: Timestamp,
    started: u32,
    /// Reports that started no run since the last one that did.
    grouped: u32,
}

/// Something to report.
struct Report<'a> {
    client: &'a Arc<str>,
    what: LockstepEvent,
    /// Names the matter: with the listening pipeline, the event's id.
    matter: String,
    object: Vec<(&'static str, Value)>,
}

impl Alerts {
    /// The events that a run's end gives: its end and they come to disk together.
    pub(super) fn about_run(&mut self, done: &Done, runnables: &Runnables, now: Timestamp) -> Vec<NewEvent> {
        let Verdict::End { outcome, reason, candidates, attempts } = &done.verdict else { return Vec::new() };
        let what = match outcome {
            Outcome::Dead => LockstepEvent::RunDead,
            Outcome::Conflict => LockstepEvent::RunConflict,
            Outcome::Succeeded | Outcome::Skipped => return Vec::new(),
        };
        // An alert that fails is not reported on: it would fail again, for ever.
        if done.alert {
            return Vec::new();
        }
        let run = &done.run;
        let (id, kind) = done.event.clone().unzip();
        let object = vec![
            ("run", Value::from(run.id.0)),
            ("pipeline", Value::from(Arc::clone(&run.pipeline))),
            ("outcome", Value::from(outcome.word())),
            ("reason", Value::from(reason.as_str())),
            ("attempts", Value::from(i64::from(*attempts))),
            ("candidates", Value::list(candidates.iter().cloned())),
            ("event", Value::map([("id", Value::from(id)), ("type", Value::from(kind))])),
        ];
        // A dead letter that was tried again, and died again, is another matter.
        let matter = format!("{}-{}", run.id, now.as_microsecond());
        self.events(&Report { client: &run.client, what, matter, object }, runnables, now)
    }

    /// The events that a connection's failure gives.
    pub(super) fn about_connection(
        &mut self,
        state: &ConnectionState,
        runnables: &Runnables,
        now: Timestamp,
    ) -> Vec<NewEvent> {
        let object = vec![
            ("connection", Value::from(Arc::clone(&state.connection))),
            ("reason", Value::from(state.reason.as_str())),
            ("since", Value::from(state.since.to_string())),
        ];
        let matter = format!("{}-{}", state.connection, now.as_microsecond());
        let what = LockstepEvent::ConnectionDown;
        self.events(&Report { client: &state.client, what, matter, object }, runnables, now)
    }

    fn events(&mut self, report: &Report<'_>, runnables: &Runnables, now: Timestamp) -> Vec<NewEvent> {
        let mut events = Vec::new();
        for pipeline in runnables.of(report.client) {
            if let Some(grouped) = self.admit(report, &**pipeline, now) {
                events.push(event(report, &**pipeline, grouped, now));
            }
        }
        events
    }

    /// Whether the report starts a run of this pipeline, and how many came before it that did not.
    fn admit(&mut self, report: &Report<'_>, pipeline: &dyn Runnable, now: Timestamp) -> Option<u32> {
        let trigger = pipeline.listens().filter(|trigger| trigger.events.contains(&report.what))?;
        let Some(rate) = trigger.at_most else { return Some(0) };
        let key = (Arc::clone(report.client), Arc::clone(pipeline.name()));
        let fresh = Window { ends: after(now, rate.per), started: 0, grouped: 0 };
        let window = self.windows.entry(key).or_insert(fresh);
        if window.ends <= now {
            window.ends = after(now, rate.per);
            window.started = 0;
        }
        if window.started >= rate.count {
            window.grouped += 1;
            return None;
        }
        window.started += 1;
        Some(std::mem::take(&mut window.grouped))
    }
}

/// The report as an event for one pipeline.
fn event(report: &Report<'_>, pipeline: &dyn Runnable, grouped: u32, now: Timestamp) -> NewEvent {
    let kind: Arc<str> = report.what.as_str().into();
    let id: Arc<str> = format!("{kind}-{}-{}", report.matter, pipeline.name()).into();
    let grouped = ("grouped", Value::from(i64::from(grouped)));
    let object = Value::map(report.object.iter().cloned().chain([grouped]));
    let body = Value::map([
        ("id", Value::from(Arc::clone(&id))),
        ("type", Value::from(Arc::clone(&kind))),
        ("created", Value::from(now.to_string())),
        ("object", object),
    ]);
    let place = Place { lane: Arc::clone(pipeline.lane()), key: Arc::clone(&id), created: now, rank: 0 };
    NewEvent {
        client: Arc::clone(report.client),
        connection: CONNECTION.into(),
        id,
        kind,
        object_kind: None,
        object: None,
        source: Source::Lockstep,
        created: now,
        received: now,
        body: body.to_json().into(),
        ended: None,
        runs: vec![NewRun {
            pipeline: Arc::clone(pipeline.name()),
            version: pipeline.version(),
            place,
            stale: Stale::Apply,
            ended: None,
        }],
    }
}
