//! The engine's door: starting it, handing it events, stopping it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::alerts::Alerts;
use super::applied::Moment;
use super::archive::Archive;
use super::carry_out::Workshop;
use super::circuit::{Circuits, GuardedGateway};
use super::generations::Generations;
use super::holdings::{DUTY, Duty, Holdings, Tick};
use super::incoming::{Incoming, storable};
use super::jitter::Jitter;
use super::lanes::{Carried, Queued};
use super::limits::Limits;
use super::runnable::{Runnable, Runnables};
use super::scheduler::{Arrived, Doors, Scheduler};
use crate::clock::SharedClock;
use crate::connector::Gateway;
use crate::failpoint::failpoint;
use crate::metrics::{Lag, Metrics};
use crate::secret::Redactor;
use crate::steps::{EventInput, Spent};
use crate::store::{
    Accepted, EventSeq, NewEvent, NewRun, Outcome, Part, Place, QueuedRun, RunBody, RunId, RunState, Store,
    StoreError, Told,
};

/// What an engine is made of.
pub struct EngineOptions {
    /// The pipelines of all clients.
    pub runnables: Runnables,
    /// Where earlier versions of them come from.
    pub archive: Arc<dyn Archive>,
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
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Blots secrets out of what is written down about runs.
    pub redactor: Redactor,
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

/// Carries out the runs of a store. Dropped without [`shutdown`](Self::shutdown), it stops where it is, as after a
/// crash.
pub struct Engine {
    pub(super) generations: Arc<ArcSwap<Generations>>,
    pub(super) store: Arc<dyn Store>,
    holdings: Arc<Holdings>,
    pub(super) gateway: Arc<GuardedGateway>,
    pub(super) clock: SharedClock,
    metrics: Arc<Metrics>,
    arrivals: mpsc::Sender<Arrived>,
    pub(super) wake: Arc<Notify>,
    pub(super) stop: watch::Sender<Option<Duration>>,
    scheduler: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// Batches of arrivals that wait for the scheduler. Those that find no place are found in the store.
const ARRIVALS: usize = 1_024;

impl Engine {
    /// Takes up what is unfinished in the store, and begins.
    pub async fn start(options: EngineOptions) -> Result<Self, StoreError> {
        let EngineOptions { runnables, archive, store, gateway, clock, jitter, limits, metrics, redactor } =
            options;
        failpoint!("before-take-up");
        let taken = store.take_up().await?;
        let holdings = Arc::new(Holdings::none());
        holdings.take(taken.parts, clock.now());
        metrics.share(taken.parts.count(), 1);
        failpoint!("after-take-up");
        let (circuit_changes, circuits_heard) = mpsc::unbounded_channel();
        let circuits = Circuits::new(store.connections().await?, clock.now(), circuit_changes);
        let circuits = Arc::new(circuits);
        let generations = Arc::new(ArcSwap::from_pointee(Generations::new(runnables)));
        let gateway = Arc::new(GuardedGateway {
            gateway,
            circuits: Arc::clone(&circuits),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            store: Arc::clone(&store),
        });
        let workshop = Arc::new(Workshop {
            holdings: Arc::clone(&holdings),
            store: Arc::clone(&store),
            gateway: Arc::clone(&gateway),
            clock: Arc::clone(&clock),
            jitter,
            limits,
            metrics: Arc::clone(&metrics),
            redactor,
            generations: Arc::clone(&generations),
            archive,
            fetching: tokio::sync::Mutex::default(),
            unsettled: Arc::default(),
        });
        let (arrivals, arrived) = mpsc::channel(ARRIVALS);
        let (stop, stopped) = watch::channel(None);
        let wake = Arc::new(Notify::new());
        let doors =
            Doors { arrivals: arrived, circuits: circuits_heard, wake: Arc::clone(&wake), stop: stopped };
        let scheduler = tokio::spawn(Scheduler::new(workshop, circuits, doors, taken.held).run());
        let scheduler = Mutex::new(Some(AbortOnDropHandle::new(scheduler)));
        Ok(Self { generations, store, holdings, gateway, clock, metrics, arrivals, wake, stop, scheduler })
    }

    /// Takes an event. Answered means on disk, together with the runs that it starts (invariant 1); an event
    /// that was there before starts none.
    pub async fn accept(&self, incoming: Incoming) -> Result<Accepted, AcceptError> {
        if self.stop.borrow().is_some() {
            return Err(AcceptError::Stopping);
        }
        let generations = self.generations.load_full();
        if !generations.present().has(&incoming.client) {
            return Err(AcceptError::NoClient { client: incoming.client });
        }
        let now = self.clock.now();
        let event = event_of(generations.present(), &incoming, now);
        let reported = Alerts::about_accepted(&event, &[], generations.present(), now);
        let told = !reported.is_empty();
        let events = std::iter::once(event.clone()).chain(reported.events).collect();
        let since = self.holdings.tick();
        failpoint!("before-accept");
        // What is told of the event is kept with it: a delivery that comes again tells nothing new.
        let stored = match reported.limited {
            limited if limited.is_empty() => self.store.accept(events).await?,
            limited => self.store.accept_told(events, limited).await?,
        };
        let accepted = stored.into_iter().next().unwrap_or(Accepted::Duplicate);
        failpoint!("after-accept");
        if told {
            self.wake.notify_one();
        }
        if let Accepted::New { seq, runs } = &accepted {
            self.measure(&event, now);
            self.hand_over(&event, &incoming, *seq, runs, since);
        }
        failpoint!("after-hand-over");
        Ok(accepted)
    }

