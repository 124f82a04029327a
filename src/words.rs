//! The small words of the language that are more than text: durations, rates, ranges, references.
//!
//! Each has one parser, which serde, the structure check (through the `format` of its schema) and the
//! documentation share, so a word is right everywhere or nowhere.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::cron::{Pattern, PatternError};
use crate::nearest::no_zone;

/// A word that does not parse: a lower-case fragment that says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WordError(String);

impl WordError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// The prefix of `format` in a schema that names one of these words.
pub const FORMAT_PREFIX: &str = "lockstep:";

/// The parser behind a `format`, for the structure check: `None` when no word has that name.
pub fn check_format(format: &str, text: &str) -> Option<Result<(), WordError>> {
    FORMATS.iter().find(|(name, _)| *name == format).map(|(_, check)| check(text))
}

type Check = fn(&str) -> Result<(), WordError>;

const FORMATS: &[(&str, Check)] = &[
    (Span::FORMAT, |text| text.parse::<Span>().map(drop)),
    (Rate::FORMAT, |text| text.parse::<Rate>().map(drop)),
    (Backoff::FORMAT, |text| text.parse::<Backoff>().map(drop)),
    (ObjectRef::FORMAT, |text| text.parse::<ObjectRef>().map(drop)),
    (NoneFound::FORMAT, |text| text.parse::<NoneFound>().map(drop)),
    (Zone::FORMAT, |text| text.parse::<Zone>().map(drop)),
    (Name::FORMAT, |text| text.parse::<Name>().map(drop)),
    (Identifier::FORMAT, |text| text.parse::<Identifier>().map(drop)),
    (Times::FORMAT, |text| text.parse::<Times>().map(drop)),
];

/// Gives a word its `Deserialize` (from text) and its `JsonSchema` (text with a format).
macro_rules! word {
    ($type:ident, $format:literal, $description:literal, $($example:literal),+) => {
        impl $type {
            /// The `format` of this word in the JSON Schemas.
            pub const FORMAT: &'static str = concat!("lockstep:", $format);
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'_, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "format": Self::FORMAT,
                    "description": $description,
                    "examples": [$($example),+],
                })
            }
        }
    };
}

/// A length of time: a whole number and one of `ms`, `s`, `m`, `h`, `d`, or several of them (`1h30m`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

word!(
    Span,
    "duration",
    "A length of time: whole numbers with `ms`, `s`, `m`, `h` or `d`.",
    "30s",
    "15m",
    "1h30m"
);

const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for Span {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let wrong = || WordError::new(format!("`{text}` is not a length of time such as 30s, 15m or 1h30m"));
        let mut rest = text;
        let mut millis: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let amount: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            let unit_and_rest = &rest[digits..];
            let end = unit_and_rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(unit_and_rest.len());
            let (_, factor) =
                UNITS.iter().find(|(unit, _)| *unit == &unit_and_rest[..end]).ok_or_else(wrong)?;
            millis =
                amount.checked_mul(*factor).and_then(|part| millis.checked_add(part)).ok_or_else(wrong)?;
            rest = &unit_and_rest[end..];
        }
        if text.is_empty() { Err(wrong()) } else { Ok(Self(Duration::from_millis(millis))) }
    }
}

/// The shortest text that reads back as the same span.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in UNITS.iter().rev() {
            if millis >= *factor {
                write!(f, "{}{unit}", millis / factor)?;
                millis %= factor;
            }
        }
        Ok(())
    }
}

/// The times of a schedule, as crontab has them: minute, hour, day of the month, month, day of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times(pub Pattern);

word!(
    Times,
    "cron",
    "The times of a schedule, as crontab has them: minute, hour, day of the month, month, day of the week.",
    "0 6 * * 1-5",
    "*/15 * * * *"
);

impl FromStr for Times {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        text.parse().map(Self).map_err(|error: PatternError| WordError::new(error.to_string()))
    }
}

/// So many in so long: `20/s`, `100/m`, `1/10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

word!(Rate, "rate", "So many in so long.", "20/s", "100/m", "1/10m");

