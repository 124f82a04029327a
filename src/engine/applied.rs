//! What runs have applied and the store does not show yet.
//!
//! A lane goes on when the outcome of a run is queued, before it is on disk. Whoever comes next in the lane must
//! know what was applied, so that is kept here from the queueing to the commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::store::Applied;

/// Client, pipeline, object.
type Key = (Arc<str>, Arc<str>, Arc<str>);

/// What is on its way to the disk: at most as much as there are runs in memory.
#[derive(Debug, Default)]
pub(super) struct Unsettled(Mutex<HashMap<Key, Entry>>);

#[derive(Debug)]
struct Entry {
    newest: (Timestamp, u32),
    /// Commits that it waits for.
    commits: usize,
}

impl Unsettled {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is on its way any more.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    /// It is queued.
    pub(super) fn queued(&self, applied: &Applied) {
        let event = (applied.created, applied.rank);
        let mut all = self.lock();
        let entry = all.entry(key(applied)).or_insert(Entry { newest: event, commits: 0 });
        entry.newest = entry.newest.max(event);
        entry.commits += 1;
    }

    /// It is on disk, or could not be written.
    pub(super) fn settled(&self, applied: &Applied) {
        let mut all = self.lock();
        if let Some(entry) = all.get_mut(&key(applied)) {
            entry.commits -= 1;
            if entry.commits == 0 {
                all.remove(&key(applied));
            }
        }
    }

    /// The newest that is queued. Asked before the store is, it leaves no moment in which neither knows.
    pub(super) fn newest(
        &self,
        client: &Arc<str>,
        pipeline: &Arc<str>,
        object: &Arc<str>,
    ) -> Option<(Timestamp, u32)> {
        let key = (Arc::clone(client), Arc::clone(pipeline), Arc::clone(object));
        self.lock().get(&key).map(|entry| entry.newest)
    }
}

fn key(applied: &Applied) -> Key {
    (Arc::clone(&applied.client), Arc::clone(&applied.pipeline), Arc::clone(&applied.object))
}
