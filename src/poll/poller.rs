//! The task that begins polls when their time has come.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::job::Job;
use super::plan;
use super::report::{self, Jobs};
use super::round::{Around, Over, Round};
use crate::clock::SharedClock;
use crate::engine::{Duty, Engine, Jitter};
use crate::metrics::Metrics;
use crate::store::{PollName, Store};

/// Polls that are under way at once: each holds a page in memory (invariant 7).
const AT_ONCE: usize = 32;

/// Of these, those of one client: nobody waits for somebody else's slow system.
const OF_A_CLIENT: usize = 4;

/// Polls of many clients that are due at one moment are spread over a tenth of their interval, and at most over this.
const SPREAD: Duration = Duration::from_secs(10);

/// Whatever is due, is looked at so often: the clock may have been set.
const LOOK: Duration = Duration::from_secs(30);

/// When a poll is looked at again of which the store could not tell how far it has got.
const UNTOLD: Duration = Duration::from_secs(5);

/// When a poll is looked at again that another process has: should that die, its polls are taken over within seconds.
const OTHERS: Duration = Duration::from_secs(5);

/// When one is begun again that met a bug of ours.
const BROKEN_DOWN: Duration = Duration::from_mins(5);

/// What a poller is made of.
pub struct PollerParts {
    /// Takes what polls find, and carries their calls out.
    pub engine: Arc<Engine>,
    /// Knows how far each poll has got.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: SharedClock,
    /// Spreads polls that are due at one moment.
    pub jitter: Jitter,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The project's folder, for reports that go to files.
    pub root: PathBuf,
}

/// Polls, as long as it lives. Dropped, it leaves polls where they are, as after a crash.
pub struct Poller {
    jobs: watch::Sender<Jobs>,
    wake: Arc<Notify>,
    #[expect(dead_code, reason = "held, to stop the tasks when it is dropped")]
    tasks: [AbortOnDropHandle<()>; 2],
}

/// A job and when it is next.
struct Entry {
    job: Arc<Job>,
    /// Since when it is one.
    since: Timestamp,
    /// `None`: never again.
    due: Option<Timestamp>,
    /// The task of the poll under way.
    running: Option<Id>,
}

/// What a task has to tell: when its poll is next.
type Told = (PollName, Option<Timestamp>);

impl Poller {
    /// Begins, with nothing to poll yet.
    pub fn start(parts: PollerParts) -> Self {
        let PollerParts { engine, store, clock, jitter, metrics, root } = parts;
        let around = Arc::new(Around { engine, store, clock, jitter, metrics, root });
        let (jobs, heard) = watch::channel(Jobs::default());
        let wake = Arc::new(Notify::new());
        let agenda = Agenda { around: Arc::clone(&around), entries: BTreeMap::new(), tasks: JoinSet::new() };
        let polls = tokio::spawn(agenda.run(heard.clone(), Arc::clone(&wake)));
        let reports = tokio::spawn(report::run(around, heard));
        Self { jobs, wake, tasks: [polls, reports].map(AbortOnDropHandle::new) }
    }

    /// Polls these from now on, in the place of those before. One that is under way goes on to its end.
    pub fn serve(&self, jobs: impl IntoIterator<Item = Arc<Job>>) {
        let jobs = jobs.into_iter().map(|job| (job.name.clone(), job));
        self.jobs.send_replace(Arc::new(jobs.collect()));
    }

    /// Looks at once for what is due: for whoever has moved the clock.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

struct Agenda {
    around: Arc<Around>,
    entries: BTreeMap<PollName, Entry>,
    tasks: JoinSet<Told>,
}

impl Agenda {
    async fn run(mut self, mut jobs: watch::Receiver<Jobs>, wake: Arc<Notify>) {
        loop {
            let next = self.begin();
            tokio::select! {
                changed = jobs.changed() => match changed {
                    Ok(()) => {
                        let jobs = Arc::clone(&jobs.borrow_and_update());
                        self.take(&jobs);
                    }
                    Err(_) => return,
                },
                () = wake.notified() => {}
                () = tokio::time::sleep(next) => {}
                Some(told) = self.tasks.join_next() => self.hear(told),
            }
        }
    }

