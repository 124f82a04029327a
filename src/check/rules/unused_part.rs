#![doc = include_str!("unused-part.md")]

use super::super::view::{Found, View};
use super::super::walk::Uses;
use super::Rule;
use crate::diagnostic::Code;

pub(super) const RULE: Rule = Rule { code: Code::UnusedPart, check };

/// Only a client's own parts: a shared one may wait for the next client.
fn check(view: &View, found: &mut Found) {
    let all_read = view.draft.pipelines.iter().all(|file| file.content.is_some());
    if !view.draft.whole || !all_read {
        return;
    }
    let uses = Uses::of(view);
    // A name that no part has is a finding of its own, and was most likely meant to be one of these.
    let all_there = uses.parts.iter().all(|name| view.parts().any(|part| part.stem == *name));
    if !all_there {
        return;
    }
    for part in view.draft.parts.iter().filter(|part| !uses.parts.contains(&part.stem)) {
        let fact = format!("no pipeline uses the part `{}`", part.stem);
        let help = format!("delete the file, or use it by `use: {{ part: {} }}`", part.stem);
        found.push(found.at(part.whole(), fact).help(help));
    }
}
