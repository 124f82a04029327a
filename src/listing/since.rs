//! `--since`: a moment, or how long ago.

use jiff::{SignedDuration, Timestamp};

use crate::words::Span;

/// The text names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a time (2026-03-01T09:00:00Z, 2026-03-01) nor how long ago (30m, 24h, 7d)")]
pub struct SinceError(String);

/// The moment that `text` names, seen from `now`: `24h` ago, an RFC 3339 time, or the beginning of a day in UTC.
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, SinceError> {
    let wrong = || SinceError(text.to_owned());
    if let Ok(Span(long)) = text.parse() {
        let ago = SignedDuration::try_from(long).map_err(|_| wrong())?;
        return now.checked_sub(ago).map_err(|_| wrong());
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let day: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
    day.to_zoned(jiff::tz::TimeZone::UTC).map(|start| start.timestamp()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_time_a_day_and_how_long_ago_are_understood() {
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("24h", "2026-03-01T12:00:00Z"),
            ("30m", "2026-03-02T11:30:00Z"),
            ("7d", "2026-02-23T12:00:00Z"),
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("2026-03-01T09:00:00+02:00", "2026-03-01T07:00:00Z"),
        ] {
            assert_eq!(since(text, now).map(|moment| moment.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn anything_else_says_what_is_possible() {
        let now = Timestamp::UNIX_EPOCH;
        for text in ["yesterday", "", "24", "2026-13-01"] {
            assert_eq!(since(text, now), Err(SinceError(text.to_owned())));
        }
    }
}
