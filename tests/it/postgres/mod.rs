//! What is special to PostgreSQL: the server that the tests start, poolers, a database that goes away.

mod pooler;
pub(crate) mod server;
mod trouble;
mod whole;
