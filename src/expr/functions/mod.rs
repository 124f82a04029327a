//! The functions of the language: the same in `transform:` and in Rhai.
//!
//! Each takes values and gives a value; nothing in gives nothing out, and what does not fit is an error with words.
//! [`FUNCTIONS`] is the one list: the engine offers what stands there, and `check` knows names and numbers of
//! arguments from it.

mod list;
pub(super) mod money;
mod recurring;
mod text;
pub(super) mod time;

pub(super) use list::{ARGUMENTS_MAX, FUNCTIONS, Function, find};

/// Why a function cannot work with what it was given, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit(pub(super) String);
