//! The verbs: what a pipeline does, step by step.
//!
//! A step evaluates its expressions, asks the [`Journal`] what it did before, calls a connection through the
//! gateway, and records what came of it. It never sleeps, never retries and never talks to a store: how a run
//! ended is an [`Ending`], and the engine decides what follows.

mod ending;
mod journal;

pub use ending::Ending;
pub use journal::{
    AuditEntry, CallId, CallOutcome, Durability, Entry, EntryState, FieldChange, Grant, Identity, Intent,
    Journal, JournalError,
};