impl FromStr for Rate {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let wrong = || WordError::new(format!("`{text}` is not a rate such as 20/s, 100/m or 1/10m"));
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let count: u32 = count.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        let per =
            if per.starts_with(|c: char| c.is_ascii_digit()) { per.to_owned() } else { format!("1{per}") };
        let per = per.parse::<Span>().map_err(|_| wrong())?.0;
        if per.is_zero() { Err(wrong()) } else { Ok(Self { count, per }) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = Span(self.per).to_string();
        // `20/s`, not `20/1s`; but `5/1m30s`.
        let bare = per.strip_prefix('1').filter(|unit| unit.chars().all(|c| c.is_ascii_alphabetic()));
        write!(f, "{}/{}", self.count, bare.unwrap_or(&per))
    }
}

/// From the first delay to the longest: `2s..15m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The delay before the second attempt; doubled for each further one.
    pub first: Duration,
    /// No delay is longer than this.
    pub longest: Duration,
}

word!(
    Backoff,
    "backoff",
    "The first delay and the longest; doubled in between, with full jitter.",
    "2s..15m"
);

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(2), longest: Duration::from_mins(15) }
    }
}

impl FromStr for Backoff {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let wrong = || WordError::new(format!("`{text}` is not a range of delays such as 2s..15m"));
        let (first, longest) = text.split_once("..").ok_or_else(wrong)?;
        let first = first.parse::<Span>().map_err(|_| wrong())?.0;
        let longest = longest.parse::<Span>().map_err(|_| wrong())?.0;
        if first.is_zero() || first > longest {
            return Err(WordError::new(format!(
                "`{text}`: the first delay is above zero and not above the longest"
            )));
        }
        Ok(Self { first, longest })
    }
}

/// An object of a connection: `salesforce.Account`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// The connection's name in `client.yaml`.
    pub connection: Arc<str>,
    /// The object's name in that system.
    pub object: Arc<str>,
}

word!(ObjectRef, "object", "An object of a connection: `<connection>.<object>`.", "salesforce.Account");

impl FromStr for ObjectRef {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text.split_once('.') {
            Some((connection, object)) if !connection.is_empty() && !object.is_empty() => {
                Ok(Self { connection: connection.into(), object: object.into() })
            }
            _ => Err(WordError::new(format!(
                "`{text}` is not <connection>.<object>, such as salesforce.Account"
            ))),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.connection, self.object)
    }
}

/// What a look-up that finds nothing leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoneFound {
    /// The run goes on; the step's outcome is `missing`.
    #[default]
    Continue,
    /// The run ends as skipped.
    Skip,
    /// A person decides: the run ends as a conflict.
    Conflict,
    /// The run ends as a dead letter, without retries.
    Fail,
    /// The run leaves its lane and is tried again until so much time has passed since it began; then it fails.
    Wait(Duration),
}

word!(
    NoneFound,
    "none",
    "What a look-up that finds nothing leads to: `continue`, `skip`, `conflict`, `fail`, or `wait` and how long.",
    "wait 1h",
    "continue",
    "skip",
    "conflict",
    "fail"
);

impl FromStr for NoneFound {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        match text {
            "continue" => Ok(Self::Continue),
            "skip" => Ok(Self::Skip),
            "conflict" => Ok(Self::Conflict),
            "fail" => Ok(Self::Fail),
            _ => match text.strip_prefix("wait ").map(|span| span.trim().parse::<Span>()) {
                Some(Ok(span)) => Ok(Self::Wait(span.0)),
                Some(Err(error)) => Err(error),
                None => Err(WordError::new(format!(
                    "`{text}` is none of continue, skip, conflict, fail or `wait <time>`, such as `wait 1h`"
                ))),
            },
        }
    }
}

/// A time zone by its IANA name: `Europe/London`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(pub jiff::tz::TimeZone);

word!(Zone, "zone", "A time zone by its IANA name.", "Europe/London", "UTC");

impl Default for Zone {
    fn default() -> Self {
        Self(jiff::tz::TimeZone::UTC)
    }
}

impl FromStr for Zone {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        jiff::tz::TimeZone::get(text).map(Self).map_err(|_| WordError::new(no_zone(text)))
    }
}

