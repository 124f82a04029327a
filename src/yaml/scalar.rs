//! What a scalar is: YAML's core schema, without its guesses.

use std::sync::Arc;

use super::Data;
use crate::value::Value;

/// What an unquoted scalar is. Numbers are `-?` digits without a leading zero, with an optional fraction; a leading
/// zero, a plus or an exponent makes text, so postal codes, telephone numbers and ids stay what they are.
pub(super) fn plain(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Bool(true),
        "false" | "False" | "FALSE" => Data::Bool(false),
        _ if is_number(text) => number(text),
        _ => Data::Text(Arc::from(text)),
    }
}

fn number(text: &str) -> Data {
    match Value::number(text) {
        Value::Int(int) => Data::Int(int),
        Value::Decimal(decimal) => Data::Decimal(decimal),
        _ => Data::Text(Arc::from(text)),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(a, b)| (a, Some(b)));
    let leads = whole == "0" || !whole.starts_with('0');
    leads && all_digits(whole) && fraction.is_none_or(all_digits)
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for what other readers of YAML take for a number and this one does not: digits behind a plus.
pub(super) fn is_plus_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(a, b)| (a, Some(b)));
        all_digits(whole) && fraction.is_none_or(all_digits)
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;

    /// What another reader of YAML 1.2 takes a plain scalar for.
    fn elsewhere(text: &str) -> serde_json::Value {
        let options = serde_yaml::options! {
            strict_booleans: true,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
        };
        serde_yaml::from_str_with_options(text, options).unwrap()
    }

    proptest! {
        /// Where this reader sees more than text, so does the other, and the same; the other way round it guesses
        /// more: exponents, a plus, other bases, a bare point.
        #[test]
        fn nothing_but_text_is_read_as_elsewhere(
            text in "-?[0-9]{1,20}|-?[0-9]{1,9}\\.[0-9]{1,9}|true|False|TRUE|yes|no|on|off|y|n|null|Null|~|[+.]?[0-9_ex.]{1,6}|[a-z]{1,8}"
        ) {
            let other = elsewhere(&text);
            match plain(&text) {
                Data::Null => prop_assert!(other.is_null(), "{text}"),
                Data::Bool(bool) => prop_assert_eq!(other.as_bool(), Some(bool), "{}", text),
                Data::Int(int) => prop_assert_eq!(other.as_i64(), Some(int), "{}", text),
                Data::Decimal(decimal) => {
                    let other = other.to_string().parse::<f64>().unwrap();
                    let ours = decimal.to_string().parse::<f64>().unwrap();
                    prop_assert!((ours - other).abs() <= ours.abs() * 1e-12, "{}: {}", text, other);
                }
                _ => {
                    let guessed = !other.is_string();
                    let looks_so = text.contains(['e', 'x', '_', '+', '.', 'o']) || text.starts_with("-0") || text.starts_with('0');
                    prop_assert!(!guessed || looks_so, "{}: {}", text, other);
                }
            }
        }
    }

    #[test]
    fn plain_scalars_are_what_they_look_like_and_nothing_is_guessed() {
        let text = |text: &str| Data::Text(text.into());
        for (written, data) in [
            ("", Data::Null),
            ("~", Data::Null),
            ("null", Data::Null),
            ("true", Data::Bool(true)),
            ("FALSE", Data::Bool(false)),
            ("yes", text("yes")),
            ("no", text("no")),
            ("on", text("on")),
            ("0", Data::Int(0)),
            ("12", Data::Int(12)),
            ("-7", Data::Int(-7)),
            ("007", text("007")),
            ("0x1F", text("0x1F")),
            ("0o17", text("0o17")),
            ("+49123", text("+49123")),
            ("1e3", text("1e3")),
            ("1_000", text("1_000")),
            ("1.50", Data::Decimal(Decimal::new(150, 2))),
            ("-0.5", Data::Decimal(Decimal::new(-5, 1))),
            (".5", text(".5")),
            ("5.", text("5.")),
            ("1.2.3", text("1.2.3")),
            (".inf", text(".inf")),
            ("-", text("-")),
            ("9223372036854775808", Data::Decimal(Decimal::from(9_223_372_036_854_775_808_u64))),
            ("2026-10-28", text("2026-10-28")),
        ] {
            assert_eq!(plain(written), data, "{written:?}");
        }
        let beyond = "123456789012345678901234567890123456789";
        assert_eq!(plain(beyond), text(beyond), "what no exact number holds stays text");
    }

    #[test]
    fn digits_behind_a_plus_are_recognised() {
        assert!(is_plus_number("+49123") && is_plus_number("+1.5"));
        assert!(!is_plus_number("+49 123") && !is_plus_number("+") && !is_plus_number("49"));
    }
}
