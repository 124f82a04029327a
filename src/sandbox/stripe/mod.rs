//! Stripe: billing objects over the real wire format, with events that are signed and delivered.
//!
//! A request walks `simulator.rs` (credentials, version, idempotency) -> `router.rs` (which call it is) -> one file
//! an object, over the one `State`. Shapes of objects come from the catalog, so that an answer has every field
//! the real one has; parameters are checked as strictly as Stripe does it.

mod catalogue;
mod customers;
mod delivery;
mod endpoints;
mod error;
mod expand;
mod form;
mod idempotency;
mod invoices;
mod list;
mod params;
mod payments;
mod router;
mod search;
mod simulator;
mod state;
mod stories;
mod subscriptions;

pub use delivery::{Delivery, sign};
pub use simulator::{Stripe, StripeError, StripeOptions};
pub use stories::{Person, Played, Story};
