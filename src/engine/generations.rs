//! The pipelines as they are, and as they were a while ago.

use std::collections::VecDeque;
use std::sync::Arc;

use super::runnable::{Runnable, Runnables};
use crate::store::Version;

/// How many changes of the project are remembered. A run that has begun seldom outlives one.
const REMEMBERED: usize = 8;

/// The pipelines of all clients, and those that they replaced: a run that has journalled a call finishes with the
/// version that it began with (invariant 6). Remembered within one process.
#[derive(Debug, Clone, Default)]
pub(super) struct Generations {
    /// The present one first.
    all: VecDeque<Runnables>,
    none: Runnables,
}

impl Generations {
    pub(super) fn new(present: Runnables) -> Self {
        Self { all: VecDeque::from([present]), none: Runnables::default() }
    }

    /// The pipelines as they are.
    pub(super) fn present(&self) -> &Runnables {
        self.all.front().unwrap_or(&self.none)
    }

    /// One version of a pipeline.
    pub(super) fn version(
        &self,
        client: &str,
        pipeline: &str,
        version: &Version,
    ) -> Option<&Arc<dyn Runnable>> {
        let candidates = self.all.iter().filter_map(|generation| generation.get(client, pipeline));
        candidates.into_iter().find(|candidate| candidate.version() == *version)
    }

    /// These, and before them what was.
    pub(super) fn followed_by(&self, present: Runnables) -> Self {
        let mut all = self.all.clone();
        all.truncate(REMEMBERED);
        all.push_front(present);
        Self { all, none: Runnables::default() }
    }
}
