//! Values as they are given, and as they are kept: always text.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value as Json;

use super::account::{Owner, stamp};
use super::error::PropertyFault;
use super::schema::PropertyShape;

/// The text of a value; `before` is what stands there. Nothing: a null is passed over.
pub(super) fn convert(
    name: &str,
    shape: &PropertyShape,
    value: &Json,
    before: &str,
    owners: &[Owner],
) -> Result<Option<String>, PropertyFault> {
    let fault = |code, message: String| Err(PropertyFault { name: name.to_owned(), code, message });
    if shape.read_only {
        return fault(
            "READ_ONLY_VALUE",
            format!("\"{name}\" is a read only property; its value cannot be set."),
        );
    }
    let text = match value {
        Json::Null => return Ok(None),
        Json::String(text) => text.trim().to_owned(),
        Json::Bool(_) | Json::Number(_) => value.to_string(),
        Json::Array(_) | Json::Object(_) => {
            return fault("INVALID_STRING", format!("{value} was not a valid value of \"{name}\"."));
        }
    };
    if text.is_empty() {
        return Ok(Some(text));
    }
    match shape.kind() {
        "number" if text.parse::<f64>().is_err() => {
            fault("INVALID_FLOAT", format!("{text} was not a valid number."))
        }
        "bool" if !matches!(text.as_str(), "true" | "false") => {
            fault("INVALID_OPTION", format!("{text} was not one of the allowed options: [true, false]"))
        }
        "date" => match date(&text) {
            Some(day) => Ok(Some(day)),
            None => fault("INVALID_DATE", format!("{text} was not a valid date: it is not midnight UTC.")),
        },
        "datetime" => match moment(&text) {
            Some(at) => Ok(Some(stamp(at))),
            None => fault("INVALID_DATE", format!("{text} was not a valid long.")),
        },
        "enumeration" if shape.owner => {
            let known = owners.iter().any(|owner| owner.id.to_string() == text);
            if known {
                Ok(Some(text))
            } else {
                fault("INVALID_OPTION", format!("Owner {text} does not exist"))
            }
        }
        "enumeration" => options(shape, &text, before).map(Some).or_else(|option| {
            let allowed = shape.options.join(", ");
            fault("INVALID_OPTION", format!("{option} was not one of the allowed options: [{allowed}]"))
        }),
        _ if shape.email => {
            let text = text.to_lowercase();
            let valid =
                text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
            if valid {
                Ok(Some(text))
            } else {
                fault("INVALID_EMAIL", format!("Email address {text} is invalid"))
            }
        }
        _ => Ok(Some(text)),
    }
}

/// One value, or of checkboxes several; with a leading semicolon they are added.
fn options(shape: &PropertyShape, text: &str, before: &str) -> Result<String, String> {
    let several = shape.field_type == "checkbox";
    let added = if several { text.strip_prefix(';') } else { None };
    let given: Vec<&str> = if several { added.unwrap_or(text).split(';').collect() } else { vec![text] };
    if let Some(wrong) = given.iter().find(|one| !shape.options.iter().any(|option| option == *one)) {
        return Err((*wrong).to_owned());
    }
    let kept = before.split(';').filter(|one| added.is_some() && !one.is_empty() && !given.contains(one));
    Ok(kept.chain(given.iter().copied()).collect::<Vec<_>>().join(";"))
}

fn date(text: &str) -> Option<String> {
    if let Ok(day) = text.parse::<Date>() {
        return (text.len() == 10).then(|| day.to_string());
    }
    let millis: i64 = text.parse().ok()?;
    let at = Timestamp::from_millisecond(millis).ok().filter(|_| millis % 86_400_000 == 0)?;
    Some(at.strftime("%Y-%m-%d").to_string())
}

/// ISO 8601, a day (its midnight in UTC), or milliseconds.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(millis) = text.parse::<i64>() {
        return Timestamp::from_millisecond(millis).ok();
    }
    if text.len() == 10 {
        return format!("{}T00:00:00Z", text.parse::<Date>().ok()?).parse().ok();
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn of(kind: &str, value: &Json) -> Result<Option<String>, &'static str> {
        let shape = PropertyShape { r#type: kind.to_owned(), ..PropertyShape::default() };
        convert("p", &shape, value, "", &[]).map_err(|fault| fault.code)
    }

    #[test]
    fn all_values_are_kept_as_text() {
        let text = |text: &str| Ok(Some(text.to_owned()));
        for (kind, given, expected) in [
            ("string", json!(" x "), text("x")),
            ("string", json!(""), text("")),
            ("string", json!(null), Ok(None)),
            ("number", json!(49.99), text("49.99")),
            ("number", json!("many"), Err("INVALID_FLOAT")),
            ("bool", json!(true), text("true")),
            ("bool", json!("yes"), Err("INVALID_OPTION")),
            ("date", json!("2026-02-03"), text("2026-02-03")),
            ("date", json!(1_770_076_800_000_i64), text("2026-02-03")),
            ("date", json!(1_770_076_800_001_i64), Err("INVALID_DATE")),
            ("datetime", json!("2026-02-03T10:00:00Z"), text("2026-02-03T10:00:00.000Z")),
            ("datetime", json!("soon"), Err("INVALID_DATE")),
        ] {
            assert_eq!(of(kind, &given), expected, "{kind} {given}");
        }
    }

    #[test]
    fn checkboxes_replace_or_with_a_semicolon_add() {
        let shape = PropertyShape {
            field_type: "checkbox".to_owned(),
            ..PropertyShape::enumeration(&["a", "b", "c"])
        };
        let of = |text: &str| convert("p", &shape, &json!(text), "a", &[]).map_err(|fault| fault.code);
        assert_eq!(of("b;c"), Ok(Some("b;c".to_owned())));
        assert_eq!(of(";b"), Ok(Some("a;b".to_owned())));
        assert_eq!(of("A"), Err("INVALID_OPTION"));
    }
}
