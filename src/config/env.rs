//! `${NAME}`, `${NAME:default}` and `${file:/run/secrets/x}` in the values of `client.yaml`.
//!
//! Replaced in values that are already parsed, so that what a variable holds can never change the structure. Here
//! is the only place that reads the process's environment.

use std::fmt;
use std::io::Read;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::diagnostic::Path;
use crate::value::Value;

/// A text with placeholders, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable { name: String, default: Option<String> },
    File(String),
}

/// A placeholder that is not written well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFault {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// What is wrong with it, as a fragment.
    pub message: String,
}

/// What a placeholder names, and is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// An environment variable that is not set.
    #[error("the environment variable `{0}` is not set")]
    Variable(String),
    /// A file that cannot be read.
    #[error("the file `{path}` could not be read: {reason}")]
    File {
        /// Its path.
        path: String,
        /// Why.
        reason: String,
    },
}

/// Where values come from.
pub trait Environment: Send + Sync {
    /// The value of a variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// The content of a file, without the line end at its end.
    fn file(&self, path: &str) -> std::io::Result<String>;
}

/// The process's environment and the machine's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

/// No secret is longer; a placeholder that names a disk must not fill the memory.
const FILE_BYTES_MAX: u64 = 64 << 10;

impl Environment for System {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> std::io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// An environment that notes what it gave: values that came from outside the files, and must not be printed.
pub struct Noting<'a> {
    environment: &'a dyn Environment,
    given: Mutex<Vec<String>>,
}

impl<'a> Noting<'a> {
    /// Asks `environment`, and has given nothing yet.
    pub fn new(environment: &'a dyn Environment) -> Self {
        Self { environment, given: Mutex::default() }
    }

    /// All that was given.
    pub fn given(self) -> Vec<String> {
        self.given.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, value: &str) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).push(value.to_owned());
    }
}

impl Environment for Noting<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.environment.variable(name).inspect(|value| self.note(value))
    }

    fn file(&self, path: &str) -> std::io::Result<String> {
        self.environment.file(path).inspect(|content| self.note(content))
    }
}

impl Template {
    /// Takes a text apart. `$${` stands for a plain `${`.
    pub fn parse(text: &str) -> Result<Self, TemplateFault> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let start = at + found;
            if text[..start].ends_with('$') {
                plain.push_str(&text[at..start - 1]);
                plain.push_str("${");
                at = start + 2;
                continue;
            }
            plain.push_str(&text[at..start]);
            let fault = |end: usize, message: String| TemplateFault { range: start..end, message };
            let Some(length) = text[start..].find('}') else {
                return Err(fault(text.len(), "the `${` is never closed".to_owned()));
            };
            let end = start + length + 1;
            let piece = placeholder(&text[start + 2..end - 1]).map_err(|message| fault(end, message))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(piece);
            at = end;
        }
        plain.push_str(&text[at..]);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// True when there is a placeholder in it.
    pub fn has_placeholders(&self) -> bool {
        self.0.iter().any(|piece| !matches!(piece, Piece::Text(_)))
    }

    /// The text that is written out, with defaults: what everybody who reads the file knows.
    pub fn written_out(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Variable { default, .. } => default.as_deref(),
            Piece::File(_) => None,
        })
    }

    /// The variables and files that it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable { name, .. } | Piece::File(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// What stands for variables that are not set.
    pub fn defaults(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable { default, .. } => default.as_deref(),
            Piece::Text(_) | Piece::File(_) => None,
        })
    }

    /// The text with every placeholder replaced, or all that is missing.
    pub fn fill(&self, environment: &dyn Environment) -> Result<String, Vec<Missing>> {
        let mut text = String::new();
        let mut missing = Vec::new();
        for piece in &self.0 {
            match piece.value(environment) {
                Ok(value) => text.push_str(&value),
                Err(what) => missing.push(what),
            }
        }
        if missing.is_empty() { Ok(text) } else { Err(missing) }
    }
}

