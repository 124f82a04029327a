//! The one way from a step to a system.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::abilities::Abilities;
use super::call::{Call, Reply};
use super::failure::Failure;

/// Carries calls out. Two sides: the connections over HTTP (`Connections`), and the
/// records in memory that `lockstep test` and the dry run act on.
pub trait Gateway: Send + Sync {
    /// Carries `call` out on a connection of `client`. One attempt, but for one renewal of an expired
    /// credential; waits for the connection's rate limit, never in the hope that a fault passes.
    fn call<'a>(&'a self, client: &'a str, call: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>>;

    /// Carries out calls of one connection that have nothing to do with each other: as few requests as it can make of them,
    /// each read call by call (invariant 10). The answers stand in the order of the calls.
    fn call_many<'a>(
        &'a self,
        client: &'a str,
        calls: &'a [Call],
    ) -> BoxFuture<'a, Vec<Result<Reply, Failure>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(calls.len());
            for call in calls {
                answers.push(self.call(client, call).await);
            }
            answers
        })
    }

    /// `connection` of `client` turned out to be down: calls that still wait for their turn come back, unsent, as
    /// throttled. Calls that come later are carried out.
    fn call_off(&self, _client: &str, _connection: &str) {}

    /// What `connection` of `client` can do; `None` when there is no such connection.
    fn abilities(&self, client: &str, connection: &str) -> Option<Arc<Abilities>>;
}
