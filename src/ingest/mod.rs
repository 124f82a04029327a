//! HTTP in: a system's webhook comes to `POST /hooks/{client}/{connection}`, is proved genuine, is kept, and only then
//! acknowledged.
//!
//! [`Ingest::receive`] reads like the sentence above. What is refused is a [`Refusal`], and the HTTP status is decided
//! from it in one place. Bodies are bounded in size, in time and in sum before they are read. It does **not** look into
//! an event beyond what its manifest says of events, starts no run itself and calls no system. Begin at `receive.rs`.

mod body;
mod hooks;
mod receive;
mod refusal;
mod server;

pub use hooks::{Hook, Hooks};
pub use receive::{Calls, Delivery, Door, Ingest, Receipt, Rouse};
pub use refusal::Refusal;
