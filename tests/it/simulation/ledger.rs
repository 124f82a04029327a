//! What is known from the outside, and what must never be seen (the invariants of the design, by their numbers).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use lockstep::connector::{Action, Call};
use lockstep::steps::CallId;
use lockstep::store::{Accepted, Change, NewEvent, RunId};

/// How long the engine may take to notice what has come in: a load of the store, a few commits.
const NOTICED: Duration = Duration::from_secs(5);

/// A run that the engine has let go is seen here so much later: what it is carried out with is read first.
const LET_GO: Duration = Duration::from_millis(20);

/// Lane and key.
type Lane = (Arc<str>, Arc<str>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    InLane,
    OutOfLane,
    Ended,
}

#[derive(Debug, Clone)]
struct Run {
    lane: Lane,
    standing: (Timestamp, u32, RunId),
    state: State,
    /// From when on nobody may go before it.
    heeded_from: Timestamp,
}

#[derive(Default)]
struct Seen {
    violations: Vec<String>,
    acknowledged: BTreeSet<String>,
    /// Calls whose outcome is on disk.
    done: BTreeSet<(RunId, CallId)>,
    /// Runs as the engine has them, and as they are on disk.
    runs: BTreeMap<RunId, Run>,
    durable: BTreeMap<RunId, Run>,
    going: BTreeMap<Lane, RunId>,
    created: BTreeMap<(String, String), u32>,
    began: Option<Timestamp>,
    /// What happened to runs, for whoever looks for the reason.
    history: Vec<(RunId, Timestamp, String)>,
}

impl Seen {
    fn tell(&mut self, run: RunId, now: Timestamp, what: impl Into<String>) {
        self.history.push((run, now, what.into()));
    }

    /// What happened in a lane lately.
    fn story_of(&self, lane: &Lane) -> String {
        let of_lane = |run: &RunId| self.runs.get(run).is_some_and(|run| run.lane == *lane);
        let lines: Vec<_> = self.history.iter().filter(|(run, ..)| of_lane(run)).collect();
        let lately = lines.len().saturating_sub(50);
        let tell = |(run, at, what): &&(RunId, Timestamp, String)| format!("  {at:.3} run {run} {what}");
        lines[lately..].iter().map(tell).collect::<Vec<_>>().join("\n")
    }
}

