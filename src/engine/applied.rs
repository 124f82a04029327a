//! What runs have applied lately.
//!
//! A lane goes on when the outcome of a run is queued, before it is on disk. Whoever comes next in the lane must
//! know what was applied, so that is kept here from the queueing to the commit, and for a while after it: what the store
//! told some time ago stays good as long as everything that was applied since is known here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::store::Applied;

/// Client, pipeline, object.
type Key = (Arc<str>, Arc<str>, Arc<str>);

/// When an event happened, and its rank.
type Event = (Timestamp, u32);

/// So many are kept after their commit: a few times as many as runs are in memory.
const KEPT: usize = 4_096;

/// What was handed over shows in the store when so much has been settled after it at the latest: commits come to disk in order,
/// and each run in memory has no more than two of them on the way.
const ON_THE_WAY: u64 = 2_048;

/// When the store was asked something, counted by what had been applied before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Moment(u64);

/// What is on its way to the disk, and what came there last.
#[derive(Debug, Default)]
pub(super) struct Unsettled(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    all: HashMap<Key, Entry>,
    /// In the order in which they were settled.
    settled: VecDeque<(Moment, Key)>,
    now: Moment,
    /// What was settled up to then is perhaps not known any more.
    forgotten: Moment,
}

#[derive(Debug)]
struct Entry {
    newest: Event,
    /// Commits that it waits for.
    commits: usize,
    /// When it was settled last.
    settled: Moment,
}

impl Unsettled {
    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is known any more.
    pub(super) fn forget(&self) {
        let mut recent = self.lock();
        let now = recent.tick();
        *recent = Recent { now, forgotten: now, ..Recent::default() };
    }

    /// What is asked of the store from now on shows all that was settled up to this moment.
    pub(super) fn moment(&self) -> Moment {
        self.lock().now
    }

    /// It is queued.
    pub(super) fn queued(&self, applied: &Applied) {
        self.lock().entry(applied).commits += 1;
    }

    /// It is on disk, or could not be written.
    pub(super) fn settled(&self, applied: &Applied, written: bool) {
        let mut recent = self.lock();
        let key = key(applied);
        let Some(entry) = recent.all.get_mut(&key) else { return };
        entry.commits = entry.commits.saturating_sub(1);
        if written {
            recent.settle(key);
        } else if entry.commits == 0 {
            // The store has to be asked what was applied before.
            recent.all.remove(&key);
            recent.forgotten = recent.tick();
        }
    }

    /// It was handed over together with the first thing that its run has written.
    pub(super) fn begun(&self, applied: &Applied) {
        let mut recent = self.lock();
        recent.entry(applied);
        recent.settle(key(applied));
    }

    /// The newest that is not on disk yet. Asked before the store is, it leaves no moment in which neither knows.
    pub(super) fn newest(&self, client: &Arc<str>, pipeline: &Arc<str>, object: &Arc<str>) -> Option<Event> {
        let recent = self.lock();
        let entry = recent.all.get(&(Arc::clone(client), Arc::clone(pipeline), Arc::clone(object)))?;
        (entry.commits > 0).then_some(entry.newest)
    }

    /// The newest that the store could not show at `asked`; `Err` when that is not known any more.
    pub(super) fn since(
        &self,
        asked: Moment,
        client: &Arc<str>,
        pipeline: &Arc<str>,
        object: &Arc<str>,
    ) -> Result<Option<Event>, Forgotten> {
        let recent = self.lock();
        if recent.forgotten > asked {
            return Err(Forgotten);
        }
        let entry = recent.all.get(&(Arc::clone(client), Arc::clone(pipeline), Arc::clone(object)));
        Ok(entry.map(|entry| entry.newest))
    }
}

/// More was applied since than is kept, or the store did not say what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forgotten;

impl Recent {
    fn tick(&mut self) -> Moment {
        self.now.0 += 1;
        self.now
    }

    /// The entry of what it is applied to, which knows of it then.
    fn entry(&mut self, applied: &Applied) -> &mut Entry {
        let event = (applied.created, applied.rank);
        let new = Entry { newest: event, commits: 0, settled: Moment::default() };
        let entry = self.all.entry(key(applied)).or_insert(new);
        entry.newest = entry.newest.max(event);
        entry
    }

