//! A client's calls a day against what its systems take.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde::Serialize;

use super::calls::{Calls, Counts};
use super::pipeline::per_event;
use crate::config::{ClientDraft, ClientFile, PipelineFile, Shared, TriggerFile};
use crate::connector::{Abilities, ActionKind, Manifest};
use crate::words::Rate;

const DAY: Duration = Duration::from_hours(24);

/// How long a call of a system takes that sets no pace.
const CALL: Duration = Duration::from_millis(300);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Events a day, of each pipeline.
    pub events: u64,
    /// Records of a backfill.
    pub records: u64,
    /// How many elements a `for_each` is taken to have.
    pub items: u64,
    /// Calls a day that a connection may make, where the client knows better than the connector.
    pub quotas: IndexMap<String, u64>,
}

/// What a client will cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientQuota {
    /// Its name.
    pub client: Arc<str>,
    /// Its pipelines.
    pub pipelines: Vec<PipelineQuota>,
    /// The connections that are called.
    pub connections: Vec<ConnectionQuota>,
}

/// What a pipeline will cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PipelineQuota {
    /// Its name.
    pub pipeline: Arc<str>,
    /// True when it starts on lockstep's own reports: nobody knows how often, and there is nothing to backfill.
    pub reports: bool,
    /// The calls of an event whose condition holds.
    pub calls_an_event: Counts,
    /// The calls of its polls in a day: the connection, and how many when each has one page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polls_a_day: Option<Poll>,
    /// How long a backfill takes at the most.
    pub backfill_minutes: u64,
}

/// What the polls of a pipeline ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Poll {
    /// Whom.
    pub connection: Arc<str>,
    /// How often.
    pub calls: u64,
    /// The jobs by which the system lists for them, where it does so in the background.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Jobs>,
}

/// Jobs by which a system lists in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Jobs {
    /// How many in a day.
    pub a_day: u64,
    /// How many the system takes in a day, where that is known.
    pub quota: Option<u64>,
}

/// A job is begun, asked after, and one page of its records is read.
const CALLS_OF_A_JOB: u64 = 3;

/// What of a system's calls a client uses up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionQuota {
    /// Its name.
    pub connection: Arc<str>,
    /// All calls of a day.
    pub calls_a_day: Calls,
    /// What the system takes in a day, where that is known.
    pub quota: Option<u64>,
    /// How much of it is used up at the most, in hundredths, rounded up.
    pub percent: Option<u64>,
    /// The jobs of all its polls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Jobs>,
    /// What it takes in a second, in thousandths of a call: the tightest of its limits, or as many as can be under way at once.
    pub calls_in_1000_s: u64,
}

impl ClientQuota {
    /// What the client of these files will cost; nothing when `client.yaml` cannot be read.
    pub fn of(
        draft: &ClientDraft,
        shared: &Shared,
        manifests: &[Arc<Manifest>],
        budget: &Budget,
    ) -> Option<Self> {
        let client = draft.file.content.as_ref()?;
        let systems = Systems::of(client, manifests);
        let parts: Vec<_> = draft.parts.iter().chain(&shared.parts).collect();
        let contents = draft.pipelines.iter().filter_map(|file| file.content.as_ref());
        let enabled: Vec<&PipelineFile> = contents.filter(|pipeline| pipeline.enabled).collect();
        let pipelines: Vec<PipelineQuota> = enabled
            .into_iter()
            .map(|pipeline| {
                let calls_an_event = per_event(pipeline, &parts, &systems.abilities, budget.items);
                let reports = matches!(pipeline.trigger, TriggerFile::Lockstep(_));
                PipelineQuota {
                    pipeline: Arc::clone(&pipeline.name.0),
                    reports,
                    backfill_minutes: if reports { 0 } else { systems.backfill(&calls_an_event, budget) },
                    polls_a_day: polls(pipeline, &systems.abilities),
                    calls_an_event,
                }
            })
            .collect();
        let mut all = Counts::default();
        for pipeline in &pipelines {
            // How often lockstep itself has something to report does not follow from the events.
            let events = if pipeline.reports { 0 } else { budget.events };
            for (connection, calls) in &pipeline.calls_an_event.0 {
                all.add(connection, calls.times(events));
            }
            if let Some(poll) = &pipeline.polls_a_day {
                all.add(&poll.connection, Calls::new(poll.calls, poll.calls));
            }
        }
        let connections = all.0.into_iter().map(|(name, calls)| {
            let jobs = jobs(&name, &pipelines);
            systems.connection(name, (calls, jobs), budget)
        });
        let connections = connections.collect();
        Some(Self { client: Arc::clone(&client.name.0), pipelines, connections })
    }
}

/// The jobs that all pipelines together have a connection list by.
fn jobs(connection: &str, pipelines: &[PipelineQuota]) -> Option<Jobs> {
    let polls = pipelines.iter().filter_map(|pipeline| pipeline.polls_a_day.as_ref());
    let jobs = polls.filter(|poll| *poll.connection == *connection).filter_map(|poll| poll.jobs);
    jobs.reduce(|all, more| Jobs { a_day: all.a_day + more.a_day, quota: all.quota.or(more.quota) })
}

