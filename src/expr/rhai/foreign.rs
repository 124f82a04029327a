//! What other languages write, and Rhai does not: the words of the author's own language, turned into Rhai.

use std::ops::Range;

use rhai::{LexError, ParseErrorType};

use super::text;
use crate::expr::fault::{Fault, FaultKind};

/// A word that is no operator in Rhai, with the one that is.
const OPERATORS: [(&str, &str); 9] = [
    ("and", "&&"),
    ("or", "||"),
    ("not", "!"),
    ("is", "=="),
    ("eq", "=="),
    ("ne", "!="),
    ("elif", "else if"),
    ("elsif", "else if"),
    ("then", "{"),
];

/// What to say of a script that stopped being one at `place`; nothing when it is no other language's.
pub(super) fn explain(source: &str, place: &Range<usize>, kind: &ParseErrorType) -> Option<Fault> {
    let here = source.get(place.clone()).unwrap_or_default();
    match kind {
        ParseErrorType::Reserved(word) if word == "$" => Some(dollar(source, place.start)),
        ParseErrorType::Reserved(word) | ParseErrorType::UnknownOperator(word) if word == "?" => Some(
            fault("`?` is not an operator of Rhai", place.clone())
                .help("write `if condition { one } else { another }`"),
        ),
        ParseErrorType::Reserved(word) if matches!(word.as_str(), "null" | "nil") => Some(
            fault(format!("`{word}` is not a word of Rhai"), place.clone()).help("nothing is written `()`"),
        ),
        ParseErrorType::BadInput(error) => lexical(source, place, error),
        ParseErrorType::MissingToken(..) => operator(source, place, here),
        _ => None,
    }
}

fn fault(message: impl Into<String>, place: Range<usize>) -> Fault {
    Fault::new(FaultKind::ScriptSyntax, message).within(place)
}

/// `$.object.x` and `${...}`: both are of value expressions.
fn dollar(source: &str, at: usize) -> Fault {
    let rest = &source[at..];
    if rest.starts_with("${") {
        return fault("`${` begins a script inside a text, and this is a script", at..at + 2)
            .help("write it without `${` and `}`");
    }
    let path =
        rest.find(|char: char| !(char.is_alphanumeric() || matches!(char, '$' | '.' | '_' | '[' | ']')));
    let path = &rest[..path.unwrap_or(rest.len())];
    let plain = path.trim_start_matches(['$', '.']);
    let found = fault(format!("`{path}` is a JSONPath, and this is a script"), at..at + path.len());
    if plain.is_empty() { found } else { found.help(format!("write `{plain}`")) }
}

fn lexical(source: &str, place: &Range<usize>, error: &LexError) -> Option<Fault> {
    match error {
        LexError::MalformedChar(_) => {
            let end = text::constant_end(source, place.start);
            let inner = source.get(place.start..end)?.trim_matches('\'');
            Some(
                fault("single quotes hold one character, not a text", place.start..end)
                    .help(format!("write `\"{inner}\"`")),
            )
        }
        LexError::ImproperSymbol(symbol, _) => {
            let right = match symbol.as_str() {
                "===" => "==",
                "!==" | "<>" => "!=",
                "=>" => ">=",
                "=<" => "<=",
                ":=" => "=",
                "->" => ".",
                _ => return None,
            };
            let range = place.start..place.start + symbol.len();
            Some(
                fault(format!("`{symbol}` is not an operator of Rhai"), range)
                    .help(format!("write `{right}`")),
            )
        }
        LexError::UnterminatedString => {
            Some(fault("a text in quotes is not closed", place.clone()).help("close it with the same quote"))
        }
        _ => None,
    }
}

/// An operator in words, at the place or just before it; or none where one is missing.
fn operator(source: &str, place: &Range<usize>, here: &str) -> Option<Fault> {
    let before = source[..place.start].trim_end();
    let start = before.rfind(|char: char| !(char.is_alphanumeric() || char == '_')).map_or(0, |at| at + 1);
    let known = |word: &str| OPERATORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    let (word, right, range) = match (known(here), known(&before[start..])) {
        (Some((_, right)), _) => (here, *right, place.clone()),
        (None, Some((_, right))) => (&before[start..], *right, start..before.len()),
        (None, None)
            if here.starts_with(|char: char| char.is_alphanumeric() || matches!(char, '_' | '"')) =>
        {
            return Some(
                fault(format!("`{here}` does not belong to what stands before it"), place.clone()).help(
                    "join the two with an operator (`==`, `&&`, `||`, `+`), or separate statements with `;`",
                ),
            );
        }
        (None, None) => return None,
    };
    let then_not = source[range.end..].trim_start().starts_with("not ");
    let help = match right {
        "==" if then_not => "write `!=`".to_owned(),
        "!" => format!("write `!` before what is denied: `!{}`", first_path(&source[range.end..])),
        "{" => "write `if condition { one } else { another }`".to_owned(),
        right => format!("write `{right}`"),
    };
    Some(fault(format!("`{word}` is not an operator of Rhai"), range).help(help))
}

/// The path that a text begins with.
fn first_path(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|char: char| !(char.is_alphanumeric() || matches!(char, '.' | '_')));
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::super::engine::Runtime;
    use super::super::program::Program;
    use crate::expr::names::Names;

    fn told(source: &str) -> (String, String) {
        let runtime = std::sync::Arc::new(Runtime::new(&[]).unwrap());
        let faults = Program::compile(&runtime, source, &Names::new(["object"])).err().unwrap();
        let fault = faults.into_iter().next().unwrap();
        (source[fault.within.unwrap()].to_owned(), fault.help.unwrap_or_default())
    }

    #[test]
    fn what_other_languages_write_is_turned_into_rhai() {
        for (source, place, help) in [
            ("object.a and object.b", "and", "write `&&`"),
            ("object.a OR object.b", "OR", "write `||`"),
            ("not object.a", "not", "write `!` before what is denied: `!object.a`"),
            ("object.a is ()", "is", "write `==`"),
            ("object.a is not ()", "is", "write `!=`"),
            ("object.a == 'paid'", "'paid'", "write `\"paid\"`"),
            ("object.a == 'x'", "'x'", "text stands in double quotes: `\"x\"`"),
            ("object.a === 1", "===", "write `==`"),
            ("object.a !== 1", "!==", "write `!=`"),
            ("$.object.a == 1", "$.object.a", "write `object.a`"),
            ("${object.a} == 1", "${", "write it without `${` and `}`"),
            ("object.a != null", "null", "nothing is written `()`"),
            ("object.a != None", "None", "nothing is written `()`"),
            ("object.a == True", "True", "write `true`"),
            ("object.a = 1", "object", "compare with `==`, or keep a value of your own with `let`"),
        ] {
            assert_eq!(told(source), (place.to_owned(), help.to_owned()), "{source}");
        }
    }
}
