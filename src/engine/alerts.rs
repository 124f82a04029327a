//! lockstep's reports about its own work, as events that pipelines can listen for.
//!
//! A pipeline that says `at_most` is started only so often; what comes beyond that is told when the time is over, by the
//! last of those reports and the number of the others. How far each one has got is kept in the store, which decides what
//! a report comes to: a restart neither forgets what is still to be told nor begins to count anew, and processes that share
//! a store count together.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::carry_out::Done;
use super::runnable::{Runnable, Runnables};
use super::verdict::Verdict;
use crate::config::{LockstepEvent, Stale};
use crate::store::{
    AlertWindow, Change, ConnectionState, LimitedReport, NewEvent, NewRun, Outcome, Place, PollId, Source,
    ToldGroup, UntoldReport,
};
use crate::value::{Map, Value};

/// The connection that reports come over.
const CONNECTION: &str = "lockstep";

/// Makes reports.
#[derive(Debug)]
pub(super) struct Alerts;

/// What reports lead to: both come to disk together with what they tell of.
#[derive(Debug, Default)]
pub(super) struct Reported {
    /// Events, each with the run that it starts.
    pub(super) events: Vec<NewEvent>,
    /// Those to pipelines that are started only so often.
    pub(super) limited: Vec<LimitedReport>,
}

/// Something to report.
struct Report<'a> {
    client: &'a Arc<str>,
    what: LockstepEvent,
    /// Names the matter: with the listening pipeline, the event's id.
    matter: String,
    object: Map,
}

impl Reported {
    /// What the store has to write.
    pub(super) fn changes(self) -> impl Iterator<Item = Change> {
        let events = self.events.into_iter().map(Change::Reported);
        events.chain(self.limited.into_iter().map(|report| Change::Limited(Box::new(report))))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.limited.is_empty()
    }
}

impl Alerts {
    /// What a run's end leads to.
    pub(super) fn about_run(done: &Done, runnables: &Runnables, now: Timestamp) -> Reported {
        let Verdict::End { outcome, reason, candidates, attempts } = &done.verdict else {
            return Reported::default();
        };
        // An alert that fails is not reported on: it would fail again, for ever.
        let Some(what) = told(*outcome).filter(|_| !done.alert) else { return Reported::default() };
        let run = &done.run;
        let object = about(
            [("run", Value::from(run.id.0)), ("pipeline", Value::from(Arc::clone(&run.pipeline)))],
            (*outcome, reason),
            (*attempts, candidates),
            done.event.clone(),
        );
        // A dead letter that was tried again, and died again, is another matter.
        let matter = format!("{}-{}", run.id, now.as_microsecond());
        Self::report(&Report { client: &run.client, what, matter, object }, runnables, now)
    }

    /// What an event leads to that ended when it was taken in, with or without a run. `candidates`: those among whom a person
    /// has to choose.
    pub(super) fn about_accepted(
        event: &NewEvent,
        candidates: &[Value],
        runnables: &Runnables,
        now: Timestamp,
    ) -> Reported {
        let mut reported = Reported::default();
        let of_event = event.ended.as_ref().map(|ended| (None, ended));
        let of_runs = event.runs.iter().filter_map(|run| Some((Some(&run.pipeline), run.ended.as_ref()?)));
        for (pipeline, (outcome, reason)) in of_event.into_iter().chain(of_runs) {
            let Some(what) = told(*outcome) else { continue };
            let object = about(
                [("run", Value::Null), ("pipeline", Value::from(pipeline.cloned()))],
                (*outcome, reason),
                (0, candidates),
                Some((Arc::clone(&event.id), Arc::clone(&event.kind))),
            );
            // The same at every delivery, so that a second one tells nothing new.
            let matter = format!("{}-{}-{}", event.connection, event.id, pipeline.map_or("", |name| name));
            let more = Self::report(&Report { client: &event.client, what, matter, object }, runnables, now);
            reported.events.extend(more.events);
            reported.limited.extend(more.limited);
        }
        reported
    }

