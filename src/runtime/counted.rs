//! A gateway that counts.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::connector::{Abilities, Call, Connections, Failure, Gateway, Reply};
use crate::metrics::Metrics;

/// Carries calls out over the connections, and counts them by what came of them.
pub(super) struct Counted {
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
}

impl Counted {
    pub(super) fn new(connections: Arc<Connections>, metrics: Arc<Metrics>) -> Self {
        Self { connections, metrics }
    }
}

impl Gateway for Counted {
    fn call<'a>(&'a self, client: &'a str, call: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>> {
        Box::pin(async move {
            let began = Instant::now();
            let answer = self.connections.call(client, call).await;
            let class = answer.as_ref().map_or_else(|failure| failure.class.word(), |_| "ok");
            self.metrics.called(client, &call.connection, class, began.elapsed());
            answer
        })
    }

    fn abilities(&self, client: &str, connection: &str) -> Option<Arc<Abilities>> {
        self.connections.abilities(client, connection)
    }
}
