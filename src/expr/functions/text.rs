//! Functions of texts and lists.

use std::fmt::Write;

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use super::Unfit;
use crate::value::Value;

/// Applies `change` to a text; numbers and booleans count as their text, nothing stays nothing.
pub(super) fn each_text(who: &str, value: &Value, change: impl Fn(&str) -> Value) -> Result<Value, Unfit> {
    match value {
        Value::Null => Ok(Value::Null),
        other => match other.to_text() {
            Some(text) => Ok(change(&text)),
            None => Err(Unfit(format!("{who} needs text, not {}", other.kind()))),
        },
    }
}

/// The first word of a name, or what follows the comma of `Lovelace, Ada`. Nothing when there is one word only:
/// CRMs require the last name, not the first.
pub(super) fn first_name(name: &str) -> Value {
    let name = name.trim();
    let first = match name.split_once(',') {
        Some((_, given)) => given.split_whitespace().next(),
        None => name.split_once(char::is_whitespace).map(|(first, _)| first),
    };
    first.filter(|first| !first.is_empty()).into()
}

/// All but the first word of a name (`van Beethoven`), or what precedes the comma; the only word when there is one.
pub(super) fn last_name(name: &str) -> Value {
    let name = name.trim();
    let last = match name.split_once(',') {
        Some((family, _)) => family.trim(),
        None => name.split_once(char::is_whitespace).map_or(name, |(_, rest)| rest.trim_start()),
    };
    Some(last).filter(|last| !last.is_empty()).into()
}

/// The digits of a text, for telephone numbers.
pub(super) fn digits(text: &str) -> Value {
    text.chars().filter(char::is_ascii_digit).collect::<String>().into()
}

/// The SHA-256 of a text in hexadecimal, lower case.
pub(super) fn sha256(text: &str) -> Value {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex.into()
}

/// The items of a list as one text, `, ` or the given text between them; items that are nothing are passed over.
pub(super) fn join(args: &[Value]) -> Result<Value, Unfit> {
    let separator = match args.get(1) {
        None => ", ".into(),
        Some(separator) => separator
            .to_text()
            .ok_or_else(|| Unfit(format!("join needs text between the items, not {}", separator.kind())))?,
    };
    let Some(items) = items("join", args)? else { return Ok(Value::Null) };
    let mut texts = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !item.is_nothing()) {
        let text =
            item.to_text().ok_or_else(|| Unfit(format!("join cannot put {} into a text", item.kind())))?;
        texts.push(text);
    }
    Ok(texts.join(&*separator).into())
}

/// A text as a list, cut at each occurrence of the given text, `,` when there is none; the items are trimmed and
/// empty ones left out.
pub(super) fn split(args: &[Value]) -> Result<Value, Unfit> {
    let separator = match args.get(1) {
        None => ",".into(),
        Some(Value::Text(separator)) if !separator.is_empty() => separator.clone(),
        Some(other) => return Err(Unfit(format!("split cannot cut at {}", other.kind()))),
    };
    each_text("split", args.first().unwrap_or(&Value::Null), |text| {
        Value::list(text.split(&*separator).map(str::trim).filter(|item| !item.is_empty()).map(Value::from))
    })
}

/// The sum of a list of numbers, exact; items that are nothing are passed over.
pub(super) fn sum(args: &[Value]) -> Result<Value, Unfit> {
    let Some(items) = items("sum", args)? else { return Ok(Value::Null) };
    let (mut total, mut whole) = (Decimal::ZERO, true);
    for item in items.iter().filter(|item| !item.is_nothing()) {
        let number =
            item.as_decimal().ok_or_else(|| Unfit(format!("sum needs numbers, not {}", item.kind())))?;
        whole &= matches!(item, Value::Int(_));
        total = total.checked_add(number).ok_or_else(|| Unfit("sum: the total is too large".to_owned()))?;
    }
    Ok(match i64::try_from(total) {
        Ok(int) if whole => Value::Int(int),
        _ => Value::Decimal(total),
    })
}

/// The list that a function is given; `None` for nothing.
fn items<'a>(who: &str, args: &'a [Value]) -> Result<Option<&'a [Value]>, Unfit> {
    match args.first() {
        None | Some(Value::Null) => Ok(None),
        Some(Value::List(items)) => Ok(Some(items)),
        Some(other) => Err(Unfit(format!("{who} needs a list, not {}", other.kind()))),
    }
}

