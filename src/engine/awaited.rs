//! Runs that came in and were left to the store, until it was asked for them: nobody overtakes them meanwhile.

use std::collections::BTreeMap;

use super::lanes::{LaneKey, Standing, key_of, standing};
use crate::store::{Parts, QueuedRun};

/// One client's awaited runs. Each is awaited no longer than until the next load that begins after it came in has been answered: what that does
/// not bring is beyond memory, where the order is that of arrival.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    /// Where they stand in their lanes, and which load will bring them at the latest.
    lanes: BTreeMap<LaneKey, BTreeMap<Standing, u64>>,
    /// How many loads have begun.
    loads: u64,
}

impl Awaited {
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// A run was left to the store: a load that is under way may not see it.
    pub(super) fn add(&mut self, run: &QueuedRun) {
        self.lanes.entry(key_of(run)).or_default().insert(standing(run), self.loads + 1);
    }

    /// True when somebody is awaited who goes before whoever stands there.
    pub(super) fn goes_before(&self, key: &LaneKey, standing: &Standing) -> bool {
        let first = self.lanes.get(key).and_then(BTreeMap::first_key_value);
        first.is_some_and(|(first, _)| first < standing)
    }

    /// The store has told of a run.
    pub(super) fn found(&mut self, run: &QueuedRun) {
        let key = key_of(run);
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.remove(&standing(run));
            if lane.is_empty() {
                self.lanes.remove(&key);
            }
        }
    }

    pub(super) fn load_begins(&mut self) {
        self.loads += 1;
    }

    /// The last load that began was answered. Gives the lanes in which fewer are awaited.
    pub(super) fn load_answered(&mut self) -> Vec<LaneKey> {
        let mut changed = Vec::new();
        let loads = self.loads;
        self.lanes.retain(|key, lane| {
            let before = lane.len();
            lane.retain(|_, load| *load > loads);
            if lane.len() < before {
                changed.push(key.clone());
            }
            !lane.is_empty()
        });
        changed
    }

    /// These partitions are another process's.
    pub(super) fn forget(&mut self, parts: Parts) {
        self.lanes.retain(|key, _| !parts.has(key.2));
    }
}
