//! The verbs: what a pipeline does, step by step.
//!
//! A step evaluates its expressions, asks the [`Journal`] what it did before, calls a connection through the
//! gateway, and records what came of it. It never sleeps, never retries and never talks to a store: how a run
//! ended is an [`Ending`], and the engine decides what follows.
//!
//! [`Program::compile`] turns what was written into what can run and finds all that is wrong with it; [`execute`]
//! runs it. Begin reading at `execute.rs`; each verb is a file, `calls.rs` is their common way to a system and to
//! the journal, `look_up.rs` their common way to a record.

mod call;
mod calls;
mod check;
mod choose;
mod compare;
mod compilation;
mod create;
mod danger;
mod delete;
mod ending;
mod execute;
mod find;
mod for_each;
mod get;
mod given;
mod gives;
mod identity;
mod journal;
mod ledger;
mod link;
mod list;
mod listing;
mod look_up;
mod lower;
mod lower_steps;
mod mapping;
mod observe;
mod ownership;
mod params;
mod program;
mod read;
mod reads;
mod run;
mod script;
mod set;
mod spent;
mod target;
mod together;
mod update;
mod upsert;
mod use_part;
mod uses;
mod ways;

#[cfg(test)]
mod tests;

pub(crate) use compare::{same, same_identity};
pub use compilation::{Compilation, Compiled};
pub use ending::{Ending, StepRetry};
pub use execute::execute;
pub use journal::{
    AuditEntry, CallId, CallOutcome, Durability, Entry, EntryState, FieldChange, Grant, Identity, Intent,
    Journal, JournalError,
};
pub use ledger::{Agreed, Agreements, FieldKey, RecordName, ValueDigest};
pub use listing::{Listing, Unique, listing};
pub use lower::{ClientScope, connection, finding_of, order_key};
pub use observe::{Observer, Sight};
pub use ownership::Heard;
pub use program::Program;
pub use run::{ClientFacts, EventInput, RunInput, World};
pub use spent::Spent;
pub use target::Target;
pub use ways::{Way, WayAt};
