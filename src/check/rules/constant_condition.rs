#![doc = include_str!("constant-condition.md")]

use super::super::types::{Sight, Typed};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::Code;

pub(super) const RULE: TypedRule = TypedRule { code: Code::ConstantCondition, check };

fn check(_: &View, typed: &Typed, found: &mut Found) {
    for (place, sight) in &typed.sights {
        let Sight::Constant { holds } = sight else { continue };
        let (is, label) = if *holds {
            ("always true", "it decides nothing")
        } else {
            ("always false", "what depends on it never happens")
        };
        found.push(found.at(place.clone(), format!("the condition is {is}")).label(label));
    }
}