    /// Counts what ended while it was taken in.
    pub(super) fn measure(&self, event: &NewEvent, now: jiff::Timestamp) {
        if let Some((outcome, _)) = &event.ended {
            self.metrics.event_ended(&event.client, outcome.word());
        }
        for run in &event.runs {
            if let Some((outcome, _)) = &run.ended {
                let lag = Lag::between(event.created, event.received, now);
                self.metrics.run_ended(&event.client, &run.pipeline, outcome.word(), lag);
            }
        }
    }

    /// Hands new runs to the scheduler. Should it have no room for them, it finds them in the store.
    fn hand_over(&self, event: &NewEvent, incoming: &Incoming, seq: EventSeq, runs: &[RunId], since: Tick) {
        let new = event.runs.iter().zip(runs).filter(|(run, _)| run.ended.is_none());
        let part = |run: &NewRun| {
            let sharing = self.store.sharing();
            sharing
                .map(|sharing| sharing.part(&event.client, &run.place.lane, &run.place.key))
                .unwrap_or_default()
        };
        let new: Vec<_> = new.map(|(run, id)| queued(event, run, *id, part(run))).collect();
        if new.is_empty() {
            return;
        }
        let event_input = Arc::new(EventInput {
            envelope: incoming.event.clone(),
            object: incoming.object.clone(),
            previous: incoming.previous.clone(),
            source: event.source.word().into(),
        });
        let new = new.into_iter().map(|run| {
            let body = Arc::new(body(event, &run, seq));
            let event = Some(Arc::clone(&event_input));
            Queued { run, carried: Some(Carried { body, event, told: (Told::Nothing, Moment::default()) }) }
        });
        if self.arrivals.try_send(Arrived { runs: new.collect(), since }).is_err() {
            self.wake.notify_one();
        }
    }

    /// Replaces the pipelines: runs that begin from now on use the new ones; those that have journalled a call
    /// finish with the version that they began with.
    pub fn replace(&self, runnables: &Runnables) {
        self.generations.rcu(|generations| generations.followed_by(runnables.clone()));
        self.wake.notify_one();
    }

    /// Begins something that one process at a time does, of those that share a store; `None` when it is another one's.
    /// `name` tells what it is: the client's pipeline whose listing is polled, for instance. It stays this process's as
    /// long as the answer is held, unless it is taken for dead: look at [`Duty::is_held`] before each thing that only one
    /// may do.
    pub fn duty(&self, client: &str, name: &str) -> Option<Duty> {
        let part = self.store.sharing().map(|sharing| sharing.part(client, DUTY, name)).unwrap_or_default();
        self.holdings.duty(part)
    }

    /// Looks for due runs at once, for instance after a dead letter was made ready again.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Stops: takes no more events, begins no run, lets those that are being carried out finish within `grace`,
    /// and writes everything down. What does not finish is carried on by the next start.
    pub async fn shutdown(&self, grace: Duration) -> Result<(), StoreError> {
        self.stop.send_replace(Some(grace));
        let scheduler = self.scheduler.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(scheduler) = scheduler
            && let Err(failure) = scheduler.await
        {
            tracing::error!(error = %failure, "the scheduler ended by itself");
        }
        self.store.close().await
    }
}

/// The event as it is stored, with the runs that it starts.
pub(super) fn event_of(runnables: &Runnables, incoming: &Incoming, received: jiff::Timestamp) -> NewEvent {
    let runs: Vec<NewRun> = if incoming.unfit.is_some() {
        Vec::new()
    } else {
        runnables
            .of(&incoming.client)
            .filter(|pipeline| pipeline.starts_on(incoming))
            .map(|pipeline| run_of(&**pipeline, incoming))
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
        object: incoming.object_id.clone(),
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
fn run_of(pipeline: &dyn Runnable, incoming: &Incoming) -> NewRun {
    let (key, ended) = match pipeline.order_key(incoming) {
        Ok(key) => (storable(key), None),
        Err(reason) => {
            let reason = format!("its order key cannot be computed: {reason}");
            (Arc::clone(&incoming.key), Some((Outcome::Dead, reason)))
        }
    };
    NewRun {
        pipeline: Arc::clone(pipeline.name()),
        version: pipeline.version(),
        place: Place {
            lane: Arc::clone(pipeline.lane()),
            key,
            created: incoming.created,
            rank: incoming.rank,
        },
        stale: pipeline.stale(incoming),
        ended,
    }
}

/// A new run, as the scheduler sees it.
fn queued(event: &NewEvent, run: &NewRun, id: RunId, part: Part) -> QueuedRun {
    QueuedRun {
        id,
        client: Arc::clone(&event.client),
        pipeline: Arc::clone(&run.pipeline),
        version: run.version.clone(),
        place: run.place.clone(),
        stale: run.stale,
        state: RunState::Ready,
        attempts: 0,
        spent: Spent::default(),
        received: event.received,
        behind: false,
        weight: event.body.len(),
        part,
    }
}

/// What a new run is carried out with: the same as the store would give, without asking it.
fn body(event: &NewEvent, run: &QueuedRun, seq: EventSeq) -> RunBody {
    RunBody {
        id: run.id,
        event: seq,
        event_id: Arc::clone(&event.id),
        kind: Arc::clone(&event.kind),
        connection: Arc::clone(&event.connection),
        source: event.source,
        object_kind: event.object_kind.clone(),
        object: event.object.clone(),
        body: event.body.clone(),
        journal: HashMap::new(),
    }
}
