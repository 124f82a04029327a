//! PostgreSQL: a database of its own kind beside the one machine that SQLite lives on. Processes share its work by
//! partitions (`claim`, `share`); when one dies, the others take over what it had.
//!
//! Everything lies in the schema `lockstep`. Events come in by statements that keep many at once (`accept`); changes
//! go through one task with one mailbox (`writer`), which puts whatever gathered during the last commit into the next
//! transaction, one statement for each kind of change (`wave`, `write`). Nothing is kept in a session: no prepared
//! statement, no setting, no lock that outlives a transaction. A pooler in transaction mode may stand in between.
//!
//! A connection that breaks is replaced. What was under way is tried again for a while, after a look at whether it was
//! done. Begin reading at [`PostgresStore`], then `writer`.

mod accept;
mod address;
mod claim;
mod columns;
mod db;
mod erase;
mod fault;
mod look;
mod notes;
mod open;
mod pace;
mod poll;
mod read;
mod seal;
mod share;
mod store;
mod tls;
mod versions;
mod wake;
mod wave;
mod write;
mod writer;

pub use address::PostgresAddress;
pub use store::PostgresStore;
