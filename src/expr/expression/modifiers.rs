//! Reads the modifiers that stand beside a form.

use std::sync::Arc;

use indexmap::IndexMap;

use super::model::{Convert, Form, Modifiers, Node, OnNothing, Table, Transform, Write, Zone};
use super::parse::Parser;
use crate::expr::fault::{Fault, FaultKind};
use crate::expr::functions::time::Format;
use crate::expr::functions::{self, FUNCTIONS, money, time};
use crate::expr::names::Names;
use crate::value::{Map, Value};

/// All modifiers, in the order in which they are applied; the last two are a field's policies.
pub(super) const NAMES: [&str; 12] = [
    "transform",
    "money",
    "minor",
    "datetime",
    "zone",
    "map",
    "truncate",
    "default",
    "required",
    "nothing",
    "write",
    "as",
];

/// The conversions, of which a value has one at most.
const CONVERSIONS: [&str; 5] = ["money", "minor", "datetime", "map", "truncate"];

/// Reads what stands beside `head`; `None` when nothing does that changes the value.
pub(super) fn parse(parser: &mut Parser<'_>, head: &str, map: &Map, names: &Names) -> Option<Box<Modifiers>> {
    let mut modifiers = Modifiers::default();
    clash(parser, map);
    for (key, value) in map.iter().filter(|(key, _)| &***key != head) {
        let belongs_to_each = head == "each" && matches!(&**key, "as" | "give");
        if !belongs_to_each {
            parser.under(&**key, |parser| modifier(parser, &mut modifiers, head, key, value, map, names));
        }
    }
    let changes = !modifiers.transform.is_empty()
        || modifiers.convert.is_some()
        || modifiers.default.is_some()
        || modifiers.required;
    changes.then(|| Box::new(modifiers))
}

/// Modifiers that cannot stand together.
fn clash(parser: &mut Parser<'_>, map: &Map) {
    let conversions = CONVERSIONS.into_iter().filter(|name| map.contains_key(*name)).collect::<Vec<_>>();
    if let [first, second, ..] = conversions.as_slice() {
        let message = format!("`{second}` cannot stand beside `{first}`: a value has one conversion");
        parser.under(*second, |parser| parser.fault(Fault::new(FaultKind::ModifierClash, message)));
    }
    if map.contains_key("zone") && !map.contains_key("datetime") {
        let fault =
            Fault::new(FaultKind::ModifierClash, "`zone` says where `datetime` is told, and there is none");
        parser.under("zone", |parser| parser.fault(fault));
    }
    let required = map.get("required").and_then(Value::as_bool) == Some(true);
    if required && map.contains_key("default") {
        let message = "a value with a `default` is always there: `required` says nothing";
        parser.under("required", |parser| parser.fault(Fault::new(FaultKind::ModifierClash, message)));
    }
}

fn modifier(
    parser: &mut Parser<'_>,
    modifiers: &mut Modifiers,
    head: &str,
    key: &str,
    value: &Value,
    map: &Map,
    names: &Names,
) {
    match key {
        "transform" => modifiers.transform = transforms(parser, value),
        "money" => modifiers.convert = Some(Convert::Money(currency(parser, value, names))),
        "minor" => modifiers.convert = Some(Convert::Minor(currency(parser, value, names))),
        "datetime" => {
            let zone = map.get("zone");
            modifiers.convert = datetime(parser, value).map(|format| {
                let zone = zone.and_then(|zone| zone_of(parser, zone, names));
                Convert::Datetime { format, zone }
            });
        }
        // Read together with `datetime`.
        "zone" => {}
        "map" => modifiers.convert = table(parser, value, names).map(Convert::Table),
        "truncate" => modifiers.convert = truncate(parser, value).map(Convert::Truncate),
        "default" => modifiers.default = Some(parser.value(value, names)),
        "required" => match value {
            Value::Bool(required) => modifiers.required = *required,
            other => wrong(parser, format!("`required` is true or false, not {}", other.kind())),
        },
        "nothing" => {
            policy(
                parser,
                key,
                value,
                &[("leave", OnNothing::Leave), ("clear", OnNothing::Clear)],
                |parser, chosen| {
                    parser.on_nothing = chosen;
                },
            );
        }
        "write" => {
            let words =
                [("always", Write::Always), ("on_create", Write::OnCreate), ("if_empty", Write::IfEmpty)];
            policy(parser, key, value, &words, |parser, chosen| parser.write = chosen);
        }
        _ => {
            let fault =
                Fault::new(FaultKind::UnknownModifier, format!("`{key}` is not a modifier of `{head}`"))
                    .help("put a payload with such keys under `payload:`")
                    .nearest(key, NAMES.into_iter().filter(|name| *name != "as"));
            parser.fault(fault);
        }
    }
}

