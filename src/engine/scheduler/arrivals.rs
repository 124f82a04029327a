//! What arrivals are carried out with that wait to be found in the store.

use std::collections::HashMap;

use crate::engine::holdings::{Holdings, Tick};
use crate::engine::lanes::{Carried, Queued};
use crate::store::{QueuedRun, RunId, RunState};

/// Arrivals whose turn the store decides: what they are carried out with is kept, so that it is not read again.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    all: HashMap<RunId, (Carried, Tick, usize)>,
    bytes: usize,
    newest: RunId,
    /// True from the first that found no place until most have gone: what is kept is what comes next, without gaps, and
    /// whatever comes behind it is read ahead by the page.
    full: bool,
}

impl Arrivals {
    /// Bytes of events.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The newest of those that are kept, or were.
    pub(super) fn newest(&self) -> RunId {
        self.newest
    }

    /// Keeps what a run is carried out with, as long as there are not too many.
    pub(super) fn keep(&mut self, queued: Queued, since: Tick, limit: usize) {
        let Queued { run, carried: Some(carried) } = queued else { return };
        self.full = self.all.len() >= limit || (self.full && self.all.len() > limit / 8);
        if !self.full {
            self.newest = self.newest.max(run.id);
            let bytes = carried.weight(&run);
            self.bytes += bytes;
            if let Some((.., replaced)) = self.all.insert(run.id, (carried, since, bytes)) {
                self.bytes -= replaced;
            }
        }
    }

    /// What a run that was found in the store is carried out with, unless somebody else can have begun it.
    pub(super) fn take(&mut self, run: &QueuedRun, holdings: &Holdings) -> Option<Carried> {
        let (carried, since, bytes) = self.all.remove(&run.id)?;
        self.bytes -= bytes;
        let untouched = run.state == RunState::Ready && run.attempts == 0;
        (untouched && holdings.has_since(run.part, since)).then_some(carried)
    }

    /// Forgets them: the store has them all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
