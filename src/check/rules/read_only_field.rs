#![doc = include_str!("read-only-field.md")]

use super::super::access::{Access, Doing, Line, accesses};
use super::super::view::{Found, View};
use super::Rule;
use crate::config::FieldSchema;
use crate::diagnostic::Code;

pub(super) const RULE: Rule = Rule { code: Code::ReadOnlyField, check };

fn check(view: &View, found: &mut Found) {
    for access in accesses(view) {
        for line in access.lines() {
            let Some(field) = access.known.field(line.name) else { continue };
            if let Some((label, help)) = refused(&access, &line, field) {
                let fact = format!("`{}` of {} cannot be written here", line.name, access.object);
                found.push(found.at(access.key(&line.path), fact).label(label).help(help));
            }
        }
    }
}

/// Why a line would be refused, and what to do.
fn refused(access: &Access, line: &Line, field: &FieldSchema) -> Option<(&'static str, &'static str)> {
    let away = "take the line away";
    if line.is_mapped && !field.create && !field.update {
        return Some(("the system alone sets it", away));
    }
    let on_create = line.value.0.get("write").and_then(|write| write.as_str()) == Some("on_create");
    match access.doing {
        Doing::Create if !field.create => {
            Some(("it cannot be given when a record is created", "update it in a later step"))
        }
        Doing::Update if line.is_mapped && !field.update => {
            Some(("it cannot be changed once the record is there", away))
        }
        Doing::Upsert if line.is_mapped && !field.update && !on_create => {
            Some(("it cannot be changed once the record is there", "write it with `write: on_create`"))
        }
        Doing::Upsert if line.is_mapped && !field.create && on_create => {
            Some(("it cannot be given when a record is created", away))
        }
        Doing::Create | Doing::Update | Doing::Upsert | Doing::Find => None,
    }
}
