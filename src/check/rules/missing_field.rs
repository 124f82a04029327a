#![doc = include_str!("missing-field.md")]

use std::collections::BTreeSet;

use super::super::access::{Access, Doing, accesses};
use super::super::view::{Found, View};
use super::Rule;
use crate::diagnostic::Code;

pub(super) const RULE: Rule = Rule { code: Code::MissingField, check };

fn check(view: &View, found: &mut Found) {
    let accesses = accesses(view);
    for access in accesses.iter().filter(|access| matches!(access.doing, Doing::Create | Doing::Upsert)) {
        let missing = missing(access);
        let Some((last, others)) = missing.split_last() else { continue };
        let names = match others {
            [] => format!("`{last}`"),
            others => {
                let others = others.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                format!("{} and `{last}`", others.join(", "))
            }
        };
        let place = access.key(&access.fields_path());
        let finding = found
            .at(place, format!("no {} can be created without {names}", access.object))
            .label(match access.doing {
                Doing::Upsert => "missing when there is no record yet",
                _ => "missing here",
            })
            .help(match access.doing {
                Doing::Upsert => format!("add {names}; `write: on_create` leaves it alone later"),
                _ => format!("add {names}"),
            });
        found.push(finding);
    }
}

/// The fields that have to be given, and are neither mapped nor part of what the record is known by.
fn missing<'a>(access: &Access<'a>) -> Vec<&'a str> {
    let lines = access.lines();
    let given: BTreeSet<&str> = lines.iter().map(|line| access.known.own_name(line.name)).collect();
    let fields = access.known.fields().iter();
    fields
        .filter(|(name, field)| {
            let also = field.also.as_deref();
            field.required && !given.contains(name.as_str()) && !also.is_some_and(|it| given.contains(it))
        })
        .map(|(name, _)| name.as_str())
        .collect()
}
