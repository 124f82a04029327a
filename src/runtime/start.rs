//! Starting everything in order, and stopping it in the other order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::clients::Opener;
use super::commons::StoreCommons;
use super::door::Door;
use super::files::{FilesError, ProjectFiles};
use super::kept::KeptVersions;
use super::reload::{Receivers, Reloader, publish_health};
use super::roster::{Finder, ReloadError, Roster};
use super::rouse::Rouser;
use super::vault::StoreVault;
use super::watch::Watch;
use crate::admin::{Access, Admin, ClientHealth, Health};
use crate::clock::SharedClock;
use crate::config::env::Environment;
use crate::connector::{Connections, Http, HttpError, Surroundings};
use crate::engine::{Duty, Engine, EngineOptions, Jitter, Limits};
use crate::ingest::{Calls, Ingest};
use crate::metrics::Metrics;
use crate::poll::{Poller, PollerParts};
use crate::seal::{KeyError, STORE_KEY, Sealer};
use crate::secret::Redactor;
use crate::serving::Listener;
use crate::store::{self, Role, Store, StoreAddress, StoreError};
use crate::upkeep::{Turn, Turns, Upkeep};

/// What a runtime is started with.
pub struct RuntimeOptions {
    /// The project's files, to be read again when they change.
    pub files: ProjectFiles,
    /// Told what is found in them: once, or piece by piece when the project is large.
    pub found: Finder,
    /// Tells when they change; without it, changes are taken up by [`Runtime::reload`] alone.
    pub watch: Option<Watch>,
    /// Where settings come from.
    pub environment: Arc<dyn Environment>,
    /// Where the store is; made when it is not there.
    pub store: StoreAddress,
    /// What this process does, of what is done for the store.
    pub role: Role,
    /// How long events, and what came of them, are kept whole; `None` for ever.
    pub retain: Option<Duration>,
    /// The public port, bound: its address is known before anything runs. `None`: events are taken in elsewhere.
    pub public: Option<Listener>,
    /// The admin port, bound.
    pub admin: Listener,
    /// Who may look at the admin address.
    pub access: Access,
    /// The time.
    pub clock: SharedClock,
    /// What spreads delays.
    pub jitter: Jitter,
    /// Blots out secrets; it learns those of the clients.
    pub redactor: Redactor,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The store cannot be opened.
    #[error("the store could not be opened")]
    Store(#[from] StoreError),
    /// The project's files say nothing.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The key to what is sealed in the store is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No calls can be made from this machine.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl From<ReloadError> for RuntimeError {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::Files(error) => Self::Files(error),
            ReloadError::Store(error) => Self::Store(error),
            // Nothing runs yet that a bug of ours could be kept from.
            ReloadError::Bug(failure) => std::panic::resume_unwind(failure.into_panic()),
        }
    }
}

/// Where a runtime listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The public address, when events are taken in here.
    pub public: Option<SocketAddr>,
    /// The admin address.
    pub admin: SocketAddr,
}

/// A running lockstep.
pub struct Runtime {
    addresses: Addresses,
    store: Arc<dyn Store>,
    engine: Arc<Engine>,
    ingest: Arc<Ingest>,
    health: Arc<Health>,
    poller: Arc<Poller>,
    reload: Arc<Notify>,
    reloader: Served,
    upkeep: Option<Upkeep>,
    public: Option<Served>,
    admin: Served,
}

/// A task that goes on, and the switch that stops it.
struct Served {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// How long a request may still take when everything else is stopped: an acknowledgement waits for one commit.
const REQUEST_GRACE: Duration = Duration::from_secs(5);

impl Runtime {
    /// Starts everything, in the order in which one stands on the other.
    pub async fn start(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let public = options.public.as_ref().map(Listener::address);
        let addresses = Addresses { public, admin: options.admin.address() };
        // A project that is not there makes no store.
        let files = options.files.clone();
        let examined = tokio::task::spawn_blocking(move || files.examine());
        examined.await.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic()))?;
        let access = match options.role {
            Role::All => store::Access::Run,
            role => store::Access::Share(role),
        };
        let store = store::open(&options.store, access).await?;

        let key = options.environment.variable(STORE_KEY).filter(|key| !key.trim().is_empty());
        options.redactor.learn_all(key.as_deref().iter().flat_map(|key| key.split(',')));
        let sealer = key.as_deref().map(Sealer::read).transpose()?;
        let vault = StoreVault::new(Arc::clone(&store), sealer, Arc::clone(&options.clock));
        let metrics = Arc::new(Metrics::new());
        let connections = Arc::new(Connections::new());
        let around = Surroundings {
            http: Http::new()?,
            clock: Arc::clone(&options.clock),
            redactor: options.redactor.clone(),
            vault: Arc::new(vault),
            commons: StoreCommons::over(&store),
        };
        let opener =
            Opener { environment: options.environment, around, connections: Arc::clone(&connections) };
        let (rouser, calls) = Rouser::new();
        let door = Door::new(options.files.clone(), opener.clone());
        let kept = KeptVersions {
            store: Arc::clone(&store),
            opener,
            env: options.files.env.clone(),
            rouser: rouser.clone(),
        };
        let archive = Arc::new(kept.clone());
        let roster = Roster::begin(options.files, kept, Arc::clone(&options.clock), options.found).await?;
        let health = Arc::new(Health::default());
        publish_health(&roster, &health, &metrics);

