//! What an author of YAML is told: a finding has a code, a fact, a place, related places and a way out.
//!
//! Stages push [`Diagnostic`] values and never print. A finding points to a [`Place`]: a file and either bytes of
//! it or a path such as `steps[1].update.fields.Priority`, which the file's [`Source`] turns into bytes when the
//! finding is sorted or drawn. [`Report`] collects all findings of a check and draws them, one renderer a file:
//! `human.rs` for terminals, `json.rs` for programs, `sarif.rs` for code scanning, `github.rs` for the log of a workflow.
//! Begin reading at [`Diagnostic`].
//!
//! This module does **not** know YAML, rules or the command line; those know it.

mod code;
mod finding;
mod github;
mod human;
mod json;
mod place;
mod report;
mod sarif;
mod source;

pub use code::Code;
pub use finding::{Diagnostic, Edit, Fix, Related, Severity};
pub use human::Color;
pub use place::{Part, Path, Place, Seg, Span, Spot};
pub use report::Report;
pub use source::{Position, Replacement, Source, SourceFile, Sources};
