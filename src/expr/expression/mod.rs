//! Value expressions: what may stand wherever a mapping, a key or an argument wants a value.
//!
//! A written value is read once, by [`parse`], which finds all its mistakes; what is left cannot fail but by its
//! data. Nothing in a payload is left out: a key with nothing under it is not sent.

mod convert;
mod eval;
pub(super) mod model;
mod modifiers;
mod parse;
mod suspect;
pub(super) mod template;
#[cfg(test)]
mod tests;
mod trace;

pub use model::{Expr, OnNothing, Write};
pub(super) use parse::parse;
pub use trace::{Trace, TraceStep};
