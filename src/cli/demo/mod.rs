//! `lockstep demo`: the whole of lockstep on one machine, with no account anywhere.
//!
//! `stage.rs` sets it up: simulators, the example clients in a temporary project, a runtime over a temporary store.
//! `story.rs` is what happens to the customers of the client on Salesforce, `orchard.rs` to those of the one on HubSpot, `shop.rs` to one of
//! the shop's, `club.rs` to the members of the club, which nobody tells lockstep of, `harbor.rs` to a deal that Salesforce and Stripe share; `view.rs` tells what became of it.

mod club;
mod command;
mod harbor;
mod orchard;
mod shop;
mod stage;
mod story;
mod view;

pub(super) use command::Demo;
