//! Bitrix24: a portal with its REST API, its CRM, users and workgroups.
//!
//! A request walks `simulator.rs` (who calls, the bucket) -> `router.rs` (which method it is) -> `crm.rs`, `item.rs`, `users.rs` or
//! `tasks.rs` over the one `Portal`. Traps are copied on purpose: e-mail addresses that append, errors without a code, batches that are
//! always 200, invitations that are half done when they fail. REST 3.0, files and business processes are not simulated.

mod batch;
mod crm;
mod error;
mod events;
mod fields;
mod item;
mod limits;
mod params;
mod portal;
mod router;
mod simulator;
mod tasks;
mod users;

pub use simulator::{Bitrix24, Bitrix24Options, Notification};