fn wrong(parser: &mut Parser<'_>, message: impl Into<String>) {
    parser.fault(Fault::new(FaultKind::ModifierValue, message));
}

/// `write:` and `nothing:` belong to a field, so they stand at the top of its value.
fn policy<T: Copy>(
    parser: &mut Parser<'_>,
    key: &str,
    value: &Value,
    words: &[(&str, T)],
    set: impl FnOnce(&mut Parser<'_>, T),
) {
    if !parser.is_policy_place() {
        let message = format!("`{key}` belongs to a field, not to a part of its value");
        parser.fault(Fault::new(FaultKind::ModifierClash, message));
        return;
    }
    let chosen = value.as_str().and_then(|word| words.iter().find(|(known, _)| *known == word));
    if let Some((_, chosen)) = chosen {
        set(parser, *chosen);
        return;
    }
    let known = words.iter().map(|(word, _)| *word);
    let list = known.clone().collect::<Vec<_>>().join(", ");
    let fault = Fault::new(FaultKind::ModifierValue, format!("`{key}` is one of {list}"));
    parser.fault(fault.nearest(value.as_str().unwrap_or_default(), known));
}

fn transforms(parser: &mut Parser<'_>, value: &Value) -> Vec<Transform> {
    match value {
        Value::List(items) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| parser.under(index, |parser| transform(parser, item)))
            .collect(),
        one => transform(parser, one).into_iter().collect(),
    }
}

fn transform(parser: &mut Parser<'_>, value: &Value) -> Option<Transform> {
    let Value::Text(name) = value else {
        let message = format!("a transform is the name of a function, not {}", value.kind());
        parser.fault(Fault::new(FaultKind::BadTransform, message));
        return None;
    };
    if parser.runtime.has_library_function(name) {
        return Some(Transform::Library { runtime: Arc::clone(parser.runtime), name: Arc::clone(name) });
    }
    let of_one = |function: &&functions::Function| (function.min..=function.max).contains(&1);
    match functions::find(name) {
        Some(function) if of_one(&function) && function.name != "today" && function.name != "changed" => {
            return Some(Transform::Shared(function));
        }
        Some(_) => {
            let message = format!("`{name}` is not a function of one value");
            let help = format!("call it in a script: `${{{name}(...)}}`");
            parser.fault(Fault::new(FaultKind::BadTransform, message).help(help));
        }
        None => {
            let of_value = |name: &&str| !matches!(*name, "today" | "changed");
            let known = FUNCTIONS.iter().filter(of_one).map(|function| function.name).filter(of_value);
            let runtime = Arc::clone(parser.runtime);
            let fault = Fault::new(FaultKind::BadTransform, format!("there is no function `{name}`"));
            let all = known.chain(runtime.library_functions()).collect::<Vec<_>>();
            let fault = fault.help(format!("there is: {}", all.join(", ")));
            parser.fault(match ours(name) {
                Some(ours) => fault.help(format!("write `{ours}`")),
                None => fault.nearest(name, all),
            });
        }
    }
    None
}

/// What other tools call our functions.
fn ours(name: &str) -> Option<&'static str> {
    let plain: String = name.chars().filter(char::is_ascii_alphabetic).collect();
    Some(match plain.to_ascii_lowercase().as_str() {
        "lowercase" | "tolower" | "tolowercase" | "downcase" => "lower",
        "uppercase" | "toupper" | "touppercase" | "upcase" => "upper",
        "strip" => "trim",
        "firstname" | "givenname" => "first_name",
        "lastname" | "surname" | "familyname" => "last_name",
        _ => return None,
    })
}

