//! One world: it is begun, lived through all its crashes, and looked over in the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use lockstep::clock::{Clock, SharedClock};
use lockstep::engine::{Engine, EngineOptions, Jitter, Limits};
use lockstep::metrics::Metrics;
use lockstep::rehearsal::Crm;
use lockstep::secret::Redactor;
use lockstep::store::{Accepted, EventFilter, PageLimit, RunFilter, RunRow, RunState, Store};
use lockstep::value::{Map, Value};
use tokio::time::Instant;

use super::crm::{Line, Systems};
use super::ledger::Ledger;
use super::life::Life;
use super::pipelines::{CLIENT, Nothing, runnables};
use super::random::Random;
use super::store::{Parts, Sabotage, SimStore};
use super::story::{BEGIN, Story};

/// A world in which something has not ended by now has lost it.
const END: Duration = Duration::from_hours(12);

/// The clock of the world: tokio's, which stands still as long as anybody has something to do.
#[derive(Debug)]
struct WorldClock(Instant);

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(BEGIN).unwrap() + self.0.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A world.
pub(super) struct World {
    began: Instant,
    clock: SharedClock,
    random: Random,
    ledger: Arc<Ledger>,
    systems: Arc<Systems>,
    story: Story,
    folder: tempfile::TempDir,
    sabotage: Sabotage,
    crashes: u64,
}

/// One process in it.
struct Process {
    engine: Engine,
    store: Arc<SimStore>,
    life: Arc<Life>,
}

/// Lives a world from its seed; what must not be, if it was.
pub(super) fn live(seed: u64, sabotage: Sabotage) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async { World::new(seed, sabotage).live().await })
}

impl World {
    fn new(seed: u64, sabotage: Sabotage) -> Self {
        let random = Random::new(seed);
        let began = Instant::now();
        let ledger = Arc::new(Ledger::default());
        let connections = CLIENT.connections.iter();
        let abilities = connections
            .map(|(name, connection)| (Arc::clone(name), Arc::clone(connection.manifest.abilities())));
        let crm = Crm::new(abilities.collect());
        for twin in ["one", "two"] {
            let record = [("Name", Value::from(twin)), ("Email", Value::from("twin@x.example"))];
            let record: Map = record.into_iter().map(|(name, value)| (name.into(), value)).collect();
            crm.give("salesforce", "Contact", &record);
        }
        let systems = Arc::new(Systems::new(crm, Arc::clone(&ledger), random.fork()));
        Self {
            began,
            clock: Arc::new(WorldClock(began)),
            story: Story::new(&random),
            crashes: random.below(4),
            random,
            ledger,
            systems,
            // In memory where there is such a place: a disk that syncs would take most of the time.
            folder: memory().map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap(),
            sabotage,
        }
    }

    async fn live(mut self) -> Result<(), String> {
        loop {
            let points = if self.crashes > 0 { 1 + self.random.below(250) } else { u64::MAX };
            let life = Arc::new(Life::of(points));
            let store = Arc::new(self.open(&life));
            let begun = tokio::select! {
                biased;
                () = life.ends() => None,
                engine = self.begin(&store, &life) => Some(Process { engine, store: Arc::clone(&store), life: Arc::clone(&life) }),
            };
            let settled = match &begun {
                None => false,
                Some(process) => tokio::select! {
                    biased;
                    () = life.ends() => false,
                    settled = self.days(process) => settled?,
                },
            };
            if let Some(violation) = self.ledger.violation() {
                return Err(violation);
            }
            if settled {
                return self.look_over(&store).await;
            }
            drop(begun);
            self.bury(store).await;
            self.crashes -= 1;
            tokio::time::sleep(self.random.time(Duration::from_mins(3))).await;
        }
    }

    fn open(&self, life: &Arc<Life>) -> SimStore {
        self.ledger.begins(self.clock.now());
        let (ledger, clock) = (Arc::clone(&self.ledger), Arc::clone(&self.clock));
        let parts = Parts {
            random: self.random.fork(),
            life: Arc::clone(life),
            ledger,
            clock,
            sabotage: self.sabotage,
        };
        SimStore::open(&self.folder.path().join("a.db"), parts)
    }