/// What is known of one world, through all its crashes.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Seen>);

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    /// The first thing that must not be, if there is one.
    pub(super) fn violation(&self) -> Option<String> {
        self.lock().violations.first().cloned()
    }

    /// A process begins: it knows what is on disk.
    pub(super) fn begins(&self, now: Timestamp) {
        let mut seen = self.lock();
        seen.runs = seen.durable.clone();
        seen.going.clear();
        seen.began = Some(now);
        let unfinished = seen.runs.iter().filter(|(_, run)| run.state != State::Ended);
        for id in unfinished.map(|(id, _)| *id).collect::<Vec<_>>() {
            seen.tell(id, now, "is found by a new process");
        }
    }

    pub(super) fn acknowledged(&self, event: &str) {
        self.lock().acknowledged.insert(event.to_owned());
    }

    pub(super) fn all_acknowledged(&self) -> BTreeSet<String> {
        self.lock().acknowledged.clone()
    }

    /// Events are on disk.
    pub(super) fn accepted(&self, events: &[NewEvent], accepted: &[Accepted], now: Timestamp) {
        let mut seen = self.lock();
        for (event, accepted) in events.iter().zip(accepted) {
            let Accepted::New { runs, .. } = accepted else { continue };
            for (new, id) in event.runs.iter().zip(runs) {
                let run = Run {
                    lane: (Arc::clone(&new.place.lane), Arc::clone(&new.place.key)),
                    standing: (new.place.created, new.place.rank, *id),
                    state: State::InLane,
                    heeded_from: now + NOTICED,
                };
                seen.runs.insert(*id, run.clone());
                seen.durable.insert(*id, run);
                seen.tell(*id, now, format!("comes in, {} {}", new.place.created, new.place.rank));
            }
        }
    }

    /// Changes are handed over: the engine goes by them.
    pub(super) fn queued(&self, changes: &[Change], now: Timestamp) {
        let mut seen = self.lock();
        note(&mut seen.runs, changes, now);
        for (run, what) in changes.iter().filter_map(told) {
            seen.tell(run, now, what);
        }
    }

    /// Changes are on disk.
    pub(super) fn written(&self, changes: &[Change], now: Timestamp) {
        let mut seen = self.lock();
        note(&mut seen.durable, changes, now);
        for change in changes {
            if let Change::Called { run, outcome, .. } = change {
                seen.done.insert((*run, outcome.call.clone()));
            }
        }
    }

    /// Changes could not be written. A lane goes on when an outcome is queued, so the engine has to find out that runs
    /// are where they were.
    pub(super) fn refused(&self, now: Timestamp) {
        let seen = &mut *self.lock();
        for (id, durable) in &seen.durable {
            let Some(run) = seen.runs.get_mut(id).filter(|run| run.state != durable.state) else { continue };
            *run = Run { heeded_from: now + NOTICED, ..durable.clone() };
            seen.history.push((*id, now, "is not written".to_owned()));
        }
    }

    /// Invariant 3: one run of a lane and key at a time, the oldest first.
    pub(super) fn run_begins(&self, id: RunId, now: Timestamp) {
        let mut seen = self.lock();
        seen.tell(id, now, "begins");
        let Some(run) = seen.runs.get(&id).cloned() else { return };
        if let Some(other) = seen.going.insert(run.lane.clone(), id) {
            seen.violations
                .push(format!("invariant 3: runs {other} and {id} of {:?} go at one time", run.lane));
        }
        let heeded_from = |other: &Run| {
            seen.began.map_or(other.heeded_from, |began| other.heeded_from.max(began + NOTICED))
        };
        let older = seen.runs.iter().find(|(_, other)| {
            other.lane == run.lane
                && other.state == State::InLane
                && other.standing < run.standing
                && now > heeded_from(other)
        });
        if let Some((older, _)) = older {
            let what = format!(
                "invariant 3: run {id} of {:?} goes before run {older}\n{}",
                run.lane,
                seen.story_of(&run.lane)
            );
            seen.violations.push(what);
        } else if let Some(run) = seen.runs.get_mut(&id) {
            run.state = State::InLane;
        }
    }

    pub(super) fn run_stops(&self, id: RunId) {
        self.lock().going.retain(|_, going| *going != id);
    }

    /// Invariant 2: what is journalled is not done again, and a record is created once. Called when the CRM does it.
    pub(super) fn done(&self, call: &Call) {
        let mut seen = self.lock();
        if let Some((run, id)) = call.idempotency_key.as_deref().and_then(call_of)
            && call.action.kind().is_none_or(|kind| !kind.is_read())
            && seen.done.contains(&(run, id.clone()))
        {
            seen.violations
                .push(format!("invariant 2: call {id} of run {run} is journalled, and done again"));
        }
        if let Action::Create { object, fields } = &call.action {
            let key = ["Ext__c", "Ref__c"].iter().find_map(|name| fields.get(*name)).unwrap();
            let identity = (object.to_string(), key.to_string());
            let times = seen.created.entry(identity.clone()).or_default();
            *times += 1;
            if *times > 1 {
                seen.violations.push(format!("invariant 2: {} {} is created twice", identity.0, identity.1));
            }
        }
    }
}

fn note(runs: &mut BTreeMap<RunId, Run>, changes: &[Change], now: Timestamp) {
    for change in changes {
        let (id, state) = match change {
            Change::Ended { run, .. } => (run, State::Ended),
            Change::Waiting { run, .. } => (run, State::OutOfLane),
            Change::Held { run, .. } | Change::Blocked { run } => (run, State::InLane),
            _ => continue,
        };
        if let Some(run) = runs.get_mut(id) {
            if run.state == State::OutOfLane {
                run.heeded_from = now + LET_GO;
            }
            run.state = state;
        }
    }
}

/// What a change means for the run that it is about.
fn told(change: &Change) -> Option<(RunId, String)> {
    match change {
        Change::Ended { run, outcome, .. } => Some((*run, outcome.to_string())),
        Change::Waiting { run, due, .. } => Some((*run, format!("waits until {due:.3}"))),
        Change::Held { run, due, connection, .. } => {
            Some((*run, format!("is held until {due:.3?}, {connection:?}")))
        }
        Change::Blocked { run } => Some((*run, "is blocked".to_owned())),
        _ => None,
    }
}

/// The run and the call of an idempotency key: `lockstep-<store>-<run>-<call>`, for an update with a hash behind it.
fn call_of(key: &str) -> Option<(RunId, CallId)> {
    let mut parts = key.split('-').skip(2);
    Some((RunId(parts.next()?.parse().ok()?), CallId(parts.next()?.into())))
}
