//! A pipeline in plain words: the document that a client signs off. Defaults are made explicit, mappings are tables.
//!
//! `document.rs` has its order, `sentence.rs` a sentence for each verb, `table.rs` the mappings.

mod document;
mod sentence;
mod table;

pub use document::Block;
pub use table::{COLUMNS, Row};
