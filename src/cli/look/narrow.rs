//! The options by which listings are narrowed.

use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use crate::clock::{Clock, SystemClock};
use crate::listing;
use crate::store::PageLimit;

/// Whose, and when: common to all listings.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Narrow {
    /// Only of this client
    #[arg(long, value_name = "CLIENT")]
    pub(in crate::cli) client: Option<Arc<str>>,
    #[command(flatten)]
    pub(in crate::cli) window: Window,
}

/// When, and how many.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Window {
    /// Only since then: 30m, 24h, 7d, 2026-03-01, 2026-03-01T09:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(in crate::cli) since: Option<Timestamp>,
    /// How many rows at most, the newest first; 50 when left out, up to 10,000
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=i64::from(PageLimit::MOST)))]
    limit: Option<u32>,
}

impl Window {
    /// How many rows at most.
    pub(in crate::cli) fn limit(&self) -> PageLimit {
        self.limit.map_or_else(PageLimit::default, PageLimit::new)
    }

    /// True when a number of rows was asked for.
    pub(in crate::cli) fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// What to say below a listing of `rows` rows, when there may be more.
    pub(in crate::cli) fn more(&self, rows: usize) -> Option<String> {
        (rows > 0 && rows == self.limit().get() as usize)
            .then(|| format!("the newest {rows} are shown; --limit or --since shows others"))
    }
}

/// The moment that an argument names.
pub(in crate::cli) fn moment(text: &str) -> Result<Timestamp, listing::SinceError> {
    listing::since(text, SystemClock.now())
}
