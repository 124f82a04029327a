//! From a range of a scalar's decoded text to the bytes of the file that wrote it.
//!
//! A script's error is an offset into text whose escapes are resolved, whose lines are folded and whose indentation
//! is gone. This walks both texts side by side until it has passed the range. Should the two ever disagree, the
//! whole scalar is the answer, which is never wrong.

use std::ops::Range;

use super::{Data, Node, ScalarStyle, SourceFile, Span};

/// The bytes of `range` of the text of `node`; `None` when it is not text.
pub(super) fn source_span(file: &SourceFile, node: &Node, range: Range<usize>) -> Option<Span> {
    let Data::Text(text) = &node.data else { return None };
    let written = node.written();
    let walk = Walk::new(file, written, node.style);
    Some(walk.find(text, &range).map_or(written, |found| Span::new(found.start, found.end)))
}

/// A position in the source of one scalar.
struct Walk<'a> {
    /// The file's text up to the end of the scalar.
    source: &'a str,
    at: usize,
    style: ScalarStyle,
    /// How many columns of each line are indentation, in a block.
    indent: usize,
}

impl<'a> Walk<'a> {
    fn new(file: &'a SourceFile, written: Span, style: ScalarStyle) -> Self {
        let range = written.range();
        let quoted = matches!(style, ScalarStyle::Single | ScalarStyle::Double);
        let end = range.end - usize::from(quoted && range.end > range.start);
        let source = file.text().get(..end).unwrap_or_default();
        let line = source.get(..range.start).map_or(0, |before| before.rfind('\n').map_or(0, |at| at + 1));
        Self { source, at: range.start + usize::from(quoted), style, indent: range.start - line }
    }

    fn find(mut self, text: &str, range: &Range<usize>) -> Option<Range<usize>> {
        let end = range.end.min(text.len());
        let start = range.start.min(end);
        let mut first = None;
        let mut last = self.at;
        let mut decoded = self.leading_breaks(text);
        while decoded < text.len() {
            let (from, length) = self.step(text.get(decoded..)?)?;
            if first.is_none() && start < decoded + length {
                first = Some(from);
            }
            if decoded >= end {
                break;
            }
            decoded += length;
            last = self.at;
        }
        let first = first.unwrap_or(last);
        Some(first..if start == end { first } else { last.max(first) })
    }

    /// A block's empty first lines stand before its span: they are passed over.
    fn leading_breaks(&self, text: &str) -> usize {
        if self.is_block() { text.len() - text.trim_start_matches('\n').len() } else { 0 }
    }

    fn is_block(&self) -> bool {
        matches!(self.style, ScalarStyle::Literal | ScalarStyle::Folded)
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Passes what wrote the beginning of `decoded`: where that stands, and how many decoded bytes it is.
    fn step(&mut self, decoded: &str) -> Option<(usize, usize)> {
        self.skip_invisible();
        let from = self.at;
        let next = self.rest().chars().next()?;
        if matches!(next, '\n' | '\r') {
            return self.line_breaks(decoded).map(|length| (from, length));
        }
        let wanted = decoded.chars().next()?;
        match (self.style, next) {
            (ScalarStyle::Double, '\\') => self.at += escape_length(self.rest()),
            (ScalarStyle::Single, '\'') => self.at += 2,
            _ if next == wanted => self.at += next.len_utf8(),
            _ => return None,
        }
        Some((from, wanted.len_utf8()))
    }

    /// What stands in the source and gives no text: white space before a line end, and escaped line ends.
    fn skip_invisible(&mut self) {
        if self.is_block() {
            return;
        }
        loop {
            let rest = self.rest();
            let after_white = rest.trim_start_matches([' ', '\t']);
            let escaped = (self.style == ScalarStyle::Double)
                .then(|| rest.strip_prefix('\\'))
                .flatten()
                .and_then(|rest| rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')));
            if let Some(next_line) = escaped {
                self.at = self.source.len() - next_line.trim_start_matches([' ', '\t']).len();
            } else if after_white.len() < rest.len() && after_white.starts_with(['\n', '\r']) {
                self.at = self.source.len() - after_white.len();
            } else {
                return;
            }
        }
    }

    /// Passes a run of line ends with the indentation around them; gives how many decoded bytes they are: one
    /// space, or up to as many line ends.
    fn line_breaks(&mut self, decoded: &str) -> Option<usize> {
        let mut breaks = 0;
        loop {
            let rest = self.rest();
            let Some(next_line) = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix(['\n', '\r']))
            else {
                break;
            };
            breaks += 1;
            self.at = self.source.len() - self.dedented(next_line).len();
        }
        if decoded.starts_with(' ') && self.style != ScalarStyle::Literal {
            return Some(1);
        }
        let kept = decoded.bytes().take(breaks).take_while(|byte| *byte == b'\n').count();
        (kept > 0).then_some(kept)
    }

    /// A line without its indentation: of a block its own width, elsewhere all of it.
    fn dedented<'t>(&self, line: &'t str) -> &'t str {
        if !self.is_block() {
            return line.trim_start_matches([' ', '\t']);
        }
        let spaces = line.bytes().take(self.indent).take_while(|byte| *byte == b' ').count();
        line.get(spaces..).unwrap_or(line)
    }
}

