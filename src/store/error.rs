//! Why the store could not do what it was asked.

use std::sync::Arc;

/// Why the store could not do what it was asked. Cheap to clone: one broken commit answers many.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// More waits to be written than may wait. Nothing was stored; the sender is asked to come back.
    #[error("more events wait to be written than the store takes at once")]
    Busy,
    /// It holds something else, or was damaged.
    #[error(
        "{store} is not a lockstep store, or is damaged: {reason}; restore a backup, or name another store"
    )]
    Damaged {
        /// Where the store is.
        store: Arc<str>,
        /// What was found.
        reason: String,
    },
    /// A newer lockstep made this store.
    #[error(
        "{store} was made by a newer lockstep (schema {found}; this one knows up to {known}): use that version, or restore a backup from before the upgrade"
    )]
    Newer {
        /// Where the store is.
        store: Arc<str>,
        /// The schema version that was found.
        found: u32,
        /// The newest schema version that this program knows.
        known: u32,
    },
    /// Another `lockstep run` works on this store.
    #[error("{store} is in use by another `lockstep run`: one process at a time carries runs out on a store")]
    InUse {
        /// Where the store is.
        store: Arc<str>,
    },
    /// Several processes were to share the work of a store that one process has to itself.
    #[error(
        "{store} is an SQLite store, which one process has to itself: leave the role out, or name a PostgreSQL store"
    )]
    Unshared {
        /// Where the store is.
        store: Arc<str>,
    },
    /// The store may not be written to.
    #[error("{store} cannot be written to: {reason}")]
    ReadOnly {
        /// Where the store is.
        store: Arc<str>,
        /// What the system said.
        reason: String,
    },
    /// The store could not be opened or made.
    #[error("{store} cannot be opened: {reason}")]
    Unopened {
        /// Where the store is.
        store: Arc<str>,
        /// What the system said.
        reason: String,
    },
    /// The database does not answer, or the connection to it broke. Whether the last change was kept is not known.
    #[error("{store} cannot be reached: {reason}")]
    Unreachable {
        /// Where the store is.
        store: Arc<str>,
        /// What the system said.
        reason: String,
    },
    /// This process was taken for dead, and others carry on what it was at: it may not write any more.
    #[error(
        "another lockstep has taken over the work of this one, which was out of reach of the store for too long"
    )]
    Fenced,
    /// Another process kept the store locked for longer than we wait.
    #[error("the store is locked by another process")]
    Locked,
    /// The disk is full.
    #[error("the disk of the store is full")]
    Full,
    /// Something that the caller took for granted is not so: a run is not in the state that it was in.
    #[error("{0}")]
    Assumption(Arc<str>),
    /// The database said no.
    #[error("the store failed: {0}")]
    Database(Arc<str>),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
