//! Times: from what systems write (Unix seconds, ISO 8601) to what other systems read.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::Unfit;
use crate::expr::context::Frame;
use crate::expr::fault::shown;
use crate::nearest::no_zone;
use crate::value::Value;

/// A way to write a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// `2026-03-02T10:00:00+01:00`, in UTC with `Z`.
    Iso8601,
    /// `2026-03-02`.
    Date,
    /// Seconds since 1970, as Stripe has them.
    Unix,
    /// By the letters of strftime.
    Pattern(String),
}

impl Format {
    /// Reads a format's word or pattern; `None` when it is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "iso8601" => Some(Self::Iso8601),
            "date" => Some(Self::Date),
            "unix" => Some(Self::Unix),
            pattern if pattern.contains('%') => {
                let sample = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
                jiff::fmt::strtime::format(pattern, &sample).ok()?;
                Some(Self::Pattern(pattern.to_owned()))
            }
            _ => None,
        }
    }

    /// The words that [`Format::parse`] knows.
    pub(crate) const WORDS: &'static str = "iso8601, date, unix or a pattern such as %d.%m.%Y";

    /// Writes `value`, a time in any form that [`moment`] reads, as it is in `zone`.
    pub(crate) fn write(&self, value: &Value, zone: &TimeZone) -> Result<Value, Unfit> {
        if value.is_nothing() {
            return Ok(Value::Null);
        }
        let time = moment(value, zone)?;
        Ok(match self {
            Self::Unix => Value::Int(time.timestamp().as_second()),
            Self::Date => Value::from(time.date().to_string()),
            Self::Iso8601 => Value::from(iso8601(&time)),
            Self::Pattern(pattern) => jiff::fmt::strtime::format(pattern, &time)
                .map(Value::from)
                .map_err(|_| Unfit(format!("datetime: `{pattern}` cannot be written")))?,
        })
    }
}

/// The zone of an IANA name.
pub(crate) fn zone(name: &str) -> Result<TimeZone, Unfit> {
    TimeZone::get(name).map_err(|_| Unfit(no_zone(&shown(name))))
}

fn iso8601(time: &Zoned) -> String {
    let whole = time.timestamp().subsec_nanosecond() == 0;
    let stamp = if whole {
        time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    } else {
        time.strftime("%Y-%m-%dT%H:%M:%S%.f").to_string()
    };
    if time.offset().is_zero() { format!("{stamp}Z") } else { format!("{stamp}{}", time.strftime("%:z")) }
}

/// The moment that `value` means: Unix seconds; ISO 8601 with an offset; without one, a time or date in `zone`.
/// When a value says it is: Unix seconds, or text of ISO 8601 and its kin, of which one without an offset is of `zone`.
pub fn time_of(value: &Value, zone: &TimeZone) -> Option<Timestamp> {
    moment(value, zone).ok().map(|moment| moment.timestamp())
}

fn moment(value: &Value, zone: &TimeZone) -> Result<Zoned, Unfit> {
    match value {
        Value::Int(seconds) => match Timestamp::from_second(*seconds) {
            Ok(time) => Ok(time.to_zoned(zone.clone())),
            Err(_) => Err(Unfit(format!("datetime: {seconds} is not a time in seconds since 1970"))),
        },
        Value::Text(text) => parse(text.trim(), zone)
            .ok_or_else(|| Unfit(format!("datetime: `{}` is not a time of ISO 8601", shown(text)))),
        other => Err(Unfit(format!("datetime needs seconds or text, not {}", other.kind()))),
    }
}

fn parse(text: &str, zone: &TimeZone) -> Option<Zoned> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.to_zoned(zone.clone()));
    }
    // Salesforce writes the offset without a colon.
    if let Ok(time) = Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text) {
        return Some(time.to_zoned(zone.clone()));
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return time.to_zoned(zone.clone()).ok();
    }
    text.parse::<Date>().ok()?.to_zoned(zone.clone()).ok()
}

