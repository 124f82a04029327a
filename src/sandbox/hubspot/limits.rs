//! How often may be called: a window of ten seconds, the day, and the search with a rate of its own.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::error::ApiError;
use crate::sandbox::reply::Reply;

/// The window, in milliseconds.
const WINDOW: i64 = 10_000;

/// The calls of a while, against how many there may be.
#[derive(Debug)]
pub(super) struct Limits {
    /// In ten seconds.
    pub(super) window_max: usize,
    /// In a second, of the search.
    pub(super) search_max: usize,
    /// In a day, counted since the start.
    pub(super) daily_max: u64,
    used: u64,
    window: VecDeque<i64>,
    searches: VecDeque<i64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window_max: 190,
            search_max: 5,
            daily_max: 625_000,
            used: 0,
            window: VecDeque::new(),
            searches: VecDeque::new(),
        }
    }
}

impl Limits {
    /// Counts a call, or refuses it.
    pub(super) fn take(&mut self, now: Timestamp, is_search: bool) -> Result<(), ApiError> {
        let now = now.as_millisecond();
        forget(&mut self.window, now - WINDOW);
        forget(&mut self.searches, now - 1000);
        if self.used >= self.daily_max {
            return Err(ApiError::limit("DAILY", "You have reached your daily limit."));
        }
        if is_search && self.searches.len() >= self.search_max {
            return Err(ApiError::limit("SECONDLY", "You have reached your secondly limit."));
        }
        if !is_search && self.window.len() >= self.window_max {
            return Err(ApiError::of_status(429));
        }
        self.used += 1;
        if is_search {
            self.searches.push_back(now);
        } else {
            self.window.push_back(now);
        }
        Ok(())
    }

    /// What every answer but those of the search tells.
    pub(super) fn told(&self, reply: Reply) -> Reply {
        let remaining = self.window_max.saturating_sub(self.window.len());
        reply
            .header("X-HubSpot-RateLimit-Max", self.window_max.to_string())
            .header("X-HubSpot-RateLimit-Remaining", remaining.to_string())
            .header("X-HubSpot-RateLimit-Interval-Milliseconds", WINDOW.to_string())
            .header("X-HubSpot-RateLimit-Daily", self.daily_max.to_string())
            .header(
                "X-HubSpot-RateLimit-Daily-Remaining",
                self.daily_max.saturating_sub(self.used).to_string(),
            )
    }
}

fn forget(calls: &mut VecDeque<i64>, until: i64) {
    while calls.front().is_some_and(|at| *at <= until) {
        calls.pop_front();
    }
}
