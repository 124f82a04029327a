#![doc = include_str!("minor-units.md")]

use super::super::types::{Given, GivenTo, Kind, Shape, Sight, Typed, Unit};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::connector::file::Amounts;
use crate::diagnostic::Code;

pub(super) const RULE: TypedRule = TypedRule { code: Code::MinorUnits, check };

fn check(view: &View, typed: &Typed, found: &mut Found) {
    for given in &typed.given {
        if given.to != GivenTo::Match
            && unit(&given.shape) == Unit::Minor
            && view.amounts(&given.object.connection) == Some(Amounts::Decimal)
            && !is_named_so(given)
        {
            let fact = format!("an amount in minor units goes to `{}` as it is", given.object.connection);
            let finding = found
                .at(given.value.clone(), fact)
                .label("it is a hundred times what is meant")
                .help("write `{ from: ..., money: $.object.currency }`, with the path of its currency");
            found.push(finding);
        }
    }
    for (place, sight) in &typed.sights {
        let Sight::InText { shape, path } = sight else { continue };
        if shape.unit() == Unit::Minor {
            let what = path.as_deref().unwrap_or("the amount");
            let finding = found
                .at(place.clone(), format!("`{what}` is in minor units, and becomes part of a text as it is"))
                .label("people read a hundred times what is meant")
                .help(format!("write `money({what}, ...)`, with the path of its currency"));
            found.push(finding);
        }
    }
}

/// What is counted; of a list, by its elements.
fn unit(shape: &Shape) -> Unit {
    match &shape.kind {
        Kind::List(element) => element.unit(),
        _ => shape.unit(),
    }
}

/// True for a field whose name says that it takes minor units.
fn is_named_so(given: &Given) -> bool {
    given.name.iter().any(|name| {
        let name = name.to_lowercase();
        ["cents", "minor", "pence"].iter().any(|word| name.contains(word))
    })
}