/// `datetime(value, format)` and `datetime(value, format, zone)`.
pub(super) fn datetime(args: &[Value], frame: &Frame) -> Result<Value, Unfit> {
    let format = match args.get(1) {
        Some(Value::Text(text)) => Format::parse(text).ok_or_else(|| {
            Unfit(format!("datetime: `{}` is not a format ({})", shown(text), Format::WORDS))
        })?,
        _ => return Err(Unfit(format!("datetime needs a format ({})", Format::WORDS))),
    };
    format.write(args.first().unwrap_or(&Value::Null), &zone_of(args.get(2), frame)?)
}

/// `date(value)` and `date(value, zone)`.
pub(super) fn date(args: &[Value], frame: &Frame) -> Result<Value, Unfit> {
    Format::Date.write(args.first().unwrap_or(&Value::Null), &zone_of(args.get(1), frame)?)
}

/// `today()` and `today(zone)`: the date of the frame's time.
pub(super) fn today(args: &[Value], frame: &Frame) -> Result<Value, Unfit> {
    Format::Date.write(&Value::Int(frame.now.as_second()), &zone_of(args.first(), frame)?)
}

fn zone_of(name: Option<&Value>, frame: &Frame) -> Result<TimeZone, Unfit> {
    match name {
        None => Ok(frame.zone.clone()),
        Some(Value::Text(name)) => zone(name),
        Some(other) => Err(Unfit(format!("a time zone is an IANA name, not {}", other.kind()))),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn written(value: impl Into<Value>, format: &str, zone_name: &str) -> Result<String, String> {
        let format = Format::parse(format).unwrap();
        format.write(&value.into(), &zone(zone_name).unwrap()).map(|v| v.to_string()).map_err(|e| e.0)
    }

    #[test]
    fn times_are_written_as_asked() {
        let summer = 1_782_864_000; // 2026-07-01T00:00:00Z
        let cases: [(Value, &str, &str, &str); 10] = [
            (summer.into(), "iso8601", "UTC", "2026-07-01T00:00:00Z"),
            (summer.into(), "iso8601", "Europe/London", "2026-07-01T01:00:00+01:00"),
            (summer.into(), "date", "America/New_York", "2026-06-30"),
            (summer.into(), "unix", "UTC", "1782864000"),
            (summer.into(), "%d.%m.%Y %H:%M", "Europe/Berlin", "01.07.2026 02:00"),
            ("2026-07-01".into(), "unix", "Europe/London", "1782860400"),
            ("2026-07-01T00:00:00+00:00".into(), "date", "Asia/Tokyo", "2026-07-01"),
            ("2026-07-01T00:00:00.000+0000".into(), "unix", "UTC", "1782864000"),
            ("2026-07-01T00:00:00.5Z".into(), "iso8601", "UTC", "2026-07-01T00:00:00.5Z"),
            ("2026-07-01T10:00:00".into(), "iso8601", "Europe/Berlin", "2026-07-01T10:00:00+02:00"),
        ];
        for (value, format, zone, expected) in cases {
            assert_eq!(
                written(value.clone(), format, zone),
                Ok(expected.to_owned()),
                "{value} {format} {zone}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_said() {
        assert_eq!(
            written(1_782_864_000_000_i64, "date", "UTC"),
            Err("datetime: 1782864000000 is not a time in seconds since 1970".to_owned())
        );
        assert_eq!(
            written("soon", "date", "UTC"),
            Err("datetime: `soon` is not a time of ISO 8601".to_owned())
        );
        assert_eq!(
            written(true, "date", "UTC"),
            Err("datetime needs seconds or text, not a boolean".to_owned())
        );
        assert_eq!(Format::Date.write(&Value::Null, &TimeZone::UTC).ok(), Some(Value::Null));
        assert_eq!(Format::parse("iso"), None);
        assert_eq!(Format::parse("%!"), None);
        assert!(zone("Europe/Londn").is_err());
    }
}
