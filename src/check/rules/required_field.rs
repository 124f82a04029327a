#![doc = include_str!("required-field.md")]

use super::super::access::{Access, Doing, Line, accesses};
use super::super::types::{Absence, Typed};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::{Code, Severity};

pub(super) const RULE: TypedRule = TypedRule { code: Code::RequiredField, check };

fn check(view: &View, typed: &Typed, found: &mut Found) {
    let given = typed.by_place();
    for access in accesses(view).iter().filter(|it| matches!(it.doing, Doing::Create | Doing::Upsert)) {
        for line in access.lines().iter().filter(|line| is_required(access, line)) {
            for given in given.get(&(&**access.file(), &line.path)).into_iter().flatten() {
                let is_always = match given.shape.absence {
                    Absence::Possible => false,
                    Absence::Always => true,
                    Absence::Never | Absence::Unknown => continue,
                };
                let (may, severity) =
                    if is_always { ("is", Severity::Error) } else { ("may be", Severity::Warning) };
                let fact = format!(
                    "what goes to `{}` of {} {may} nothing, and it is required",
                    line.name, access.object
                );
                let finding = found
                    .at(given.value.clone(), fact)
                    .label("no record can be created without it")
                    .help("add a `default`, or a `check` before this step")
                    .severity(severity);
                found.push(finding);
            }
        }
    }
}

/// A field that the account wants, and that only this line gives.
fn is_required(access: &Access, line: &Line) -> bool {
    let is_known_by = access.identities.iter().any(|(_, fields)| fields.contains_key(line.name));
    line.is_mapped && !is_known_by && access.known.field(line.name).is_some_and(|field| field.required)
}
