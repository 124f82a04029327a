//! Whether a field already holds what is to be written. A write that would change nothing is not sent.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use crate::connector::{IdForm, folded};
use crate::value::Value;

/// True when `current` means what `wanted` says.
///
/// Nothing, empty text and empty lists are one. Numbers compare by value, also against text that is a number, for
/// systems that give all values as text; times by their instant; ids by what counts of them (`ids`: how the system
/// may write one); everything else as text. Of a map only the wanted keys count: a nested payload changes what it names.
pub(crate) fn same(ids: Option<&IdForm>, wanted: &Value, current: &Value) -> bool {
    if wanted.is_blank() || current.is_blank() {
        return wanted.is_blank() && current.is_blank();
    }
    match (wanted, current) {
        (Value::Map(wanted), Value::Map(current)) => {
            wanted.iter().all(|(key, wanted)| same(ids, wanted, current.get(key).unwrap_or(&Value::Null)))
        }
        (Value::List(wanted), Value::List(current)) => {
            wanted.len() == current.len() && wanted.iter().zip(current.iter()).all(|(a, b)| same(ids, a, b))
        }
        (Value::Text(wanted), Value::Text(current)) => {
            wanted == current || same_time(wanted, current) || same_id(ids, wanted, current)
        }
        _ => same_scalar(wanted, current),
    }
}

/// Of two scalars at least one is not text: a number decides by value, otherwise the text does.
fn same_scalar(wanted: &Value, current: &Value) -> bool {
    match (number(wanted), number(current)) {
        (Some(wanted), Some(current)) => wanted == current,
        _ => wanted.to_text().is_some_and(|wanted| current.to_text() == Some(wanted)),
    }
}

/// True when both are ids, and one id.
fn same_id(ids: Option<&IdForm>, a: &str, b: &str) -> bool {
    let core = |text| ids.and_then(|ids| ids.core(text));
    core(a).is_some_and(|a| core(b) == Some(a))
}

fn number(value: &Value) -> Option<Decimal> {
    value.as_decimal().or_else(|| value.as_str()?.trim().parse().ok())
}

fn same_time(a: &str, b: &str) -> bool {
    if is_midnight_of(a, b) || is_midnight_of(b, a) {
        return true;
    }
    matches!((instant(a), instant(b)), (Some(a), Some(b)) if a == b)
}

/// True when `time` is the midnight that a day begins with somewhere: some systems give a date as one of their own zone.
fn is_midnight_of(day: &str, time: &str) -> bool {
    day.len() == 10
        && day.parse::<Date>().is_ok()
        && time.strip_prefix(day).is_some_and(|rest| rest.starts_with("T00:00:00"))
}

/// The instant that a text names; a date is its midnight in UTC. Only what looks like a date is tried.
fn instant(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let looks_like_a_date = bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-';
    if !looks_like_a_date {
        return None;
    }
    if bytes.len() == 10 {
        let date: Date = text.parse().ok()?;
        return date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    text.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok())
}

/// A scalar as a text that is the same for values that mean the same.
pub(super) fn canonical(ids: Option<&IdForm>, scalar: &Value) -> String {
    if let Some(number) = number(scalar) {
        return number.normalize().to_string();
    }
    let text = scalar.to_text().unwrap_or_default();
    if let Some(instant) = instant(&text) {
        return instant.to_string();
    }
    ids.and_then(|ids| ids.core(&text)).map_or_else(|| text.to_string(), str::to_owned)
}

/// True when two values identify the same: as [`same`], and e-mails trimmed and case-folded. Of a field that holds several values
/// any one identifies.
pub(crate) fn same_identity(ids: Option<&IdForm>, wanted: &Value, held: &Value) -> bool {
    match (wanted, held) {
        (Value::Text(wanted), Value::Text(held)) => {
            folded(wanted) == folded(held) || same_id(ids, wanted.trim(), held.trim())
        }
        (Value::List(_), Value::List(_)) => same(ids, wanted, held),
        (wanted, Value::List(several)) => several.iter().any(|held| same_identity(ids, wanted, held)),
        _ => same(ids, wanted, held),
    }
}

