//! Rhai over the context: conditions, `${...}`, `script:` and scripts with calls.
//!
//! Guarantees: the event is read where it is, never converted as a whole; numbers are integers and exact decimals;
//! reading anything of nothing gives nothing; what cannot be compared is an error with words. A script cannot reach
//! the outside, and is stopped by the limits in [`engine`]. Every name and function is known before anything runs
//! ([`check`]).
//!
//! It knows no YAML and no value expressions. Begin at [`Program`].

mod ambient;
mod chains;
mod check;
mod engine;
mod errors;
mod foreign;
mod operators;
mod outline;
mod program;
mod script;
#[cfg(test)]
mod tests;
mod text;
mod values;

pub use engine::Library;
pub(super) use engine::Runtime;
pub(crate) use engine::asks_what_changed;
pub(super) use program::Program;
pub use script::{Script, ScriptAnswer, ScriptCall, ScriptOutcome, WrittenCall, WrittenField};
