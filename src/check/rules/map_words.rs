#![doc = include_str!("map-words.md")]

use std::sync::Arc;

use super::super::types::{Sight, Typed, Words};
use super::super::view::{Found, View};
use super::TypedRule;
use super::impossible_word::beside;
use crate::diagnostic::{Code, Path, Place, Severity, Spot};

pub(super) const RULE: TypedRule = TypedRule { code: Code::MapWords, check };

fn check(view: &View, typed: &Typed, found: &mut Found) {
    for (place, sight) in &typed.sights {
        let Sight::Table { keys, read, words, allowed } = sight else { continue };
        for key in keys.iter().filter(|key| &***key != "*" && !words.has(key)) {
            let entry = match read {
                None => key_of(place, key),
                Some(path) => entry_of(view, path, key).unwrap_or_else(|| place.clone()),
            };
            let mut finding = found.at(entry, format!("the value is never `{key}`"));
            if read.is_some() {
                finding = finding.related(place.clone(), "it is used here");
            }
            found.push(beside(finding.label("this entry is never looked up"), key, words));
        }
        missing(place, keys, allowed, found);
    }
}

/// Words that have no entry.
fn missing(place: &Place, keys: &[Arc<str>], allowed: &Words, found: &mut Found) {
    if keys.iter().any(|key| &**key == "*") {
        return;
    }
    let missing: Vec<&str> = allowed.iter().filter(|word| keys.iter().all(|key| &**key != *word)).collect();
    if missing.is_empty() {
        return;
    }
    let fact = format!("the map has no entry for {}", missing.join(", "));
    let finding = found
        .at(place.clone(), fact)
        .label("a run that meets one fails")
        .help("add them, or `\"*\"` for all others")
        .severity(Severity::Warning);
    found.push(finding);
}

/// The key of a table that is written at `place`.
fn key_of(place: &Place, key: &Arc<str>) -> Place {
    match &place.spot {
        Spot::Node { path, .. } => Place::key(Arc::clone(&place.file), path.key(Arc::clone(key))),
        Spot::File | Spot::Bytes(_) => place.clone(),
    }
}

/// The key of a table among the client's variables.
fn entry_of(view: &View, table: &str, key: &Arc<str>) -> Option<Place> {
    let mut path = Path::root().key("vars");
    for name in table.strip_prefix("vars.")?.split('.') {
        path = path.key(name);
    }
    Some(view.key(&path.key(Arc::clone(key))))
}
