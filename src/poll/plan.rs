//! When a poll is next.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::project::Times;

/// The first and the longest pause after a poll that failed.
const AGAIN_FIRST: Duration = Duration::from_mins(1);
const AGAIN_LONGEST: Duration = Duration::from_mins(15);

/// When the poll after one that began at `began` is; `failures` polls in a row have failed by then. `None`: never.
pub(super) fn next(times: &Times, zone: &TimeZone, began: Timestamp, failures: u32) -> Option<Timestamp> {
    let regular = match times {
        Times::Every(every) => began.checked_add(*every).ok(),
        Times::Cron(pattern) => pattern.next(began, zone),
    };
    let Some(doublings) = failures.checked_sub(1) else { return regular };
    let first = match times {
        Times::Every(every) => (*every).min(AGAIN_FIRST),
        Times::Cron(_) => AGAIN_FIRST,
    };
    let pause = first.saturating_mul(2_u32.saturating_pow(doublings)).min(AGAIN_LONGEST);
    let again = began.checked_add(pause).ok();
    match times {
        // One that polls often leaves a system that fails alone for longer and longer.
        Times::Every(every) if *every < AGAIN_LONGEST => again,
        // One that polls seldom does not wait so long.
        Times::Every(_) | Times::Cron(_) => [regular, again].into_iter().flatten().min(),
    }
}

/// When the first poll is of one that there is since `since`.
pub(super) fn first(times: &Times, zone: &TimeZone, since: Timestamp) -> Option<Timestamp> {
    match times {
        Times::Every(_) => Some(since),
        Times::Cron(pattern) => pattern.next(since, zone),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pretty_assertions::assert_eq;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Minutes from one poll to the next, after so many failures.
    fn pauses(times: &Times, failures: impl IntoIterator<Item = u32>) -> Vec<i64> {
        let began = at("2026-11-22T06:00:00Z");
        let next = |failures| next(times, &TimeZone::UTC, began, failures).unwrap();
        failures.into_iter().map(|failures| (next(failures).as_second() - began.as_second()) / 60).collect()
    }

    #[test]
    fn a_poll_that_fails_is_tried_again_less_and_less_often() {
        let every = |minutes| Times::Every(Duration::from_mins(minutes));
        assert_eq!(pauses(&every(1), 0..7), [1, 1, 2, 4, 8, 15, 15]);
        assert_eq!(pauses(&every(10), 0..6), [10, 1, 2, 4, 8, 15]);
        assert_eq!(pauses(&every(60), 0..6), [60, 1, 2, 4, 8, 15], "and not only after an hour");
        assert_eq!(pauses(&Times::Cron(Arc::new("0 6 * * *".parse().unwrap())), 0..4), [1_440, 1, 2, 4]);
    }

    #[test]
    fn seconds_stay_seconds() {
        let times = Times::Every(Duration::from_secs(10));
        let began = at("2026-11-22T06:00:00Z");
        let after =
            |failures| next(&times, &TimeZone::UTC, began, failures).unwrap().as_second() - began.as_second();
        assert_eq!([0, 1, 2, 3].map(after), [10, 10, 20, 40]);
    }
}
