//! A checked project: what can run.
//!
//! Everything here was found to be right: names are resolved, expressions compiled. Only `check` makes a
//! [`Project`], so what was not checked cannot be run by mistake (invariant 6). Nothing here reads files or calls
//! systems. Begin reading at [`Client`].

mod client;
mod explain;
mod pipeline;
mod schedule;
mod whole;

pub(crate) use client::map_of;
pub use client::{Client, ClientParts, ConnectionConfig, MissingSetting, Resolved};
pub use explain::{Block, COLUMNS, Row};
pub use pipeline::{Order, Pipeline, Trigger};
pub use schedule::{Schedule, Times};
pub use whole::Project;
