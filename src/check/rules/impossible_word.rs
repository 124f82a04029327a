#![doc = include_str!("impossible-word.md")]

use super::super::types::{Sight, Typed, Words};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::nearest::nearest;

pub(super) const RULE: TypedRule = TypedRule { code: Code::ImpossibleWord, check };

fn check(_: &View, typed: &Typed, found: &mut Found) {
    for (place, sight) in &typed.sights {
        let Sight::ForeignWord { word, words } = sight else { continue };
        let finding = found.at(place.clone(), format!("the value is never `{word}`"));
        found.push(beside(finding.label("the comparison decides nothing"), word, words));
    }
}

/// A finding about a word that is none of those that are known, with the way out.
pub(super) fn beside(finding: Diagnostic, word: &str, words: &Words) -> Diagnostic {
    /// More words than these are a list that nobody reads.
    const FEW: usize = 12;
    if let Some(near) = nearest(word, words.iter()) {
        return finding.help(format!("did you mean `{near}`?"));
    }
    let list = words.iter().take(FEW).collect::<Vec<_>>().join(", ");
    let more = if words.known.len() > FEW { ", ..." } else { "" };
    let finding = finding.help(format!("it is one of {list}{more}"));
    // A word that was added since is no mistake.
    if words.open { finding.severity(Severity::Warning) } else { finding }
}
