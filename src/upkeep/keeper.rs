//! The tasks that run beside everything else for as long as a runtime does.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::seal::seal_all;
use super::sweep::{Sweep, Swept};
use crate::clock::SharedClock;
use crate::store::{Erasure, ErasureFilter, Store, StoreError};

/// What is kept for less than this is not kept at all for a person who looks into why something happened: systems
/// deliver an event again for up to three days, and a weekend is two.
pub const RETAIN_MIN: Duration = Duration::from_hours(4 * 24);

/// How long an entry waits to be sealed, at most about.
const SEAL_EVERY: Duration = Duration::from_secs(1);

/// How long it waits when sealing fails.
const SEAL_AGAIN: Duration = Duration::from_secs(30);

/// How often the log is told where the chain stands: whoever keeps the log elsewhere has a head to hold it against.
const TELL_EVERY: Duration = Duration::from_hours(1);

/// How often what is old is erased.
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// The tasks that keep a store in order.
pub struct Upkeep {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Upkeep {
    /// Starts to seal the audit; and, with `retain`, to erase what is older.
    pub fn start(store: &Arc<dyn Store>, clock: &SharedClock, retain: Option<Duration>) -> Self {
        let mut upkeep = Self { stop: CancellationToken::new(), tasks: Vec::new() };
        upkeep.spawn(Sealing { store: Arc::clone(store), head: String::new() }.go_on());
        if let Some(retain) = retain {
            let retention = Retention { store: Arc::clone(store), clock: Arc::clone(clock), retain };
            upkeep.spawn(retention.go_on());
        }
        upkeep
    }

    fn spawn(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.push(tokio::spawn(async move {
            // Cut off between two questions to the store: each of them is whole there.
            stop.run_until_cancelled(work).await;
        }));
    }

    /// Stops. What was begun in the store is done there, and what was not goes on at the next start.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "the upkeep of the store broke down");
            }
        }
    }
}

/// Seals the audit.
struct Sealing {
    store: Arc<dyn Store>,
    /// The head that the log was told last.
    head: String,
}

impl Sealing {
    async fn go_on(mut self) {
        let mut told: Option<tokio::time::Instant> = None;
        loop {
            let pause = match seal_all(&*self.store).await {
                Ok(_) => {
                    if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                        told = Some(tokio::time::Instant::now());
                        self.tell().await;
                    }
                    SEAL_EVERY
                }
                Err(error) => {
                    tracing::warn!(%error, "the audit could not be sealed");
                    SEAL_AGAIN
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn tell(&mut self) {
        let Ok(state) = self.store.chain().await else { return };
        let head = state.head.to_string();
        if state.head.number > 0 && head != self.head {
            tracing::info!(%head, "the audit is sealed up to here");
            self.head = head;
        }
    }
}

/// Erases what is old.
struct Retention {
    store: Arc<dyn Store>,
    clock: SharedClock,
    retain: Duration,
}

impl Retention {
    async fn go_on(self) {
        loop {
            match self.sweep().await {
                Ok(Swept { events: 0, .. }) => {}
                Ok(swept) => tracing::info!(
                    events = swept.events,
                    entries = swept.entries,
                    dead = swept.dead.events,
                    "erased by retention"
                ),
                Err(error) => tracing::warn!(%error, "what is old could not be erased"),
            }
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        let age = SignedDuration::try_from(self.retain).unwrap_or(SignedDuration::MAX);
        let before = self.clock.now().checked_sub(age).unwrap_or(Timestamp::MIN);
        let filter = ErasureFilter::Before { before, client: None };
        let sweep = Sweep { filter, why: Erasure::Retention, by: "retention".into() };
        sweep.carry_out(&*self.store, &*self.clock).await
    }
}
