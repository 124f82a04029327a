//! Text -> tree: what the parser says, event by event, handed to the builder.

use std::sync::Arc;

use granit_parser::{Options, Parser};

use super::build::{Builder, Step};
use super::{Document, SourceFile, Span, traps};
use crate::diagnostic::{Code, Diagnostic, Place, Spot};

/// Larger files are refused: no configuration is, and spans stay far from their limit.
const BYTES_MAX: usize = 16 << 20;

/// Reads a file. Without a document there is at least one error among the findings; with one there may be findings
/// as well (equal keys, tags, traps), and the tree is what the author most likely meant.
pub fn parse(file: &Arc<SourceFile>) -> (Option<Document>, Vec<Diagnostic>) {
    if file.text().len() > BYTES_MAX {
        let place = Place::file(Arc::clone(file.path()));
        let fact = format!("the file has {} bytes, more than {BYTES_MAX}", file.text().len());
        return (None, vec![Diagnostic::new(Code::YamlLimit, place, fact)]);
    }
    let mut builder = Builder::new(file);
    for event in Parser::new_from_str_with_options(file.text(), options()) {
        let (event, at) = match event {
            Ok(event) => event,
            Err(error) => {
                let refusal = traps::explain(file, &error, &builder.context());
                let mut findings = builder.into_findings();
                // What a misread tag does to the rest of its line is said with the tag.
                if !findings
                    .last()
                    .is_some_and(|last| last.code == Code::UnexpectedTag && same_line(file, last, &refusal))
                {
                    findings.push(refusal);
                }
                return (None, findings);
            }
        };
        let tag = at.tag_span().as_ref().map(span_of);
        if builder.take(event, span_of(&at), tag) == Step::Stop {
            return (None, builder.into_findings());
        }
    }
    builder.finish()
}

/// No comments (the traps read them from the text) and no limit of the parser's own below ours.
fn options() -> Options {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options
}

fn same_line(file: &SourceFile, a: &Diagnostic, b: &Diagnostic) -> bool {
    let line = |finding: &Diagnostic| match finding.place.spot {
        Spot::Bytes(span) => Some(file.position(span.start).line),
        _ => None,
    };
    line(a) == line(b)
}

fn span_of(span: &granit_parser::Span) -> Span {
    span.byte_range().map_or_else(Span::default, |range| Span::new(range.start, range.end))
}
