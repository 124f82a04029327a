//! The parts put together and kept running: what `lockstep run`, the demo and tests start.
//!
//! [`Runtime::start`] opens the store, opens each client's connections, starts the engine and both listeners, in the
//! order in which one stands on the other; [`Runtime::shutdown`] goes the same way back. A client that cannot run as
//! its files are goes on with its last good version or, having none, is left out, with words for `/readyz`; the others go
//! on (invariant 6). While it runs, changed files are taken up client by client (`reload`, `roster`). It decides nothing
//! about runs.

mod clients;
mod commons;
mod door;
mod files;
mod jobs;
mod kept;
mod pipeline;
mod reload;
mod roster;
mod rouse;
mod start;
mod survey;
mod vault;
mod watch;

pub use files::{FilesError, ProjectFiles, check_kept};
pub use roster::Finder;
pub use start::{Addresses, Runtime, RuntimeError, RuntimeOptions};
pub use watch::{Watch, WatchError};