/// The name of a client, pipeline, connection or part: lower-case letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub Arc<str>);

word!(Name, "name", "Lower-case letters, digits and hyphens, beginning with a letter.", "acme-saas");

impl FromStr for Name {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let fits = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= 64
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(WordError::new(format!(
                "`{text}` is not a name: lower-case letters, digits and hyphens, beginning with a letter, at most 64"
            )))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that scripts and paths can say: letters, digits and underscores.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier(pub Arc<str>);

word!(
    Identifier,
    "identifier",
    "A name that scripts can say: letters, digits and underscores, not beginning with a digit.",
    "account",
    "collections_queue"
);

impl FromStr for Identifier {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let fits = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !rhai_reserved(text);
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(WordError::new(format!(
                "`{text}` is not a name that scripts can say: letters, digits and underscores, no reserved word"
            )))
        }
    }
}

/// Words that Rhai keeps for itself, used or reserved (The Rhai Book, "Keywords").
fn rhai_reserved(word: &str) -> bool {
    const RESERVED: &[&str] = &[
        "true",
        "false",
        "let",
        "const",
        "if",
        "else",
        "switch",
        "do",
        "while",
        "until",
        "loop",
        "for",
        "in",
        "continue",
        "break",
        "return",
        "throw",
        "try",
        "catch",
        "fn",
        "private",
        "import",
        "export",
        "as",
        "global",
        "Fn",
        "call",
        "curry",
        "type_of",
        "print",
        "debug",
        "eval",
        "is_def_var",
        "is_def_fn",
        "this",
        "is_shared",
        "var",
        "static",
        "shared",
        "goto",
        "exit",
        "match",
        "case",
        "public",
        "protected",
        "new",
        "use",
        "with",
        "is",
        "module",
        "package",
        "super",
        "spawn",
        "thread",
        "go",
        "sync",
        "async",
        "await",
        "yield",
        "default",
        "void",
        "null",
        "nil",
    ];
    RESERVED.contains(&word)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_reads_back(millis in any::<u64>(), count in 1..=u32::MAX) {
            // All sizes are as likely as each other, not only the largest.
            let millis = millis >> (millis % 64);
            let span = Span(Duration::from_millis(millis));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            let rate = Rate { count, per: Duration::from_millis(millis.max(1)) };
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn what_reads_is_printed_as_the_same(text in "([0-9]{1,4}(ms|s|m|h|d)){1,4}") {
            let span: Span = text.parse().unwrap();
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }

    #[test]
    fn spans_read_and_print() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("2d", 172_800_000)] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0.as_millis(), span.to_string().as_str()), (millis, text));
        }
        for text in ["", "5", "s", "1 h", "1w", "-1s", "99999999999999999999s", "1.5h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn rates_read() {
        assert_eq!("20/s".parse(), Ok(Rate { count: 20, per: Duration::from_secs(1) }));
        assert_eq!("1/10m".parse(), Ok(Rate { count: 1, per: Duration::from_mins(10) }));
        for text in ["20/s", "1/10m", "100/m", "5/1m30s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["20", "0/s", "20/", "20/0s", "a/s", "20/w"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn back_off_rises() {
        assert_eq!("2s..15m".parse(), Ok(Backoff::default()));
        for text in ["2s", "15m..2s", "0s..1m", "2s.15m"] {
            assert!(text.parse::<Backoff>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_none_leads_to() {
        assert_eq!("wait 1h".parse(), Ok(NoneFound::Wait(Duration::from_hours(1))));
        assert_eq!("skip".parse(), Ok(NoneFound::Skip));
        assert!("wait".parse::<NoneFound>().is_err());
        assert!("ignore".parse::<NoneFound>().is_err());
    }

    #[test]
    fn names_are_plain() {
        assert!("acme-saas".parse::<Name>().is_ok());
        for text in ["", "Acme", "1a", "a_b", "a/b", "é"] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        assert!("collections_queue".parse::<Identifier>().is_ok());
        for text in ["a-b", "if", "1a", ""] {
            assert!(text.parse::<Identifier>().is_err(), "{text}");
        }
    }
}
