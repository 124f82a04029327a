//! The parts put together and kept running: what `lockstep run`, the demo and tests start.
//!
//! [`Runtime::start`] opens the store, opens each client's connections, starts the engine and both listeners, in the
//! order in which one stands on the other; [`Runtime::shutdown`] goes the same way back. A client that cannot run is
//! left out, with words for `/readyz`, and the others go on (invariant 6). It decides nothing about runs.

mod clients;
mod pipeline;
mod start;
mod vault;

pub use start::{Addresses, Runtime, RuntimeError, RuntimeOptions};
