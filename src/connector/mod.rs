//! Connectors: a manifest (YAML) tells how one kind of system is talked to, and this module talks.
//!
//! A step hands a [`Call`] to a [`Gateway`] and gets a [`Reply`] or a [`Failure`], whose [`Class`] is decided
//! here and nowhere else. What may be relied on (can a create be repeated, is a look-up up to date) is read off
//! the manifest as [`Abilities`], so that nothing outside `builtin/` knows a system by name (invariant 8).
//!
//! It does **not** know runs, pipelines or the journal, never tries again (but for one renewal of an expired
//! credential) and breaks no circuit: it classifies.
//!
//! Begin reading at [`Gateway`].

mod abilities;
mod call;
mod failure;
mod gateway;

pub use abilities::{ANY_OBJECT, Abilities, AfterUnknown, Finder, ObjectFacts, OperationFacts, Repeat};
pub use call::{Action, ActionKind, Call, Fields, Record, Reply, Select};
pub use failure::{Class, Failure};
pub use gateway::Gateway;
