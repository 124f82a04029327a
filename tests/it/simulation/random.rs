//! Chance, from a seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Random numbers that a seed decides (`SplitMix64`).
pub(super) struct Random(AtomicU64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed.wrapping_mul(0xD134_2543_DE82_EF95)))
    }

    pub(super) fn next(&self) -> u64 {
        let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound - 1`.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True so often in a hundred.
    pub(super) fn percent(&self, often: u64) -> bool {
        self.below(100) < often
    }

    /// A time shorter than `longest`.
    pub(super) fn time(&self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(longest.as_micros()).unwrap()))
    }

    /// An independent source, for one part of the world.
    pub(super) fn fork(&self) -> Self {
        Self::new(self.next())
    }
}
