//! What an operator looks at: health, metrics, and everything in the store as JSON, on an address of its own.
//!
//! It reads, and changes nothing. Who may look is decided in `access.rs`: on loopback everybody on the machine, else
//! whoever knows the token; an address that others can reach is not served without one. Begin at [`Admin::router`].

mod access;
mod api;
mod health;
mod question;
mod server;

pub use access::{Access, AccessError};
pub use health::{ClientHealth, Health};
pub use server::Admin;
