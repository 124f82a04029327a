//! What a condition that holds, or does not, tells of the paths it reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::scope::{Fact, Scope};
use crate::expr::{Term, What};
use crate::value::Value;

/// The paths that tell which kind of event it is.
const KINDS: [&str; 2] = ["event.type", "object.object"];

/// Adds to `scope` what is known where `condition` is `truth`.
pub(super) fn assume(scope: &mut Scope, condition: &Term, truth: bool) {
    let known = |scope: &Scope| KINDS.map(|path| scope.facts.get(path).cloned());
    let before = known(scope);
    learn(scope, condition, truth);
    if asks_for_kind(condition) && known(scope) == before {
        scope.loose = true;
    }
}

fn learn(scope: &mut Scope, condition: &Term, truth: bool) {
    match &condition.what {
        What::And(parts) if truth => parts.iter().for_each(|part| learn(scope, part, true)),
        What::Or(parts) if !truth => parts.iter().for_each(|part| learn(scope, part, false)),
        What::Or(parts) => one_of(scope, parts),
        What::Call { name, args } => call(scope, name, args, truth),
        _ if truth => present(scope, condition),
        _ => {}
    }
}

fn call(scope: &mut Scope, name: &str, args: &[Term], truth: bool) {
    match (name, args) {
        ("!", [inner]) => learn(scope, inner, !truth),
        ("==" | "!=", [a, b]) => {
            let equal = (name == "==") == truth;
            if let Some((path, word)) = worded(a, b) {
                compared(scope, path, word, equal);
            }
        }
        ("contains", [list, item]) => {
            match (item.path_text(), literals(list)) {
                (Some(path), Some(words)) => among(scope, path, &words, truth),
                // A text or a list of the context that has something is there.
                _ if truth => present(scope, list),
                _ => {}
            }
        }
        ("<" | "<=" | ">" | ">=", sides) if truth => sides.iter().for_each(|side| present(scope, side)),
        // A method of something that held.
        (_, [receiver, ..]) if truth => present(scope, receiver),
        _ => {}
    }
}

/// A path beside a value that is written out.
fn worded<'t>(a: &'t Term, b: &'t Term) -> Option<(String, &'t Value)> {
    match (&a.what, &b.what) {
        (_, What::Literal(word)) => Some((a.path_text()?, word)),
        (What::Literal(word), _) => Some((b.path_text()?, word)),
        _ => None,
    }
}

/// The values of a list that is written out.
fn literals(list: &Term) -> Option<Vec<Value>> {
    match &list.what {
        What::List(items) => items
            .iter()
            .map(|item| match &item.what {
                What::Literal(value) => Some(value.clone()),
                _ => None,
            })
            .collect(),
        What::Literal(Value::List(items)) => Some(items.to_vec()),
        _ => None,
    }
}

fn compared(scope: &mut Scope, path: String, word: &Value, equal: bool) {
    match (word, equal) {
        (Value::Text(word), false) if word.is_empty() => {}
        (Value::Text(word), true) => only(scope, path, BTreeSet::from([Arc::clone(word)])),
        (Value::Text(word), false) => {
            fact(scope, path).not.insert(Arc::clone(word));
        }
        // It is something when it is not nothing, and when it equals something.
        _ if equal != word.is_nothing() => fact(scope, path).present = true,
        _ => {}
    }
}

fn among(scope: &mut Scope, path: String, words: &[Value], truth: bool) {
    let texts: Option<BTreeSet<Arc<str>>> = words
        .iter()
        .map(|word| match word {
            Value::Text(text) => Some(Arc::clone(text)),
            _ => None,
        })
        .collect();
    match (texts, truth) {
        (Some(texts), true) => only(scope, path, texts),
        (Some(texts), false) => fact(scope, path).not.extend(texts),
        (None, false) if words.contains(&Value::Null) => fact(scope, path).present = true,
        (None, _) => {}
    }
}

fn only(scope: &mut Scope, path: String, words: BTreeSet<Arc<str>>) {
    let fact = fact(scope, path);
    fact.present |= words.iter().all(|word| !word.is_empty());
    fact.only = Some(match fact.only.take() {
        Some(before) => before.intersection(&words).cloned().collect(),
        None => words,
    });
}

/// `a == "x" || a == "y"`: the one path that all sides are about is one of all their words.
fn one_of(scope: &mut Scope, sides: &[Term]) {
    let mut all = BTreeSet::new();
    let mut about: Option<String> = None;
    for side in sides {
        let mut alone = Scope::default();
        learn(&mut alone, side, true);
        let of_words = alone.facts.into_iter().find_map(|(path, fact)| Some((path, fact.only?)));
        let Some((path, words)) = of_words else { return };
        if about.as_ref().is_some_and(|about| *about != path) {
            return;
        }
        about = Some(path);
        all.extend(words);
    }
    if let Some(path) = about {
        only(scope, path, all);
    }
}

fn present(scope: &mut Scope, term: &Term) {
    if let Some(path) = term.path_text() {
        fact(scope, path).present = true;
    }
}

fn fact(scope: &mut Scope, path: String) -> &mut Fact {
    scope.facts.entry(path).or_default()
}

/// True when the condition asks in any way which kind of event it is.
fn asks_for_kind(term: &Term) -> bool {
    match &term.what {
        What::Member { of, key } => match &of.what {
            What::Name(name) => {
                matches!((&**name, &**key), ("event", "type") | ("object", "object"))
            }
            _ => asks_for_kind(of),
        },
        What::And(parts) | What::Or(parts) | What::List(parts) | What::Text(parts) => {
            parts.iter().any(asks_for_kind)
        }
        What::Call { args, .. } => args.iter().any(asks_for_kind),
        What::Element { of, index } => asks_for_kind(of) || asks_for_kind(index),
        _ => false,
    }
}
