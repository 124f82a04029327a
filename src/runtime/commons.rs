//! What processes have to agree on before they call a system, over the store that they share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::connector::{CommonPace, CommonTurns, Commons, TakenTurns};
use crate::store::{Bucket, HeldBack, PaceName, Sharing, Store, Turns, TurnsAsked};

/// How often a process that is not sure of its work looks whether it is again.
const SURE_AGAIN: Duration = Duration::from_millis(50);

/// How often the store is asked which systems others have to leave alone.
const LISTEN: Duration = Duration::from_secs(1);

/// Agrees over a store.
pub(super) struct StoreCommons {
    store: Arc<dyn Store>,
    held: Held,
    #[expect(dead_code, reason = "held, to stop listening when it is dropped")]
    listening: AbortOnDropHandle<()>,
}

/// The paces over which nobody calls, and until when, as others have told.
type Held = Arc<Mutex<HashMap<[Arc<str>; 3], Instant>>>;

impl StoreCommons {
    /// `None` when this process has the store to itself.
    pub(super) fn over(store: &Arc<dyn Store>) -> Option<Arc<dyn Commons>> {
        store.sharing()?;
        let (store, held) = (Arc::clone(store), Held::default());
        let listening = AbortOnDropHandle::new(tokio::spawn(listen(Arc::clone(&store), Arc::clone(&held))));
        Some(Arc::new(Self { store, held, listening }))
    }

    fn sharing(&self) -> Option<&dyn Sharing> {
        self.store.sharing()
    }
}

/// Hears, for ever, of systems that have throttled other processes.
async fn listen(store: Arc<dyn Store>, held: Held) {
    let Some(sharing) = store.sharing() else { return };
    let mut ticks = interval(LISTEN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match sharing.held_back().await {
            Ok(all) => {
                let now = Instant::now();
                let all = all.into_iter().map(|HeldBack { client, connection, operation, wait }| {
                    ([client, connection, operation], now + wait)
                });
                *held.lock().unwrap_or_else(PoisonError::into_inner) = all.collect();
            }
            // What was heard last goes by, and who calls meanwhile is told by the system itself.
            Err(error) => tracing::debug!(%error, "it cannot be heard which systems throttle others"),
        }
    }
}

impl Commons for StoreCommons {
    fn callers(&self) -> u32 {
        self.sharing().map_or(1, |sharing| sharing.tenure().borrow().workers)
    }

    fn is_sure(&self) -> BoxFuture<'_, ()> {
        async move {
            while !self.store.works() {
                tokio::time::sleep(SURE_AGAIN).await;
            }
        }
        .boxed()
    }

    fn take_turns<'a>(&'a self, asked: CommonTurns<'a>) -> BoxFuture<'a, Result<TakenTurns, String>> {
        async move {
            let Some(sharing) = self.sharing() else { return Ok(TakenTurns::default()) };
            let bucket = |spacing: &crate::connector::Spacing| Bucket {
                interval: spacing.interval,
                burst: spacing.burst,
            };
            let buckets: Vec<Bucket> = asked.spacings.iter().map(bucket).collect();
            let (count, patience) = (asked.count, asked.patience);
            let asked = TurnsAsked { pace: name(asked.pace), buckets: &buckets, count, patience };
            let Turns { waits, next } =
                sharing.take_turns(asked).await.map_err(|failure| failure.to_string())?;
            Ok(TakenTurns { waits, next })
        }
        .boxed()
    }

    fn hold_back(&self, pace: CommonPace<'_>, wait: Duration) {
        let store = Arc::clone(&self.store);
        let CommonPace { client, connection, operation } = pace;
        let [client, connection, operation] = [client, connection, operation].map(Arc::<str>::from);
        tokio::spawn(async move {
            let pace = PaceName { client: &client, connection: &connection, operation: &operation };
            let Some(sharing) = store.sharing() else { return };
            if let Err(error) = sharing.hold_back(pace, wait).await {
                tracing::debug!(%error, "other processes were not told that a system throttles");
            }
        });
    }

    fn held(&self, pace: CommonPace<'_>) -> Duration {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_empty() {
            return Duration::ZERO;
        }
        let name = [pace.client, pace.connection, pace.operation].map(Arc::<str>::from);
        held.get(&name).map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }
}

fn name(pace: CommonPace<'_>) -> PaceName<'_> {
    PaceName { client: pace.client, connection: pace.connection, operation: pace.operation }
}
