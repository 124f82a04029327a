//! Where an unquoted value begins and ends on its line, and how it is written in quotes.

use std::ops::Range;
use std::sync::Arc;

use super::{SourceFile, Span};
use crate::diagnostic::{Edit, Fix, Place};

/// `text` in the quotes that change it least: double ones when nothing in it needs an escape, else single ones.
pub(super) fn quoted(text: &str) -> String {
    if text.contains(['"', '\\']) { format!("'{}'", text.replace('\'', "''")) } else { format!("\"{text}\"") }
}

/// The change that writes `new` for the bytes of `old`, in a text of which nothing else can be made.
pub(super) fn fix(file: &SourceFile, old: &Range<usize>, new: &str) -> Fix {
    let place = Place::bytes(Arc::clone(file.path()), Span::new(old.start, old.end));
    let old = file.text().get(old.clone()).unwrap_or_default().to_owned();
    Fix { safe: true, edits: vec![Edit { place, old, new: new.to_owned() }] }
}

/// Where the line of `at` begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// Where the value begins in which the parser stopped at `at`: behind the key that was read last, when that stands
/// on the same line; else where the line's text begins, list dashes passed over.
pub(super) fn value_start(text: &str, last_scalar: Span, at: usize) -> usize {
    let line = line_start(text, at);
    let key_end = last_scalar.end as usize;
    if (line..=at).contains(&key_end) {
        let between = text.get(key_end..).unwrap_or_default();
        let value = between.trim_start_matches(['"', '\'']).strip_prefix([':', ',']).unwrap_or(between);
        return text.len() - value.trim_start_matches([' ', '\t']).len();
    }
    let mut rest = text.get(line..).unwrap_or_default().trim_start_matches(' ');
    while let Some(after) = rest.strip_prefix("- ") {
        rest = after.trim_start_matches(' ');
    }
    text.len() - rest.len()
}

/// No value is looked at further than this: one line may hold a whole file.
const VALUE_MAX: usize = 1000;

/// Where the value that begins at `start` ends: with its line, without a comment; between brackets also before a
/// comma or closing bracket that belongs to the outer list or map.
pub(super) fn value_end(text: &str, start: usize, in_flow: bool) -> usize {
    let cut = text.get(start..).and_then(|rest| rest.char_indices().nth(VALUE_MAX)).map(|(at, _)| start + at);
    let line =
        text.get(start..cut.unwrap_or(text.len())).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let mut open = Vec::new();
    let mut quote = None;
    let mut before = ' ';
    let mut end = line.len();
    for (offset, char) in line.char_indices() {
        let closes_outer = in_flow
            && match char {
                ',' => open.is_empty(),
                // One that was opened here and never closed does not swallow what closes the outer one.
                ']' => open.last() != Some(&'['),
                '}' => open.last() != Some(&'{'),
                _ => false,
            };
        match quote {
            Some(open) if open == char => quote = None,
            Some(_) => {}
            None if closes_outer || char == '#' && before == ' ' => {
                end = offset;
                break;
            }
            None => match char {
                '"' => quote = Some(char),
                '(' | '[' | '{' => open.push(char),
                ')' | ']' | '}' => {
                    open.pop();
                }
                _ => {}
            },
        }
        before = char;
    }
    start + line.get(..end).unwrap_or(line).trim_end().len()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn quotes_keep_the_text() {
        assert_eq!(quoted("a: b"), r#""a: b""#);
        assert_eq!(quoted(r#""items" in previous"#), r#"'"items" in previous'"#);
        assert_eq!(quoted(r#"x == "it's""#), r#"'x == "it''s"'"#);
    }

    #[test]
    fn a_value_ends_where_a_reader_would_end_it() {
        for (line, in_flow, value) in [
            ("not found: the customer  # why", false, "not found: the customer"),
            (r#"x == " #1" # why"#, false, r#"x == " #1""#),
            ("$.a[0], money: gbp }", true, "$.a[0]"),
            ("${money(a, b)} }", true, "${money(a, b)}"),
            ("a, b", false, "a, b"),
            ("é] }", true, "é"),
        ] {
            assert_eq!(&line[..value_end(line, 0, in_flow)], value);
        }
    }

    #[test]
    fn a_value_begins_behind_its_key_or_its_dashes() {
        let text = "a: 1\n  key: value\n  - - x\n";
        let from = |last: Span, at| &text[value_start(text, last, at)..][..1];
        assert_eq!(from(Span::new(7, 10), 14), "v");
        assert_eq!(from(Span::new(0, 1), 24), "x");
    }
}
