//! Values on their way into a field: type, length, words, digits.

use jiff::{Timestamp, civil::Date};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value as Json, json};

use super::error::ApiError;
use super::schema::FieldShape;

/// A datetime as Salesforce writes it: milliseconds, and no colon in the offset.
pub(super) fn datetime(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}

/// Reads a datetime in any spelling that Salesforce takes.
pub(super) fn read_datetime(text: &str) -> Option<Timestamp> {
    let colon = text.strip_suffix("+0000").map(|head| format!("{head}Z"));
    colon.as_deref().unwrap_or(text).parse().ok()
}

/// The value as it is stored, or why it cannot be. References are the caller's.
pub(super) fn convert(name: &str, field: &FieldShape, value: &Json) -> Result<Json, ApiError> {
    // An empty text is null, and a text is trimmed.
    if value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Ok(if field.r#type == "boolean" { json!(false) } else { Json::Null });
    }
    match field.r#type.as_str() {
        "boolean" => match value {
            Json::Bool(_) => Ok(value.clone()),
            Json::String(text) if text == "true" || text == "false" => Ok(json!(text == "true")),
            _ => Err(ApiError::parser("boolean", value)),
        },
        "int" | "double" | "currency" | "percent" => number(name, field, value),
        "date" => {
            let text = value.as_str().ok_or_else(|| ApiError::parser("date", value))?;
            let date = text.get(..10).filter(|_| text.len() == 10 || read_datetime(text).is_some());
            let date = date.and_then(|date| date.parse::<Date>().ok());
            date.map(|date| json!(date.to_string())).ok_or_else(|| ApiError::parser("date", value))
        }
        "datetime" => {
            let text = value.as_str().ok_or_else(|| ApiError::parser("datetime", value))?;
            let midnight = text.parse::<Date>().ok().filter(|_| text.len() == 10);
            let at =
                midnight.map_or_else(|| read_datetime(text), |date| format!("{date}T00:00:00Z").parse().ok());
            at.map(|at| json!(datetime(at))).ok_or_else(|| ApiError::parser("datetime", value))
        }
        _ => text(name, field, value),
    }
}

fn number(name: &str, field: &FieldShape, value: &Json) -> Result<Json, ApiError> {
    let text = match value {
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.trim().to_owned(),
        _ => return Err(ApiError::parser("double", value)),
    };
    let number = text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&text));
    let number = number.map_err(|_| ApiError::parser("double", value))?;
    let whole = field.r#type == "int";
    if whole && !number.fract().is_zero() {
        return Err(ApiError::parser("int", value));
    }
    let scale = if whole { 0 } else { field.scale.unwrap_or(2) };
    let rounded = number.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero).normalize();
    let digits = rounded.trunc().abs().to_string().len();
    let digits_max = field.precision.unwrap_or(18).saturating_sub(scale);
    if digits > usize::try_from(digits_max).unwrap_or(usize::MAX) {
        let message = format!("{name}: value outside of valid range on numeric field: {number}");
        return Err(ApiError::new("NUMBER_OUTSIDE_VALID_RANGE", message).field(name));
    }
    // A double is written as Java does it: 1188.0.
    let shown =
        if whole || !rounded.fract().is_zero() { rounded.to_string() } else { format!("{rounded}.0") };
    shown.parse().map(Json::Number).map_err(|_| ApiError::parser("double", value))
}

fn text(name: &str, field: &FieldShape, value: &Json) -> Result<Json, ApiError> {
    let text = value.as_str().ok_or_else(|| ApiError::parser("string", value))?.trim();
    if field.length.is_some_and(|max| text.chars().count() > max) {
        let max = field.length.unwrap_or_default();
        let message = format!("{name}: data value too large: {text} (max length={max})");
        return Err(ApiError::new("STRING_TOO_LONG", message).field(name));
    }
    if field.r#type == "email" && !is_email(text) {
        let message = format!("{name}: invalid email address: {text}");
        return Err(ApiError::new("INVALID_EMAIL_ADDRESS", message).field(name));
    }
    let words: Vec<&str> =
        if field.r#type == "multipicklist" { text.split(';').collect() } else { vec![text] };
    for word in words {
        if field.restricted_picklist && !field.picklist_values.iter().any(|known| known == word) {
            let message = format!("{name}: bad value for restricted picklist field: {word}");
            return Err(ApiError::new("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message).field(name));
        }
    }
    Ok(json!(text))
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    !local.is_empty()
        && !local.contains(['@', ' '])
        && domain.contains('.')
        && domain.split('.').all(|part| !part.is_empty())
        && !domain.contains(' ')
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn field(json: &str) -> FieldShape {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn values_are_stored_as_salesforce_stores_them() {
        for (shape, given, stored) in [
            (r#"{"type": "currency", "precision": 18, "scale": 2}"#, "1188", "1188.0"),
            (r#"{"type": "currency", "precision": 18, "scale": 2}"#, "45.005", "45.01"),
            (r#"{"type": "currency", "precision": 18, "scale": 2}"#, r#""45.5""#, "45.5"),
            (r#"{"type": "int"}"#, "12", "12"),
            (r#"{"type": "string", "length": 5}"#, r#""  Acme ""#, r#""Acme""#),
            (r#"{"type": "string"}"#, r#""""#, "null"),
            (r#"{"type": "boolean"}"#, "null", "false"),
            (r#"{"type": "date"}"#, r#""2026-11-02""#, r#""2026-11-02""#),
            (
                r#"{"type": "datetime"}"#,
                r#""2026-11-02T13:00:00+01:00""#,
                r#""2026-11-02T12:00:00.000+0000""#,
            ),
            (r#"{"type": "picklist", "picklistValues": ["A"]}"#, r#""B""#, r#""B""#),
        ] {
            let given: Json = serde_json::from_str(given).unwrap();
            assert_eq!(convert("F", &field(shape), &given).unwrap().to_string(), stored, "{given}");
        }
    }

    #[test]
    fn wrong_values_are_refused_with_salesforces_code() {
        for (shape, given, code) in [
            (r#"{"type": "string", "length": 3}"#, r#""Acme""#, "STRING_TOO_LONG"),
            (r#"{"type": "string"}"#, "5", "JSON_PARSER_ERROR"),
            (r#"{"type": "email"}"#, r#""nobody""#, "INVALID_EMAIL_ADDRESS"),
            (
                r#"{"type": "picklist", "picklistValues": ["A"], "restrictedPicklist": true}"#,
                r#""B""#,
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            ),
            (r#"{"type": "double", "precision": 4, "scale": 2}"#, "100", "NUMBER_OUTSIDE_VALID_RANGE"),
            (r#"{"type": "date"}"#, r#""02.11.2026""#, "JSON_PARSER_ERROR"),
            (r#"{"type": "boolean"}"#, r#""yes""#, "JSON_PARSER_ERROR"),
        ] {
            let given: Json = serde_json::from_str(given).unwrap();
            assert_eq!(convert("F", &field(shape), &given).unwrap_err().code, code, "{given}");
        }
    }
}
