//! `cron:`, the times of a schedule: five fields, as crontab has them.
//!
//! Times are of a zone's clocks. In the hour that a change of the clocks leaves out, something that would happen once a
//! day happens right after it; in the one that comes twice, it happens once.

use std::fmt;
use std::str::FromStr;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The fields, in order, with what may stand in each.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31, L for the last"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "0-7 or SUN-SAT"),
];

/// The times of a schedule.
#[derive(Debug, Clone)]
pub struct Pattern {
    written: String,
    cron: Cron,
}

/// A pattern that says no times: what is wrong with it, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl Pattern {
    /// The first of these times after `moment`; `None` when there is none any more.
    pub fn next(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let from = moment.to_zoned(zone.clone());
        self.cron.find_next_occurrence(&from, false).ok().map(|next| next.timestamp())
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != FIELDS.len() {
            let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            let count = fields.len();
            return Err(PatternError(format!(
                "`{text}` has {count} fields, and a schedule has five: {}",
                names.join(", ")
            )));
        }
        for (place, (field, (name, allowed))) in fields.iter().zip(FIELDS).enumerate() {
            let mut alone = ["*"; 5];
            alone[place] = field;
            if parse(&alone.join(" ")).is_none() {
                return Err(PatternError(format!(
                    "`{field}`, field {} of `{text}`, is no {name} ({allowed}; `*`, lists, ranges and steps such as */15)",
                    place + 1
                )));
            }
        }
        let none = || PatternError(format!("`{text}` never comes"));
        let cron = parse(text).ok_or_else(none)?;
        let pattern = Self { written: fields.join(" "), cron };
        pattern.next(Timestamp::UNIX_EPOCH, &TimeZone::UTC).map(|_| pattern).ok_or_else(none)
    }
}

/// Five fields: nothing below a minute, no years, no nicknames.
fn parse(text: &str) -> Option<Cron> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    if text.contains('@') { None } else { parser.parse(text).ok() }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    /// The first times after `from`, as clocks in the zone show them.
    fn times(pattern: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let (pattern, zone): (Pattern, _) = (pattern.parse().unwrap(), TimeZone::get(zone).unwrap());
        let mut moment: Timestamp = from.parse().unwrap();
        let mut times = Vec::new();
        for _ in 0..count {
            moment = pattern.next(moment, &zone).unwrap();
            times.push(moment.to_zoned(zone.clone()).strftime("%a %d %H:%M %z").to_string());
        }
        times
    }

    #[test]
    fn working_days_are_those_of_the_zone() {
        // Friday evening in London is Saturday in Auckland.
        assert_eq!(
            times("0 6 * * 1-5", "Europe/London", "2026-11-20T07:00:00Z", 2),
            ["Mon 23 06:00 +0000", "Tue 24 06:00 +0000"]
        );
        assert_eq!(
            times("0 6 * * 1-5", "Pacific/Auckland", "2026-11-20T07:00:00Z", 1),
            ["Mon 23 06:00 +1300"]
        );
    }

    #[test]
    fn a_time_that_the_clocks_leave_out_comes_right_after_it() {
        // On 29 March 2026 clocks in London go from 01:00 to 02:00.
        assert_eq!(
            times("30 1 * * *", "Europe/London", "2026-03-28T12:00:00Z", 2),
            ["Sun 29 02:00 +0100", "Mon 30 01:30 +0100"]
        );
    }

    #[test]
    fn a_time_that_comes_twice_is_taken_once() {
        // On 25 October 2026 clocks in London go from 02:00 back to 01:00.
        assert_eq!(
            times("30 1 * * *", "Europe/London", "2026-10-24T12:00:00Z", 2),
            ["Sun 25 01:30 +0100", "Mon 26 01:30 +0000"]
        );
    }

    #[test]
    fn what_comes_every_quarter_of_an_hour_does_so_whatever_the_clocks_do() {
        let autumn = times("*/15 * * * *", "Europe/London", "2026-10-25T00:30:00Z", 4);
        assert_eq!(
            autumn,
            ["Sun 25 01:45 +0100", "Sun 25 01:00 +0000", "Sun 25 01:15 +0000", "Sun 25 01:30 +0000"]
        );
        let spring = times("*/30 * * * *", "Europe/London", "2026-03-29T00:10:00Z", 3);
        assert_eq!(spring, ["Sun 29 00:30 +0000", "Sun 29 02:00 +0100", "Sun 29 02:30 +0100"]);
    }

    #[test]
    fn a_pattern_that_is_none_says_which_field_is_wrong() {
        let wrong = |text: &str| text.parse::<Pattern>().unwrap_err().to_string();
        for (text, begin) in [
            ("0 6 * *", "`0 6 * *` has 4 fields, and a schedule has five: minute, hour,"),
            ("0 0 6 * * 1", "`0 0 6 * * 1` has 6 fields"),
            ("0 25 * * *", "`25`, field 2 of `0 25 * * *`, is no hour (0-23;"),
            ("0 6 * * MOO", "`MOO`, field 5 of `0 6 * * MOO`, is no day of the week"),
            ("@daily", "`@daily` has 1 fields"),
            ("0 0 30 2 *", "`0 0 30 2 *` never comes"),
            ("", "`` has 0 fields"),
        ] {
            assert!(wrong(text).starts_with(begin), "{text}: {}", wrong(text));
        }
    }
}
