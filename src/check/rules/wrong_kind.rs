#![doc = include_str!("wrong-kind.md")]

use super::super::types::{Given, GivenTo, Misfit, Objects, Typed, misfits};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::Code;

pub(super) const RULE: TypedRule = TypedRule { code: Code::WrongKind, check };

fn check(view: &View, typed: &Typed, found: &mut Found) {
    let objects = Objects::of(view);
    for given in typed.given.iter().filter(|given| given.to == GivenTo::Field) {
        let [name] = given.name.as_slice() else { continue };
        // What was pulled of accounts is `field-type`'s matter.
        if view.catalog_of(&given.object.connection).is_none() {
            continue;
        }
        let target = objects.field(&given.object, name);
        for misfit in misfits(&given.shape, &target) {
            let Some(help) = way_out(&misfit) else { continue };
            let fact = format!("{} goes to `{name}`, which is {}", given.shape.in_words(), target.in_words());
            found.push(found.at(given.value.clone(), fact).label(label(given)).help(help));
        }
    }
}

fn label(given: &Given) -> String {
    format!("`{}` would refuse it, or keep something else", given.object.connection)
}

/// What to do about a value of another kind; other rules tell of the rest.
pub(super) fn way_out(misfit: &Misfit) -> Option<&'static str> {
    Some(match misfit {
        Misfit::ListForOne => "take one element (`[0]`), or join them: `join(list, \", \")`",
        Misfit::ObjectForOne => "take one of its fields",
        Misfit::OneForList => "write a list: `[value]`",
        Misfit::TextForNumber | Misfit::BooleanForNumber => "give a number",
        Misfit::NumberForBoolean => "compare it: `\"${number > 0}\"`",
        Misfit::TextForBoolean => "compare it: `\"${text == \\\"yes\\\"}\"`",
        Misfit::SecondsForTime => "write `datetime: date` or `datetime: iso8601` beside it",
        Misfit::TextForTime | Misfit::BooleanForTime => "give a date, or a time",
        Misfit::AmountForTime => "this is money: give a date, or a time",
        Misfit::Nothing { .. }
        | Misfit::MinorForMajor
        | Misfit::MajorForMinor
        | Misfit::ForeignWords(_)
        | Misfit::TooLong { .. } => return None,
    })
}
