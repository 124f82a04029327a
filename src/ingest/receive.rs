//! One delivery, from its arrival to its acknowledgement.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use bytes::Bytes;
use futures_util::future::{BoxFuture, try_join_all};
use jiff::Timestamp;
use serde::Serialize;

use super::{Hooks, Refusal};
use crate::clock::SharedClock;
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::store::Accepted;

/// What somebody posted.
#[derive(Debug)]
pub struct Delivery {
    /// The client of the address.
    pub client: String,
    /// The connection of the address.
    pub connection: String,
    /// The address's path and query, as they were called.
    pub target: String,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The body, byte for byte: a signature is over these.
    pub body: Bytes,
}

/// What the sender is told when its event is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The id of the event, of the first where there are several.
    pub event: Arc<str>,
    /// How many events the delivery held, when more than one.
    #[serde(skip_serializing_if = "is_one")]
    pub events: usize,
    /// True when all of them were there already; their runs are not started again.
    pub duplicate: bool,
    /// How many runs they started.
    pub runs: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_one(count: &usize) -> bool {
    *count == 1
}

/// Calls a client that is dormant; done when it is open, or known to be broken.
pub type Rouse = Box<dyn Fn(Arc<str>) -> BoxFuture<'static, ()> + Send + Sync>;

/// Takes deliveries in.
pub struct Ingest {
    rouse: Rouse,
    hooks: ArcSwap<Hooks>,
    engine: Arc<Engine>,
    clock: SharedClock,
    pub(super) metrics: Arc<Metrics>,
}

impl Ingest {
    /// Takes in what comes to `hooks`, for `engine`.
    pub fn new(
        hooks: Hooks,
        engine: Arc<Engine>,
        rouse: Rouse,
        clock: SharedClock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { hooks: ArcSwap::from_pointee(hooks), engine, rouse, clock, metrics }
    }

    /// Serves these addresses from now on; deliveries that are being taken in go on at their own.
    pub fn serve(&self, hooks: Hooks) {
        self.hooks.store(Arc::new(hooks));
    }

    /// The addresses that are served.
    pub fn hooks(&self) -> Arc<Hooks> {
        self.hooks.load_full()
    }

    /// The addresses that are served, with those of this client: it is called when it is dormant.
    pub(super) async fn hooks_with(&self, client: &str) -> Arc<Hooks> {
        let hooks = self.hooks();
        let Some(dormant) = hooks.dormant(client).cloned() else { return hooks };
        (self.rouse)(dormant).await;
        self.hooks()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes one delivery in. Acknowledged means on disk, and a delivery that is not proved genuine leaves nothing
    /// behind (invariant 1).
    pub async fn receive(&self, delivery: Delivery) -> Result<Receipt, Refusal> {
        let hooks = self.hooks_with(&delivery.client).await;
        let hook = hooks.find(&delivery.client, &delivery.connection)?;
        let incoming = hook.open(&delivery, self.now())?;
        let first = incoming.first().map(|incoming| Arc::clone(&incoming.id)).unwrap_or_default();
        let mut receipt = Receipt { event: first, events: incoming.len(), duplicate: true, runs: 0 };
        // All of them before the answer. When one cannot be kept the sender repeats all, and those that are known run once.
        let accepted =
            try_join_all(incoming.into_iter().map(|incoming| self.engine.accept(incoming))).await?;
        for accepted in accepted {
            match accepted {
                Accepted::New { runs, .. } => {
                    self.metrics.received(hook.client(), hook.connection());
                    receipt.duplicate = false;
                    receipt.runs += runs.len();
                }
                Accepted::Duplicate => self.metrics.duplicate(hook.client(), hook.connection()),
            }
        }
        Ok(receipt)
    }
}