/// The status that a set of subscriptions gives the customer as a whole: the most alarming one of those that still
/// live; of ended ones only when there is no other. Nothing for no subscription.
pub(super) fn worst_status(value: &Value) -> Result<Value, Unfit> {
    /// From worst to best; what has ended stands last, for it says nothing of the rest.
    const ORDER: [&str; 8] = [
        "unpaid",
        "past_due",
        "incomplete",
        "paused",
        "active",
        "trialing",
        "canceled",
        "incomplete_expired",
    ];
    let list = value.get("data").unwrap_or(value);
    let Some(subscriptions) = items("worst_status", std::slice::from_ref(list))? else {
        return Ok(Value::Null);
    };
    let mut worst = None;
    for subscription in subscriptions {
        let Some(status) = subscription.get("status").and_then(Value::as_str) else {
            return Err(Unfit(
                "worst_status needs subscriptions in full, not their ids: expand them".to_owned(),
            ));
        };
        // A status that Stripe adds later is met as the worst: a person should look.
        let place = ORDER.iter().position(|known| *known == status).map_or(0, |place| place + 1);
        if worst.is_none_or(|(least, _)| place < least) {
            worst = Some((place, status));
        }
    }
    Ok(worst.map(|(_, status)| status).into())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn names_are_taken_apart() {
        let cases = [
            ("Ada Lovelace", r#""Ada""#, r#""Lovelace""#),
            ("  Ludwig  van Beethoven ", r#""Ludwig""#, r#""van Beethoven""#),
            ("Lovelace, Ada King", r#""Ada""#, r#""Lovelace""#),
            ("Cher", "null", r#""Cher""#),
            ("", "null", "null"),
            (",", "null", "null"),
        ];
        for (name, first, last) in cases {
            assert_eq!(
                (first_name(name).to_json(), last_name(name).to_json()),
                (first.into(), last.into()),
                "{name}"
            );
        }
    }

    #[test]
    fn lists_are_joined_split_and_summed() {
        let one = |result: Result<Value, Unfit>| result.map_or_else(|e| e.0, |v| v.to_json());
        assert_eq!(one(join(&[json(r#"["a",null,1]"#)])), r#""a, 1""#);
        assert_eq!(one(join(&[json(r#"["a","b"]"#), "-".into()])), r#""a-b""#);
        assert_eq!(one(join(&[json(r#"[["a"]]"#)])), "join cannot put a list into a text");
        assert_eq!(one(join(&[json("3")])), "join needs a list, not an integer");
        assert_eq!(one(split(&["a, b,,c".into()])), r#"["a","b","c"]"#);
        assert_eq!(one(split(&["a|b".into(), "|".into()])), r#"["a","b"]"#);
        assert_eq!(one(split(&["a".into(), "".into()])), "split cannot cut at text");
        assert_eq!(one(sum(&[json("[1,2,null]")])), "3");
        assert_eq!(one(sum(&[json("[0.1,0.2]")])), "0.3");
        assert_eq!(one(sum(&[json("[]")])), "0");
        assert_eq!(one(sum(&[json(r#"["1"]"#)])), "sum needs numbers, not text");
        assert_eq!(one(sum(&[Value::Null])), "null");
    }

    #[test]
    fn digests_and_digits() {
        assert_eq!(digits("+44 (0)20 7946-0958").to_string(), "4402079460958");
        assert_eq!(
            sha256("abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn the_worst_living_status_speaks_for_a_customer() {
        let worst = |statuses: &[&str]| {
            let list =
                Value::list(statuses.iter().map(|status| Value::map([("status", Value::from(*status))])));
            worst_status(&list).unwrap().to_string()
        };
        assert_eq!(worst(&["active", "past_due", "canceled"]), "past_due");
        assert_eq!(worst(&["canceled", "active"]), "active");
        assert_eq!(worst(&["canceled"]), "canceled");
        assert_eq!(worst(&["active", "unheard_of"]), "unheard_of");
        assert_eq!(worst(&[]), "");
        assert_eq!(worst_status(&json(r#"{"data":[{"status":"unpaid"}]}"#)).unwrap().to_string(), "unpaid");
        assert!(worst_status(&json(r#"["sub_1"]"#)).is_err());
    }
}
