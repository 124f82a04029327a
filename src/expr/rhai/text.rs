//! Places in the text of a script.

use std::ops::Range;

use rhai::Position;

/// The byte at which a position of Rhai (line and character, from 1) stands.
pub(super) fn offset(source: &str, position: Position) -> usize {
    let Some(line) = position.line() else { return source.len() };
    let start = source.split_inclusive('\n').take(line - 1).map(str::len).sum::<usize>();
    let column = position.position().unwrap_or(1).saturating_sub(1);
    let rest = source.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

/// The token that begins at a position: a whole name, else one character.
pub(super) fn token(source: &str, position: Position) -> Range<usize> {
    let start = offset(source, position);
    start..token_end(source, start)
}

/// The end of the token that begins at byte `start`.
pub(super) fn token_end(source: &str, start: usize) -> usize {
    let rest = source.get(start..).unwrap_or_default();
    let name = rest.find(|char: char| !(char.is_alphanumeric() || char == '_')).unwrap_or(rest.len());
    match name {
        0 => start + rest.chars().next().map_or(0, char::len_utf8),
        len => start + len,
    }
}

/// The text in quotes that begins at a position.
pub(super) fn quoted(source: &str, position: Position) -> Range<usize> {
    let start = offset(source, position);
    start..constant_end(source, start)
}

/// The end of the constant that begins at `start`: a text in quotes, or a number.
pub(super) fn constant_end(source: &str, start: usize) -> usize {
    let rest = &source[start..];
    let Some(quote) = rest.chars().next().filter(|char| matches!(char, '"' | '`' | '\'')) else {
        return token_end(source, start);
    };
    let mut escaped = false;
    for (at, char) in rest.char_indices().skip(1) {
        match char {
            '\\' if !escaped => escaped = true,
            char if char == quote && !escaped => return start + at + 1,
            _ => escaped = false,
        }
    }
    source.len()
}