        let engine = Engine::start(EngineOptions {
            runnables: roster.runnables().clone(),
            archive,
            store: Arc::clone(&store),
            gateway: connections,
            clock: Arc::clone(&options.clock),
            jitter: options.jitter,
            limits: Limits::default(),
            metrics: Arc::clone(&metrics),
            redactor: options.redactor,
        });
        let engine = Arc::new(engine.await?);
        let clock = options.clock;
        let hooks = roster.hooks().clone();
        // Whoever carries runs out keeps the store in order too.
        let upkeep = options
            .role
            .works()
            .then(|| Upkeep::start(&store, &clock, options.retain, retention_of(&engine)));
        let calls_on = Calls {
            door: Box::new(move |client| door.hooks(client)),
            rouse: Box::new(move |client| rouser.rouse(client)),
        };
        let (clock_of_ingest, metrics_of_ingest) = (Arc::clone(&clock), Arc::clone(&metrics));
        let ingest = Ingest::new(hooks, Arc::clone(&engine), calls_on, clock_of_ingest, metrics_of_ingest);
        let ingest = Arc::new(ingest);
        let poller = Arc::new(Poller::start(PollerParts {
            engine: Arc::clone(&engine),
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            jitter: Jitter::full(),
            metrics: Arc::clone(&metrics),
            root: roster.root().clone(),
        }));
        poller.serve(roster.polls());
        let receivers = Receivers {
            store: Arc::clone(&store),
            engine: Arc::clone(&engine),
            ingest: Arc::clone(&ingest),
            poller: Arc::clone(&poller),
            health: Arc::clone(&health),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
        };
        let (reload, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let reloader = Reloader::new(roster, receivers, options.watch, calls);
        let reloader = Served { task: tokio::spawn(reloader.run(Arc::clone(&reload), stop.clone())), stop };
        let shown =
            Admin::new(options.access, Arc::clone(&store), metrics, Arc::clone(&health), clock, options.role);
        let admin = Served::spawn(options.admin, Arc::new(shown).router());
        let public = options.public.map(|public| Served::spawn(public, Arc::clone(&ingest).router()));
        Ok(Self { addresses, store, engine, ingest, health, poller, reload, reloader, upkeep, public, admin })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The addresses that webhooks are posted to, whole; none where no events are taken in.
    pub fn hooks(&self) -> Vec<String> {
        let Some(public) = self.addresses.public else { return Vec::new() };
        self.ingest.hooks().paths().iter().map(|path| format!("http://{public}{path}")).collect()
    }

    /// Which clients run, and why the others do not.
    pub fn clients(&self) -> Arc<Vec<ClientHealth>> {
        self.health.clients()
    }

    /// Looks at once for what is due: for whoever has moved the clock, or changed the store beside it.
    pub fn wake(&self) {
        self.engine.wake();
        self.poller.wake();
    }

    /// The store, to be looked at.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Has all files looked at again, and what has changed taken up. Returns at once.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Stops: takes nothing more in, answers what is under way, lets running steps finish within `grace`, writes
    /// everything down. What does not finish goes on at the next start.
    pub async fn shutdown(self, grace: Duration) -> Result<(), StoreError> {
        if let Some(public) = self.public {
            public.end().await;
        }
        self.reloader.end().await;
        drop(self.poller);
        if let Some(upkeep) = self.upkeep {
            upkeep.stop().await;
        }
        let stopped = self.engine.shutdown(grace).await;
        self.admin.end().await;
        stopped
    }
}

/// Of several processes that share a store, one erases what is old.
fn retention_of(engine: &Arc<Engine>) -> Turns {
    let engine = Arc::clone(engine);
    Box::new(move || Some(Box::new(Retaining(engine.duty("", "retention")?)) as Box<dyn Turn>))
}

/// That it is this one.
struct Retaining(Duty);

impl Turn for Retaining {
    fn is_held(&self) -> bool {
        self.0.is_held()
    }
}

impl Served {
    fn spawn(listener: Listener, app: axum::Router) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(listener.serve(app, stop.clone(), REQUEST_GRACE));
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a listener or the watch of the files broke down");
        }
    }
}
