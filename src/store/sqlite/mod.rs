//! SQLite: one file, nothing to install.
//!
//! One thread owns the connection that writes, with one mailbox: whatever gathered there during the last fsync is
//! the next transaction, so that many events share one fsync, and what was handed over first is on disk first.
//! Readers have connections of their own on blocking threads and never wait for the writer (WAL).
//!
//! Begin reading at [`SqliteStore`], then `writer`.

mod columns;
mod erase;
mod look;
mod notes;
mod open;
mod poll;
mod read;
mod readers;
mod seal;
mod store;
#[cfg(test)]
mod tests;
mod versions;
mod write;
mod writer;

pub use super::open::Access;
pub use store::SqliteStore;
