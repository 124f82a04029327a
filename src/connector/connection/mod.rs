//! One connection: a manifest, its settings, and the way of a call through it.
//!
//! A call comes in at [`Connection::call`] (`opened`), is translated into what the account calls things (`perform`), becomes one request
//! and what its answer is taken for (`exchange`). Several at once come in
//! at [`Connection::call_many`] (`together`). What the expressions of the manifest see meanwhile is put together in `scene`.

mod exchange;
mod opened;
mod perform;
mod scene;
mod together;

pub use opened::{Connection, ConnectionParts, Surroundings};
