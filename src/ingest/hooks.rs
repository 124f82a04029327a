//! The addresses that are served, and how a delivery to one becomes an event.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Delivery, Refusal};
use crate::connector::{Connection, Expected, Posted, Webhook};
use crate::engine::Incoming;
use crate::expr::pci;
use crate::secret::Secret;
use crate::store::Source;
use crate::value::Value;

/// How often at most a connection's refusals are logged, in seconds: a stranger can post as often as he likes.
const COMPLAINT_EVERY: u64 = 60;

/// All addresses: client -> connection -> hook. Cheap to clone: with a change of one client, the others stay.
#[derive(Default, Clone)]
pub struct Hooks {
    clients: HashMap<Arc<str>, Client>,
}

/// How a client stands at its addresses.
#[derive(Clone)]
enum Client {
    Open(Arc<ByName>),
    /// It can run, and has to be called first.
    Dormant,
    /// It cannot run.
    Broken,
}

type ByName = HashMap<Arc<str>, Hook>;

/// One address.
pub struct Hook {
    client: Arc<str>,
    name: Arc<str>,
    connection: Arc<Connection>,
    secrets: Vec<Secret>,
    expected: Expected,
    complained: Complaints,
}

/// When the operator was told of a refusal last, in Unix seconds.
pub(super) struct Complaints(AtomicI64);

impl Default for Complaints {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Hooks {
    /// Serves the connections of a client that runs.
    pub fn serve(&mut self, client: &Arc<str>, connections: impl IntoIterator<Item = Arc<Connection>>) {
        let hooks = connections.into_iter().map(|connection| {
            let hook = Hook::new(Arc::clone(client), connection);
            (Arc::clone(&hook.name), hook)
        });
        self.clients.insert(Arc::clone(client), Client::Open(Arc::new(hooks.collect())));
    }

    /// Serves a client that cannot run: its senders are asked to come back.
    pub fn serve_broken(&mut self, client: &Arc<str>) {
        self.clients.insert(Arc::clone(client), Client::Broken);
    }

    /// Serves a client that is opened when it is called.
    pub fn serve_dormant(&mut self, client: &Arc<str>) {
        self.clients.insert(Arc::clone(client), Client::Dormant);
    }

    /// The name of the client, when it has to be called before its hooks can be found.
    pub fn dormant(&self, client: &str) -> Option<&Arc<str>> {
        let (name, client) = self.clients.get_key_value(client)?;
        matches!(client, Client::Dormant).then_some(name)
    }

    /// Serves a client no more: it is not in the project.
    pub fn remove(&mut self, client: &str) {
        self.clients.remove(client);
    }

    /// The hook at an address.
    pub fn find(&self, client: &str, connection: &str) -> Result<&Hook, Refusal> {
        let unknown =
            || Refusal::UnknownAddress { client: client.to_owned(), connection: connection.to_owned() };
        match self.clients.get(client).ok_or_else(unknown)? {
            Client::Open(hooks) => hooks.get(connection).ok_or_else(unknown),
            // One that was called and is dormant still could not be opened: it may be later.
            Client::Dormant | Client::Broken => Err(Refusal::ClientBroken { client: client.to_owned() }),
        }
    }

    /// The addresses that take events: `/hooks/<client>/<connection>`, in order.
    pub fn paths(&self) -> Vec<String> {
        let open = self.clients.values().filter_map(|client| match client {
            Client::Open(hooks) => Some(hooks),
            Client::Dormant | Client::Broken => None,
        });
        let hooks = open.flat_map(|hooks| hooks.values());
        let mut paths: Vec<String> = hooks
            .filter(|hook| hook.connection.manifest().webhook().is_some())
            .map(|hook| format!("/hooks/{}/{}", hook.client, hook.name))
            .collect();
        paths.sort_unstable();
        paths
    }
}

impl Hook {
    fn new(client: Arc<str>, connection: Arc<Connection>) -> Self {
        let webhook = connection.manifest().webhook();
        let secrets = webhook.map(|webhook| webhook.secrets(connection.config())).unwrap_or_default();
        let events = connection.manifest().events();
        let expected = events.map(|events| events.expected(connection.config())).unwrap_or_default();
        let name = Arc::clone(connection.name());
        Self { client, name, connection, secrets, expected, complained: Complaints::default() }
    }

