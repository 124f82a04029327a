//! Where versions of pipelines come from that are not at hand.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::runnable::Runnable;
use crate::store::{StoreError, Version};

/// Brings pipelines back as they were. Its two sides are the versions that a store keeps, and scripted ones in the
/// engine's own tests.
pub trait Archive: Send + Sync {
    /// A pipeline of a client as it was in `version`.
    fn fetch<'a>(
        &'a self,
        client: &'a str,
        pipeline: &'a str,
        version: &'a Version,
    ) -> BoxFuture<'a, Result<Arc<dyn Runnable>, Unavailable>>;

    /// Has a dormant client opened, of which runs are due: it is among the pipelines that run when that is done.
    fn rouse(&self, client: &Arc<str>);
}

/// Why a version cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unavailable {
    /// The store cannot tell; it is asked again later.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not kept, or cannot run any more. Continues a sentence that began with the version: `is not kept`.
    #[error("{0}")]
    Gone(String),
}
