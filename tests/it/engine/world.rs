//! A store in a folder of its own, an engine over it, a clock that the test moves, and pipelines made of closures.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lockstep::clock::{Clock, FixedClock};
use lockstep::config::{Backoff, LockstepTrigger, RetryFile, Stale};
use lockstep::connector::{Abilities, Action, Call, Class, Failure, Gateway, Record, Reply};
use lockstep::engine::{
    Archive, Engine, EngineOptions, Incoming, Jitter, Limits, Runnable, Runnables, Unavailable,
};
use lockstep::metrics::Metrics;
use lockstep::secret::Redactor;
use lockstep::steps::{Ending, EventInput, Journal, RunInput};
use lockstep::store::sqlite::{Access, SqliteStore};
use lockstep::store::{Accepted, Outcome, RunBody, RunFilter, RunRow, Source, Store, StoreError, Version};
use lockstep::value::Value;
use tokio::sync::Notify;

/// What a scripted pipeline does with a run.
pub(crate) type Script = Arc<
    dyn for<'a> Fn(&'a RunInput, &'a dyn Gateway, &'a dyn Journal) -> BoxFuture<'a, Ending> + Send + Sync,
>;

/// A pipeline that does what a test says.
pub(crate) struct Scripted {
    pub(crate) name: Arc<str>,
    pub(crate) lane: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) stale: Option<Stale>,
    pub(crate) retry: RetryFile,
    pub(crate) listens: Option<LockstepTrigger>,
    pub(crate) script: Script,
}

impl Scripted {
    pub(crate) fn new(
        name: &str,
        script: impl for<'a> Fn(&'a RunInput, &'a dyn Gateway, &'a dyn Journal) -> BoxFuture<'a, Ending>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            lane: name.into(),
            version: "v1".into(),
            stale: None,
            retry: RetryFile { attempts: 4, backoff: Backoff::default() },
            listens: None,
            script: Arc::new(script),
        }
    }

    /// One that ends at once as succeeded.
    pub(crate) fn idle(name: &str) -> Self {
        Self::new(name, |_, _, _| std::future::ready(Ending::Succeeded).boxed())
    }

    /// One that never ends.
    pub(crate) fn held_back(name: &str) -> Self {
        Self::new(name, |_, _, _| std::future::pending().boxed())
    }

    pub(crate) fn in_lane(self, lane: &str) -> Self {
        Self { lane: lane.into(), ..self }
    }
}

impl Runnable for Scripted {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn version(&self) -> Version {
        Version(Arc::clone(&self.version))
    }

    fn lane(&self) -> &Arc<str> {
        &self.lane
    }

    fn starts_on(&self, incoming: &Incoming) -> bool {
        // `only.<name>` is for one pipeline.
        let meant = incoming.kind.strip_prefix("only.").is_none_or(|name| *name == *self.name);
        self.listens.is_none() && meant && !incoming.kind.starts_with("ignored.")
    }

    fn order_key(&self, incoming: &Incoming) -> Result<Arc<str>, String> {
        match incoming.event.get("bad_key") {
            Some(_) => Err("`object.customer` is not there".into()),
            None => Ok(Arc::clone(&incoming.key)),
        }
    }

    fn stale(&self, incoming: &Incoming) -> Stale {
        self.stale.unwrap_or(if incoming.occurrence { Stale::Apply } else { Stale::Skip })
    }

    fn retry(&self) -> RetryFile {
        self.retry
    }

    fn listens(&self) -> Option<&LockstepTrigger> {
        self.listens.as_ref()
    }

    fn read(&self, body: &RunBody, event: Value) -> Result<EventInput, String> {
        let object = event.get("object").cloned().unwrap_or_default();
        Ok(EventInput { envelope: event, object, previous: Value::Null, source: body.source.word().into() })
    }

    fn execute<'a>(
        &'a self,
        run: &'a RunInput,
        gateway: &'a dyn Gateway,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Ending> {
        (self.script)(run, gateway, journal)
    }
}

/// A system in memory: creates tasks, counts calls, fails and hangs as told.
#[derive(Default)]
pub(crate) struct Crm {
    pub(crate) tasks: Mutex<Vec<Value>>,
    pub(crate) calls: Mutex<u32>,
    /// What the next calls answer instead of doing anything.
    pub(crate) failures: Mutex<Vec<Failure>>,
    /// Does what it is asked, and never answers.
    pub(crate) silent: Mutex<bool>,
    pub(crate) called: Notify,
}

impl Crm {
    pub(crate) fn fails(&self, failures: impl IntoIterator<Item = Failure>) {
        let mut failures: Vec<Failure> = failures.into_iter().collect();
        failures.reverse();
        *self.failures.lock().unwrap() = failures;
    }

    pub(crate) fn calls(&self) -> u32 {
        *self.calls.lock().unwrap()
    }

