#![doc = include_str!("moved-field.md")]

use super::super::types::{Sight, Typed};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::Code;

pub(super) const RULE: TypedRule = TypedRule { code: Code::MovedField, check };

fn check(_: &View, typed: &Typed, found: &mut Found) {
    for (place, sight) in &typed.sights {
        let Sight::Missing(miss) = sight else { continue };
        let Some(moved) = &miss.moved else { continue };
        let fact = format!("`{}` is not a field of `{}` in API version {}", miss.key, miss.of, moved.here);
        let help = moved.to.map(|to| format!("read {to}"));
        found.push(
            found
                .at(place.clone(), fact)
                .label(format!("version {} has it here", moved.there))
                .help_maybe(help),
        );
    }
}