fn currency(parser: &mut Parser<'_>, value: &Value, names: &Names) -> Node {
    let node = parser.value(value, names);
    if let Form::Literal(literal) = &node.form
        && !literal.is_nothing()
    {
        match literal.as_str().map(money::currency) {
            Some(Ok(_)) => {}
            // A slip of the pen has its way out in the message.
            Some(Err(unfit)) if unfit.0.contains("did you mean") => wrong(parser, unfit.0),
            Some(Err(unfit)) => {
                let fault = Fault::new(FaultKind::ModifierValue, unfit.0);
                parser
                    .fault(fault.help("write a code such as `eur`, or the path of one: `$.object.currency`"));
            }
            None => wrong(parser, format!("a currency is three letters, not {}", literal.kind())),
        }
    }
    node
}

fn datetime(parser: &mut Parser<'_>, value: &Value) -> Option<Format> {
    let format = value.as_str().and_then(Format::parse);
    if format.is_none() {
        let written = value.as_str().unwrap_or_default();
        let fault = Fault::new(FaultKind::ModifierValue, format!("`datetime` is {}", Format::WORDS));
        let fault = match strftime(written) {
            Some(pattern) => fault.help(format!("write `{pattern}`")),
            None => fault,
        };
        parser.fault(fault.nearest(written, ["iso8601", "date", "unix"]));
    }
    format
}

/// `YYYY-MM-DD` as a strftime pattern: what other tools call the parts of a time.
fn strftime(written: &str) -> Option<String> {
    const PARTS: [(&str, &str); 7] = [
        ("YYYY", "%Y"),
        ("yyyy", "%Y"),
        ("MM", "%m"),
        ("DD", "%d"),
        ("dd", "%d"),
        ("HH", "%H"),
        ("ss", "%S"),
    ];
    let minutes = written.replace("mm", "%M");
    let pattern = PARTS.iter().fold(minutes, |pattern, (name, part)| pattern.replace(name, part));
    (pattern.contains('%') && Format::parse(&pattern).is_some()).then_some(pattern)
}

/// Reads `zone:`, which stands beside the `datetime:` at hand.
fn zone_of(parser: &mut Parser<'_>, value: &Value, names: &Names) -> Option<Zone> {
    parser.beside("zone", |parser| {
        let node = parser.value(value, names);
        match &node.form {
            Form::Literal(Value::Text(name)) => match time::zone(name) {
                Ok(zone) => Some(Zone::Fixed(zone)),
                Err(unfit) => {
                    wrong(parser, unfit.0);
                    None
                }
            },
            Form::Literal(Value::Null) => None,
            Form::Literal(other) => {
                wrong(parser, format!("a time zone is an IANA name, not {}", other.kind()));
                None
            }
            _ => Some(Zone::Read(node)),
        }
    })
}

fn table(parser: &mut Parser<'_>, value: &Value, names: &Names) -> Option<Table> {
    match value {
        Value::Map(map) if !map.is_empty() => {
            let entries = map.iter().map(|(key, value)| (Arc::clone(key), value.clone()));
            Some(Table::Fixed(entries.collect::<IndexMap<_, _>>()))
        }
        Value::Text(text) if text.starts_with('$') && !text.starts_with("${") => {
            parser.path(text, names).map(Table::Read)
        }
        _ => {
            let fault = Fault::new(FaultKind::BadMap, "`map` is a table of values, or the path of one");
            parser.fault(fault.help("write `map: { active: Active, \"*\": Other }` or `map: $.vars.status`"));
            None
        }
    }
}

fn truncate(parser: &mut Parser<'_>, value: &Value) -> Option<usize> {
    let length = value.as_i64().and_then(|length| usize::try_from(length).ok()).filter(|length| *length > 0);
    if length.is_none() {
        wrong(parser, "`truncate` is the greatest number of characters: a whole number above 0");
    }
    length
}
