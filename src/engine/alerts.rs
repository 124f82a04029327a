//! lockstep's reports about its own work, as events that pipelines can listen for.
//!
//! A pipeline that says `at_most` is started only so often; what comes beyond that is told when the time is over, by the
//! last of those reports and the number of the others. How far each one has got is kept in the store, so that a restart
//! neither forgets what is still to be told nor begins to count anew. Several processes on one store each count for
//! themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::carry_out::Done;
use super::runnable::{Runnable, Runnables};
use super::verdict::{Verdict, after};
use crate::config::{LockstepEvent, Rate, Stale};
use crate::store::{
    AlertWindow, Change, ConnectionState, NewEvent, NewRun, Outcome, Place, Source, UntoldReport,
};
use crate::value::{Map, Value};

/// The connection that reports come over.
const CONNECTION: &str = "lockstep";

/// What was reported to whom, for `at_most`: a window for each client and pipeline that says it.
#[derive(Debug, Default)]
pub(super) struct Alerts(Mutex<BTreeMap<Key, AlertWindow>>);

/// Client and pipeline.
type Key = (Arc<str>, Arc<str>);

/// What reports lead to: both come to disk together with what they tell of.
#[derive(Debug, Default)]
pub(super) struct Reported {
    /// Events, each with the run that it starts.
    pub(super) events: Vec<NewEvent>,
    /// The windows that have changed.
    pub(super) windows: Vec<AlertWindow>,
}

/// Something to report.
struct Report<'a> {
    client: &'a Arc<str>,
    what: LockstepEvent,
    /// Names the matter: with the listening pipeline, the event's id.
    matter: String,
    object: Map,
}

/// Whether a report starts a run now.
enum Admission {
    /// It does; so many came before it that did not, and are told with it.
    Now { grouped: u32 },
    /// It will be told when the window ends.
    Later,
}

impl Reported {
    /// What the store has to write.
    pub(super) fn changes(self) -> impl Iterator<Item = Change> {
        let events = self.events.into_iter().map(Change::Reported);
        events.chain(self.windows.into_iter().map(Change::Alerts))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.windows.is_empty()
    }
}

impl Alerts {
    /// Goes on with the windows that the store has.
    pub(super) fn new(windows: Vec<AlertWindow>) -> Self {
        let keyed = windows.into_iter().map(|window| (key(&window.client, &window.pipeline), window));
        Self(Mutex::new(keyed.collect()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, AlertWindow>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a run's end leads to.
    pub(super) fn about_run(&self, done: &Done, runnables: &Runnables, now: Timestamp) -> Reported {
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
        self.report(&Report { client: &run.client, what, matter, object }, runnables, now)
    }

    /// What an event leads to that ended when it was taken in, with or without a run.
    pub(super) fn about_accepted(&self, event: &NewEvent, runnables: &Runnables, now: Timestamp) -> Reported {
        let mut reported = Reported::default();
        let of_event = event.ended.as_ref().map(|ended| (None, ended));
        let of_runs = event.runs.iter().filter_map(|run| Some((Some(&run.pipeline), run.ended.as_ref()?)));
        for (pipeline, (outcome, reason)) in of_event.into_iter().chain(of_runs) {
            let Some(what) = told(*outcome) else { continue };
            let object = about(
                [("run", Value::Null), ("pipeline", Value::from(pipeline.cloned()))],
                (*outcome, reason),
                (0, &[]),
                Some((Arc::clone(&event.id), Arc::clone(&event.kind))),
            );
            // The same at every delivery, so that a second one tells nothing new.
            let matter = format!("{}-{}-{}", event.connection, event.id, pipeline.map_or("", |name| name));
            let more = self.report(&Report { client: &event.client, what, matter, object }, runnables, now);
            reported.events.extend(more.events);
            reported.windows.extend(more.windows);
        }
        reported
    }

    /// What a connection's failure leads to.
    pub(super) fn about_connection(
        &self,
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
        self.report(&Report { client: &state.client, what, matter, object }, runnables, now)
    }

    /// When the next group of reports has to be told.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.lock().values().filter(|window| window.untold.is_some()).map(|window| window.ends).min()
    }

    /// Tells what was grouped in windows that are over. Nobody is left to tell it to when the pipeline has gone.
    pub(super) fn overdue(&self, runnables: &Runnables, now: Timestamp) -> Reported {
        let mut reported = Reported::default();
        for window in self.lock().values_mut().filter(|window| window.ends <= now) {
            let Some(untold) = window.untold.take() else { continue };
            let grouped = std::mem::take(&mut window.grouped).saturating_sub(1);
            let pipeline = runnables.get(&window.client, &window.pipeline);
            let trigger = pipeline.and_then(|pipeline| Some((pipeline, pipeline.listens()?)));
            if let Some((pipeline, trigger)) = trigger {
                let matter = format!("grouped-{}", window.ends.as_microsecond());
                let (client, object) = (&window.client, untold.object.as_map().cloned().unwrap_or_default());
                reported.events.push(event(
                    &Report { client, what: untold.what, matter, object },
                    &**pipeline,
                    grouped,
                    now,
                ));
                if let Some(rate) = trigger.at_most {
                    (window.ends, window.started) = (after(now, rate.per), 1);
                }
            }
            reported.windows.push(window.clone());
        }
        reported
    }

    fn report(&self, report: &Report<'_>, runnables: &Runnables, now: Timestamp) -> Reported {
        let mut reported = Reported::default();
        for pipeline in runnables.of(report.client) {
            let trigger = pipeline.listens().filter(|trigger| trigger.events.contains(&report.what));
            let Some(trigger) = trigger else { continue };
            let admission = match trigger.at_most {
                None => Admission::Now { grouped: 0 },
                Some(rate) => {
                    let (admission, window) = self.admit(report, pipeline.name(), rate, now);
                    reported.windows.push(window);
                    admission
                }
            };
            if let Admission::Now { grouped } = admission {
                reported.events.push(event(report, &**pipeline, grouped, now));
            }
        }
        reported
    }

    /// Whether the report starts a run of this pipeline; and the window as it is then.
    fn admit(
        &self,
        report: &Report<'_>,
        pipeline: &Arc<str>,
        rate: Rate,
        now: Timestamp,
    ) -> (Admission, AlertWindow) {
        let mut windows = self.lock();
        let window = windows.entry(key(report.client, pipeline)).or_insert_with(|| AlertWindow {
            client: Arc::clone(report.client),
            pipeline: Arc::clone(pipeline),
            ends: after(now, rate.per),
            started: 0,
            grouped: 0,
            untold: None,
        });
        if window.ends <= now {
            (window.ends, window.started) = (after(now, rate.per), 0);
        }
        if window.started >= rate.count {
            window.grouped += 1;
            let object = Value::from(report.object.clone());
            window.untold = Some(UntoldReport { what: report.what, object });
            return (Admission::Later, window.clone());
        }
        window.started += 1;
        window.untold = None;
        let grouped = std::mem::take(&mut window.grouped);
        (Admission::Now { grouped }, window.clone())
    }
}

fn key(client: &Arc<str>, pipeline: &Arc<str>) -> Key {
    (Arc::clone(client), Arc::clone(pipeline))
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
