//! Where commands wait: one asynchronous runtime, made when a command needs one.

use anyhow::Context;

/// The runtime of this process.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("lockstep")
        .build()
        .context("the runtime could not be started")
}
