//! Preludes: calls that are made beforehand, and whose answers are kept.
//!
//! The ids of an account's fields, options, stages and tags are no business of whoever writes a pipeline. A manifest says how they
//! are asked for; what needs them says so by naming `prelude.<name>`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use regex::Regex;
use tokio::sync::Mutex;

use super::compile::Compiler;
use super::failure::Failure;
use super::file::{OperationFile, PreludeFile};
use super::operation::{Operation, Role};
use crate::clock::SharedClock;
use crate::diagnostic::Path;
use crate::value::{Map, Value};

/// How long an answer is kept unless the manifest says otherwise.
const KEEP: Duration = Duration::from_hours(1);

/// An answer that lacks something is not asked for again sooner: a value that is nobody's option must not double all calls.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Answers beyond this are forgotten: of tags and records there may be any number.
const KEPT_MAX: usize = 10_000;

/// A compiled prelude.
#[derive(Debug)]
pub(super) struct Prelude {
    pub(super) operation: Operation,
    /// Makes what the operation did not find.
    pub(super) create: Option<Operation>,
    /// The names of what it is made for.
    pub(super) by: Vec<Arc<str>>,
    keep: Duration,
}

impl Prelude {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: &PreludeFile,
        role: &Role<'_>,
    ) -> Option<Self> {
        let mut part = |key: &str, file: &OperationFile| {
            let at = at.key(key);
            let operation = Operation::compile(compiler, &at, file, role)?;
            if !operation.needs.is_empty() {
                compiler.fault(&at, "a prelude cannot need another one");
            }
            Some(operation)
        };
        let operation = part("call", &file.call);
        // It is made for the very same.
        let params = || file.call.params.clone();
        let create = file.create.as_ref().map(|create| OperationFile { params: params(), ..create.clone() });
        let create = create.as_ref().and_then(|create| part("create", create));
        let by = file.call.params.keys().map(|name| name.as_str().into()).collect();
        let keep = file.keep.map_or(KEEP, |keep| keep.0);
        Some(Self { operation: operation?, create, by, keep })
    }
}

/// The names of preludes that something written speaks of.
pub(super) fn named_in<'a>(written: impl IntoIterator<Item = &'a Value>) -> Vec<Arc<str>> {
    static NAME: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\bprelude\.([a-z_][a-z0-9_]*)").ok());
    let mut names: Vec<Arc<str>> = Vec::new();
    for text in written.into_iter().map(Value::to_json) {
        for found in NAME.iter().flat_map(|name| name.captures_iter(&text)) {
            if !names.iter().any(|name| **name == found[1]) {
                names.push(found[1].into());
            }
        }
    }
    names
}

/// How new an answer has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// As new as the manifest asks for.
    Kept,
    /// Asked for anew, because what was kept lacks something; not more often than every [`AGAIN_AFTER`].
    Renewed,
}

/// A prelude, and what it was made for, as JSON.
type Key = (Arc<str>, String);

/// The answers of one connection.
#[derive(Debug)]
pub(super) struct Preludes {
    clock: SharedClock,
    // Held while one is fetched: whoever comes meanwhile waits, and then finds it.
    kept: Mutex<HashMap<Key, Kept>>,
}

#[derive(Debug)]
struct Kept {
    at: Duration,
    answer: Value,
}

impl Preludes {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    /// The answer of a prelude that is made for `of`, from what is kept or by `fetch`. Nothing is not kept.
    pub(super) async fn get<'a>(
        &self,
        name: &Arc<str>,
        prelude: &Prelude,
        of: &Value,
        freshness: Freshness,
        fetch: impl FnOnce() -> BoxFuture<'a, Result<Value, Failure>>,
    ) -> Result<Value, Failure> {
        if prelude.keep.is_zero() {
            return fetch().await;
        }
        let key = (Arc::clone(name), of.to_json());
        let mut kept = self.kept.lock().await;
        let good_for = match freshness {
            Freshness::Kept => prelude.keep,
            Freshness::Renewed => AGAIN_AFTER.min(prelude.keep),
        };
        if let Some(known) = kept.get(&key)
            && self.clock.elapsed().saturating_sub(known.at) < good_for
        {
            return Ok(known.answer.clone());
        }
        let answer = fetch().await?;
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        if answer.is_nothing() {
            kept.remove(&key);
        } else {
            kept.insert(key, Kept { at: self.clock.elapsed(), answer: answer.clone() });
        }
        Ok(answer)
    }
}

/// What expressions see as `prelude`.
pub(super) fn as_value(answers: Vec<(Arc<str>, Value)>) -> Value {
    Value::from(answers.into_iter().collect::<Map>())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn what_names_a_prelude_needs_it() {
        let written = [
            Value::from("$.prelude.stages"),
            Value::from("${prelude.uid} and ${prelude.stages[0]}"),
            Value::from("no_prelude.at_all"),
        ];
        let names: Vec<String> = named_in(&written).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["stages", "uid"]);
    }
}
