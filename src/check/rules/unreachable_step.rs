#![doc = include_str!("unreachable-step.md")]

use super::super::types::{Sight, Typed};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::Code;

pub(super) const RULE: TypedRule = TypedRule { code: Code::UnreachableStep, check };

fn check(_: &View, typed: &Typed, found: &mut Found) {
    for (place, sight) in &typed.sights {
        if matches!(sight, Sight::Unreachable) {
            let finding = found
                .at(place.clone(), "no run gets to this step")
                .label("every run has ended before it")
                .help("put it before what ends the run, or give that a condition");
            found.push(finding);
        }
    }
}
