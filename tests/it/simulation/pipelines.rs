//! The pipelines of the simulation: a checked project, run by the verbs of production, and watched.

use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lockstep::check::{Environments, check};
use lockstep::clock::SharedClock;
use lockstep::config::{LockstepTrigger, RetryFile, Stale, load};
use lockstep::connector::{Envelope, Gateway};
use lockstep::engine::{Archive, Incoming, Runnable, Runnables, Unavailable};
use lockstep::project::{Client, Pipeline, Trigger};
use lockstep::steps::{ClientFacts, Ending, EventInput, Journal, RunInput, World, execute};
use lockstep::store::{RunBody, RunId, Source, Version};
use lockstep::value::Value;

use super::ledger::Ledger;
use crate::example::project;

/// What a client would write: upserts of one person by two pipelines, a lane that two share, a wait for what may come
/// late, creates with keys, a script with calls, a message, a life cycle, an alert.
const PIPELINES: &str = r#"
# file: sync-customer.yaml
name: sync-customer
description: A customer is a contact.
trigger: { stripe: { events: [customer.created, customer.updated] } }
order: { lane: customers }
retry: { attempts: 100, backoff: 1s..20s }
steps:
  - upsert:
      object: salesforce.Contact
      match: [{ Ext__c: $.object.id }, { Email: $.object.email }]
      fields: { Ext__c: $.object.id, Email: $.object.email, Version__c: $.object.metadata.version }
# file: mirror-customer.yaml
name: mirror-customer
description: Another pipeline that makes the same contact, in a lane of its own.
trigger: { stripe: { events: [customer.created, customer.updated] } }
retry: { attempts: 100, backoff: 1s..20s }
steps:
  - upsert:
      object: salesforce.Contact
      match: { Ext__c: $.object.id }
      fields: { Mirrored__c: $.object.metadata.version }
  - create: { object: salesforce.Note, key: { Ref__c: "seen-${object.id}" }, fields: { Body: Seen } }
# file: payment-failed.yaml
name: payment-failed
description: A failed payment is a task, and a message.
trigger: { stripe: { events: [invoice.payment_failed] } }
order: { lane: customers }
retry: { attempts: 100, backoff: 1s..20s }
steps:
  - id: contact
    find: { object: salesforce.Contact, match: { Ext__c: $.object.customer }, none: wait 2h }
  - id: task
    create:
      object: salesforce.Task
      key: { Ref__c: $.object.id }
      fields: { Subject: Payment failed, WhoId: $.steps.contact.id }
  - retry: { attempts: 50, backoff: 1s..5s }
    call: { connection: slack, operation: message, params: { text: "${object.id} failed" } }
  - update: { object: salesforce.Contact, record: $.steps.contact.id, fields: { Overdue__c: $.object.id } }
# file: invoice-status.yaml
name: invoice-status
description: An invoice is as far as Stripe says it is.
trigger: { stripe: { events: [invoice.created, invoice.finalized, invoice.updated, invoice.paid] } }
order: { stale: skip }
retry: { attempts: 100, backoff: 1s..20s }
steps:
  - upsert:
      object: salesforce.Invoice__c
      match: { Ref__c: $.object.id }
      fields: { Status__c: $.object.status }
# file: paid-order.yaml
name: paid-order
description: A paid invoice is an order, by a script.
trigger: { stripe: { events: [invoice.paid] } }
retry: { attempts: 100, backoff: 1s..20s }
steps:
  - script: |
      let old = salesforce.find("Order", #{ Ref__c: object.id });
      if old.id == () {
          old = salesforce.create("Order", #{ Total: 5 }, #{ Ref__c: object.id });
      }
      salesforce.update("Order", old.id, #{ Paid__c: true });
# file: alert.yaml
name: alert
description: Dead letters and conflicts are told, not too often.
trigger: { lockstep: { events: [run.dead, run.conflict], at_most: 1/10m } }
steps:
  - call: { connection: slack, operation: message, params: { text: "${object.reason}" } }
"#;

/// The client, checked once for all worlds.
pub(super) static CLIENT: LazyLock<Arc<Client>> = LazyLock::new(|| {
    let folder = project(PIPELINES);
    let checked = check(load(&[], folder.path()).unwrap(), Environments::Base).unwrap();
    let client = checked.project.client("acme").cloned();
    client.unwrap_or_else(|| panic!("the pipelines of the simulation have findings: {:#?}", checked.report))
});

/// The envelope of an event, as its connector reads it.
pub(super) fn envelope(event: &Value) -> Envelope {
    CLIENT.connections["stripe"].manifest.events().unwrap().envelope(event).unwrap()
}

/// All pipelines, watched by `ledger`.
pub(super) fn runnables(ledger: &Arc<Ledger>, clock: &SharedClock) -> Runnables {
    let client = &*CLIENT;
    let facts =
        ClientFacts { name: Arc::clone(client.name()), zone: client.zone.clone(), vars: client.vars.clone() };
    let facts = Arc::new(facts);
    let watched = |pipeline: &Arc<Pipeline>| {
        let (pipeline, client) = (Arc::clone(pipeline), Arc::clone(&facts));
        Arc::new(Watched { pipeline, client, ledger: Arc::clone(ledger), clock: Arc::clone(clock) })
            as Arc<dyn Runnable>
    };
    let mut all = Runnables::default();
    all.insert(Arc::clone(client.name()), client.pipelines.iter().map(watched));
    all
}

/// No pipeline changes in these worlds, so nobody asks for an earlier version.
pub(super) struct Nothing;

impl Archive for Nothing {
    fn fetch<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a Version,
    ) -> BoxFuture<'a, Result<Arc<dyn Runnable>, Unavailable>> {
        async { Err(Unavailable::Gone("is not kept".to_owned())) }.boxed()
    }

    fn rouse(&self, _: &Arc<str>) {}
}

/// A pipeline whose runs are watched.
struct Watched {
    pipeline: Arc<Pipeline>,
    client: Arc<ClientFacts>,
    ledger: Arc<Ledger>,
    clock: SharedClock,
}

/// Tells when an execution stops, however it does.
struct Going<'a>(&'a Ledger, RunId);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.run_stops(self.1);
    }
}

impl Runnable for Watched {
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
        self.pipeline.starts_on(&incoming.connection, &incoming.kind)
    }

    fn order_key(&self, incoming: &Incoming) -> Result<Arc<str>, String> {
        Ok(Arc::clone(&incoming.key))
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
        let envelope = envelope(&event);
        Ok(EventInput { envelope: event, object: envelope.object, previous: envelope.previous, source })
    }

    fn execute<'a>(
        &'a self,
        run: &'a RunInput,
        gateway: &'a dyn Gateway,
        journal: &'a dyn Journal,
    ) -> BoxFuture<'a, Ending> {
        async move {
            let id = RunId(run.id.rsplit('-').next().unwrap().parse().unwrap());
            self.ledger.run_begins(id, self.clock.now());
            let _going = Going(&self.ledger, id);
            let world = World { gateway, journal, clock: &*self.clock, client: &self.client, observer: None };
            execute(&self.pipeline.program, run, &world).await
        }
        .boxed()
    }
}
