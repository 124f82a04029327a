//! How much the portal takes: the bucket that all its callers share, and the time that each method has used up.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::SharedClock;

/// How long a method's time is counted together.
const WINDOW: i64 = 600;

/// A leaky bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) capacity: f64,
    pub(super) per_second: f64,
    level: f64,
    at: Timestamp,
}

impl Bucket {
    pub(super) fn new(clock: &SharedClock) -> Self {
        Self { capacity: 50.0, per_second: 2.0, level: 0.0, at: clock.now() }
    }

    /// False when it is full.
    pub(super) fn takes(&mut self, now: Timestamp) -> bool {
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.level = (self.level - passed * self.per_second).max(0.0);
        self.at = now;
        let fits = self.level + 1.0 <= self.capacity;
        if fits {
            self.level += 1.0;
        }
        fits
    }
}

/// The time that methods have used up.
#[derive(Debug)]
pub(super) struct Operating {
    pub(super) limit: Duration,
    /// How long each call takes, for the accounts.
    pub(super) each: Duration,
    used: HashMap<String, (i64, Duration)>,
}

impl Default for Operating {
    fn default() -> Self {
        Self { limit: Duration::from_mins(8), each: Duration::from_millis(20), used: HashMap::new() }
    }
}

impl Operating {
    /// False when the method has used up its time: this is looked at before a call, so the one that goes beyond succeeds.
    pub(super) fn allows(&self, method: &str, now: i64) -> bool {
        self.used.get(method).is_none_or(|(since, used)| now >= since + WINDOW || *used < self.limit)
    }

    /// Counts a call; gives the method's time in seconds, and when it will be counted anew.
    pub(super) fn count(&mut self, method: &str, now: i64) -> (f64, i64) {
        let (since, used) = self.used.entry(method.to_owned()).or_insert((now, Duration::ZERO));
        if now >= *since + WINDOW {
            (*since, *used) = (now, Duration::ZERO);
        }
        *used += self.each;
        (used.as_secs_f64(), *since + WINDOW)
    }
}
