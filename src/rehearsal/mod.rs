//! Running pipelines without any system: records and a journal in memory, behind the same seams as production.
//!
//! `lockstep test` and `lockstep dry-run` run the production step code over these. Nothing here talks to a network
//! or a store. Begin reading at [`Crm`].

mod crm;
mod journal;

pub use crm::{Crm, Write};
pub use journal::{Memory, RunJournal};
