//! The structure of a file: which keys, kinds and words may stand where, checked before anything is read.
//!
//! A [`Structure`] is compiled from the JSON Schema that schemars generates from our own types, the same one an
//! editor completes by, so the two never disagree. [`Structure::check`] tells everything that is wrong with a
//! document at once, each at its place and in the author's words: where a schema allows several forms, the form
//! that was meant is chosen first, and only what is wrong with that one is said.
//!
//! It does **not** judge what a value means; `check` does. Begin reading at `walk.rs`.

mod choice;
mod foreign;
mod kinds;
mod repair;
mod scalar;
mod shape;
mod walk;

pub use repair::repaired;
pub use shape::Structure;

#[cfg(test)]
mod tests;
