//! What all parts of a manifest are compiled with: the expression engine, the languages, and the faults so far.
//!
//! Nothing stops at the first fault: what is wrong is noted and left out, so that an author sees everything at
//! once. A manifest with a fault is never handed out.

use std::sync::Arc;

use indexmap::IndexMap;
use regex::Regex;

use super::expression::{Check, Expression};
use super::fault::Fault;
use super::file::LanguageFile;
use super::language::Language;
use crate::diagnostic::Path;
use crate::expr::{Engine, Names};
use crate::value::{Map, Value};
use crate::words::Identifier;
use crate::written::{Script, Written};

/// The state of compiling one manifest.
pub(super) struct Compiler {
    engine: Engine,
    languages: IndexMap<String, Arc<Language>>,
    faults: Vec<Fault>,
}

impl Compiler {
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, languages: IndexMap::new(), faults: Vec::new() }
    }

    /// Everything that was wrong, each once: several objects may share the shape that a fault is in.
    pub(super) fn finish(mut self) -> Vec<Fault> {
        let mut seen: Vec<Fault> = Vec::with_capacity(self.faults.len());
        for fault in self.faults.drain(..) {
            if !seen.contains(&fault) {
                seen.push(fault);
            }
        }
        seen
    }

    pub(super) fn push(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn fault(&mut self, at: &Path, message: impl Into<String>) {
        self.push(Fault::new(at.clone(), message));
    }

    pub(super) fn expression(&mut self, at: &Path, written: &Value, names: &Names) -> Option<Expression> {
        match self.engine.expression(written, names) {
            Ok(expr) => Some(Expression(expr)),
            Err(faults) => {
                self.faults.extend(faults.into_iter().map(|fault| Fault::of_expression(at, fault)));
                None
            }
        }
    }

    /// As [`Self::expression`], for a key that may be left out.
    pub(super) fn optional(
        &mut self,
        at: &Path,
        written: Option<&Written>,
        names: &Names,
    ) -> Option<Expression> {
        self.expression(at, &written?.0, names)
    }

    /// An expression that the manifest need not write: `path` holds when it does not.
    pub(super) fn or_default(
        &mut self,
        at: &Path,
        written: Option<&Written>,
        path: &str,
        names: &Names,
    ) -> Option<Expression> {
        match written {
            Some(written) => self.expression(at, &written.0, names),
            None => self.expression(at, &Value::from(path), names),
        }
    }

    pub(super) fn check(&mut self, at: &Path, script: Option<&Script>, names: &Names) -> Option<Check> {
        match self.engine.condition(&script?.0, names) {
            Ok(condition) => Some(Check(condition)),
            Err(faults) => {
                self.faults.extend(faults.into_iter().map(|fault| Fault::of_expression(at, fault)));
                None
            }
        }
    }

    pub(super) fn regex(&mut self, at: &Path, pattern: &str) -> Option<Regex> {
        match Regex::new(pattern) {
            Ok(regex) => Some(regex),
            Err(error) => {
                // The last line of the error says what is wrong; those before it draw the pattern.
                let error = error.to_string();
                let what = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.fault(at, format!("not a regular expression: {what}"));
                None
            }
        }
    }

    /// A regular expression that has to match a whole text.
    pub(super) fn whole_regex(&mut self, at: &Path, pattern: &str) -> Option<Regex> {
        self.regex(at, pattern)?;
        self.regex(at, &format!(r"\A(?:{pattern})\z"))
    }

    /// Compiles the manifest's languages, which the forms `quoted` and `escaped` then find by name.
    pub(super) fn languages(&mut self, at: &Path, files: &IndexMap<Identifier, LanguageFile>) {
        for (name, file) in files {
            let language = Language::compile(self, &at.key(Arc::clone(&name.0)), file);
            self.languages.insert(name.0.to_string(), language);
        }
    }

    pub(super) fn language(&mut self, at: &Path, name: Option<&Value>) -> Option<Arc<Language>> {
        let name = name.and_then(Value::as_str).unwrap_or_default();
        let language = self.languages.get(name).cloned();
        if language.is_none() {
            let fault = Fault::new(at.clone(), format!("`{name}` is not one of the manifest's `languages`"));
            let fault = fault.nearest(name, self.languages.keys().map(String::as_str));
            self.push(fault);
        }
        language
    }

    pub(super) fn only_keys(&mut self, at: &Path, map: &Map, allowed: &[&str]) {
        for key in map.keys().filter(|key| !allowed.contains(&&***key)) {
            let fault = Fault::new(at.key(Arc::clone(key)), format!("`{key}` is not a key here"));
            self.push(fault.nearest(key, allowed.iter().copied()));
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&mut self, at: &Path, value: &Value) -> Vec<Arc<str>> {
        let texts: Option<Vec<Arc<str>>> = value
            .as_list()
            .map(|items| items.iter().map(|item| item.as_str().map(Arc::from)).collect::<Option<_>>())
            .unwrap_or_default();
        if texts.is_none() {
            self.fault(at, "expected a list of texts");
        }
        texts.unwrap_or_default()
    }

    /// The text under `key`, or `default` when there is none.
    pub(super) fn text_or(&mut self, at: &Path, map: &Map, key: &str, default: &str) -> String {
        match map.get(key) {
            None => default.to_owned(),
            Some(Value::Text(text)) => text.to_string(),
            Some(other) => {
                self.fault(&at.key(key), format!("expected text, not {}", other.kind()));
                default.to_owned()
            }
        }
    }
}
