//! What is known of Stripe's events and objects, compiled in from `schemas/stripe/`.
//!
//! One [`Catalog`] an API version: which event types there are and which object each carries, and of each object
//! the fields with their types, so that a JSONPath can be checked before the first event arrives. From the same
//! shapes it makes whole sample events for pipeline tests.
//!
//! It guesses nothing: what a version's file does not list is unknown, and unknown is not wrong. It knows nothing
//! of pipelines. Begin reading in `version.rs`; `shape.rs` is the walk that path checks use.

mod amounts;
mod lay_over;
mod moved;
mod read;
mod sample;
mod shape;
mod version;

pub use amounts::is_amount;
pub use lay_over::lay_over;
pub use moved::{Moved, moved};
pub use shape::{Field, Fields, Format, Kind, ObjectShape, Place, Walk, Words};
pub use version::{Catalog, EventType};
