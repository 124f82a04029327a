#![doc = include_str!("field-type.md")]

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use super::super::access::{Access, Line, accesses};
use super::super::constants::constants;
use super::super::types::{Objects, Typed, misfits};
use super::super::view::{Found, View};
use super::TypedRule;
use super::wrong_kind::way_out;
use crate::config::FieldKind;
use crate::diagnostic::Code;
use crate::value::Value;

pub(super) const RULE: TypedRule = TypedRule { code: Code::FieldType, check };

fn check(view: &View, typed: &Typed, found: &mut Found) {
    let (objects, given) = (Objects::of(view), typed.by_place());
    for access in accesses(view) {
        for line in access.lines() {
            let Some(field) = access.known.field(line.name) else { continue };
            let is_list = line.value.0.as_list().is_some();
            if is_list && !access.known.is_many(line.name) && field.kind.holds_one() {
                let finding = found
                    .at(access.key(&line.path), format!("`{}` of {} gets a list", line.name, access.object))
                    .label(format!("it holds {}", field.kind.told()))
                    .help("give it one value; `${join(list, \", \")}` makes one text of several");
                found.push(finding);
                continue;
            }
            if written_out(view, &access, &line, field.kind, found) {
                continue;
            }
            let target = objects.field(access.object, &line.name.into());
            for given in given.get(&(&**access.file(), &line.path)).into_iter().flatten() {
                for help in misfits(&given.shape, &target).iter().filter_map(way_out) {
                    let gets = given.shape.in_words();
                    let fact = format!("`{}` of {} gets {gets}", line.name, access.object);
                    let label = format!("it holds {}", field.kind.told());
                    found.push(found.at(given.value.clone(), fact).label(label).help(help));
                }
            }
        }
    }
}

/// What is written out in a line and does not fit; true when there was something.
fn written_out(view: &View, access: &Access, line: &Line, kind: FieldKind, found: &mut Found) -> bool {
    let mut any = false;
    for constant in constants(view, access.file(), &line.path, &line.value.0) {
        if fits(kind, &constant.value) {
            continue;
        }
        any = true;
        let fact = format!("`{}` of {} gets {}", line.name, access.object, shown(&constant.value));
        let mut finding = found.at(constant.place, fact).label(format!("it holds {}", kind.told()));
        if let Some(used) = constant.used {
            finding = finding.related(used, "it is used here");
        }
        found.push(finding);
    }
    any
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("the text {text:?}"),
        other => format!("`{other}`"),
    }
}

/// False when no system would take `value` for such a field. What some take is let through.
fn fits(kind: FieldKind, value: &Value) -> bool {
    match (kind, value) {
        (FieldKind::Number, Value::Text(text)) => is_number(text),
        (FieldKind::Integer, Value::Text(text)) => text.trim().parse::<i64>().is_ok(),
        (FieldKind::Integer, Value::Decimal(number)) => number.fract().is_zero(),
        (FieldKind::Boolean, Value::Text(text)) => {
            matches!(&*text.to_lowercase(), "true" | "false" | "1" | "0" | "y" | "n")
        }
        (FieldKind::Boolean, Value::Int(number)) => matches!(number, 0 | 1),
        (FieldKind::Date | FieldKind::Datetime, Value::Text(text)) => is_time(text),
        (
            FieldKind::Number
            | FieldKind::Integer
            | FieldKind::Date
            | FieldKind::Datetime
            | FieldKind::Reference,
            Value::Bool(_),
        )
        | (FieldKind::Boolean, Value::Decimal(_)) => false,
        _ => true,
    }
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<rust_decimal::Decimal>().is_ok()
}

/// A day, a moment, or the number of one.
fn is_time(text: &str) -> bool {
    let text = text.trim();
    text.parse::<Timestamp>().is_ok()
        || text.parse::<DateTime>().is_ok()
        || text.parse::<Date>().is_ok()
        || text.parse::<i64>().is_ok()
}

impl FieldKind {
    /// What such a field holds, for people.
    fn told(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::Date => "a date",
            Self::Datetime => "a time",
            Self::Option => "one of its options",
            Self::Options => "some of its options",
            Self::Reference => "the id of a record",
            Self::Other => "something else",
        }
    }

    /// True when a list is surely too much.
    fn holds_one(self) -> bool {
        !matches!(self, Self::Options | Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn only_what_no_system_takes_is_refused() {
        for (kind, fitting, unfit) in [
            (FieldKind::Number, r#"[12, 1.5, "12.50", null]"#, r#"["twelve", "1,5", true]"#),
            (FieldKind::Integer, r#"[12, "12", 3.0]"#, r#"["12.5", 1.5, false]"#),
            (FieldKind::Boolean, r#"[true, "true", "FALSE", 1, "Y"]"#, r#"["yes please", 2, 0.5]"#),
            (
                FieldKind::Date,
                r#"["2026-03-02", "2026-03-02T10:00:00Z", 1772409600, "1772409600000"]"#,
                r#"["02.03.2026", "soon", true]"#,
            ),
            (FieldKind::Datetime, r#"["2026-03-02T10:00:00", "2026-03-02"]"#, r#"["10:00"]"#),
            (FieldKind::Reference, r#"["001A", 12]"#, "[true]"),
            (FieldKind::Text, r#"["x", 1, true]"#, "[]"),
            (FieldKind::Other, r#"["x", 1, true]"#, "[]"),
        ] {
            let judged = |json: &str| -> Vec<bool> {
                let values = Value::from_json(json.as_bytes()).unwrap();
                values.as_list().unwrap().iter().map(|value| fits(kind, value)).collect()
            };
            assert_eq!(judged(fitting), vec![true; judged(fitting).len()], "{kind:?}");
            assert_eq!(judged(unfit), vec![false; judged(unfit).len()], "{kind:?}");
        }
    }
}