    /// What a connection's failure leads to.
    pub(super) fn about_connection(
        state: &ConnectionState,
        well_since: Option<Timestamp>,
        runnables: &Runnables,
        now: Timestamp,
    ) -> Reported {
        let object = [
            ("connection", Value::from(Arc::clone(&state.connection))),
            ("reason", Value::from(state.reason.as_str())),
            ("since", Value::from(state.since.to_string())),
        ];
        let object = object.into_iter().map(|(name, value)| (name.into(), value)).collect();
        // The same, whichever process notices first that it is not well any more.
        let well_since = well_since.map_or(0, Timestamp::as_microsecond);
        let matter = format!("{}-{well_since}", state.connection);
        let what = LockstepEvent::ConnectionDown;
        Self::report(&Report { client: &state.client, what, matter, object }, runnables, now)
    }

    /// What the end of a poll leads to: `object` says what came of it.
    pub(super) fn about_poll(id: &PollId, object: Map, runnables: &Runnables, now: Timestamp) -> Reported {
        let matter = format!("{}-{}", id.name.poll, id.number);
        let what = LockstepEvent::PollReport;
        Self::report(&Report { client: &id.name.client, what, matter, object }, runnables, now)
    }

    /// Tells what was grouped in a window that is over. Nobody is left to tell it to when the pipeline has gone.
    pub(super) fn overdue(window: AlertWindow, runnables: &Runnables, now: Timestamp) -> Option<ToldGroup> {
        let untold = window.untold.as_ref().filter(|_| window.ends <= now)?;
        let pipeline = runnables.get(&window.client, &window.pipeline);
        let trigger = pipeline.and_then(|pipeline| Some((pipeline, pipeline.listens()?)));
        let event = trigger.map(|(pipeline, _)| {
            let matter = format!("grouped-{}", window.ends.as_microsecond());
            let object = untold.object.as_map().cloned().unwrap_or_default();
            let report = Report { client: &window.client, what: untold.what, matter, object };
            event(&report, &**pipeline, window.grouped.saturating_sub(1), now)
        });
        let per = trigger.and_then(|(_, trigger)| trigger.at_most).map_or(Duration::ZERO, |rate| rate.per);
        Some(ToldGroup { window, event, per, at: now })
    }

    fn report(report: &Report<'_>, runnables: &Runnables, now: Timestamp) -> Reported {
        let mut reported = Reported::default();
        for pipeline in runnables.of(report.client) {
            let trigger = pipeline.listens().filter(|trigger| trigger.events.contains(&report.what));
            let Some(trigger) = trigger else { continue };
            let event = event(report, &**pipeline, 0, now);
            match trigger.at_most {
                None => reported.events.push(event),
                Some(rate) => reported.limited.push(LimitedReport {
                    event,
                    pipeline: Arc::clone(pipeline.name()),
                    report: UntoldReport { what: report.what, object: Value::from(report.object.clone()) },
                    count: rate.count,
                    per: rate.per,
                    at: now,
                }),
            }
        }
        reported
    }
}

/// What an outcome is reported as; what went well is not.
fn told(outcome: Outcome) -> Option<LockstepEvent> {
    match outcome {
        Outcome::Dead => Some(LockstepEvent::RunDead),
        Outcome::Conflict => Some(LockstepEvent::RunConflict),
        Outcome::Succeeded | Outcome::Skipped => None,
    }
}

/// What a report says of something that ended.
fn about(
    whose: [(&str, Value); 2],
    (outcome, reason): (Outcome, &str),
    (attempts, candidates): (u32, &[Value]),
    event: Option<(Arc<str>, Arc<str>)>,
) -> Map {
    let (id, kind) = event.unzip();
    let rest = [
        ("outcome", Value::from(outcome.word())),
        ("reason", Value::from(reason)),
        ("attempts", Value::from(i64::from(attempts))),
        ("candidates", Value::list(candidates.iter().cloned())),
        ("event", Value::map([("id", Value::from(id)), ("type", Value::from(kind))])),
    ];
    whose.into_iter().chain(rest).map(|(name, value)| (name.into(), value)).collect()
}

/// The report as an event for one pipeline.
fn event(report: &Report<'_>, pipeline: &dyn Runnable, grouped: u32, now: Timestamp) -> NewEvent {
    let kind: Arc<str> = report.what.as_str().into();
    let id: Arc<str> = format!("{kind}-{}-{}", report.matter, pipeline.name()).into();
    let mut object = report.object.clone();
    object.insert("grouped".into(), Value::from(i64::from(grouped)));
    let body = Value::map([
        ("id", Value::from(Arc::clone(&id))),
        ("type", Value::from(Arc::clone(&kind))),
        ("created", Value::from(now.to_string())),
        ("object", Value::from(object)),
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
