#![doc = include_str!("unknown-path.md")]

use super::super::types::{Sight, Typed};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::Code;

pub(super) const RULE: TypedRule = TypedRule { code: Code::UnknownPath, check };

fn check(view: &View, typed: &Typed, found: &mut Found) {
    for (place, sight) in &typed.sights {
        let Sight::Missing(miss) = sight else { continue };
        if miss.moved.is_some() {
            continue;
        }
        let help = match &miss.near {
            Some(near) if miss.key.starts_with('[') => {
                Some(format!("its elements are in `{near}`: `{near}{}`", miss.key))
            }
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => miss.pulled.as_ref().map(|object| {
                let pull = format!("lockstep schema pull {} {}", view.draft.folder, object.connection);
                format!("if it is new there, pull the account's fields again: `{pull}`")
            }),
        };
        let fact = format!("`{}` is not a field of `{}`", miss.key, miss.of);
        found.push(found.at(place.clone(), fact).label("it is never there").help_maybe(help));
    }
}
