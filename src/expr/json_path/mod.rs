//! JSONPath (RFC 9535) over [`Value`](crate::value::Value).
//!
//! A query is parsed by `jsonpath-rust`, whose syntax tree is compiled here into [`Segment`]s that know their
//! place in the text: `check` walks them to find names that cannot exist, and evaluation walks them over the
//! shared nodes. A singular path (`$.object.customer`, nearly every one) is a plain walk without allocation.
//!
//! What the RFC does not have (`in`, `any_of`, other functions) is refused, so that a path means the same in every
//! tool. Begin at [`JsonPath::parse`].

mod compile;
mod eval;
pub(in crate::expr) mod filter;
mod model;
mod places;
mod regexp;

pub use eval::TooManyNodes;
pub(in crate::expr) use model::FilterSelector;
pub use model::{JsonPath, PathError, Segment, Selector};
