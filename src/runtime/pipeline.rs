//! A checked pipeline as the engine runs it.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::clock::SharedClock;
use crate::config::{LockstepTrigger, RetryFile, Stale};
use crate::connector::{Connections, Gateway};
use crate::engine::{Cause, Changed, Incoming, Runnable};
use crate::poll;
use crate::project::{Pipeline, Trigger};
use crate::steps::{self, ClientFacts, Ending, EventInput, Journal, RecordName, RunInput, World};
use crate::store::{RunBody, Source, Version};
use crate::value::Value;

/// A pipeline of a client whose settings are known.
pub(super) struct ClientPipeline {
    pipeline: Arc<Pipeline>,
    client: Arc<ClientFacts>,
    connections: Arc<Connections>,
    clock: SharedClock,
}

impl ClientPipeline {
    pub(super) fn new(
        pipeline: Arc<Pipeline>,
        client: Arc<ClientFacts>,
        connections: Arc<Connections>,
        clock: SharedClock,
    ) -> Self {
        Self { pipeline, client, connections, clock }
    }
}

impl Runnable for ClientPipeline {
    fn name(&self) -> &Arc<str> {
        &self.pipeline.name
    }

    fn version(&self) -> Version {
        Version(Arc::clone(&self.pipeline.version))
    }

    fn lane(&self) -> &Arc<str> {
        &self.pipeline.order.lane
    }

    fn starts_on(&self, incoming: &Incoming) -> bool {
        match &incoming.pipeline {
            Some(own) => *own == self.pipeline.name,
            None => self.pipeline.starts_on(&incoming.connection, &incoming.kind),
        }
    }

    fn order_key(&self, incoming: &Incoming) -> Result<Arc<str>, String> {
        let event = EventInput {
            envelope: incoming.event.clone(),
            object: incoming.object.clone(),
            previous: incoming.previous.clone(),
            source: incoming.source.word().into(),
        };
        self.pipeline.order.key_of(&event, &self.client, self.clock.now(), &incoming.key)
    }

    fn stale(&self, incoming: &Incoming) -> Stale {
        self.pipeline.order.stale(&incoming.kind, incoming.occurrence)
    }

    fn retry(&self) -> RetryFile {
        self.pipeline.program.retry
    }

    fn listens(&self) -> Option<&LockstepTrigger> {
        match &self.pipeline.trigger {
            Trigger::Reports(trigger) => Some(trigger),
            Trigger::Events { .. } | Trigger::Schedule(_) => None,
        }
    }

    fn read(&self, body: &RunBody, event: Value) -> Result<EventInput, String> {
        let source = body.source.word().into();
        if body.source == Source::Lockstep {
            let object = event.get("object").cloned().unwrap_or_default();
            return Ok(EventInput { envelope: event, object, previous: Value::Null, source });
        }
        if let Trigger::Schedule(_) = &self.pipeline.trigger {
            return Ok(poll::input_of(event));
        }
        let connection = self.connections.get(&self.client.name, &body.connection);
        let connection =
            connection.ok_or_else(|| format!("the connection `{}` is no longer there", body.connection))?;
        let events = connection.manifest().events();
        let events = events.ok_or_else(|| format!("`{}` no longer sends events", body.connection))?;
        let (envelope, object, previous) = events.read_again(event).map_err(|error| error.to_string())?;
        Ok(EventInput { envelope, object, previous, source })
    }

    fn changed(&self, body: &RunBody, event: &EventInput) -> Option<Changed> {
        let previous = event.previous.as_map().filter(|previous| !previous.is_empty())?;
        let (object, id) = (body.object_kind.as_deref()?, body.object.as_deref()?);
        let connection = self.connections.get(&self.client.name, &body.connection)?;
        let (manifest, ids) = (connection.manifest(), connection.manifest().abilities().ids());
        let cause = match (&self.pipeline.trigger, manifest.events()) {
            (Trigger::Events { .. }, Some(events)) if events.tells_marks() => {
                Cause::Key(events.mark(&event.envelope))
            }
            _ => Cause::Untold,
        };
        let record = RecordName {
            client: &self.client.name,
            connection: &body.connection,
            object,
            record: ids.and_then(|ids| ids.core(id)).unwrap_or(id),
        };
        let stamps = manifest.abilities().object(object).map_or(&[][..], |facts| &facts.stamps);
        let news = previous.iter().filter(|(name, _)| !stamps.contains(name));
        let now = |name: &Arc<str>| event.object.get(name).unwrap_or(&Value::Null);
        let fields = news.flat_map(|(name, was)| record.changed(ids, name, was, now(name))).collect();
        Some(Changed { fields, cause })
    }

    fn execute<'a>(
        &'a self,
        run: &'a RunInput,
        gateway: &'a dyn Gateway,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Ending> {
        Box::pin(async move {
            let world = World { gateway, journal, clock: &*self.clock, client: &self.client, observer: None };
            steps::execute(&self.pipeline.program, run, &world).await
        })
    }
}
