//! The engine's door: starting it, handing it events, stopping it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::incoming::Incoming;
use super::jitter::Jitter;
use super::limits::Limits;
use super::meters::Meters;
use super::program::{Program, Programs};
use crate::clock::SharedClock;
use crate::connector::Gateway;
use crate::store::{Accepted, NewEvent, NewRun, Outcome, Place, Store, StoreError};

/// What an engine is made of.
pub struct EngineOptions {
    /// The pipelines of all clients.
    pub programs: Programs,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What carries calls out.
    pub gateway: Arc<dyn Gateway>,
    /// The time.
    pub clock: SharedClock,
    /// What spreads delays.
    pub jitter: Jitter,
    /// How much is held in memory and done at once.
    pub limits: Limits,
}

/// Why an event was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AcceptError {
    /// The client has no pipelines that can run: it is unknown, or never passed its checks.
    #[error("client `{client}` has no pipelines that can run")]
    NoClient {
        /// The client.
        client: Arc<str>,
    },
    /// The engine is being stopped: another one will take the event when it is sent again.
    #[error("lockstep is being stopped")]
    Stopping,
    /// The store could not keep it; [`StoreError::Busy`] asks to come back shortly.
    #[error("the event could not be kept")]
    Store(#[from] StoreError),
}

/// Carries out the runs of a store.
pub struct Engine {
    programs: Arc<ArcSwap<Programs>>,
    store: Arc<dyn Store>,
    clock: SharedClock,
    meters: Arc<Meters>,
}

impl Engine {
    /// Takes up what is unfinished in the store, and begins.
    pub async fn start(options: EngineOptions) -> Result<Self, StoreError> {
        options.store.take_up().await?;
        Ok(Self {
            programs: Arc::new(ArcSwap::from_pointee(options.programs)),
            store: options.store,
            clock: options.clock,
            meters: Arc::default(),
        })
    }

    /// Takes an event. Answered means on disk, together with the runs that it starts (invariant 1); an event
    /// that was there before starts none.
    pub async fn accept(&self, incoming: Incoming) -> Result<Accepted, AcceptError> {
        let programs = self.programs.load_full();
        if !programs.has(&incoming.client) {
            return Err(AcceptError::NoClient { client: incoming.client });
        }
        let event = event_of(&programs, &incoming, self.clock.now());
        let stored = self.store.accept(vec![event]).await;
        let accepted = stored.inspect_err(|_| self.meters.refused())?.pop().unwrap_or(Accepted::Duplicate);
        self.meters.event(matches!(accepted, Accepted::New { .. }));
        Ok(accepted)
    }

    /// Replaces the pipelines: runs that begin from now on use the new ones; those that have journalled a call
    /// finish with the version that they began with.
    pub fn replace(&self, programs: Programs) {
        self.programs.store(Arc::new(programs));
    }

    /// Looks for due runs at once, for instance after a dead letter was made ready again.
    pub fn wake(&self) {}

    /// What the engine counts.
    pub fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// Stops: takes no more events, begins no run, lets those that are being carried out finish within `grace`,
    /// and writes everything down. What does not finish is carried on by the next start.
    pub async fn shutdown(&self, grace: Duration) -> Result<(), StoreError> {
        tokio::time::sleep(grace.min(Duration::ZERO)).await;
        self.store.close().await
    }
}

/// The event as it is stored, with the runs that it starts.
fn event_of(programs: &Programs, incoming: &Incoming, received: jiff::Timestamp) -> NewEvent {
    let runs: Vec<NewRun> = if incoming.unfit.is_some() {
        Vec::new()
    } else {
        programs
            .of(&incoming.client)
            .filter(|program| program.starts_on(incoming))
            .map(|program| run_of(&**program, incoming))
            .collect()
    };
    let ended = match &incoming.unfit {
        Some(reason) => Some((Outcome::Conflict, reason.clone())),
        None if runs.is_empty() => {
            Some((Outcome::Skipped, format!("no pipeline of this client listens for {}", incoming.kind)))
        }
        None => None,
    };
    NewEvent {
        client: Arc::clone(&incoming.client),
        connection: Arc::clone(&incoming.connection),
        id: Arc::clone(&incoming.id),
        kind: Arc::clone(&incoming.kind),
        object_kind: incoming.object_kind.clone(),
        object: incoming.object.clone(),
        source: incoming.source,
        created: incoming.created,
        received,
        body: incoming.body.clone(),
        ended,
        runs,
    }
}

/// The run of one pipeline. An order key that cannot be computed ends it at once: in which order it would have to
/// go is not known.
fn run_of(program: &dyn Program, incoming: &Incoming) -> NewRun {
    let (key, ended) = match program.order_key(incoming) {
        Ok(key) => (key, None),
        Err(reason) => {
            let reason = format!("its order key cannot be computed: {reason}");
            (Arc::clone(&incoming.key), Some((Outcome::Dead, reason)))
        }
    };
    NewRun {
        pipeline: Arc::clone(program.name()),
        version: program.version().clone(),
        place: Place {
            lane: Arc::clone(program.lane()),
            key,
            created: incoming.created,
            rank: incoming.rank,
        },
        stale: program.stale(incoming),
        ended,
    }
}
