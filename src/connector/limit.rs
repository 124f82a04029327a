//! How fast and how many: the pace of one connection.
//!
//! Calls are spaced by the rates that the manifest and the connection name, and held back for as long as the
//! system asks after it has throttled one. A call that would have to wait long is not kept waiting: it comes back
//! as throttled with the time to wait, so that the run, and not a task, waits. Where several processes call one system,
//! they take their turns out of one pace ([`Commons`]): as many at once as calls wait for one, so that the agreement costs
//! one question for many calls, and none is taken that nobody uses.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::commons::{CommonPace, CommonTurns, Commons, Spacing};
use super::failure::{Class, Failure};
use crate::clock::SharedClock;
use crate::words::Rate;

/// A call waits here for its turn at most so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first wait after a throttled call that named none, doubled by each further one.
const HOLD_FIRST: Duration = Duration::from_secs(1);

/// The longest such wait.
const HOLD_LONGEST: Duration = Duration::from_mins(1);

/// Turns that are taken at once, at most.
const TURNS: usize = 64;

/// A turn that was taken for a call which is not made after all may be used for so long.
const STALE: Duration = Duration::from_millis(100);

/// A wait that goes on by no more than this is not told to other processes.
const NOTHING_NEW: Duration = Duration::from_millis(100);

/// The wait when other processes cannot be asked.
const UNHEARD: Duration = Duration::from_secs(2);

/// Paces the calls of one connection, or of one operation.
pub(super) struct Pace {
    clock: SharedClock,
    state: Mutex<State>,
    common: Option<Common>,
}

