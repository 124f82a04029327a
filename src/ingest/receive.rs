//! One delivery, from its arrival to its acknowledgement.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use bytes::Bytes;
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
    /// The request's headers.
    pub headers: HeaderMap,
    /// The body, byte for byte: a signature is over these.
    pub body: Bytes,
}

/// What the sender is told when its event is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The sender's id of the event.
    pub event: Arc<str>,
    /// True when it was there already; its runs are not started again.
    pub duplicate: bool,
    /// How many runs it started.
    pub runs: usize,
}

/// Takes deliveries in.
pub struct Ingest {
    hooks: ArcSwap<Hooks>,
    engine: Arc<Engine>,
    clock: SharedClock,
    pub(super) metrics: Arc<Metrics>,
}

impl Ingest {
    /// Takes in what comes to `hooks`, for `engine`.
    pub fn new(hooks: Hooks, engine: Arc<Engine>, clock: SharedClock, metrics: Arc<Metrics>) -> Self {
        Self { hooks: ArcSwap::from_pointee(hooks), engine, clock, metrics }
    }

    /// Serves these addresses from now on; deliveries that are being taken in go on at their own.
    pub fn serve(&self, hooks: Hooks) {
        self.hooks.store(Arc::new(hooks));
    }

    /// The addresses that are served.
    pub fn hooks(&self) -> Arc<Hooks> {
        self.hooks.load_full()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes one delivery in. Acknowledged means on disk, and a delivery that is not proved genuine leaves nothing
    /// behind (invariant 1).
    pub async fn receive(&self, delivery: Delivery) -> Result<Receipt, Refusal> {
        let hooks = self.hooks.load_full();
        let hook = hooks.find(&delivery.client, &delivery.connection)?;
        let incoming = hook.open(&delivery, self.now())?;
        let event = Arc::clone(&incoming.id);
        let accepted = self.engine.accept(incoming).await?;
        Ok(match accepted {
            Accepted::New { runs, .. } => {
                self.metrics.received(hook.client(), hook.connection());
                Receipt { event, duplicate: false, runs: runs.len() }
            }
            Accepted::Duplicate => {
                self.metrics.duplicate(hook.client(), hook.connection());
                Receipt { event, duplicate: true, runs: 0 }
            }
        })
    }
}