/// True when a field that holds several values holds those that are wanted, in whatever order.
pub(super) fn same_values(ids: Option<&IdForm>, wanted: &[Value], held: &Value) -> bool {
    let one = std::slice::from_ref(held);
    let held = if held.is_blank() { &[] } else { held.as_list().unwrap_or(one) };
    wanted.len() == held.len()
        && wanted.iter().all(|wanted| held.iter().any(|held| same_identity(ids, wanted, held)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        Value::from_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn values_are_the_same_when_they_mean_the_same() {
        for (wanted, current) in [
            ("45", "45.00"),
            ("45.00", r#""45""#),
            (r#""45.0""#, "45"),
            ("true", r#""true""#),
            ("null", r#""""#),
            (r#""2026-01-05T10:00:00Z""#, r#""2026-01-05T10:00:00.000+0000""#),
            (r#""2026-01-05T10:00:00Z""#, r#""2026-01-05T12:00:00+02:00""#),
            (r#""2026-01-05""#, r#""2026-01-05T00:00:00Z""#),
            (r#""2026-01-05""#, r#""2026-01-05T00:00:00+03:00""#),
            (r#"{"a":1}"#, r#"{"a":1.0,"b":2}"#),
            (r"[1,2]", r"[1,2.0]"),
        ] {
            assert!(same(None, &value(wanted), &value(current)), "{wanted} and {current}");
        }
    }

    #[test]
    fn values_differ_when_any_doubt_is_left() {
        for (wanted, current) in [
            (r#""45.0""#, r#""45.00""#),
            (r#""a""#, r#""A""#),
            (r#""a""#, r#"" a""#),
            ("0", "null"),
            ("false", "null"),
            (r#""2026-01-05""#, r#""2026-01-06""#),
            (r#""2026-01-05""#, r#""2026-01-05T10:00:00Z""#),
            (r#"{"a":1,"b":2}"#, r#"{"a":1}"#),
            ("[1,2]", "[2,1]"),
            (r#""001000000000001""#, r#""001000000000001AAA""#),
        ] {
            assert!(!same(None, &value(wanted), &value(current)), "{wanted} and {current}");
        }
    }

    #[test]
    fn ids_are_compared_as_their_system_writes_them() {
        let manifest = crate::connector::builtin("salesforce").unwrap();
        let ids = manifest.abilities().ids();
        let (short, long) = (value(r#""001Hs00001a2B3c""#), value(r#""001Hs00001a2B3cIAF""#));
        let other = value(r#""001Hs00001a2B3CIAF""#);
        assert!(same(ids, &short, &long) && same(ids, &long, &short) && same_identity(ids, &short, &long));
        assert!(!same(ids, &short, &other), "case counts");
        assert!(!same(ids, &value(r#""001Hs00001a2B3cIAx""#), &long), "no id");
        assert!(!same(None, &short, &long), "where nothing says so");
        assert!(same(
            ids,
            &value(r#"[{"WhatId":"001Hs00001a2B3c"}]"#),
            &value(r#"[{"WhatId":"001Hs00001a2B3cIAF"}]"#)
        ));
    }

    #[test]
    fn any_of_several_values_identifies() {
        let several = value(r#"["old@x.example","Ann@x.example"]"#);
        assert!(same_identity(None, &value(r#""ann@x.example""#), &several));
        assert!(!same_identity(None, &value(r#""bob@x.example""#), &several));
        let wanted = value(r#"["ann@x.example","old@x.example"]"#);
        assert!(same_values(None, wanted.as_list().unwrap(), &several));
        assert!(!same_values(None, &wanted.as_list().unwrap()[..1], &several));
    }

    #[test]
    fn emails_identify_trimmed_and_case_folded() {
        assert!(same_identity(None, &value(r#"" Ann@X.example ""#), &value(r#""ann@x.example""#)));
        assert!(!same_identity(None, &value(r#""CUS_1""#), &value(r#""cus_1""#)));
    }
}
