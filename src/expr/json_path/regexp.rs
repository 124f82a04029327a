//! I-Regexp (RFC 9485), the regular expressions of JSONPath, translated for the `regex` crate.

use regex::{Regex, RegexBuilder};

use super::filter::Whole;

/// The largest compiled pattern: a pattern may come out of an event, so it must not be able to fill the memory.
const SIZE_MAX: usize = 1 << 20;

/// Compiles a pattern; `None` when it is not one.
pub(super) fn compile(pattern: &str, whole: Whole) -> Option<Regex> {
    let compiled = |pattern: &str| RegexBuilder::new(pattern).size_limit(SIZE_MAX).build().ok();
    let translated = translate(pattern);
    // By itself first: `a)|(b` is no pattern, and would become one between the anchors.
    let alone = compiled(&translated)?;
    if whole == Whole::Yes { compiled(&format!("^(?:{translated})$")) } else { Some(alone) }
}

/// `.` matches everything but `\n` and `\r` in an I-Regexp; the crate's dot matches `\r` too.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                out.push(char);
                out.extend(chars.next());
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '.' if !in_class => {
                out.push_str(r"[^\n\r]");
                continue;
            }
            _ => {}
        }
        out.push(char);
    }
    out
}