    /// The client.
    pub fn client(&self) -> &Arc<str> {
        &self.client
    }

    /// The connection's name.
    pub fn connection(&self) -> &Arc<str> {
        &self.name
    }

    /// Proves that a delivery is the system's own, and reads what every event of it tells; there is at least one. Card data does
    /// not get beyond this point (invariant 5).
    pub fn open(&self, delivery: &Delivery, now: Timestamp) -> Result<Vec<Incoming>, Refusal> {
        let manifest = self.connection.manifest();
        let no_webhooks = || Refusal::NoWebhooks { connection: self.name.to_string() };
        let webhook = manifest.webhook().ok_or_else(no_webhooks)?;
        let events = manifest.events().ok_or_else(no_webhooks)?;
        let posted = Posted { target: &delivery.target, headers: &delivery.headers, body: &delivery.body };
        webhook
            .verify(&posted, self.connection.config(), &self.secrets, now)
            .map_err(|error| Refusal::Signature(error.to_string()))?;
        let read = webhook.read(&delivery.body).map_err(Refusal::NotAnEvent)?;
        let several = events.each(&read.value);
        if several.is_empty() {
            return Err(Refusal::NotAnEvent("an empty list".to_owned()));
        }
        let opened = several.into_iter().map(|event| {
            let whole = (!read.repeats && same_nodes(&event, &read.value)).then_some(&delivery.body);
            let (event, body) = self.keep(webhook, &event, whole, now)?;
            let envelope = events.envelope(&event).map_err(|error| Refusal::NotAnEvent(error.to_string()))?;
            let unfit = self.expected.unfit(&envelope);
            let event = events.told(event, &envelope);
            Ok(Incoming::of_envelope(
                (&self.client, &self.name),
                envelope,
                (event, body),
                Source::Webhook,
                unfit,
            ))
        });
        opened.collect()
    }

    /// An event, and its bytes as they are kept: without card data, and without what is secret here. `whole`: the body that it is
    /// all of, which is kept byte for byte where nothing had to be taken out. (Of a key that stands twice only one entry was
    /// looked at: that one is written anew.)
    fn keep(
        &self,
        webhook: &Webhook,
        event: &Value,
        whole: Option<&Bytes>,
        now: Timestamp,
    ) -> Result<(Value, Bytes), Refusal> {
        if event.as_map().is_none() {
            return Err(Refusal::NotAnEvent("no JSON object".to_owned()));
        }
        let stamped = webhook.kept(event.clone(), || Uuid::now_v7().simple().to_string(), now);
        let stripped = pci::strip(stamped);
        let kept = self.connection.without_secrets(&stripped).unwrap_or(stripped);
        let body = match whole.filter(|_| same_nodes(event, &kept)) {
            Some(whole) => whole.clone(),
            None => Bytes::from(kept.to_json()),
        };
        Ok((kept, body))
    }

    /// Tells the operator of a refusal, once in a while: a wrong secret would otherwise go unseen, and a line for each
    /// would be a stranger's way to fill the disk.
    pub(super) fn complain(&self, refusal: &Refusal, now: Timestamp) {
        self.complain_by(&self.complained, refusal, now);
    }

    /// The same, where others have complained instead of it.
    pub(super) fn complain_by(&self, complained: &Complaints, refusal: &Refusal, now: Timestamp) {
        let Complaints(complained) = complained;
        let last = complained.load(Ordering::Relaxed);
        // Whichever way the clock was set meanwhile.
        if now.as_second().abs_diff(last) < COMPLAINT_EVERY {
            return;
        }
        let won = complained.compare_exchange(last, now.as_second(), Ordering::Relaxed, Ordering::Relaxed);
        if won.is_ok() {
            tracing::warn!(
                client = %self.client, connection = %self.name, reason = refusal.word(), error = %chain(refusal),
                "delivery refused"
            );
        }
    }
}

/// A refusal with all its causes: the sender is told the first, the operator needs the last.
fn chain(refusal: &Refusal) -> String {
    let causes = std::iter::successors(refusal.source(), |cause| (*cause).source());
    causes.fold(refusal.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// True when both are one value in memory, so that nothing was changed.
fn same_nodes(a: &Value, b: &Value) -> bool {
    matches!((a, b), (Value::Map(a), Value::Map(b)) if Arc::ptr_eq(a, b))
}
