//! What is special to PostgreSQL: the server that the tests start, poolers, a database that goes away.

pub(crate) mod pooler;
pub(crate) mod server;
mod tls;
mod trouble;
mod whole;
