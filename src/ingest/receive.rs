//! One delivery, from its arrival to its acknowledgement.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use bytes::Bytes;
use futures_util::future::{BoxFuture, try_join_all};
use jiff::Timestamp;
use serde::Serialize;

use super::hooks::Complaints;
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

/// The hooks of a dormant client, opened on the side and only to look at one delivery; nothing when that does not work.
pub type Door = Box<dyn Fn(Arc<str>) -> BoxFuture<'static, Result<Option<Hooks>, Refusal>> + Send + Sync>;

/// Calls a client that is dormant; done when it is open, or known to be broken.
pub type Rouse = Box<dyn Fn(Arc<str>) -> BoxFuture<'static, ()> + Send + Sync>;

/// What becomes of deliveries to clients that are dormant.
pub struct Calls {
    /// Proves them genuine before anybody is called.
    pub door: Door,
    /// Calls the client.
    pub rouse: Rouse,
}

/// The hooks that a delivery is looked at by.
pub(super) enum At {
    /// Those that are served.
    Open(Arc<Hooks>),
    /// Those of a dormant client: what is proved genuine by them has it called.
    Door(Box<Hooks>),
}

impl At {
    pub(super) fn hooks(&self) -> &Hooks {
        match self {
            Self::Open(hooks) => hooks,
            Self::Door(hooks) => hooks,
        }
    }
}

/// Takes deliveries in.
pub struct Ingest {
    calls: Calls,
    hooks: ArcSwap<Hooks>,
    engine: Arc<Engine>,
    clock: SharedClock,
    pub(super) metrics: Arc<Metrics>,
    /// The hooks of dormant clients are forgotten after each look: how often they complain is known here.
    pub(super) complained_at_door: Complaints,
}

impl Ingest {
    /// Takes in what comes to `hooks`, for `engine`.
    pub fn new(
        hooks: Hooks,
        engine: Arc<Engine>,
        calls: Calls,
        clock: SharedClock,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            hooks: ArcSwap::from_pointee(hooks),
            engine,
            calls,
            clock,
            metrics,
            complained_at_door: Complaints::default(),
        }
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
    async fn hooks_with(&self, client: &str) -> Arc<Hooks> {
        let hooks = self.hooks();
        let Some(dormant) = hooks.dormant(client).cloned() else { return hooks };
        (self.calls.rouse)(dormant).await;
        self.hooks()
    }

    /// The hooks by which a delivery to this client is looked at. A dormant one is called only when its door cannot be opened.
    pub(super) async fn hooks_at(&self, client: &str) -> Result<At, Refusal> {
        let hooks = self.hooks();
        let Some(dormant) = hooks.dormant(client).cloned() else { return Ok(At::Open(hooks)) };
        Ok(match (self.calls.door)(dormant).await? {
            Some(hooks) => At::Door(Box::new(hooks)),
            None => At::Open(self.hooks_with(client).await),
        })
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
