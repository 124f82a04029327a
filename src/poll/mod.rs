//! Polls: what is listed at set times, and the events that are asked for instead of being posted to us.
//!
//! A [`Job`] says what is polled and when; the [`Poller`], one task, begins each one when its time has come, one of a name
//! at a time, and ends the reports of those whose runs have ended. One poll (`listing`, `events`) goes through what a
//! system lists page by page, compares each record with the small digest that the store kept of it, and hands what is
//! new to the engine together with what it saw, so that both come to disk or neither does. No listing is ever whole in
//! memory; where all of it has to be known before anything may run (`unique`), what is new waits in the store.
//!
//! It does **not** decide what a failure of a run leads to, and knows no system: what can be asked of one is in its
//! connector's manifest. Begin reading at [`Poller`], then `listing`.

mod ask;
mod bulk;
mod compare;
mod event;
mod events;
mod job;
mod listing;
mod plan;
mod poller;
mod report;
mod round;
mod shared;

pub use compare::{Group, candidates, difference, digest, grouped, key, shared_reason};
pub use event::{Occasion, input_of, listed};
pub use job::{EventsJob, Job, ScheduleJob, Subject};
pub use poller::{Poller, PollerParts};

pub use crate::store::Digest;
