//! What a word that does not parse was most likely meant as: `1hour` is `1h`, `Bad Name` is `bad-name`.

use std::sync::LazyLock;

use regex::Regex;

use super::foreign::snake;
use crate::config::words::{self, Backoff, Identifier, Name, NoneFound, ObjectRef, Rate, Span, Zone};

/// A number with a unit of time in words.
static LENGTH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(\d+)\s*(milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)\b",
    )
    .ok()
});

/// The `per second` of a rate.
static PER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\s*(?:/|\bper\b|\ban?\b)\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)?\b")
        .ok()
});

/// The word of a `format` that `text` was most likely meant as; nothing when no likely one parses.
pub fn repaired(format: &str, text: &str) -> Option<String> {
    let candidates = match format {
        Span::FORMAT | Backoff::FORMAT => vec![lengths(text), lengths(text).replace([' ', '-'], "")],
        NoneFound::FORMAT => {
            let short = lengths(&text.to_lowercase());
            vec![short.clone(), short.replacen("wait for ", "wait ", 1), format!("wait {short}")]
        }
        Rate::FORMAT => {
            let short = PER.as_ref().map(|per| {
                per.replace(text, |found: &regex::Captures<'_>| {
                    format!("/{}", found.get(1).map_or("", |unit| initial(unit.as_str())))
                })
            });
            let short = short.map_or_else(|| text.to_owned(), std::borrow::Cow::into_owned);
            vec![lengths(&short), short]
        }
        ObjectRef::FORMAT => {
            [',', ':', '/', '-', ' '].map(|sign| text.replacen(sign, ".", 1).replace(' ', "")).to_vec()
        }
        Name::FORMAT => {
            let stem = text.strip_suffix(".yaml").or_else(|| text.strip_suffix(".yml")).unwrap_or(text);
            let stem = stem.strip_suffix(".part").or_else(|| stem.strip_suffix(".test")).unwrap_or(stem);
            vec![stem.to_owned(), snake(stem).replace('_', "-")]
        }
        Identifier::FORMAT => vec![snake(text)],
        Zone::FORMAT => {
            let city = text.trim().replace(' ', "_");
            ["Europe", "America", "Asia", "Africa", "Australia", "Pacific", "Atlantic", "Etc"]
                .map(|region| format!("{region}/{city}"))
                .to_vec()
        }
        _ => return None,
    };
    candidates
        .into_iter()
        .find(|candidate| candidate != text && matches!(words::check_format(format, candidate), Some(Ok(()))))
}

/// Lengths of time with the units that we know: `1 hour 30 min` as `1h30m`.
fn lengths(text: &str) -> String {
    let Some(length) = LENGTH.as_ref() else { return text.to_owned() };
    let short = length
        .replace_all(text, |found: &regex::Captures<'_>| format!("{}{}", &found[1], initial(&found[2])));
    let mut joined = String::with_capacity(short.len());
    for word in short.split(' ').filter(|word| !word.is_empty()) {
        let is_length = word.starts_with(|char: char| char.is_ascii_digit());
        let follows = joined.ends_with(|char: char| "smhd".contains(char))
            && joined.contains(|c: char| c.is_ascii_digit());
        if !(joined.is_empty() || is_length && follows) {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    joined
}

/// `ms`, `s`, `m`, `h` or `d`.
fn initial(unit: &str) -> &'static str {
    match unit.to_ascii_lowercase().as_bytes() {
        [b'm', b's', ..] | [b'm', b'i', b'l', ..] => "ms",
        [b's', ..] => "s",
        [b'm', ..] => "m",
        [b'h', ..] => "h",
        _ => "d",
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn words_that_are_nearly_right_are_put_right() {
        for (format, text, meant) in [
            (Span::FORMAT, "1hour", Some("1h")),
            (Span::FORMAT, "1 hour 30 minutes", Some("1h30m")),
            (Span::FORMAT, "soon", None),
            (NoneFound::FORMAT, "wait 1hour", Some("wait 1h")),
            (NoneFound::FORMAT, "wait 10 min", Some("wait 10m")),
            (NoneFound::FORMAT, "Wait for 2 days", Some("wait 2d")),
            (NoneFound::FORMAT, "1h", Some("wait 1h")),
            (NoneFound::FORMAT, "Skip", Some("skip")),
            (NoneFound::FORMAT, "retry", None),
            (Rate::FORMAT, "1/10min", Some("1/10m")),
            (Rate::FORMAT, "20 per second", Some("20/s")),
            (Rate::FORMAT, "5 / minute", Some("5/m")),
            (ObjectRef::FORMAT, "salesforce,Account", Some("salesforce.Account")),
            (ObjectRef::FORMAT, "salesforce: Account", Some("salesforce.Account")),
            (ObjectRef::FORMAT, "Account", None),
            (Name::FORMAT, "Bad Name", Some("bad-name")),
            (Name::FORMAT, "payment_failed", Some("payment-failed")),
            (Name::FORMAT, "paymentFailed", Some("payment-failed")),
            (Name::FORMAT, "find-account.part.yaml", Some("find-account")),
            (Name::FORMAT, "7", None),
            (Identifier::FORMAT, "my-account", Some("my_account")),
            (Zone::FORMAT, "London", Some("Europe/London")),
            (Zone::FORMAT, "New York", Some("America/New_York")),
        ] {
            assert_eq!(repaired(format, text).as_deref(), meant, "{text}");
        }
    }
}
