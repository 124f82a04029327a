//! `schemas/<connection>.json`: what an account has, as its own describe told it.
//!
//! `lockstep schema pull` writes it beside the client's YAML, so that mappings can be checked against it without the
//! system at hand. It holds names and types, no data and no secret, and reads the same until the account changes.

mod described;
mod difference;
mod model;
mod text;

pub use described::BadDescription;
pub use difference::{Change, Difference};
pub use model::{ConnectionSchema, FieldKind, FieldSchema, ObjectSchema};
pub use text::BadSchema;
