#![doc = include_str!("unknown-option.md")]

use super::super::access::{Access, Line, accesses};
use super::super::constants::constants;
use super::super::types::{Typed, Words};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::config::{FieldKind, FieldSchema};
use crate::diagnostic::{Code, Place, Severity};
use crate::nearest::did_you_mean;

pub(super) const RULE: TypedRule = TypedRule { code: Code::UnknownOption, check };

fn check(view: &View, typed: &Typed, found: &mut Found) {
    let given = typed.by_place();
    for access in accesses(view) {
        for line in access.lines() {
            let Some(field) = access.known.field(line.name) else { continue };
            let Some(options) = &field.options else { continue };
            let target = Target { access: &access, line: &line, field, options };
            let mut written = Vec::new();
            for constant in constants(view, access.file(), &line.path, &line.value.0) {
                let Some(text) = constant.value.to_text() else { continue };
                if let Some(wrong) = unknown(field.kind, &text, options) {
                    target.refuses(&[wrong], constant.place, constant.used, found);
                }
                written.push(text);
            }
            for given in given.get(&(&**access.file(), &line.path)).into_iter().flatten() {
                let words = given.shape.words().into_iter().flat_map(Words::iter);
                let words = words.filter(|word| written.iter().all(|text| **text != **word));
                let wrong: Vec<&str> = words.filter_map(|word| unknown(field.kind, word, options)).collect();
                if !wrong.is_empty() {
                    target.refuses(&wrong, given.value.clone(), None, found);
                }
            }
        }
    }
}

/// A line that gives something to a field of options.
struct Target<'t> {
    access: &'t Access<'t>,
    line: &'t Line<'t>,
    field: &'t FieldSchema,
    options: &'t [String],
}

impl Target<'_> {
    fn refuses(&self, wrong: &[&str], place: Place, used: Option<Place>, found: &mut Found) {
        let (field, object) = (self.line.name, self.access.object);
        let fact = match wrong {
            [one] => format!("{one:?} is not among the options of `{field}` of {object}"),
            [one, rest @ ..] => {
                let more = rest.len();
                format!(
                    "{one:?} and {more} more that it can be are not among the options of `{field}` of {object}"
                )
            }
            [] => return,
        };
        let label = if self.field.open { "nobody can choose it there" } else { "the account refuses it" };
        let mut finding = found.at(place, fact).label(label);
        finding = match wrong {
            [one] => finding.help_maybe(did_you_mean(one, self.options.iter().map(String::as_str))),
            _ => finding.help(format!("say which is which with `map: {{ {}: ... }}`", wrong[0])),
        };
        if self.field.open {
            finding = finding.severity(Severity::Warning);
        }
        if let Some(used) = used {
            finding = finding.related(used, "it is used here");
        }
        found.push(finding);
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
