//! Texts with Rhai in them: `Paid ${money(object.total, object.currency)}`.

use std::ops::Range;

/// A part of a template, by its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::expr) enum Part {
    /// Text as it is.
    Plain(Range<usize>),
    /// A script, without `${` and `}`.
    Script(Range<usize>),
}

/// A `${` without its `}`, at this byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expr) struct Unclosed(pub(super) usize);

/// Takes a text apart; braces, strings and comments inside a script do not end it.
pub(in crate::expr) fn parts(text: &str) -> Result<Vec<Part>, Unclosed> {
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let open = at + found;
        if open > at {
            parts.push(Part::Plain(at..open));
        }
        let start = open + 2;
        let close = script_end(text.as_bytes(), start).ok_or(Unclosed(open))?;
        parts.push(Part::Script(start..close));
        at = close + 1;
    }
    if at < text.len() {
        parts.push(Part::Plain(at..text.len()));
    }
    Ok(parts)
}

/// What is open at a place of a script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// `{` or the `${` of a text in back-ticks.
    Brace,
    /// A text in back-ticks, which may hold `${...}` itself.
    BackTick,
}

/// The place of the `}` that ends the script which begins at `start`.
fn script_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        if open.last() == Some(&Open::BackTick) {
            match byte {
                b'`' => {
                    open.pop();
                }
                b'$' if bytes.get(at + 1) == Some(&b'{') => {
                    open.push(Open::Brace);
                    at += 1;
                }
                _ => {}
            }
            at += 1;
            continue;
        }
        at = match byte {
            b'}' => {
                if open.pop().is_none() {
                    return Some(at);
                }
                at + 1
            }
            b'{' => {
                open.push(Open::Brace);
                at + 1
            }
            b'`' => {
                open.push(Open::BackTick);
                at + 1
            }
            b'"' | b'\'' => quoted_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => past(bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => past(bytes, at + 2, b"*/"),
            _ => at + 1,
        };
    }
    None
}

/// The place after the quoted text that begins at `start`.
fn quoted_end(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The place after the next `end`.
fn past(bytes: &[u8], start: usize, end: &[u8]) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    rest.windows(end.len()).position(|window| window == end).map_or(bytes.len(), |at| start + at + end.len())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn taken_apart(text: &str) -> String {
        match parts(text) {
            Err(Unclosed(at)) => format!("unclosed at {at}"),
            Ok(parts) => {
                let shown = parts.iter().map(|part| match part {
                    Part::Plain(range) => format!("<{}>", &text[range.clone()]),
                    Part::Script(range) => format!("[{}]", &text[range.clone()]),
                });
                shown.collect()
            }
        }
    }

    #[test]
    fn scripts_end_at_their_own_brace() {
        let cases = [
            ("plain", "<plain>"),
            ("a ${b} c", "<a >[b]< c>"),
            ("${a}${b}", "[a][b]"),
            ("${if a { b } else { c }}!", "[if a { b } else { c }]<!>"),
            ("${#{ x: \"}\" }.x}", "[#{ x: \"}\" }.x]"),
            (r#"${"\"}"}"#, r#"["\"}"]"#),
            ("${'}'}", "['}']"),
            ("${`a ${b + `}`} c`}", "[`a ${b + `}`} c`]"),
            ("${a /* } */ }", "[a /* } */ ]"),
            ("${a // }\n}", "[a // }\n]"),
            ("costs $5 {x}", "<costs $5 {x}>"),
            ("é ${é} é", "<é >[é]< é>"),
            ("a ${b", "unclosed at 2"),
            ("${\"}", "unclosed at 0"),
        ];
        for (text, expected) in cases {
            assert_eq!(taken_apart(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_without_loss(text in r#"[a-z ${}"'`/*\\é\n]{0,40}"#) {
            if let Ok(parts) = parts(&text) {
                let whole = parts.iter().map(|part| match part {
                    Part::Plain(range) => text[range.clone()].to_owned(),
                    Part::Script(range) => format!("${{{}}}", &text[range.clone()]),
                }).collect::<String>();
                prop_assert_eq!(whole, text);
            }
        }
    }
}