    async fn begin(&self, store: &Arc<SimStore>, life: &Arc<Life>) -> Engine {
        let gateway = || {
            let (systems, life) = (Arc::clone(&self.systems), Arc::clone(life));
            Arc::new(Line { systems, life, random: self.random.fork() })
        };
        // Small limits: lanes spill, clients are loaded in pieces. The store is looked at seldom, so that what is due
        // has to be known and not stumbled over.
        let limits = Limits {
            runs: 24,
            at_once: 6,
            lane: 3,
            look_around: Duration::from_mins(10),
            ..Limits::default()
        };
        loop {
            let begun = Engine::start(EngineOptions {
                runnables: runnables(&self.ledger, &self.clock),
                archive: Arc::new(Nothing),
                store: Arc::clone(store) as Arc<dyn Store>,
                gateway: gateway(),
                clock: Arc::clone(&self.clock),
                jitter: Jitter::Full(self.random.next().into()),
                limits,
                metrics: Arc::new(Metrics::new()),
                redactor: Redactor::default(),
            });
            // The store may refuse: whoever starts the process tries again.
            if let Ok(engine) = begun.await {
                return engine;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Delivers what is left, then waits until everything has ended.
    async fn days(&mut self, process: &Process) -> Result<bool, String> {
        while let Some((&(at, number), &event)) = self.story.deliveries.first_key_value() {
            tokio::time::sleep_until(self.began + at).await;
            let incoming = self.story.events[event].incoming.clone();
            let id = incoming.id.to_string();
            let answer = process.engine.accept(incoming).await;
            self.story.deliveries.remove(&(at, number));
            match answer {
                Ok(Accepted::New { .. } | Accepted::Duplicate) => self.ledger.acknowledged(&id),
                // Not acknowledged: it is sent again, as senders do.
                Err(_) => {
                    let later = self.began.elapsed() + Duration::from_secs(30);
                    self.story.deliveries.insert((later, number), event);
                }
            }
            self.checked()?;
        }
        if self.crashes > 0 {
            // Dies at its last point, or idles until it is killed.
            while process.store.counts().await.is_ok_and(|counts| !counts.unfinished.is_empty()) {
                tokio::time::sleep(Duration::from_mins(1)).await;
                self.checked()?;
            }
            while process.life.goes_on() {}
            return Ok(false);
        }
        self.systems.faulty.store(false, Ordering::SeqCst);
        process.store.core().faulty.store(false, Ordering::SeqCst);
        while !process.store.counts().await.unwrap().unfinished.is_empty() {
            tokio::time::sleep(Duration::from_mins(1)).await;
            if let Err(violation) = self.checked() {
                return Err(format!("{violation}: {}", unfinished(&process.store).await));
            }
        }
        Ok(true)
    }

    fn checked(&self) -> Result<(), String> {
        if self.began.elapsed() > END {
            return Err("invariant 4: something has not ended in twelve hours".to_owned());
        }
        self.ledger.violation().map_or(Ok(()), Err)
    }

    /// What is left of a process goes, so that the next one finds the file free.
    async fn bury(&self, store: Arc<SimStore>) {
        for _ in 0..100_000 {
            if Arc::strong_count(&store) == 1 {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(Arc::strong_count(&store), 1, "somebody holds the store of a dead process");
        let core = Arc::downgrade(store.core());
        drop(store);
        while core.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Everything has settled: what is on disk, and what reached the systems.
    async fn look_over(&self, store: &Arc<SimStore>) -> Result<(), String> {
        let limit = PageLimit::new(10_000);
        let events = store.events(EventFilter { limit, ..EventFilter::default() }).await.unwrap();
        // An alert that waited for its time may have begun a run just now.
        let runs = loop {
            let runs = store.runs(RunFilter { limit, ..RunFilter::default() }).await.unwrap();
            if runs.iter().all(|run| matches!(run.state, RunState::Ended(_))) {
                break runs;
            }
            tokio::time::sleep(Duration::from_mins(1)).await;
            self.checked()?;
        };
        for id in self.ledger.all_acknowledged() {
            if !events.iter().any(|event| *event.id == *id) {
                return Err(format!("invariant 1: {id} was acknowledged, and is not there"));
            }
        }
        self.every_event_has_its_runs(&runs)?;
        for run in &runs {
            let RunState::Ended(outcome) = run.state else {
                return Err(format!("invariant 4: run {} is {}", run.id, run.state));
            };
            if outcome.word() != "succeeded" && run.reason.is_empty() {
                return Err(format!("invariant 4: run {} is {outcome} without a word", run.id));
            }
        }
        self.systems_say_the_same(&runs)
    }

    /// Invariant 9: one run for each event and pipeline that it matches, however often it came.
    fn every_event_has_its_runs(&self, runs: &[RunRow]) -> Result<(), String> {
        for told in &self.story.events {
            let incoming = &told.incoming;
            let matching = CLIENT.pipelines.iter().filter(|it| it.starts_on("stripe", &incoming.kind));
            for pipeline in matching {
                let count = runs
                    .iter()
                    .filter(|run| run.event_id == incoming.id && run.pipeline == pipeline.name)
                    .count();
                if count != 1 {
                    return Err(format!(
                        "invariant 9: {} has {count} runs of {}",
                        incoming.id, pipeline.name
                    ));
                }
            }
        }
        Ok(())
    }

    /// The newest event that was applied decides what a record says, in whatever order they came.
    fn systems_say_the_same(&self, runs: &[RunRow]) -> Result<(), String> {
        for (pipeline, object, key, field) in [
            ("sync-customer", "Contact", "Ext__c", "Version__c"),
            ("mirror-customer", "Contact", "Ext__c", "Mirrored__c"),
            ("invoice-status", "Invoice__c", "Ref__c", "Status__c"),
        ] {
            let mut newest = BTreeMap::new();
            let outcomes = runs.iter().filter(|run| &*run.pipeline == pipeline);
            let outcomes: BTreeMap<&str, &RunRow> = outcomes.map(|run| (&*run.event_id, run)).collect();
            for told in &self.story.events {
                let Some(run) = outcomes.get(&*told.incoming.id) else { continue };
                if matches!(run.state.word(), "dead" | "conflict") {
                    continue;
                }
                let id = told.incoming.object_id.clone().unwrap();
                let standing = (told.incoming.created, told.incoming.rank);
                let entry = newest.entry(id).or_insert((standing, &told.says));
                if standing >= entry.0 {
                    *entry = (standing, &told.says);
                }
            }
            let records = self.systems.crm.records("salesforce", object);
            for (id, (_, says)) in newest {
                let own: Vec<&Value> = records
                    .iter()
                    .filter(|record| record.get(key).is_some_and(|it| it.to_string() == *id))
                    .collect();
                let [record] = own.as_slice() else {
                    return Err(format!("{} records are the {object} {id}", own.len()));
                };
                let held = record.get(field).map(ToString::to_string);
                if held.as_ref() != Some(says) {
                    return Err(format!("{object} {id} says {held:?} and not {says}, its newest {field}"));
                }
            }
        }
        Ok(())
    }
}

/// What has not ended, for whoever looks for the reason.
async fn unfinished(store: &SimStore) -> String {
    let limit = PageLimit::new(10_000);
    let runs = store.runs(RunFilter { limit, ..RunFilter::default() }).await.unwrap();
    let unfinished = runs.into_iter().filter(|run| !matches!(run.state, RunState::Ended(_)));
    let told = unfinished.map(|run| {
        let RunRow { id, pipeline, state, reason, attempts, due, .. } = run;
        format!("run {id} of {pipeline} is {state} after {attempts} attempts, due {due:?}: {reason}")
    });
    told.collect::<Vec<_>>().join("; ")
}

/// A folder that lies in memory.
fn memory() -> Option<PathBuf> {
    let folder = PathBuf::from("/dev/shm");
    folder.is_dir().then_some(folder)
}