impl Piece {
    fn value(&self, environment: &dyn Environment) -> Result<String, Missing> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Variable { name, default } => environment
                .variable(name)
                .or_else(|| default.clone())
                .ok_or_else(|| Missing::Variable(name.clone())),
            Self::File(path) => environment
                .file(path)
                .map_err(|error| Missing::File { path: path.clone(), reason: error.to_string() }),
        }
    }
}

fn placeholder(inside: &str) -> Result<Piece, String> {
    if let Some(path) = inside.strip_prefix("file:") {
        return if path.starts_with('/') {
            Ok(Piece::File(path.to_owned()))
        } else {
            Err(format!("`{path}` is not the whole path of a file"))
        };
    }
    let (name, default) = match inside.split_once(':') {
        Some((name, default)) => (name, Some(default.to_owned())),
        None => (inside, None),
    };
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fits {
        Ok(Piece::Variable { name: name.to_owned(), default })
    } else {
        Err(format!("`{name}` is not the name of an environment variable"))
    }
}

/// Something that was missing, and where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingAt {
    /// The place inside the value.
    pub path: Path,
    /// What is missing.
    pub missing: Missing,
}

impl fmt::Display for MissingAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.missing)
    }
}

/// A value with every placeholder in it replaced. What is missing goes to `missing`, all of it.
///
/// A text that is not well written stays as it is; `check` has refused it.
pub fn fill(
    value: &Value,
    path: &Path,
    environment: &dyn Environment,
    missing: &mut Vec<MissingAt>,
) -> Value {
    match value {
        Value::Text(text) if text.contains("${") => {
            match Template::parse(text).map(|it| it.fill(environment)) {
                Ok(Ok(filled)) => Value::from(filled),
                Ok(Err(all)) => {
                    missing
                        .extend(all.into_iter().map(|what| MissingAt { path: path.clone(), missing: what }));
                    Value::Null
                }
                Err(_) => value.clone(),
            }
        }
        Value::List(items) => Value::list(
            items.iter().enumerate().map(|(at, item)| fill(item, &path.index(at), environment, missing)),
        ),
        Value::Map(map) => Value::map(
            map.iter()
                .map(|(key, value)| (key.clone(), fill(value, &path.key(key.clone()), environment, missing))),
        ),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    struct Fixed;

    impl Environment for Fixed {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "KEY").then(|| "abc: [".to_owned())
        }

        fn file(&self, path: &str) -> std::io::Result<String> {
            if path == "/run/secrets/x" {
                Ok("file".into())
            } else {
                Err(std::io::ErrorKind::NotFound.into())
            }
        }
    }

    fn filled(text: &str) -> Result<String, Vec<Missing>> {
        Template::parse(text).unwrap().fill(&Fixed)
    }

    #[test]
    fn placeholders_are_replaced() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("${KEY}", "abc: ["),
            ("a${KEY}b${file:/run/secrets/x}", "aabc: [bfile"),
            ("${NONE:https://x:8080}", "https://x:8080"),
            ("${NONE:}", ""),
            ("$${KEY} costs $5", "${KEY} costs $5"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn all_that_is_missing_is_told_with_its_place() {
        let value = Value::from_json(br#"{"a":["${ONE} ${TWO}"],"b":"${file:/x}"}"#).unwrap();
        let mut missing = Vec::new();
        fill(&value, &Path::root(), &Fixed, &mut missing);
        let told: Vec<String> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "a[0]: the environment variable `ONE` is not set",
                "a[0]: the environment variable `TWO` is not set",
                "b: the file `/x` could not be read: entity not found",
            ]
        );
    }

    #[test]
    fn badly_written_placeholders_are_told_with_their_bytes() {
        for (text, range, message) in [
            ("x${KEY", 1..6, "the `${` is never closed"),
            ("${}", 0..3, "`` is not the name of an environment variable"),
            ("a ${my-key} b", 2..11, "`my-key` is not the name of an environment variable"),
            ("${file:x}", 0..9, "`x` is not the whole path of a file"),
        ] {
            let fault = Template::parse(text).unwrap_err();
            assert_eq!((fault.range, fault.message.as_str()), (range, message), "{text}");
        }
    }
}