/// How often a pipeline asks for something, each time a page.
fn polls(pipeline: &PipelineFile, abilities: &IndexMap<Arc<str>, Arc<Abilities>>) -> Option<Poll> {
    let often =
        |every: Duration| u64::try_from(DAY.as_millis() / every.as_millis().max(1)).unwrap_or(u64::MAX);
    if let (Some(every), Some(listening)) = (pipeline.trigger.polled(), pipeline.trigger.listening()) {
        return Some(Poll {
            connection: Arc::clone(&listening.connection.0),
            calls: often(every),
            jobs: None,
        });
    }
    let schedule = pipeline.trigger.schedule()?;
    let list = schedule.list.as_ref()?;
    let connection = Arc::clone(&list.object.connection);
    // Of `cron` the times are not counted: they are few.
    let polls = schedule.every.map_or(1, |every| often(every.0));
    let facts = abilities.get(&connection).and_then(|abilities| abilities.object(&list.object.object));
    let job = facts.and_then(|facts| facts.action(ActionKind::List)?.job.clone()).filter(|_| list.bulk);
    Some(match job {
        Some(job) => {
            let calls = polls.saturating_mul(CALLS_OF_A_JOB + u64::from(job.ends));
            Poll { connection, calls, jobs: Some(Jobs { a_day: polls, quota: job.daily }) }
        }
        None => Poll { connection, calls: polls, jobs: None },
    })
}

/// The systems behind a client's connections.
struct Systems<'a> {
    client: &'a ClientFile,
    manifests: IndexMap<Arc<str>, &'a Arc<Manifest>>,
    abilities: IndexMap<Arc<str>, Arc<Abilities>>,
}

impl<'a> Systems<'a> {
    fn of(client: &'a ClientFile, manifests: &'a [Arc<Manifest>]) -> Self {
        let known = client.connections.iter().filter_map(|(name, connection)| {
            let manifest = manifests.iter().find(|it| **it.name() == *connection.connector)?;
            Some((Arc::clone(&name.0), manifest, connection))
        });
        let mut systems = Self { client, manifests: IndexMap::new(), abilities: IndexMap::new() };
        for (name, manifest, connection) in known {
            let abilities = manifest.abilities().with_words(&connection.fields);
            systems.abilities.insert(Arc::clone(&name), abilities);
            systems.manifests.insert(name, manifest);
        }
        systems
    }

    /// How long one call takes at the pace that can be kept up.
    fn interval(&self, connection: &str) -> Duration {
        let Some(manifest) = self.manifests.get(connection) else { return CALL };
        let own = self.client.connections.iter().find(|(name, _)| *name.0 == *connection).map(|(_, it)| it);
        let rates = manifest.rates().iter().copied().chain(own.and_then(|own| own.rate_limit));
        let paced = rates.map(|rate: Rate| rate.per / rate.count.max(1)).max();
        let at_once = own.and_then(|own| own.concurrency).unwrap_or(u32::MAX).min(manifest.concurrency());
        paced.unwrap_or_default().max(CALL / at_once.max(1))
    }

    fn quota(&self, connection: &str, budget: &Budget) -> Option<u64> {
        let known = || {
            let manifest = self.manifests.get(connection)?;
            let long = manifest.rates().iter().filter(|rate| rate.per >= DAY);
            manifest.daily().or_else(|| long.map(|rate| u64::from(rate.count)).min())
        };
        budget.quotas.get(connection).copied().or_else(known)
    }

    fn connection(
        &self,
        name: Arc<str>,
        (calls, jobs): (Calls, Option<Jobs>),
        budget: &Budget,
    ) -> ConnectionQuota {
        let quota = self.quota(&name, budget);
        let micros = self.interval(&name).as_micros().max(1);
        ConnectionQuota {
            calls_a_day: calls,
            quota,
            jobs,
            percent: quota.filter(|quota| *quota > 0).map(|quota| (calls.most * 100).div_ceil(quota)),
            calls_in_1000_s: u64::try_from(1_000_000_000 / micros).unwrap_or(u64::MAX),
            connection: name,
        }
    }

    /// Minutes until the slowest system has taken all calls of a backfill: by its pace, and by what it takes in a day.
    fn backfill(&self, calls: &Counts, budget: &Budget) -> u64 {
        let minutes = calls.0.iter().map(|(connection, calls)| {
            let calls = calls.times(budget.records).most;
            let micros = self.interval(connection).as_micros() * u128::from(calls);
            let paced = u64::try_from(micros.div_ceil(60_000_000)).unwrap_or(u64::MAX);
            // The calls of each day but the last one's use up a whole day.
            let days = self.quota(connection, budget).filter(|quota| *quota > 0);
            paced.max(days.map_or(0, |quota| calls.saturating_sub(1) / quota * 24 * 60))
        });
        minutes.max().unwrap_or_default()
    }
}
