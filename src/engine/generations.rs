//! The pipelines as they are, and as they were a while ago.

use std::collections::VecDeque;
use std::sync::Arc;

use super::runnable::{Runnable, Runnables};
use crate::store::Version;

/// How many earlier versions are at hand. Runs that have begun seldom outlive a change, and what is not at hand is
/// fetched from the archive.
const REMEMBERED: usize = 64;

/// The pipelines of all clients, and some that they replaced: a run that has journalled a call finishes with the
/// version that it began with (invariant 6).
#[derive(Debug, Clone, Default)]
pub(super) struct Generations {
    present: Arc<Runnables>,
    /// The latest first.
    past: VecDeque<Past>,
}

/// A pipeline as it was.
#[derive(Clone)]
struct Past {
    client: Arc<str>,
    runnable: Arc<dyn Runnable>,
}

impl std::fmt::Debug for Past {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}@{}", self.client, self.runnable.name(), self.runnable.version())
    }
}

impl Generations {
    pub(super) fn new(present: Runnables) -> Self {
        Self { present: Arc::new(present), past: VecDeque::new() }
    }

    /// The pipelines as they are.
    pub(super) fn present(&self) -> &Runnables {
        &self.present
    }

    /// One version of a pipeline, when it is at hand.
    pub(super) fn version(
        &self,
        client: &str,
        pipeline: &str,
        version: &Version,
    ) -> Option<&Arc<dyn Runnable>> {
        let of_client = self.past.iter().filter(|past| &*past.client == client).map(|past| &past.runnable);
        let candidates = self.present.get(client, pipeline).into_iter().chain(of_client);
        candidates.into_iter().find(|it| &**it.name() == pipeline && it.version() == *version)
    }

    /// These pipelines, and before them what was.
    pub(super) fn followed_by(&self, present: Runnables) -> Self {
        let replaced = self.present.all().filter(|(client, runnable)| {
            let next = present.get(client, runnable.name());
            next.is_none_or(|next| next.version() != runnable.version())
        });
        let replaced: Vec<Past> = replaced
            .map(|(client, runnable)| Past { client: Arc::clone(client), runnable: Arc::clone(runnable) })
            .collect();
        let past = replaced.into_iter().chain(self.past.iter().cloned()).take(REMEMBERED).collect();
        Self { present: Arc::new(present), past }
    }

    /// These pipelines, and an earlier one at hand.
    pub(super) fn remembering(&self, client: &Arc<str>, runnable: &Arc<dyn Runnable>) -> Self {
        let past = Past { client: Arc::clone(client), runnable: Arc::clone(runnable) };
        let past = std::iter::once(past).chain(self.past.iter().cloned()).take(REMEMBERED).collect();
        Self { present: Arc::clone(&self.present), past }
    }
}