/// A pace that other processes keep too.
struct Common {
    commons: Arc<dyn Commons>,
    name: [Arc<str>; 3],
    spacings: Vec<Spacing>,
    /// Calls that wait for a turn.
    waiting: AtomicUsize,
    /// Turns that were taken and not used yet.
    turns: tokio::sync::Mutex<VecDeque<Duration>>,
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
        Self { clock, state: Mutex::new(State { rates, held_until: None, last_wait: None }), common: None }
    }

    /// The same pace, kept together with other processes: that of this client, connection and operation. Without a rate
    /// no turns are taken, and what is agreed on is how long a system that has throttled one of them is left alone.
    pub(super) fn in_common(mut self, commons: Option<&Arc<dyn Commons>>, name: [&str; 3]) -> Self {
        let rates = &self.state.get_mut().unwrap_or_else(PoisonError::into_inner).rates;
        let spacing = |meter: &Meter| Spacing { interval: meter.interval, burst: meter.burst };
        let spacings: Vec<Spacing> = rates.iter().map(spacing).collect();
        self.common = commons.map(|commons| Common {
            commons: Arc::clone(commons),
            name: name.map(Arc::from),
            spacings,
            waiting: AtomicUsize::new(0),
            turns: tokio::sync::Mutex::default(),
        });
        self
    }

    /// Waits for this call's turn; a turn that is far off is a throttled call at once.
    pub(super) async fn turn(&self) -> Result<(), Failure> {
        if let Some(common) = self.common.as_ref().filter(|common| !common.spacings.is_empty()) {
            return self.common_turn(common).await;
        }
        let told = self.common.as_ref().map_or(Duration::ZERO, |common| common.commons.held(common.pace()));
        let now = self.clock.elapsed();
        let at = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let held = state.held_until.filter(|until| *until > now).unwrap_or(now).max(now + told);
            let at = state.rates.iter().map(|meter| meter.next(now)).fold(held, Duration::max);
            let wait = at.saturating_sub(now);
            if wait > PATIENCE {
                return Err(held_back(wait));
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

    /// A turn of a pace that is kept together with others.
    async fn common_turn(&self, common: &Common) -> Result<(), Failure> {
        let held = self.state.lock().unwrap_or_else(PoisonError::into_inner).held_until;
        let held = held.unwrap_or_default().saturating_sub(self.clock.elapsed());
        if held > PATIENCE {
            return Err(held_back(held));
        }
        let at = common.take(&self.clock).await?;
        let wait = at.saturating_sub(self.clock.elapsed()).max(held);
        if !wait.is_zero() {
            sleep(wait).await;
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
        // Those that were under way together are throttled together, and say nothing new.
        if let Some(common) = self.common.as_ref().filter(|_| wait > held + NOTHING_NEW) {
            common.commons.hold_back(common.pace(), wait);
        }
        wait
    }
}

fn held_back(wait: Duration) -> Failure {
    let failure = Failure::new(Class::Throttled, "the connection is held back");
    Failure { wait: Some(wait), ..failure }
}

impl Common {
    fn pace(&self) -> CommonPace<'_> {
        let [client, connection, operation] = &self.name;
        CommonPace { client, connection, operation }
    }

    /// When this call may go. One asks for all that wait.
    async fn take(&self, clock: &SharedClock) -> Result<Duration, Failure> {
        let waiting = Waiting::of(&self.waiting);
        let mut turns = self.turns.lock().await;
        let now = clock.elapsed();
        while turns.front().is_some_and(|at| *at + STALE < now) {
            turns.pop_front();
        }
        if let Some(at) = turns.pop_front() {
            return Ok(at);
        }
        let count = self.waiting.load(Ordering::Acquire).clamp(1, TURNS);
        let asked = CommonTurns { pace: self.pace(), spacings: &self.spacings, count, patience: PATIENCE };
        let taken = self.commons.take_turns(asked).await.map_err(|reason| {
            let words =
                format!("its pace is kept together with other processes, which cannot be asked: {reason}");
            Failure { wait: Some(UNHEARD), ..Failure::new(Class::Throttled, words) }
        })?;
        let now = clock.elapsed();
        turns.extend(taken.waits.iter().map(|wait| now + *wait));
        drop(waiting);
        turns.pop_front().ok_or_else(|| held_back(taken.next))
    }
}

/// Counts who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
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
    use futures_util::future::BoxFuture;
    use pretty_assertions::assert_eq;
    use tokio::time::Instant;

    use super::*;
    use crate::clock::{Clock, FixedClock, SystemClock};
    use crate::connector::TakenTurns;

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

    /// Other processes that leave one turn each tenth of a second, and count the questions.
    #[derive(Default)]
    struct Others {
        asked: AtomicUsize,
        taken: Mutex<Duration>,
        held: Mutex<Option<Duration>>,
    }

    impl Commons for Others {
        fn callers(&self) -> u32 {
            2
        }

        fn is_sure(&self) -> BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }

        fn take_turns<'a>(&'a self, asked: CommonTurns<'a>) -> BoxFuture<'a, Result<TakenTurns, String>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let mut taken = self.taken.lock().unwrap();
            let waits = (0..asked.count).map(|_| {
                *taken += Duration::from_millis(100);
                *taken
            });
            let waits: Vec<Duration> = waits.take_while(|wait| *wait <= asked.patience).collect();
            Box::pin(async move {
                // Others come to wait meanwhile.
                sleep(Duration::from_millis(1)).await;
                Ok(TakenTurns { waits, next: Duration::from_secs(7) })
            })
        }

        fn hold_back(&self, _pace: CommonPace<'_>, wait: Duration) {
            *self.held.lock().unwrap() = Some(wait);
        }

        fn held(&self, _pace: CommonPace<'_>) -> Duration {
            self.held.lock().unwrap().unwrap_or_default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_rate_that_throttles_one_process_is_left_alone_by_all() {
        let others = Arc::new(Others::default());
        let commons = Arc::clone(&others) as Arc<dyn Commons>;
        let [here, there] = [(); 2].map(|()| pace([]).in_common(Some(&commons), ["acme", "crm", ""]));
        there.turn().await.unwrap();
        assert_eq!(here.hold(Some(Duration::from_secs(3))), Duration::from_secs(3));
        let start = Instant::now();
        there.turn().await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        here.hold(Some(Duration::from_secs(30)));
        assert_eq!(there.turn().await.unwrap_err().wait, Some(Duration::from_secs(30)));
        assert_eq!(others.asked.load(Ordering::SeqCst), 0, "no turns are taken");
    }

    #[tokio::test(start_paused = true)]
    async fn turns_of_a_common_pace_are_asked_for_together_and_none_is_taken_in_vain() {
        let others = Arc::new(Others::default());
        let commons = Arc::clone(&others) as Arc<dyn Commons>;
        let pace = pace([rate("10/s")]).in_common(Some(&commons), ["acme", "crm", ""]);
        let start = Instant::now();
        let all = futures_util::future::join_all((0..20).map(|_| pace.turn())).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(
            others.asked.load(Ordering::SeqCst),
            2,
            "the first one asks for itself, the next one for all that wait meanwhile"
        );
        assert_eq!(start.elapsed().as_millis() / 100, 20);
        *others.taken.lock().unwrap() = Duration::from_secs(5);
        let refused = pace.turn().await.unwrap_err();
        assert_eq!((refused.class, refused.wait), (Class::Throttled, Some(Duration::from_secs(7))));
        pace.hold(Some(Duration::from_secs(9)));
        assert_eq!(*others.held.lock().unwrap(), Some(Duration::from_secs(9)), "the others are told");
        assert_eq!(pace.turn().await.unwrap_err().wait, Some(Duration::from_secs(9)));
        assert_eq!(others.asked.load(Ordering::SeqCst), 3);
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
