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

    /// `connection` of `client` turned out to be down: calls that still wait for their turn come back, unsent, as
    /// throttled. Calls that come later are carried out.
    fn call_off(&self, _client: &str, _connection: &str) {}

    /// What `connection` of `client` can do; `None` when there is no such connection.
    fn abilities(&self, client: &str, connection: &str) -> Option<Arc<Abilities>>;
}
