//! YAML as configuration needs it: text becomes a tree in which every key and value knows its bytes.
//!
//! [`parse`] reads one file into a [`Document`]; every mistake is a finding with a place and a way out, YAML's own
//! traps among them. [`from_node`] reads a typed model out of a tree. The language is YAML 1.2 with its core schema,
//! narrowed where YAML guesses: only `true` and `false` are booleans, only plain integers and decimals are
//! numbers, tags other than the core ones are refused, equal keys are refused, and anchors, merges and nesting
//! have limits. Begin reading at `parse.rs`.
//!
//! It does **not** know what a file may hold; `config` does.

mod build;
mod de;
mod document;
mod node;
mod parse;
mod quote;
mod scalar;
mod suspects;
mod traps;
mod within;

pub use crate::diagnostic::{Part, Path, Seg, SourceFile, Span};
pub use de::from_node;
pub use document::Document;
pub use node::{Data, Entry, Key, Node, ScalarStyle};
pub use parse::parse;

#[cfg(test)]
mod tests;
