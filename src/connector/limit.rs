//! How fast and how many: the pace of one connection.
//!
//! Calls are spaced by the rates that the manifest and the connection name, and held back for as long as the
//! system asks after it has throttled one. A call that would have to wait long is not kept waiting: it comes back
//! as throttled with the time to wait, so that the run, and not a task, waits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::failure::{Class, Failure};
use crate::clock::SharedClock;
use crate::words::Rate;

/// A call waits here for its turn at most so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first wait after a throttled call that named none, doubled by each further one.
const HOLD_FIRST: Duration = Duration::from_secs(1);

/// The longest such wait.
const HOLD_LONGEST: Duration = Duration::from_mins(1);

/// Paces the calls of one connection, or of one operation.
#[derive(Debug)]
pub(super) struct Pace {
    clock: SharedClock,
    state: Mutex<State>,
}

/// Times are those of [`crate::clock::Clock::elapsed`].
#[derive(Debug)]
struct State {
    rates: Vec<Meter>,
    held_until: Option<Duration>,
    /// The last wait that nobody named.
    last_wait: Option<Duration>,
}

/// One rate as a leaky bucket (GCRA): a burst of `count` at once, then evenly.
#[derive(Debug)]
struct Meter {
    interval: Duration,
    burst: Duration,
    /// When the bucket will be empty.
    empty_at: Duration,
}

impl Meter {
    fn new(rate: Rate, now: Duration) -> Self {
        let interval = rate.per / rate.count.max(1);
        Self { interval, burst: rate.per.saturating_sub(interval), empty_at: now }
    }

    /// When the next call may go.
    fn next(&self, now: Duration) -> Duration {
        // Before the bucket has leaked enough for one more, a call has to wait.
        self.empty_at.saturating_sub(self.burst).max(now)
    }

    fn take(&mut self, at: Duration) {
        self.empty_at = self.empty_at.max(at) + self.interval;
    }
}

impl Pace {
    pub(super) fn new(rates: impl IntoIterator<Item = Rate>, clock: SharedClock) -> Self {
        let now = clock.elapsed();
        let rates = rates.into_iter().map(|rate| Meter::new(rate, now)).collect();
        Self { clock, state: Mutex::new(State { rates, held_until: None, last_wait: None }) }
    }

    /// Waits for this call's turn; a turn that is far off is a throttled call at once.
    pub(super) async fn turn(&self) -> Result<(), Failure> {
        let now = self.clock.elapsed();
        let at = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let held = state.held_until.filter(|until| *until > now).unwrap_or(now);
            let at = state.rates.iter().map(|meter| meter.next(now)).fold(held, Duration::max);
            let wait = at.saturating_sub(now);
            if wait > PATIENCE {
                let failure = Failure::new(Class::Throttled, "the connection is held back");
                return Err(Failure { wait: Some(wait), ..failure });
            }
            for meter in &mut state.rates {
                meter.take(at);
            }
            at
        };
        if at > now {
            sleep(at.saturating_sub(now)).await;
        }
        Ok(())
    }

    /// The system throttled a call: nobody calls for so long. Returns the time.
    ///
    /// Where it names none, each wait is twice the last one, unless it has taken calls since for longer than it was
    /// left alone. That it takes some is no sign: reads go through while writes are throttled.
    pub(super) fn hold(&self, wait: Option<Duration>) -> Duration {
        let now = self.clock.elapsed();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let held = state.held_until.map(|until| until.saturating_sub(now)).unwrap_or_default();
        let wait = match wait {
            Some(wait) => wait.max(held),
            // A call that was under way when another one was throttled says nothing new.
            None if !held.is_zero() => return held,
            None => {
                let wait = state.next_wait(now);
                state.last_wait = Some(wait);
                wait
            }
        };
        state.held_until = Some(now + wait);
        wait
    }
}

impl State {
    fn next_wait(&self, now: Duration) -> Duration {
        let (Some(last), Some(until)) = (self.last_wait, self.held_until) else { return HOLD_FIRST };
        if now.saturating_sub(until) > last.saturating_mul(2) {
            return HOLD_FIRST;
        }
        last.saturating_mul(2).min(HOLD_LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pretty_assertions::assert_eq;
    use tokio::time::Instant;

    use super::*;
    use crate::clock::{Clock, FixedClock, SystemClock};

    fn pace<const N: usize>(rates: [Rate; N]) -> Pace {
        Pace::new(rates, Arc::new(SystemClock))
    }

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_evenly() {
        let pace = pace([rate("10/s")]);
        let start = Instant::now();
        for _ in 0..10 {
            pace.turn().await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            pace.turn().await.unwrap();
        }
        assert_eq!(start.elapsed().as_millis(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn all_rates_hold() {
        let pace = pace([rate("100/s"), rate("2/m")]);
        pace.turn().await.unwrap();
        pace.turn().await.unwrap();
        let failure = pace.turn().await.unwrap_err();
        assert_eq!((failure.class, failure.wait), (Class::Throttled, Some(Duration::from_secs(30))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_connection_is_left_alone_for_as_long_as_it_asks() {
        let pace = pace([]);
        assert_eq!(pace.hold(Some(Duration::from_secs(3))), Duration::from_secs(3));
        let start = Instant::now();
        pace.turn().await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    }

    #[test]
    fn without_a_word_of_the_system_waits_double_until_it_has_been_calm_for_as_long() {
        let clock = Arc::new(FixedClock::at(jiff::Timestamp::UNIX_EPOCH));
        let pace = Pace::new([], Arc::clone(&clock) as SharedClock);
        let passes = |time: Duration| clock.set(clock.now().checked_add(time).unwrap());
        let waits = (0..8).map(|_| {
            let wait = pace.hold(None);
            passes(wait + wait / 2);
            wait.as_secs()
        });
        assert_eq!(waits.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
        passes(Duration::from_mins(3));
        assert_eq!(pace.hold(None).as_secs(), 1);
    }

    #[test]
    fn calls_that_are_throttled_together_count_once() {
        let clock = Arc::new(FixedClock::at(jiff::Timestamp::UNIX_EPOCH));
        let pace = Pace::new([], clock);
        let waits: Vec<u64> = (0..20).map(|_| pace.hold(None).as_secs()).collect();
        assert_eq!(waits, [1; 20]);
        assert_eq!(pace.hold(Some(Duration::from_secs(9))).as_secs(), 9);
        assert_eq!(
            pace.hold(Some(Duration::from_secs(3))).as_secs(),
            9,
            "nobody calls sooner than any of them said"
        );
    }
}