    /// Takes other jobs up. Those that were there keep their time.
    fn take(&mut self, jobs: &Jobs) {
        self.entries.retain(|name, entry| entry.running.is_some() || jobs.contains_key(name));
        let now = self.around.clock.now();
        for (name, job) in &**jobs {
            let same = |entry: &Entry| entry.job.times == job.times;
            match self.entries.get_mut(name) {
                Some(entry) if same(entry) => entry.job = Arc::clone(job),
                Some(entry) => {
                    entry.job = Arc::clone(job);
                    // Its new times are looked at.
                    entry.due = Some(now);
                }
                None => {
                    let entry = Entry {
                        job: Arc::clone(job),
                        since: now,
                        due: Some(self.spread(now, job)),
                        running: None,
                    };
                    self.entries.insert(name.clone(), entry);
                }
            }
        }
    }

    fn spread(&self, moment: Timestamp, job: &Job) -> Timestamp {
        let most = (job.interval() / 10).min(SPREAD);
        moment.checked_add(self.around.jitter.of(most)).unwrap_or(moment)
    }

    /// Begins what is due, the most overdue first; gives how long it is until the next one is.
    fn begin(&mut self) -> Duration {
        let now = self.around.clock.now();
        let mut due: Vec<(Timestamp, PollName)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.running.is_none())
            .filter_map(|(name, entry)| Some((entry.due?, name.clone())))
            .collect();
        due.sort();
        let mut running: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for (name, _) in self.entries.iter().filter(|(_, entry)| entry.running.is_some()) {
            *running.entry(Arc::clone(&name.client)).or_default() += 1;
        }
        for (due, name) in due {
            if due > now {
                return Duration::try_from(due.duration_since(now)).unwrap_or(LOOK).min(LOOK);
            }
            let of_client = running.entry(Arc::clone(&name.client)).or_default();
            if self.tasks.len() >= AT_ONCE || *of_client >= OF_A_CLIENT {
                continue;
            }
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            // Of several processes that share a store, one polls.
            let Some(duty) = self.around.engine.duty(&name.client, &name.poll) else {
                entry.due = now.checked_add(OTHERS).ok();
                continue;
            };
            *of_client += 1;
            let (around, job, since) = (Arc::clone(&self.around), Arc::clone(&entry.job), entry.since);
            let task = self.tasks.spawn(async move {
                let next = poll(&around, &job, since, duty).await;
                (name, next)
            });
            entry.running = Some(task.id());
        }
        LOOK
    }

    fn hear(&mut self, told: Result<Told, JoinError>) {
        let (name, next) = match told {
            Ok((name, next)) => (name, next),
            Err(failure) => {
                tracing::error!(error = %failure, "a poll broke down: a bug of lockstep; please report it");
                let own = |entry: &&Entry| entry.running == Some(failure.id());
                let Some(entry) = self.entries.values().find(own) else { return };
                (entry.job.name.clone(), self.around.clock.now().checked_add(BROKEN_DOWN).ok())
            }
        };
        let Some(job) = self.entries.get(&name).map(|entry| Arc::clone(&entry.job)) else { return };
        let due = next.map(|next| self.spread(next, &job));
        if let Some(entry) = self.entries.get_mut(&name) {
            (entry.running, entry.due) = (None, due);
        }
    }
}

/// Polls when its time has come, by what the store knows of it; gives when it is next.
async fn poll(around: &Around, job: &Job, since: Timestamp, duty: Duty) -> Option<Timestamp> {
    let now = around.clock.now();
    let zone = &job.client.zone;
    let state = match around.store.poll(&job.name).await {
        Ok(state) => state.unwrap_or_default(),
        Err(error) => {
            tracing::warn!(poll = %job.name, %error, "how far a poll has got cannot be read");
            return now.checked_add(UNTOLD).ok();
        }
    };
    let due = match state.began {
        // It waits for its system, or was cut off while it read what that had listed.
        _ if state.job.is_some() && !state.reported => now,
        Some(began) => plan::next(&job.times, zone, began, state.failures)?,
        None => plan::first(&job.times, zone, since)?,
    };
    if due > now {
        return Some(due);
    }
    let Over { began, failures, later } = Round::begin(around, job, state, duty).run().await;
    later.or_else(|| plan::next(&job.times, zone, began, failures))
}
