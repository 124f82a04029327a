#![doc = include_str!("wrong-money.md")]

use super::super::types::{GivenTo, Sight, Typed, Unit};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::catalog;
use crate::connector::file::Amounts;
use crate::diagnostic::Code;

pub(super) const RULE: TypedRule = TypedRule { code: Code::WrongMoney, check };

fn check(view: &View, typed: &Typed, found: &mut Found) {
    for (place, sight) in &typed.sights {
        let Sight::Converted { by, shape } = sight else { continue };
        let (is, help) = match shape.unit() {
            Unit::UnixTime => ("a time in Unix seconds", "write `datetime` where a time is meant"),
            Unit::Major | Unit::Decimal => ("already in the currency's own unit", "convert it once"),
            _ => ("already in minor units", "convert it once"),
        };
        let finding = found
            .at(place.clone(), format!("`{by}` converts what is {is}"))
            .label("the result is another amount than was meant")
            .help(help);
        found.push(finding);
    }
    for given in &typed.given {
        let is_wrong = match given.shape.unit() {
            Unit::Major => true,
            // Not every number with digits after the point is money.
            Unit::Decimal => given.name.last().is_some_and(|name| catalog::is_amount(name)),
            _ => false,
        };
        if given.to == GivenTo::Field
            && is_wrong
            && view.amounts(&given.object.connection) == Some(Amounts::Minor)
        {
            let fact =
                format!("`{}` takes minor units, and gets the currency's own unit", given.object.connection);
            let finding = found
                .at(given.value.clone(), fact)
                .label("it is a hundredth of what is meant")
                .help(match given.shape.unit() {
                    Unit::Decimal => "write `{ from: ..., minor: <currency> }`",
                    _ => "leave `money` out, or write `minor:` with the currency",
                });
            found.push(finding);
        }
    }
}