    fn answer(&self, call: &Call) -> Result<Reply, Failure> {
        *self.calls.lock().unwrap() += 1;
        self.called.notify_waiters();
        if let Some(failure) = self.failures.lock().unwrap().pop() {
            return Err(failure);
        }
        let mut tasks = self.tasks.lock().unwrap();
        match &call.action {
            Action::Create { fields, .. } => {
                tasks.push(Value::from(fields.clone()));
                Ok(Reply { id: Some(format!("task_{}", tasks.len()).into()), ..Reply::default() })
            }
            Action::Find { identity, .. } => {
                let (name, wanted) = identity.first().unwrap();
                let found = tasks.iter().enumerate().filter(|(_, task)| task.get(name) == Some(wanted));
                let record = |(at, task): (usize, &Value)| Record {
                    id: Some(format!("task_{}", at + 1).into()),
                    fields: task.clone(),
                };
                Ok(Reply { records: found.map(record).collect(), ..Reply::default() })
            }
            Action::Get { id, .. } => {
                let record = Value::map([("id", Value::from(Arc::clone(id))), ("fresh", Value::from(true))]);
                Ok(Reply { record: Some(record), ..Reply::default() })
            }
            other => Err(Failure::permanent(format!("{other:?} is not known here"))),
        }
    }
}

impl Gateway for Crm {
    fn call<'a>(&'a self, _client: &'a str, call: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>> {
        async move {
            let answer = self.answer(call);
            if *self.silent.lock().unwrap() && matches!(call.action, Action::Create { .. }) {
                std::future::pending::<()>().await;
            }
            answer
        }
        .boxed()
    }

    fn abilities(&self, _client: &str, _connection: &str) -> Option<Arc<Abilities>> {
        None
    }
}

/// An engine at work.
/// Earlier versions of pipelines, as a store's archive would have them.
#[derive(Default)]
pub(crate) struct Shelf {
    pipelines: Mutex<Vec<Arc<Scripted>>>,
    /// How often it still fails before it tells.
    failures: AtomicUsize,
    asked: AtomicUsize,
}

impl Shelf {
    /// Puts a pipeline there; the first `failures` questions are not answered.
    pub(crate) fn put(&self, pipeline: Scripted, failures: usize) {
        self.pipelines.lock().unwrap().push(Arc::new(pipeline));
        self.failures.store(failures, Ordering::Relaxed);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Archive for Shelf {
    fn fetch<'a>(
        &'a self,
        _: &'a str,
        pipeline: &'a str,
        version: &'a Version,
    ) -> BoxFuture<'a, Result<Arc<dyn Runnable>, Unavailable>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let pipelines = self.pipelines.lock().unwrap();
        let found = pipelines.iter().find(|it| &*it.name == pipeline && it.version == version.0);
        let found = match found {
            _ if asked < self.failures.load(Ordering::Relaxed) => Err(StoreError::Locked.into()),
            Some(found) => Ok(Arc::clone(found) as Arc<dyn Runnable>),
            None => Err(Unavailable::Gone("is not on the shelf".to_owned())),
        };
        std::future::ready(found).boxed()
    }

    fn rouse(&self, _: &Arc<str>) {}
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) crm: Arc<Crm>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) folder: Arc<tempfile::TempDir>,
}

/// The moment at which tests begin.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

pub(crate) fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&folder.join("a.db"), Access::Run).unwrap())
}

