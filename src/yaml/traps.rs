//! What an author most likely meant when the text is not YAML.

use std::sync::Arc;

use granit_parser::ScanError;

use super::{SourceFile, Span};
use crate::diagnostic::{Code, Diagnostic, Place};

/// The finding for a text that the parser refuses.
pub(super) fn explain(file: &SourceFile, error: &ScanError) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or(file.text().len());
    let place = Place::bytes(Arc::clone(file.path()), Span::empty(at));
    Diagnostic::new(Code::YamlSyntax, place, error.info())
}
