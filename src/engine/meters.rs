//! What the engine counts, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::connector::Class;
use crate::store::Outcome;

/// Upper bounds of the lag histogram's buckets, in seconds: from "at once" to an hour.
pub const LAG_BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0, 900.0, 3600.0];

/// Counters of the engine: one atomic addition each, read when `/metrics` is asked for.
#[derive(Debug, Default)]
pub struct Meters {
    events_new: AtomicU64,
    events_duplicate: AtomicU64,
    events_refused: AtomicU64,
    runs: [AtomicU64; Outcome::ALL.len()],
    attempts_failed: [AtomicU64; Class::ALL.len()],
    calls_ok: AtomicU64,
    calls_failed: [AtomicU64; Class::ALL.len()],
    in_memory: AtomicU64,
    running: AtomicU64,
    paused: AtomicU64,
    lag: [AtomicU64; LAG_BOUNDS.len() + 1],
    lag_micros: AtomicU64,
}

/// What the meters show at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct MeterReading {
    /// Events that were new.
    pub events_new: u64,
    /// Events that were there already.
    pub events_duplicate: u64,
    /// Events that were not taken because too many waited, or the store failed.
    pub events_refused: u64,
    /// Runs that ended, by outcome.
    pub runs: Vec<(Outcome, u64)>,
    /// Executions of runs that failed, by the failure's class.
    pub attempts_failed: Vec<(Class, u64)>,
    /// Calls that did what was asked.
    pub calls_ok: u64,
    /// Calls that did not, by class.
    pub calls_failed: Vec<(Class, u64)>,
    /// Runs held in memory.
    pub in_memory: u64,
    /// Runs being carried out.
    pub running: u64,
    /// Connections that are paused.
    pub paused: u64,
    /// From the receipt of an event to the end of its run: how many took at most so many seconds, in the bounds of
    /// [`LAG_BOUNDS`], each bucket for itself; the last one has no bound.
    pub lag: Vec<u64>,
    /// The sum of all these times, in seconds.
    pub lag_sum: f64,
}

impl Meters {
    /// What they show now.
    pub fn read(&self) -> MeterReading {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let by_class =
            |counters: &[AtomicU64]| Class::ALL.into_iter().zip(counters.iter().map(get)).collect();
        MeterReading {
            events_new: get(&self.events_new),
            events_duplicate: get(&self.events_duplicate),
            events_refused: get(&self.events_refused),
            runs: Outcome::ALL.into_iter().zip(self.runs.iter().map(get)).collect(),
            attempts_failed: by_class(&self.attempts_failed),
            calls_ok: get(&self.calls_ok),
            calls_failed: by_class(&self.calls_failed),
            in_memory: get(&self.in_memory),
            running: get(&self.running),
            paused: get(&self.paused),
            lag: self.lag.iter().map(get).collect(),
            lag_sum: Duration::from_micros(get(&self.lag_micros)).as_secs_f64(),
        }
    }

    pub(super) fn event(&self, new: bool) {
        add(if new { &self.events_new } else { &self.events_duplicate });
    }

    pub(super) fn refused(&self) {
        add(&self.events_refused);
    }

    pub(super) fn ended(&self, outcome: Outcome, lag: Duration) {
        add(&self.runs[position(&Outcome::ALL, outcome)]);
        let seconds = lag.as_secs_f64();
        let bucket = LAG_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(LAG_BOUNDS.len());
        add(&self.lag[bucket]);
        let micros = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        self.lag_micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(super) fn attempt_failed(&self, class: Class) {
        add(&self.attempts_failed[position(&Class::ALL, class)]);
    }

    pub(super) fn called(&self, failed: Option<Class>) {
        match failed {
            None => add(&self.calls_ok),
            Some(class) => add(&self.calls_failed[position(&Class::ALL, class)]),
        }
    }

    pub(super) fn set_load(&self, in_memory: usize, running: usize) {
        self.in_memory.store(in_memory as u64, Ordering::Relaxed);
        self.running.store(running as u64, Ordering::Relaxed);
    }

    pub(super) fn set_paused(&self, connections: usize) {
        self.paused.store(connections as u64, Ordering::Relaxed);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Where `one` stands in the list of all of its kind.
fn position<T: PartialEq>(all: &[T], one: T) -> usize {
    all.iter().position(|other| *other == one).unwrap_or(0)
}
