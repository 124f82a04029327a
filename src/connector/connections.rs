//! All connections of a process, by client and name: the gateway over HTTP.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;

use super::abilities::Abilities;
use super::call::{Call, Reply};
use super::connection::Connection;
use super::failure::Failure;
use super::gateway::Gateway;

type ByName = HashMap<Arc<str>, Arc<Connection>>;

/// All connections, by client and name. They are replaced while calls go on.
#[derive(Debug, Default)]
pub struct Connections(ArcSwap<HashMap<Arc<str>, Arc<ByName>>>);

impl Connections {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts connections of clients in the place of those of the same names. One that a client does not have any more
    /// stays for the runs that have begun with it: what begins anew does not name it.
    pub fn replace(&self, clients: impl IntoIterator<Item = (Arc<str>, Vec<Arc<Connection>>)>) {
        let clients: Vec<_> = clients.into_iter().collect();
        self.0.rcu(|all| {
            let mut all = HashMap::clone(all);
            for (client, connections) in &clients {
                let by_name = all.entry(Arc::clone(client)).or_default();
                let named = connections.iter().map(|it| (Arc::clone(it.name()), Arc::clone(it)));
                Arc::make_mut(by_name).extend(named);
            }
            all
        });
    }

    /// One connection of a client.
    pub fn get(&self, client: &str, connection: &str) -> Option<Arc<Connection>> {
        self.0.load().get(client)?.get(connection).cloned()
    }
}

impl Gateway for Connections {
    fn call<'a>(&'a self, client: &'a str, call: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            match self.get(client, &call.connection) {
                Some(connection) => connection.call(call).await,
                None => Err(unknown(client, call)),
            }
        })
    }

    fn call_many<'a>(
        &'a self,
        client: &'a str,
        calls: &'a [Call],
    ) -> BoxFuture<'a, Vec<Result<Reply, Failure>>> {
        Box::pin(async move {
            let Some(first) = calls.first() else { return Vec::new() };
            match self.get(client, &first.connection) {
                Some(connection) => connection.call_many(calls).await,
                None => calls.iter().map(|call| Err(unknown(client, call))).collect(),
            }
        })
    }

    fn call_off(&self, client: &str, connection: &str) {
        if let Some(connection) = self.get(client, connection) {
            connection.call_off();
        }
    }

    fn abilities(&self, client: &str, connection: &str) -> Option<Arc<Abilities>> {
        Some(Arc::clone(self.get(client, connection)?.manifest().abilities()))
    }
}

fn unknown(client: &str, call: &Call) -> Failure {
    Failure::permanent(format!("the client {client} has no connection `{}`", call.connection))
}
