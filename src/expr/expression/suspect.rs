//! Text that looks like an expression and is none: what its author most likely meant, and what to type for it.

use crate::expr::fault::{Fault, FaultKind, shown};
use crate::expr::names::Names;
use crate::expr::rhai::Runtime;

/// Other signs that go on a path with a computation.
const OPERATORS: [&str; 12] = ["==", "!=", "<=", ">=", "&&", "||", "??", "<", ">", "+", "*", "/"];

/// What plain text was most likely meant as; nothing when it looks like text.
pub(super) fn suspicion(text: &str, names: &Names, runtime: &Runtime) -> Option<Fault> {
    let trimmed = text.trim();
    let (meant, range) =
        whole(trimmed, names, runtime).map(|meant| (meant, 0..text.len())).or_else(|| inside(text, names))?;
    let message = format!("`{}` is text here, and nothing computes it", shown(text[range.clone()].trim()));
    let help = format!("write {meant}, or `{{ literal: ... }}` if the text is meant as it stands");
    Some(Fault::new(FaultKind::LooksLikeExpression, message).within(range).help(help))
}

/// A text that is an expression from end to end.
fn whole(text: &str, names: &Names, runtime: &Runtime) -> Option<String> {
    if let Some(inner) = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"))
        && !inner.contains("{{")
    {
        return Some(instead(inner.trim(), names));
    }
    if let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
        && path_len(inner.trim(), names) == Some(inner.trim().len())
    {
        return Some(instead(inner.trim(), names));
    }
    if let Some(end) = path_len(text, names) {
        let rest = text[end..].trim_start();
        let goes_on = OPERATORS.iter().any(|operator| rest.starts_with(operator)) || rest.starts_with('(');
        return (rest.is_empty() || goes_on).then(|| instead(text, names));
    }
    let (name, arguments) = text.split_once('(')?;
    let is_call = rhai::is_valid_identifier(name) && arguments.ends_with(')') && runtime.has_function(name);
    is_call.then(|| format!("`\"${{{text}}}\"`"))
}

/// An expression in the middle of a text, with its place.
fn inside(text: &str, names: &Names) -> Option<(String, std::ops::Range<usize>)> {
    for (open, close) in [("{{", "}}"), ("{", "}")] {
        for (start, _) in text.match_indices(open) {
            let Some(len) = text[start..].find(close) else { continue };
            let inner = text[start + open.len()..start + len].trim();
            if path_len(inner, names) == Some(inner.len()) && !inner.is_empty() {
                return Some((format!("`${{{inner}}}` in the text"), start..start + len + close.len()));
            }
        }
    }
    for (start, _) in text.match_indices("$.") {
        if let Some(len) = path_len(&text[start + 2..], names) {
            let end = start + 2 + len;
            return Some((format!("`${{{}}}` in the text", &text[start + 2..end]), start..end));
        }
    }
    None
}

/// What to type in place of `meant`: a path where it is one, else a script.
fn instead(meant: &str, names: &Names) -> String {
    let plain = meant.trim_start_matches("$.");
    if path_len(plain, names) == Some(plain.len()) {
        format!("`$.{plain}`")
    } else {
        format!("`\"${{{plain}}}\"`")
    }
}

/// The length of the path that a text begins with: a name of the context, with something below it.
fn path_len(text: &str, names: &Names) -> Option<usize> {
    let word = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let len = rest.find(|char: char| !(char.is_alphanumeric() || char == '_')).unwrap_or(rest.len());
        (len > 0).then_some(from + len)
    };
    let root = word(0)?;
    let mut end = root;
    let mut second = None;
    loop {
        let next = match text.as_bytes().get(end) {
            Some(b'.') => word(end + 1),
            Some(b'[') => text[end..].find(']').map(|len| end + len + 1),
            _ => None,
        };
        let Some(next) = next else { break };
        second.get_or_insert(&text[end + 1..next]);
        end = next;
    }
    names.could_be(&text[..root], second?).then_some(end)
}

/// What to type in place of a text that begins like a JSONPath and stops being one at byte `at`.
pub(super) fn instead_of_path(text: &str, at: usize, names: &Names) -> String {
    let literal = "`{ literal: ... }` if the text is meant as it is";
    let rest = text.get(at..).unwrap_or_default();
    let after = text.strip_prefix('$').unwrap_or_default();
    let root = after.split(['.', '[', ' ']).next().unwrap_or_default();
    if names.has(root) {
        return format!("write `$.{after}`");
    }
    if rest.starts_with('[') && text[..at].ends_with('.') {
        return "no dot stands before a bracket: `[0]`, `['name']`; or write the name without one".to_owned();
    }
    match rest.chars().next() {
        Some(digit @ '0'..='9') if text[..at].ends_with('.') => {
            format!("an element of a list stands in brackets: `{}[{digit}]`", &text[..at - 1])
        }
        Some('-') => {
            "a name with other signs than letters, digits and `_` stands in brackets: `['a-b']`".to_owned()
        }
        Some('(' | '|' | '+' | '*' | '/' | ' ' | '=' | '!' | '<' | '>' | '&' | '?' | '%') => {
            format!(
                "a JSONPath only selects; compute in a script: `\"${{object.total / 100}}\"`, or {literal}"
            )
        }
        _ => "if the text is meant as it is, write `{ literal: ... }`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pretty_assertions::assert_eq;

    use super::*;
    use crate::expr::known::Known;

    fn names() -> Names {
        let account = (Arc::from("account"), Arc::new(Known::default()));
        Names::new(["object"])
            .with_plain("client", "the client's name")
            .with_keys("vars", ["status"])
            .with_steps([account], [])
    }

    fn told(text: &str) -> Option<String> {
        let runtime = Runtime::new(&[]).unwrap();
        let help = suspicion(text, &names(), &runtime)?.help?;
        help.strip_prefix("write ")?.split_once(", or ").map(|(meant, _)| meant.to_owned())
    }

    #[test]
    fn text_that_was_meant_as_an_expression_is_told_from_text() {
        for (text, meant) in [
            ("steps.account.id", "`$.steps.account.id`"),
            ("object.email", "`$.object.email`"),
            ("object.lines[0].id", "`$.object.lines[0].id`"),
            ("vars.status", "`$.vars.status`"),
            ("today()", "`\"${today()}\"`"),
            ("object.total / 100", "`\"${object.total / 100}\"`"),
            ("object.email.trim()", "`\"${object.email.trim()}\"`"),
            ("{{ object.email }}", "`$.object.email`"),
            ("{{ first_name }}", "`\"${first_name}\"`"),
            ("{object.email}", "`$.object.email`"),
            ("Dear {{ object.name }}", "`${object.name}` in the text"),
            ("Dear {object.name}!", "`${object.name}` in the text"),
            ("Paid $.object.total today", "`${object.total}` in the text"),
        ] {
            assert_eq!(told(text).as_deref(), Some(meant), "{text}");
        }
        for text in [
            "High",
            "object",
            "the object.",
            "object.email is wrong",
            "client.example.com",
            "vars.other",
            "https://x.example/{id}",
            "tomorrow()",
            "{a}",
            "5 $.",
            "objects.email",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }

    #[test]
    fn a_broken_path_has_a_way_out() {
        for (text, at, help) in [
            ("$object.id", 1, "write `$.object.id`"),
            (
                "$.object.[customer",
                9,
                "no dot stands before a bracket: `[0]`, `['name']`; or write the name without one",
            ),
            ("$.object.items.0.id", 15, "an element of a list stands in brackets: `$.object.items[0]`"),
        ] {
            assert_eq!(instead_of_path(text, at, &names()), help, "{text}");
        }
    }
}
