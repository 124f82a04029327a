#![doc = include_str!("partial-field.md")]

use super::super::types::{Sight, Typed};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::Code;

pub(super) const RULE: TypedRule = TypedRule { code: Code::PartialField, check };

fn check(_: &View, typed: &Typed, found: &mut Found) {
    for (place, sight) in &typed.sights {
        let Sight::Partial { key, with, without } = sight else { continue };
        let fact = format!("not all events have `{key}`: it is there for {}", listed(with));
        let help =
            "say when it is meant (`event.type == ...`), give several paths (`from: [...]`) or a `default`";
        let label = format!("nothing is there for {}", listed(without));
        found.push(found.at(place.clone(), fact).label(label).help(help));
    }
}

/// The first few of a list.
fn listed(names: &[String]) -> String {
    const FEW: usize = 3;
    let first = names.iter().take(FEW).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(FEW) {
        Some(more) if more > 0 => format!("{first} and {more} more"),
        _ => first,
    }
}
