//! Salesforce: an org with its REST API, records and rules.
//!
//! A request walks `simulator.rs` (session, limits) -> `router.rs` (which call it is) -> `write.rs` or `query.rs` over
//! the one `Org`. What objects and fields there are stands in `objects.json` (a clean org) and `custom.json` (what
//! the examples add); a test declares more. Of the Bulk API 2.0 there are query jobs
//! (`bulk.rs`); what loads records is not simulated.

mod bulk;
mod collections;
mod composite;
mod convert;
mod describe;
mod duplicates;
mod error;
mod id;
mod lines;
mod oauth;
mod org;
mod query;
mod router;
mod schema;
mod simulator;
mod soql;
mod write;

pub use schema::FieldShape;
pub use simulator::{Salesforce, SalesforceOptions, SeedError};
