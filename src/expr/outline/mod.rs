//! What a compiled expression reads and does, as a tree of terms with their places: for checks that look at it
//! without data.
//!
//! One tree for all languages: JSONPath, Rhai, texts and value expressions become the same terms, so a check needs
//! to know none of them. It is made when it is asked for and kept by nobody; evaluation does not use it.

mod filter;
mod model;
mod path;
#[cfg(test)]
mod tests;
mod value;

pub(super) use model::Outlining;
pub use model::{Change, Conversion, Spot, Table, Term, TimeForm, What};
