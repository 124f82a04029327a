//! HubSpot: an account with its CRM objects, associations, search and properties.
//!
//! A request walks `simulator.rs` (who calls, the limits) -> `router.rs` (which call it is) -> `records.rs`, `batch.rs`, `search.rs`
//! or `associations.rs` over the one `Account`. Traps are copied on purpose: a search that lags, batches in another order than they were
//! asked for, duplicates whose id stands in a text. Which properties there are stands in `properties.json` (a new account) and `own.json` (what
//! the example client adds); a test declares more.
//! Lists, workflows and the GraphQL API are not simulated.

mod account;
mod associations;
mod batch;
mod convert;
mod error;
mod events;
mod limits;
mod records;
mod router;
mod schema;
mod search;
mod simulator;

pub use schema::PropertyShape;
pub use simulator::{HubSpot, HubSpotOptions};
