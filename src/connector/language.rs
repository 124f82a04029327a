//! Values as literals of a query language or a text format: the one place that quotes and escapes them.
//!
//! A value can end up as another literal, never as syntax. The manifest's table is checked when it is compiled:
//! a language whose quote, or whose escape character, is not itself escaped is refused.

use std::fmt::Write as _;
use std::sync::Arc;

use regex::Regex;

use super::compile::Compiler;
use super::file::{LanguageFile, ListLiteralFile};
use crate::diagnostic::Path;
use crate::value::Value;

/// A value that a language cannot write: a lower-case fragment that says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unwritable(pub(super) String);

/// How values are written in one query language or text format.
#[derive(Debug)]
pub(super) struct Language {
    quote: String,
    escape: Vec<(char, String)>,
    printable: bool,
    name: Option<Regex>,
    bare: Option<Regex>,
    nothing: Option<String>,
    list: Option<ListLiteralFile>,
}

impl Language {
    pub(super) fn compile(compiler: &mut Compiler, at: &Path, file: &LanguageFile) -> Arc<Self> {
        let mut escape = Vec::new();
        for (key, replacement) in &file.escape {
            let mut chars = key.chars();
            match (chars.next(), chars.next()) {
                (Some(char), None) => escape.push((char, replacement.clone())),
                _ => compiler.fault(&at.key("escape").key(key.as_str()), "not a single character"),
            }
        }
        let language = Self {
            quote: file.quote.clone(),
            escape,
            printable: file.printable,
            name: file.name.as_ref().and_then(|name| compiler.whole_regex(&at.key("name"), name)),
            bare: file.bare.as_ref().and_then(|bare| compiler.whole_regex(&at.key("bare"), bare)),
            nothing: file.nothing.clone(),
            list: file.list.clone(),
        };
        if let Some(message) = language.leak() {
            compiler.fault(&at.key("escape"), message);
        }
        Arc::new(language)
    }

    /// How a text could get out of its quotes; `None` when it cannot.
    fn leak(&self) -> Option<String> {
        let quote = self.quote.chars().next()?;
        if self.quote.chars().count() > 1 {
            return Some("a quote is a single character".into());
        }
        let escaped = |char: char| self.escape.iter().find(|(known, _)| *known == char);
        let Some((_, written)) = escaped(quote) else {
            return Some(format!("the quote {quote} is not escaped, so a text could end its own literal"));
        };
        let lead = written.chars().next()?;
        // Doubling (`''`) leads with the quote itself; any other lead has to be escaped too, or a text that ends
        // in it would swallow the closing quote.
        if lead != quote && escaped(lead).is_none() {
            return Some(format!("{lead} escapes other characters and is not escaped itself"));
        }
        None
    }

    /// `value` as a literal.
    pub(super) fn literal(&self, value: &Value) -> Result<String, Unwritable> {
        match value {
            Value::Null => {
                self.nothing.clone().ok_or_else(|| Unwritable("there is nothing to compare with".into()))
            }
            Value::Bool(_) | Value::Int(_) | Value::Decimal(_) => Ok(value.to_string()),
            Value::Text(text) if self.bare.as_ref().is_some_and(|bare| bare.is_match(text)) => {
                Ok(text.to_string())
            }
            Value::Text(text) => Ok(format!("{quote}{}{quote}", self.escaped(text)?, quote = self.quote)),
            Value::List(items) => self.list_literal(items),
            Value::Map(_) => Err(Unwritable("a map cannot be compared with".into())),
        }
    }

    fn list_literal(&self, items: &[Value]) -> Result<String, Unwritable> {
        let list = self.list.as_ref().ok_or_else(|| Unwritable("a list cannot be compared with".into()))?;
        if items.is_empty() {
            return Err(Unwritable("an empty list matches nothing".into()));
        }
        let items = items.iter().map(|item| self.literal(item)).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("{}{}{}", list.open, items.join(&list.separator), list.close))
    }

    /// `text` with every character of the table replaced.
    pub(super) fn escaped(&self, text: &str) -> Result<String, Unwritable> {
        let mut out = String::with_capacity(text.len() + 8);
        for char in text.chars() {
            match self.escape.iter().find(|(known, _)| *known == char) {
                Some((_, replacement)) => out.push_str(replacement),
                None if self.printable && char.is_control() => {
                    let mut shown = String::from("a text holds the control character ");
                    // Writing into a string does not fail.
                    let _ = write!(shown, "U+{:04X}", u32::from(char));
                    return Err(Unwritable(shown));
                }
                None => out.push(char),
            }
        }
        Ok(out)
    }

    /// `name`, when it can be a name of this language.
    pub(super) fn name<'a>(&self, name: &'a str) -> Result<&'a str, Unwritable> {
        if self.name.as_ref().is_some_and(|pattern| pattern.is_match(name)) {
            Ok(name)
        } else {
            Err(Unwritable(format!("`{}` cannot be a name there", name.escape_debug())))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn soql() -> Language {
        let escape = [('\\', r"\\"), ('\'', r"\'"), ('\n', r"\n")];
        Language {
            quote: "'".into(),
            escape: escape.map(|(char, text)| (char, text.to_owned())).into(),
            printable: false,
            name: Regex::new(r"\A(?:[A-Za-z_]+)\z").ok(),
            bare: None,
            nothing: Some("null".into()),
            list: None,
        }
    }

    /// What a reader of the language takes the literal for; `None` when something is left over.
    fn read(literal: &str) -> Option<String> {
        let mut out = String::new();
        let mut chars = literal.strip_prefix('\'')?.chars();
        loop {
            match chars.next()? {
                '\'' => return chars.next().is_none().then_some(out),
                '\\' => out.push(match chars.next()? {
                    'n' => '\n',
                    other => other,
                }),
                other => out.push(other),
            }
        }
    }

    proptest! {
        #[test]
        fn a_literal_reads_back_as_its_value_and_nothing_more(text in ".*|[\\\\'\n ]*") {
            let literal = soql().literal(&Value::from(text.as_str())).unwrap();
            prop_assert_eq!(read(&literal), Some(text));
        }

        #[test]
        fn a_name_is_only_what_may_be_one(text in ".*") {
            if soql().name(&text).is_ok() {
                prop_assert!(text.chars().all(|char| char.is_ascii_alphabetic() || char == '_'));
            }
        }
    }

    #[test]
    fn a_language_that_leaks_is_refused() {
        let leaks = |escape: &[(char, &str)]| {
            let escape = escape.iter().map(|(char, text)| (*char, (*text).to_owned())).collect();
            Language { escape, ..soql() }.leak().is_some()
        };
        assert!(leaks(&[]));
        assert!(leaks(&[('\'', r"\'")]), "a trailing backslash would swallow the quote");
        assert!(!leaks(&[('\'', r"\'"), ('\\', r"\\")]));
        assert!(!leaks(&[('\'', "''")]));
    }
}
