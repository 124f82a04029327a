//! Where in the text of a query its parts stand: `jsonpath-rust`'s syntax tree does not tell.

use std::ops::Range;

use pest::error::InputLocation;

/// The byte ranges of the top-level segments of a query that is known to parse.
pub(super) fn segments(source: &str) -> Vec<Range<usize>> {
    let bytes = source.as_bytes();
    let mut ranges = Vec::new();
    let mut at = 1; // after `$`
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let end = segment_end(bytes, at);
        ranges.push(at..end);
        at = end;
    }
    ranges
}

/// The end of the segment that begins at `start`; always beyond `start`.
fn segment_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while bytes.get(at) == Some(&b'.') {
        at += 1;
    }
    if bytes.get(at) == Some(&b'[') {
        return bracket_end(bytes, at);
    }
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() || matches!(byte, b'.' | b'[') {
            break;
        }
        at += 1;
    }
    at.max(start + 1)
}

/// The end of a bracketed selection, over nested brackets and quoted names.
fn bracket_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth, mut quote) = (start, 0_usize, None);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), _) if open == byte => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'[') => depth += 1,
            (None, b']') => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            _ => {}
        }
    }
    at.min(bytes.len())
}

/// Where white space parts two names, outside of quotes: `jsonpath-rust` reads `$.a b` as one name, which no
/// query of the RFC can hold.
pub(super) fn broken_name(source: &str) -> Option<usize> {
    let is_name = |char: char| char.is_alphanumeric() || char == '_' || !char.is_ascii();
    let (mut quote, mut escaped, mut name, mut gap) = (None, false, false, None);
    for (at, char) in source.char_indices() {
        if let Some(open) = quote {
            match char {
                '\\' if !escaped => escaped = true,
                char if char == open && !escaped => quote = None,
                _ => escaped = false,
            }
            continue;
        }
        match char {
            '\'' | '"' => (quote, name, gap) = (Some(char), false, None),
            char if char.is_ascii_whitespace() => gap = gap.or(name.then_some(at)),
            char if is_name(char) => match gap {
                Some(at) => return Some(at),
                None => name = true,
            },
            _ => (name, gap) = (false, None),
        }
    }
    None
}

/// Where the grammar stopped.
pub(super) fn offset(location: &InputLocation) -> usize {
    match location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => *at,
    }
}

/// The end of the longest beginning that is a query, for errors that come without a place.
pub(super) fn first_odd(source: &str) -> usize {
    segments(source)
        .into_iter()
        .find(|range| jsonpath_rust::parser::parse_json_path(&source[..range.end]).is_err())
        .map_or(source.len(), |range| range.start)
}
