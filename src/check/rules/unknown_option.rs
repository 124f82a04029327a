#![doc = include_str!("unknown-option.md")]

use super::super::access::accesses;
use super::super::constants::constants;
use super::super::view::{Found, View};
use super::Rule;
use crate::config::FieldKind;
use crate::diagnostic::{Code, Severity};
use crate::nearest::did_you_mean;

pub(super) const RULE: Rule = Rule { code: Code::UnknownOption, check };

fn check(view: &View, found: &mut Found) {
    for access in accesses(view) {
        for line in access.lines() {
            let Some(field) = access.known.field(line.name) else { continue };
            let Some(options) = &field.options else { continue };
            for constant in constants(view, access.file(), &line.path, &line.value.0) {
                let Some(text) = constant.value.to_text() else { continue };
                let Some(wrong) = unknown(field.kind, &text, options) else { continue };
                let fact =
                    format!("{wrong:?} is not among the options of `{}` of {}", line.name, access.object);
                let mut finding = found
                    .at(constant.place, fact)
                    .label(if field.open { "nobody can choose it there" } else { "the account refuses it" })
                    .help_maybe(did_you_mean(wrong, options.iter().map(String::as_str)));
                if field.open {
                    finding = finding.severity(Severity::Warning);
                }
                if let Some(used) = constant.used {
                    finding = finding.related(used, "it is used here");
                }
                found.push(finding);
            }
        }
    }
}

/// The first part of `text` that is no option. Fields that take several have them in one text, with semicolons between.
fn unknown<'a>(kind: FieldKind, text: &'a str, options: &[String]) -> Option<&'a str> {
    let is_unknown = |word: &&str| !word.is_empty() && options.iter().all(|option| option != word);
    match kind {
        FieldKind::Options => text.split(';').map(str::trim).find(is_unknown),
        _ => Some(text).filter(is_unknown),
    }
}
