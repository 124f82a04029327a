//! Value expressions and conditions: JSONPath, Rhai, texts, modifiers and functions over one document.
//!
//! An [`Engine`] compiles what an integrator wrote, finding all its mistakes as [`Fault`]s with their places; what
//! it compiled reads a [`Context`] and gives a [`Value`](crate::value::Value) or an [`EvalError`] in words.
//! Evaluation never copies the event: JSONPath walks shared nodes, Rhai reads them key by key.
//!
//! `expr` does no I/O, reads no clock, and knows no YAML, HTTP, connection or CRM: which names a context has is told
//! by [`Names`], so pipelines and connector manifests use the same language. Begin at [`Engine`].

mod context;
mod engine;
mod expression;
mod fault;
mod functions;
mod json_path;
mod known;
mod names;
mod outline;
pub mod pci;
mod reads;
mod rhai;

pub use context::{Context, Frame};
pub use engine::{Condition, Engine};
pub use expression::{Expr, OnNothing, Trace, TraceStep, Write};
pub use fault::{EvalError, Fault, FaultKind, FaultSeg};
pub use functions::time::time_of;
pub use json_path::{JsonPath, PathError, Segment, Selector, TooManyNodes};
pub use known::Known;
pub use names::{Names, Reference, ReferenceKind, ReferenceSeg};
pub use outline::{Change, Conversion, Spot, Table, Term, TimeForm, What};
pub(crate) use rhai::asks_what_changed;
pub use rhai::{Library, Script, ScriptAnswer, ScriptCall, ScriptOutcome, WrittenCall, WrittenField};
