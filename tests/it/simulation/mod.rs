//! The production engine and steps in a world of one seed: time, delays, faults and crashes are drawn from it, and so the
//! same seed gives the same story again.
//!
//! What is real: the engine, the verbs, a checked project of YAML, and an SQLite store on disk. What is simulated: the
//! clock (tokio's paused time), the CRM (records in memory behind faults: answers that are lost after the write or
//! before it, refusals, throttling, connections that are down), and the moment at which the store's writer commits.
//! SQLite's own threads would bring in the machine's timing, so its operations are waited for on the spot, and what
//! takes time is the queue in front of it: a crash loses what is queued there, as a kill loses what was not committed.
//!
//! A process dies at a named number of points (each commit, each answer of a commit, each call and each answer of a call
//! is one), and the next one starts over the same file. The invariants are checked on the way, and once more when
//! everything has settled. `LOCKSTEP_SEEDS=5000 cargo test --test it simulation` tries more of them, and
//! `LOCKSTEP_SEED=42` one alone.

mod crm;
mod ledger;
mod life;
mod pipelines;
mod random;
mod seeds;
mod store;
mod story;
mod world;
