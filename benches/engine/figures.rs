//! What is made of single measurements.

use std::time::Duration;

/// Durations of many like things.
#[derive(Debug, Default)]
pub(crate) struct Spread(Vec<Duration>);

impl Spread {
    pub(crate) fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// The duration that so many hundredths stay under, in milliseconds.
    pub(crate) fn percentile(&self, hundredths: usize) -> f64 {
        let at = (self.0.len() * hundredths / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(f64::NAN, |duration| duration.as_secs_f64() * 1e3)
    }
}

/// One figure of several rounds: `median (least to most)`.
pub(crate) fn rounds(mut figures: Vec<f64>, decimals: usize) -> String {
    figures.sort_unstable_by(f64::total_cmp);
    let [least, median, most] = [figures[0], figures[figures.len() / 2], figures[figures.len() - 1]];
    format!("{median:.decimals$} ({least:.decimals$} to {most:.decimals$})")
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
pub(crate) fn rate(events: usize, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
pub(crate) fn microseconds_each(events: usize, took: Duration) -> f64 {
    took.as_secs_f64() * 1e6 / events as f64
}
