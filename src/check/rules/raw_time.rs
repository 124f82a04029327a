#![doc = include_str!("raw-time.md")]

use super::super::types::{Sight, Typed, Unit};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::Code;

pub(super) const RULE: TypedRule = TypedRule { code: Code::RawTime, check };

fn check(_: &View, typed: &Typed, found: &mut Found) {
    for (place, sight) in &typed.sights {
        let Sight::InText { shape, path } = sight else { continue };
        if shape.unit() == Unit::UnixTime {
            let what = path.as_deref().unwrap_or("the time");
            let finding = found
                .at(
                    place.clone(),
                    format!("`{what}` is a time in Unix seconds, and becomes part of a text as it is"),
                )
                .label("people read a number of ten digits")
                .help(format!("write `date({what})`, or `datetime({what}, \"iso8601\")`"));
            found.push(finding);
        }
    }
}