/// The length of an escape in a text in double quotes.
fn escape_length(text: &str) -> usize {
    match text.chars().nth(1) {
        Some('x') => 4,
        Some('u') if is_surrogate(text) => 12,
        Some('u') => 6,
        Some('U') => 10,
        Some(other) => 1 + other.len_utf8(),
        None => 1,
    }
}

/// The first half of a character that is written as two escapes.
fn is_surrogate(text: &str) -> bool {
    text.get(2..6)
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .is_some_and(|unit| (0xD800..0xDC00).contains(&unit))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pretty_assertions::assert_eq;

    use crate::diagnostic::Source;
    use crate::yaml::{Document, Part, Path, SourceFile, parse};

    fn read(text: &str) -> Document {
        let (document, findings) = parse(&Arc::new(SourceFile::new("x.yaml", text)));
        assert_eq!(findings, []);
        document.unwrap()
    }

    /// What is marked in the source when `part` of the decoded text at `a` is meant.
    fn marked(yaml: &str, part: &str) -> String {
        let document = read(yaml);
        let path = Path::root().key("a");
        let text = document.node(&path).unwrap().as_str().unwrap().to_owned();
        let start = text.find(part).unwrap_or_else(|| panic!("{part:?} is not in {text:?}"));
        let span = document.locate(&path, Part::Value, Some(start..start + part.len()));
        document.file.slice(span).to_owned()
    }

    #[test]
    fn a_part_of_a_scalar_is_marked_as_it_is_written() {
        for (yaml, part, source) in [
            ("a: one two three # c\n", "two", "two"),
            ("a: 'it''s here'\n", "it's", "it''s"),
            ("a: 'it''s here'\n", "here", "here"),
            (r#"a: "x \"y\" \u00e9 z""#, "\"y\"", r#"\"y\""#),
            (r#"a: "x \"y\" \u00e9 z""#, "é", r"\u00e9"),
            (r#"a: "\ud83d\ude00 z""#, "z", "z"),
            ("a: \"q1 \\\n   q2\\n\n   q3\n\n   q4\"\n", "q2", "q2"),
            ("a: \"q1 \\\n   q2\\n\n   q3\n\n   q4\"\n", "q4", "q4"),
            ("a: plain one  \n   two\n\n\n   three # c\n", "one two", "one  \n   two"),
            ("a: plain one\n   two\n\n\n   three # c\n", "three", "three"),
            ("a: |\n\n  x y\n   z\n  é w\n", "z", "z"),
            ("a: |\n\n  x y\n   z\n  é w\n", "w", "w"),
            ("a: |2\n   lead\n  x\n", " lead", " lead"),
            ("a: |\r\n  x\r\n  y z\r\n", "z", "z"),
            ("a: >-\n\n   f1\n   f2\n\n     more\n     m2\n\n   end\n", "f2", "f2"),
            ("a: >-\n\n   f1\n   f2\n\n     more\n     m2\n\n   end\n", "m2", "m2"),
            ("a: >-\n\n   f1\n   f2\n\n     more\n     m2\n\n   end\n", "end", "end"),
            ("b: &b 'x ''y'' z'\na: *b\n", "'y'", "''y''"),
        ] {
            assert_eq!(marked(yaml, part), source, "{part:?} in {yaml:?}");
        }
    }

    #[test]
    fn ranges_beyond_the_text_are_cut_to_it() {
        let document = read("a: abc\n");
        let path = Path::root().key("a");
        let at = |range| document.locate(&path, Part::Value, Some(range)).range();
        assert_eq!(at(3..3), 6..6);
        assert_eq!(at(1..1), 4..4);
        assert_eq!(at(2..99), 5..6);
        assert_eq!(at(50..99), 6..6);
    }

    #[test]
    fn what_is_no_text_is_marked_whole() {
        let document = read("a: 12\n");
        assert_eq!(document.locate(&Path::root().key("a"), Part::Value, Some(1..2)).range(), 3..5);
    }
}
