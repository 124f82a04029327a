#![doc = include_str!("not-expanded.md")]

use super::super::types::{Sight, Typed};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::Code;

pub(super) const RULE: TypedRule = TypedRule { code: Code::NotExpanded, check };

fn check(_: &View, typed: &Typed, found: &mut Found) {
    for (place, sight) in &typed.sights {
        let Sight::NotExpanded { key, objects, left_out } = sight else { continue };
        let finding = if *left_out {
            let fact = format!("`{key}` is left out unless it is asked for");
            let help = format!(
                "read the object with `params: {{ expand: [{key}] }}`, in a `get` or in the trigger's `read:`"
            );
            found.at(place.clone(), fact).label("nothing is there").help(help)
        } else {
            let of = objects.first().map_or("another object", String::as_str);
            let fact = format!("`{key}` is read of an id");
            let help = format!(
                "read it with `get: {{ object: stripe.{of}, record: ... }}`, or expand the id where the object is read"
            );
            found
                .at(place.clone(), fact)
                .label(format!("here stands the id of `{of}`, not the object"))
                .help(help)
        };
        found.push(finding);
    }
}
