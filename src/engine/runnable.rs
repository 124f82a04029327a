//! A pipeline, as the engine sees it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::incoming::Incoming;
use crate::config::{LockstepTrigger, RetryFile, Stale};
use crate::connector::Gateway;
use crate::steps::{Agreed, Ending, EventInput, Journal, RunInput};
use crate::store::{RunBody, Version};
use crate::value::Value;

/// What an event says has changed.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Each field that is not as it was, with what it holds now.
    pub fields: Vec<Agreed>,
    /// Which request changed it.
    pub cause: Cause,
}

/// What a system tells of the request that caused an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It never tells.
    Untold,
    /// The idempotency key of that request; nothing when it had none.
    Key(Option<Arc<str>>),
}

/// A pipeline that can be run: when it starts, in which order, and how it is carried out. Its two sides are the
/// checked pipelines of a project, and scripted ones in the engine's own tests.
pub trait Runnable: Send + Sync {
    /// The pipeline's name within its client.
    fn name(&self) -> &Arc<str>;

    /// Names what the pipeline is made of.
    fn version(&self) -> Version;

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

    /// Reads a stored event again, as it was read when it came in; says why when it cannot.
    fn read(&self, body: &RunBody, event: Value) -> Result<EventInput, String>;

    /// What an event says has changed, where it could be an echo of a write of ours; `None` where it cannot.
    fn changed(&self, _body: &RunBody, _event: &EventInput) -> Option<Changed> {
        None
    }

    /// Carries a run out, once.
    fn execute<'a>(
        &'a self,
        run: &'a RunInput,
        gateway: &'a dyn Gateway,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Ending>;
}

/// The pipelines of one client.
type ByName = BTreeMap<Arc<str>, Arc<dyn Runnable>>;

/// The pipelines of all clients that can run. Cheap to clone: with a change of one client, the others stay as they are.
#[derive(Default, Clone)]
pub struct Runnables {
    clients: HashMap<Arc<str>, Arc<ByName>>,
    /// Clients that can run when they have been opened.
    dormant: HashSet<Arc<str>>,
}

impl Runnables {
    /// Adds a client with its pipelines, in the place of those that it had; one without any is still a client.
    pub fn insert(&mut self, client: Arc<str>, pipelines: impl IntoIterator<Item = Arc<dyn Runnable>>) {
        let pipelines = pipelines.into_iter().map(|pipeline| (Arc::clone(pipeline.name()), pipeline));
        self.dormant.remove(&client);
        self.clients.insert(client, Arc::new(pipelines.collect()));
    }

    /// Adds a client that has to be opened before its pipelines can run.
    pub fn insert_dormant(&mut self, client: Arc<str>) {
        self.clients.remove(&client);
        self.dormant.insert(client);
    }

    /// True when the client can run, once it has been opened.
    pub fn is_dormant(&self, client: &str) -> bool {
        self.dormant.contains(client)
    }

    /// Takes a client out: it cannot run any more.
    pub fn remove(&mut self, client: &str) {
        self.clients.remove(client);
        self.dormant.remove(client);
    }

    /// True when the client can run at once.
    pub fn has(&self, client: &str) -> bool {
        self.clients.contains_key(client)
    }

    /// A client's pipelines, by name.
    pub fn of(&self, client: &str) -> impl Iterator<Item = &Arc<dyn Runnable>> {
        self.clients.get(client).into_iter().flat_map(|pipelines| pipelines.values())
    }

    /// All pipelines, each with its client.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<dyn Runnable>)> {
        self.clients.iter().flat_map(|(client, pipelines)| pipelines.values().map(move |it| (client, it)))
    }

    /// One pipeline.
    pub fn get(&self, client: &str, pipeline: &str) -> Option<&Arc<dyn Runnable>> {
        self.clients.get(client)?.get(pipeline)
    }
}

impl std::fmt::Debug for Runnables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.clients.iter().map(|(client, all)| (client, all.keys().collect::<Vec<_>>()));
        f.debug_map().entries(names).finish()
    }
}
