//! A pipeline, as the engine sees it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::incoming::Incoming;
use crate::config::{LockstepTrigger, RetryFile, Stale};
use crate::connector::Gateway;
use crate::steps::{Ending, Journal};
use crate::store::{RunBody, Version};
use crate::value::Value;

/// A pipeline that can be run: when it starts, in which order, and how it is carried out. Its two sides are the
/// checked pipelines of a project, and scripted ones in the engine's own tests.
pub trait Program: Send + Sync {
    /// The pipeline's name within its client.
    fn name(&self) -> &Arc<str>;

    /// Names what the client's files said when this was made.
    fn version(&self) -> &Version;

    /// The lane that its runs stand in.
    fn lane(&self) -> &Arc<str>;

    /// Whether this event starts a run of it.
    fn starts_on(&self, incoming: &Incoming) -> bool;

    /// The order key of the run that this event starts; the event's own when the pipeline names none. An
    /// expression that fails says why.
    fn order_key(&self, incoming: &Incoming) -> Result<Arc<str>, String>;

    /// What a run does when a newer event was applied to its object already.
    fn stale(&self, incoming: &Incoming) -> Stale;

    /// How often and how long a failed run is tried again.
    fn retry(&self) -> RetryFile;

    /// Which of lockstep's own reports start it. Such a pipeline is an alert: its runs are never reported on.
    fn listens(&self) -> Option<&LockstepTrigger>;

    /// Carries a run out, once.
    fn execute<'a>(
        &'a self,
        run: RunInput<'a>,
        gateway: &'a dyn Gateway,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Ending>;
}

/// What a run is carried out with.
#[derive(Debug)]
pub struct RunInput<'a> {
    /// The client.
    pub client: &'a Arc<str>,
    /// Names the run among all runs of all stores: what idempotency keys are made from.
    pub name: &'a str,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// When the run began for the first time; `now` of its expressions, the same in every attempt.
    pub now: Timestamp,
    /// The run's facts.
    pub body: &'a RunBody,
    /// The event.
    pub event: &'a Value,
    /// The object as it is at present, when the event was found stale and the pipeline wants it read anew.
    pub refetched: Option<Value>,
}

/// The pipelines of all clients that can run.
#[derive(Default, Clone)]
pub struct Programs {
    clients: HashMap<Arc<str>, BTreeMap<Arc<str>, Arc<dyn Program>>>,
}

impl Programs {
    /// Adds a client with its pipelines; one without any is still a client.
    pub fn insert(&mut self, client: Arc<str>, pipelines: impl IntoIterator<Item = Arc<dyn Program>>) {
        let pipelines = pipelines.into_iter().map(|program| (Arc::clone(program.name()), program)).collect();
        self.clients.insert(client, pipelines);
    }

    /// True when the client can run.
    pub fn has(&self, client: &str) -> bool {
        self.clients.contains_key(client)
    }

    /// A client's pipelines, by name.
    pub fn of(&self, client: &str) -> impl Iterator<Item = &Arc<dyn Program>> {
        self.clients.get(client).into_iter().flat_map(BTreeMap::values)
    }

    /// One pipeline.
    pub fn get(&self, client: &str, pipeline: &str) -> Option<&Arc<dyn Program>> {
        self.clients.get(client)?.get(pipeline)
    }

    /// The clients.
    pub fn clients(&self) -> impl Iterator<Item = &Arc<str>> {
        self.clients.keys()
    }
}

impl std::fmt::Debug for Programs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.clients.iter().map(|(client, all)| (client, all.keys().collect::<Vec<_>>()));
        f.debug_map().entries(names).finish()
    }
}
