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

/// When a process looks again whether it is the one that erases: should that one die, it is taken over within seconds.
const OTHERS: Duration = Duration::from_secs(5);

/// How often it looks while it erases whether it still is.
const STILL_OURS: Duration = Duration::from_secs(1);

/// What one process at a time does, of those that share a store.
pub trait Turn: Send + Sync {
    /// True while no other process can have taken it over.
    fn is_held(&self) -> bool;
}

/// Gives this process the turn to erase; `None` while it is another one's.
pub type Turns = Box<dyn Fn() -> Option<Box<dyn Turn>> + Send + Sync>;

/// The tasks that keep a store in order.
pub struct Upkeep {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Upkeep {
    /// Starts to seal the audit; and, with `retain`, to erase what is older, whenever `turns` says that it is this process
    /// that does so.
    pub fn start(
        store: &Arc<dyn Store>,
        clock: &SharedClock,
        retain: Option<Duration>,
        turns: Turns,
    ) -> Self {
        let mut upkeep = Self { stop: CancellationToken::new(), tasks: Vec::new() };
        upkeep.spawn(Sealing { store: Arc::clone(store), head: String::new() }.go_on());
        if let Some(retain) = retain {
            let retention = Retention { store: Arc::clone(store), clock: Arc::clone(clock), retain, turns };
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
    turns: Turns,
}

impl Retention {
    async fn go_on(self) {
        loop {
            let pause = match (self.turns)() {
                None => OTHERS,
                Some(turn) => {
                    tokio::select! {
                        swept = self.sweep() => Self::tell(swept),
                        () = is_lost(&*turn) => tracing::info!("another process erases what is old"),
                    }
                    SWEEP_EVERY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn tell(swept: Result<Swept, StoreError>) {
        match swept {
            Ok(swept) if swept.is_nothing() => {}
            Ok(swept) => tracing::info!(
                events = swept.events,
                entries = swept.entries,
                records = swept.records,
                dead = swept.dead.events,
                "erased by retention"
            ),
            Err(error) => tracing::warn!(%error, "what is old could not be erased"),
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

/// Done when another process may have taken over. What was begun in the store is done there: erasing is whole at each
/// batch.
async fn is_lost(turn: &dyn Turn) {
    while turn.is_held() {
        tokio::time::sleep(STILL_OURS).await;
    }
}
