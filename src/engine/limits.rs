//! How much the engine holds in memory and does at once.

use std::time::Duration;

/// The engine's bounds (invariant 7). The defaults hold about 32 MB of events and keep a slow client from taking
/// more than its share of the runs that go at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Runs in memory. More wait in the store.
    pub runs: usize,
    /// Bytes of events in memory.
    pub bytes: usize,
    /// Runs of one client that are carried out at once, when few clients have work.
    pub at_once: usize,
    /// Runs of one lane and key in memory; a busy key does not push the others out.
    pub lane: usize,
    /// How long one execution of a run may take, from its first to its last step. It is stopped then and taken up
    /// again from its journal, as after a crash.
    pub run_time: Duration,
    /// How often the store is looked at for what other processes did to it.
    pub look_around: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            runs: 1_024,
            bytes: 32 << 20,
            at_once: 64,
            lane: 32,
            run_time: Duration::from_mins(10),
            look_around: Duration::from_secs(1),
        }
    }
}
