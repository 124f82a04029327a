//! What the processes that call the same systems have to agree on.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

/// What the processes that call the same systems have to agree on: a store that they share carries it.
pub trait Commons: Send + Sync {
    /// How many processes make calls, this one included.
    fn callers(&self) -> u32;

    /// Waits while others may have taken over what this process is at.
    fn is_sure(&self) -> BoxFuture<'_, ()>;

    /// Takes turns out of a pace that all keep. Says why it cannot.
    fn take_turns<'a>(&'a self, asked: CommonTurns<'a>) -> BoxFuture<'a, Result<TakenTurns, String>>;

    /// Tells all that nobody calls over this pace before so much time has passed. Returns at once.
    fn hold_back(&self, pace: CommonPace<'_>, wait: Duration);

    /// For how long nobody calls over this pace, as others have told; they are heard of within a second or two. A pace
    /// with rates of which turns are taken knows by itself.
    fn held(&self, pace: CommonPace<'_>) -> Duration;
}

/// Names a pace that all keep.
#[derive(Debug, Clone, Copy)]
pub struct CommonPace<'a> {
    /// The client.
    pub client: &'a str,
    /// The connection.
    pub connection: &'a str,
    /// The place of an operation with a rate of its own, or `held:` and its name where a system throttles it alone; empty
    /// for the connection.
    pub operation: &'a str,
}

/// A rate: this much time for each call, and so much of it ahead of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spacing {
    /// How much time one call takes up.
    pub interval: Duration,
    /// How much may be taken up ahead of time.
    pub burst: Duration,
}

/// A wish for turns.
#[derive(Debug, Clone, Copy)]
pub struct CommonTurns<'a> {
    /// Of what.
    pub pace: CommonPace<'a>,
    /// Its rates, all of which hold.
    pub spacings: &'a [Spacing],
    /// How many, at most.
    pub count: usize,
    /// Turns that are further off are not taken.
    pub patience: Duration,
}

/// Turns that were taken.
#[derive(Debug, Clone, Default)]
pub struct TakenTurns {
    /// How long each has to wait, the next one first.
    pub waits: Vec<Duration>,
    /// When there is none: how far off the next one is.
    pub next: Duration,
}

/// How many calls of one connection are under way at once: this process's share of what the connection allows.
#[derive(Debug)]
pub(super) struct Slots {
    limit: u32,
    semaphore: Semaphore,
    /// How many slots there are here, taken or free.
    size: Mutex<usize>,
}

impl Slots {
    pub(super) fn new(limit: u32) -> Self {
        let size = limit as usize;
        Self { limit, semaphore: Semaphore::new(size), size: Mutex::new(size) }
    }

    /// Waits for a slot, of those that are left to one of so many callers. Each has one at least.
    pub(super) async fn take(&self, callers: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.fit((self.limit / callers.max(1)).max(1) as usize);
        self.semaphore.acquire().await
    }

    /// What is taken now stays taken: it is fewer as soon as calls have ended.
    fn fit(&self, wanted: usize) {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if *size < wanted {
            self.semaphore.add_permits(wanted - *size);
            *size = wanted;
        } else {
            *size -= self.semaphore.forget_permits(*size - wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[tokio::test]
    async fn slots_are_shared_between_callers_and_each_has_one() {
        let slots = Slots::new(6);
        let taken = [slots.take(1).await.unwrap(), slots.take(1).await.unwrap()];
        drop(slots.take(2).await.unwrap());
        assert_eq!(slots.semaphore.available_permits(), 1, "three of six, two of them taken");
        drop(taken);
        drop(slots.take(9).await.unwrap());
        assert_eq!(slots.semaphore.available_permits(), 1);
        drop(slots.take(1).await.unwrap());
        assert_eq!(slots.semaphore.available_permits(), 6);
    }
}
