//! What is polled for a client: its schedules, and the events that are asked for.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use crate::connector::Connection;
use crate::poll::{EventsJob, Job, ScheduleJob, Subject};
use crate::project::{Client, Times, Trigger};
use crate::steps::ClientFacts;
use crate::store::PollName;

/// The polls of a client that runs. The events of a connection are polled once for all pipelines that want some of them:
/// all their types, as often as the one that wants them most often.
pub(super) fn jobs(
    client: &Client,
    facts: &Arc<ClientFacts>,
    connections: &[Arc<Connection>],
) -> Vec<Arc<Job>> {
    let mut jobs = Vec::new();
    let mut events: IndexMap<&Arc<str>, (Duration, Vec<Arc<str>>)> = IndexMap::new();
    for pipeline in client.pipelines.iter().filter(|pipeline| pipeline.enabled) {
        match &pipeline.trigger {
            Trigger::Schedule(schedule) => jobs.push(Job {
                name: PollName { client: Arc::clone(client.name()), poll: Arc::clone(&pipeline.name) },
                client: Arc::clone(facts),
                times: schedule.times.clone(),
                subject: Subject::Schedule(ScheduleJob {
                    pipeline: Arc::clone(&pipeline.name),
                    schedule: Arc::clone(schedule),
                    reads_past: pipeline.program.reads_past,
                }),
            }),
            Trigger::Events { connection, patterns, polled: Some(every) } => {
                let (often, types) = events.entry(connection).or_insert((*every, Vec::new()));
                *often = (*often).min(*every);
                types.extend(
                    patterns.iter().filter(|pattern| !types.contains(pattern)).cloned().collect::<Vec<_>>(),
                );
            }
            Trigger::Events { polled: None, .. } | Trigger::Reports(_) => {}
        }
    }
    for (name, (every, types)) in events {
        let Some(connection) = connections.iter().find(|connection| connection.name() == name) else {
            continue;
        };
        jobs.push(Job {
            name: EventsJob::name(client.name(), name),
            client: Arc::clone(facts),
            times: Times::Every(every),
            subject: Subject::Events(EventsJob {
                connection: Arc::clone(name),
                manifest: Arc::clone(connection.manifest()),
                expected: connection
                    .manifest()
                    .events()
                    .map(|events| events.expected(connection.config()))
                    .unwrap_or_default(),
                types,
            }),
        });
    }
    jobs.into_iter().map(Arc::new).collect()
}
