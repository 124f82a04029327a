//! Value expressions: JSONPath, Rhai, texts, modifiers and functions over one document.

mod context;
mod fault;
mod json_path;
mod names;

pub use context::{Context, Frame};
pub use fault::{EvalError, Fault, FaultKind, FaultSeg};
pub use json_path::{JsonPath, PathError, Segment, Selector};
pub use names::{Names, Reference, ReferenceKind, ReferenceSeg};
