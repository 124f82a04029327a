#![doc = include_str!("text-too-long.md")]

use std::sync::Arc;

use super::super::access::accesses;
use super::super::constants::constants;
use super::super::types::Typed;
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::{Code, Place};
use crate::value::Value;

pub(super) const RULE: TypedRule = TypedRule { code: Code::TextTooLong, check };

fn check(view: &View, typed: &Typed, found: &mut Found) {
    let given = typed.by_place();
    for access in accesses(view) {
        for line in access.lines().iter().filter(|line| line.is_mapped) {
            let Some(longest) = access.known.field(line.name).and_then(|field| field.length) else {
                continue;
            };
            let takes = format!("`{}` of {} takes {longest} characters", line.name, access.object);
            let mut any = false;
            for constant in constants(view, access.file(), &line.path, &line.value.0) {
                let length = constant.value.as_str().map_or(0, |text| text.chars().count());
                if length > longest as usize {
                    any = true;
                    let mut finding = found
                        .at(constant.place, format!("{takes}, and this text has {length}"))
                        .label("too long")
                        .help("shorten it");
                    if let Some(used) = constant.used {
                        finding = finding.related(used, "it is used here");
                    }
                    found.push(finding);
                }
            }
            let cut = line.value.0.get("truncate").and_then(Value::as_i64).filter(|cut| *cut > 0);
            if let Some(cut) = cut.filter(|cut| *cut > i64::from(longest)) {
                let place = Place::value(Arc::clone(access.file()), line.path.key("truncate"));
                let finding = found
                    .at(place, format!("{takes}, and `truncate` lets {cut} through"))
                    .label("a text of this length would be refused")
                    .help(format!("write `truncate: {longest}`"));
                found.push(finding);
                any = true;
            }
            for given in given.get(&(&**access.file(), &line.path)).into_iter().flatten().filter(|_| !any) {
                if let Some(length) = given.shape.length().filter(|length| *length > longest as usize) {
                    let finding = found
                        .at(given.value.clone(), format!("{takes}, and this text can have {length}"))
                        .label("a text of this length would be refused")
                        .help(format!("cut it with `truncate: {longest}`"));
                    found.push(finding);
                }
            }
        }
    }
}