/// Each client with its pipelines.
pub(crate) fn runnables(clients: impl IntoIterator<Item = (&'static str, Vec<Scripted>)>) -> Runnables {
    let mut all = Runnables::default();
    for (client, pipelines) in clients {
        let pipelines = pipelines.into_iter().map(|pipeline| Arc::new(pipeline) as Arc<dyn Runnable>);
        all.insert(client.into(), pipelines);
    }
    all
}

impl World {
    /// The client `acme` with these pipelines.
    pub(crate) async fn with(pipelines: Vec<Scripted>) -> Self {
        Self::with_clients(runnables([("acme", pipelines)]), Limits::default()).await
    }

    pub(crate) async fn with_clients(runnables: Runnables, limits: Limits) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let store = open(folder.path());
        Self::over(folder, store, Arc::default(), start(), runnables, limits).await
    }

    pub(crate) async fn over(
        folder: Arc<tempfile::TempDir>,
        store: Arc<dyn Store>,
        crm: Arc<Crm>,
        now: Timestamp,
        runnables: Runnables,
        limits: Limits,
    ) -> Self {
        Self::with_a_shelf(folder, store, crm, now, runnables, limits, Arc::default()).await
    }

    async fn with_a_shelf(
        folder: Arc<tempfile::TempDir>,
        store: Arc<dyn Store>,
        crm: Arc<Crm>,
        now: Timestamp,
        runnables: Runnables,
        limits: Limits,
        shelf: Arc<Shelf>,
    ) -> Self {
        let clock = Arc::new(FixedClock::at(now));
        let metrics = Arc::new(Metrics::new());
        let engine = Engine::start(EngineOptions {
            runnables,
            archive: Arc::clone(&shelf) as Arc<dyn Archive>,
            store: Arc::clone(&store),
            gateway: Arc::clone(&crm) as Arc<dyn Gateway>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            jitter: Jitter::None,
            limits,
            metrics: Arc::clone(&metrics),
            redactor: Redactor::default(),
        });
        Self { engine: engine.await.unwrap(), store, crm, clock, metrics, shelf, folder }
    }

    /// Stops in the middle of everything, as a crash does, and starts again with these pipelines.
    pub(crate) async fn crash(self, pipelines: Vec<Scripted>) -> Self {
        self.crash_for(Duration::ZERO, pipelines).await
    }

    /// As [`crash`](Self::crash), and starts again only after so long.
    pub(crate) async fn crash_for(self, down: Duration, pipelines: Vec<Scripted>) -> Self {
        let Self { engine, store, crm, clock, shelf, folder, .. } = self;
        drop(engine);
        // Tasks that were stopped let go of the store one after another; the last one closes it.
        while Arc::strong_count(&store) > 1 {
            tokio::task::yield_now().await;
        }
        drop(store);
        let store = open(folder.path());
        *crm.silent.lock().unwrap() = false;
        let all = runnables([("acme", pipelines)]);
        let now = clock.now().checked_add(down).unwrap();
        Self::with_a_shelf(folder, store, crm, now, all, Limits::default(), shelf).await
    }

    pub(crate) async fn accept(&self, incoming: Incoming) -> Accepted {
        self.engine.accept(incoming).await.unwrap()
    }

    /// Moves the clock and has the engine look at it.
    pub(crate) fn passes(&self, time: Duration) {
        self.clock.set(self.clock.now().checked_add(time).unwrap());
        self.engine.wake();
    }

    pub(crate) async fn runs(&self) -> Vec<RunRow> {
        let mut runs = self.store.runs(RunFilter::default()).await.unwrap();
        runs.reverse();
        runs
    }

    /// Each run's state, in the order of arrival.
    pub(crate) async fn states(&self) -> Vec<&'static str> {
        self.runs().await.iter().map(|run| run.state.word()).collect()
    }

    /// Waits until the runs stand like this.
    pub(crate) async fn until_states(&self, wanted: &[&str]) {
        self.until(async || self.states().await == wanted, || format!("{wanted:?}")).await;
    }

    /// Waits until all runs have ended.
    pub(crate) async fn until_idle(&self) {
        let idle = async || {
            let counts = self.store.counts().await.unwrap();
            counts.unfinished.is_empty()
        };
        self.until(idle, || "all runs ended".into()).await;
    }

    /// Waits for something; the time limit is there for what never comes.
    pub(crate) async fn until(&self, holds: impl AsyncFn() -> bool, wanted: impl Fn() -> String) {
        let in_time = tokio::time::timeout(Duration::from_secs(30), async {
            while !holds().await {
                tokio::task::yield_now().await;
            }
        });
        assert!(in_time.await.is_ok(), "waited for {}, and there is {:#?}", wanted(), self.runs().await);
    }

    /// How often runs ended like this, by the engine's own counting.
    pub(crate) fn ended(&self, outcome: Outcome) -> u64 {
        self.metric("lockstep_runs_ended_total", &format!("outcome=\"{outcome}\""))
    }

    /// The sum of a metric over the series whose labels hold `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> u64 {
        let page = self.metrics.render();
        let series = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
        series.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// An event of `acme` about an object, created so many seconds after the start.
pub(crate) fn event(id: &str, key: &str, created: i64) -> Incoming {
    let created = start().checked_add(Duration::from_secs(created.unsigned_abs())).unwrap();
    let object = Value::map([("id", Value::from(key)), ("fresh", Value::from(false))]);
    let whole = Value::map([("id", Value::from(id)), ("object", object.clone())]);
    Incoming {
        client: "acme".into(),
        connection: "billing".into(),
        id: id.into(),
        kind: "customer.updated".into(),
        object_kind: Some("customer".into()),
        object_id: Some(key.into()),
        object,
        previous: Value::Null,
        key: key.into(),
        created,
        rank: 0,
        occurrence: false,
        source: Source::Webhook,
        body: whole.to_json().into(),
        event: whole,
        pipeline: None,
        unfit: None,
    }
}

/// The id of the event that a run is about.
pub(crate) fn event_id(run: &RunInput) -> String {
    run.event.envelope.get("id").unwrap().to_string()
}

pub(crate) fn failed(class: Class, wait: Option<Duration>) -> Ending {
    Ending::Failed {
        step: "1".into(),
        failure: Failure { wait, ..Failure::new(class, "no") },
        connection: Some("crm".into()),
        retry: None,
    }
}

/// What was written down in which order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn push(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// A door that is shut until a test opens it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<tokio::sync::watch::Sender<bool>>);

impl Gate {
    pub(crate) fn shut() -> Self {
        Self(Arc::new(tokio::sync::watch::channel(false).0))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn pass(&self) {
        self.0.subscribe().wait_for(|open| *open).await.unwrap();
    }
}
