//! From a range of a scalar's decoded text to the bytes of the file that wrote it.

use std::ops::Range;

use super::{Data, Node, ScalarStyle, SourceFile, Span};

/// The bytes of `range` of the text of `node`; `None` when it is not text.
pub(super) fn source_span(file: &SourceFile, node: &Node, range: Range<usize>) -> Option<Span> {
    let Data::Text(_) = &node.data else { return None };
    let written = node.written();
    let start = written.start as usize + usize::from(node.style != ScalarStyle::Plain);
    let _ = file;
    Some(Span::new(start + range.start, start + range.end))
}
