//! The life of one process: it ends at a point that was chosen before it began.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// One process. What is about to happen is a point; at the last one it dies, and nothing more happens in it.
pub(super) struct Life {
    alive: AtomicBool,
    left: AtomicU64,
    died: Notify,
}

impl Life {
    /// Dies at the `points`-th point.
    pub(super) fn of(points: u64) -> Self {
        Self { alive: AtomicBool::new(true), left: AtomicU64::new(points), died: Notify::new() }
    }

    pub(super) fn is_over(&self) -> bool {
        !self.alive.load(Ordering::SeqCst)
    }

    /// Reaches a point. False: the process is dead, and what was about to happen does not.
    pub(super) fn goes_on(&self) -> bool {
        if self.is_over() {
            return false;
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 1 {
            self.alive.store(false, Ordering::SeqCst);
            self.died.notify_one();
            return false;
        }
        true
    }

    /// Reaches a point, and never gets beyond the last one.
    pub(super) async fn point(&self) {
        if !self.goes_on() {
            pending::<()>().await;
        }
    }

    /// Waits for the end.
    pub(super) async fn ends(&self) {
        if !self.is_over() {
            self.died.notified().await;
        }
    }
}
