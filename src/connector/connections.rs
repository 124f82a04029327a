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

/// All connections, by client and name. A client's connections are replaced as a whole, while calls go on.
#[derive(Debug, Default)]
pub struct Connections(ArcSwap<HashMap<Arc<str>, ByName>>);

impl Connections {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts these connections in the place of all that `client` had.
    pub fn replace(&self, client: &str, connections: impl IntoIterator<Item = Connection>) {
        let new: ByName = connections
            .into_iter()
            .map(|connection| (Arc::clone(connection.name()), Arc::new(connection)))
            .collect();
        self.0.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.insert(client.into(), new.clone());
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
                None => Err(Failure::permanent(format!(
                    "the client {client} has no connection `{}`",
                    call.connection
                ))),
            }
        })
    }

    fn abilities(&self, client: &str, connection: &str) -> Option<Arc<Abilities>> {
        Some(Arc::clone(self.get(client, connection)?.manifest().abilities()))
    }
}