    /// An entry is kept for a while more, the oldest no longer.
    fn settle(&mut self, key: Key) {
        let now = self.tick();
        if let Some(entry) = self.all.get_mut(&key) {
            entry.settled = now;
            self.settled.push_back((now, key));
        }
        while self.settled.len() > KEPT {
            let Some((settled, key)) = self.settled.pop_front() else { break };
            // Who asked soon after it was handed over was perhaps not shown it.
            self.forgotten = self.forgotten.max(Moment(settled.0 + ON_THE_WAY));
            if self.all.get(&key).is_some_and(|entry| entry.commits == 0 && entry.settled == settled) {
                self.all.remove(&key);
            }
        }
    }
}

fn key(applied: &Applied) -> Key {
    (Arc::clone(&applied.client), Arc::clone(&applied.pipeline), Arc::clone(&applied.object))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn applied(object: &str, second: i64) -> Applied {
        Applied {
            client: "acme".into(),
            pipeline: "sync".into(),
            object: object.into(),
            created: at(second),
            rank: 0,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn newest(recent: &Unsettled, object: &str) -> Option<i64> {
        let newest = recent.newest(&"acme".into(), &"sync".into(), &object.into());
        newest.map(|(created, _)| created.as_second())
    }

    fn since(recent: &Unsettled, asked: Moment, object: &str) -> Result<Option<i64>, Forgotten> {
        let newest = recent.since(asked, &"acme".into(), &"sync".into(), &object.into())?;
        Ok(newest.map(|(created, _)| created.as_second()))
    }

    #[test]
    fn what_is_queued_is_known_until_it_is_on_disk() {
        let recent = Unsettled::default();
        recent.queued(&applied("cus_1", 20));
        recent.queued(&applied("cus_1", 10));
        recent.settled(&applied("cus_1", 20), true);
        assert_eq!(newest(&recent, "cus_1"), Some(20), "one more is on its way");
        recent.settled(&applied("cus_1", 10), true);
        assert_eq!(newest(&recent, "cus_1"), None);
    }

    #[test]
    fn what_the_store_told_earlier_is_completed_by_what_was_applied_since() {
        let recent = Unsettled::default();
        let asked = recent.moment();
        recent.queued(&applied("cus_1", 20));
        recent.settled(&applied("cus_1", 20), true);
        recent.begun(&applied("cus_2", 30));
        assert_eq!(since(&recent, asked, "cus_1"), Ok(Some(20)));
        assert_eq!(since(&recent, asked, "cus_2"), Ok(Some(30)));
        assert_eq!(since(&recent, asked, "cus_3"), Ok(None));
    }

    #[test]
    fn what_is_no_longer_known_is_said() {
        let recent = Unsettled::default();
        let (mut early, mut late) = (recent.moment(), recent.moment());
        for number in 0..=KEPT {
            recent.begun(&applied(&format!("cus_{number}"), 1));
            match u64::try_from(number).unwrap() {
                0 => early = recent.moment(),
                ON_THE_WAY => late = recent.moment(),
                _ => {}
            }
        }
        assert_eq!(since(&recent, early, "cus_0"), Err(Forgotten), "perhaps it was not on disk yet");
        assert_eq!(since(&recent, late, "cus_0"), Ok(None), "the store has shown it");
        assert_eq!(since(&recent, late, "cus_1"), Ok(Some(1)));
        let asked = recent.moment();
        recent.forget();
        assert_eq!(since(&recent, asked, "cus_1"), Err(Forgotten));
        assert_eq!(since(&recent, recent.moment(), "cus_1"), Ok(None));
    }

    #[test]
    fn what_could_not_be_written_is_asked_of_the_store() {
        let recent = Unsettled::default();
        let asked = recent.moment();
        recent.queued(&applied("cus_1", 20));
        recent.settled(&applied("cus_1", 20), false);
        assert_eq!(since(&recent, asked, "cus_1"), Err(Forgotten));
        assert_eq!(newest(&recent, "cus_1"), None);
    }
}
