//! What a client's pipelines hear of and what they write, over all of them: the graph that rules about the whole client walk,
//! and that `lockstep show --graph` draws.
//!
//! It is made of what is written, parts inlined; what a script or a `call` changes is not known to it.

mod hears;
mod mermaid;
mod model;
mod whole;
mod writes;

pub use mermaid::drawings;
pub(super) use model::{Happening, Heard, Identity, Node, Order, WriteTo};
pub(super) use whole::Graph;
