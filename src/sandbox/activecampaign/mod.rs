//! ActiveCampaign: an account with its API v3 and its e-commerce GraphQL.
//!
//! A request walks `simulator.rs` (key, rate limit) -> `router.rs` (which resource it is) -> `contacts.rs`, `sets.rs`, `commerce.rs`,
//! `graphql.rs` or `deals.rs` over the one `Account`. Traps are copied on purpose: ids and totals are texts, a changed e-mail address
//! that is synced makes a second contact, unknown custom fields are passed over, a tag goes by its link's id, and what the GraphQL took
//! is a receipt: it can be read only later. Segments, campaigns, bulk import and outgoing webhooks are not simulated.

mod account;
mod commerce;
mod contacts;
mod deals;
mod error;
mod graphql;
mod page;
mod router;
mod sets;
mod simulator;

pub use simulator::{ActiveCampaign, ActiveCampaignOptions};
