//! What keeps a store in order beside the runs: sealing the audit, checking it, erasing what is old or asked for.
//!
//! [`Upkeep`] is the part that `lockstep run` starts: it seals what was written in the last second, and erases what is
//! older than it is to be kept. Both go in small batches with pauses between them, so that the writer is never held up.
//! Of several processes on one store all may seal, and one at a time erases what is old. [`verify`] and [`Sweep`] are what the commands `audit verify` and
//! `purge` do. It knows nothing of pipelines, and changes nothing that a run still needs.

mod keeper;
mod seal;
mod sweep;
mod verify;

pub use keeper::{RETAIN_MIN, Turn, Turns, Upkeep};
pub use seal::seal_all;
pub use sweep::{Left, Sweep, Swept};
pub use verify::{Flaw, Late, Verdict, verify};
