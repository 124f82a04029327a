//! What processes have to agree on before they call a system, over the store that they share.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::connector::{CommonPace, CommonTurns, Commons, TakenTurns};
use crate::store::{Bucket, PaceName, Sharing, Store, Turns, TurnsAsked};

/// How often a process that is not sure of its work looks whether it is again.
const SURE_AGAIN: Duration = Duration::from_millis(50);

/// Agrees over a store.
pub(super) struct StoreCommons(Arc<dyn Store>);

impl StoreCommons {
    /// `None` when this process has the store to itself.
    pub(super) fn over(store: &Arc<dyn Store>) -> Option<Arc<dyn Commons>> {
        store.sharing()?;
        Some(Arc::new(Self(Arc::clone(store))))
    }

    fn sharing(&self) -> Option<&dyn Sharing> {
        self.0.sharing()
    }
}

impl Commons for StoreCommons {
    fn callers(&self) -> u32 {
        self.sharing().map_or(1, |sharing| sharing.tenure().borrow().workers)
    }

    fn is_sure(&self) -> BoxFuture<'_, ()> {
        async move {
            while !self.0.works() {
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
        let store = Arc::clone(&self.0);
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
}

fn name(pace: CommonPace<'_>) -> PaceName<'_> {
    PaceName { client: pace.client, connection: pace.connection, operation: pace.operation }
}
