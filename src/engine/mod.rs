//! Carries runs out: which goes next, what a failure leads to, and how each event ends.
//!
//! An event comes in by [`Engine::accept`], which answers when the event and its runs are on disk (invariant 1).
//! A scheduler, one task, keeps the runs that can go now in lanes: runs of one lane and key go one at a time, the
//! oldest first; clients take turns (invariant 3). Each run is carried out by its [`Runnable`] over a journal, so
//! that what was done is never done again (invariant 2), and what its ending leads to is decided in one place
//! (`verdict`). What waits (behind another, for a time, for a paused connection) waits in the store and not in
//! memory (invariant 7).
//!
//! It does **not** know HTTP, expressions or any system. A run is never marked as begun: after a crash, and when a
//! partition of the work comes here from another process (`scheduler::share`), every unfinished run is carried on from
//! its journal. Begin reading at [`Engine`], then `scheduler`.

mod alerts;
mod api;
mod applied;
mod archive;
mod awaited;
mod carry_out;
mod circuit;
mod echo;
mod generations;
mod holdings;
mod incoming;
mod jitter;
mod journal;
mod lanes;
mod limits;
mod polled;
mod runnable;
mod scheduler;
mod stale;
mod verdict;

pub use api::{AcceptError, Engine, EngineOptions};
pub use archive::{Archive, Unavailable};
pub use holdings::Duty;
pub use incoming::{Incoming, storable};
pub use jitter::Jitter;
pub use limits::Limits;
pub use polled::{Listed, Torn};
pub use runnable::{Cause, Changed, Runnable, Runnables};
pub(crate) use stale::{Standing, overtaken};
pub(crate) use verdict::{Case, Verdict};
