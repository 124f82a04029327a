//! Chance, as something that is passed: delays are spread by it, and tests take it away.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where the randomness of delays comes from.
#[derive(Debug)]
pub enum Jitter {
    /// Any share of the delay, so that runs that failed together do not come back together.
    Full(AtomicU64),
    /// The whole delay, always.
    None,
}

impl Jitter {
    /// Full jitter with a seed of the machine's.
    pub fn full() -> Self {
        // Each `RandomState` is seeded by the operating system: as good a seed as delays need.
        Self::Full(AtomicU64::new(RandomState::new().hash_one(0_u8)))
    }

    /// Somewhere between nothing and `longest`.
    pub fn of(&self, longest: Duration) -> Duration {
        match self {
            Self::None => longest,
            Self::Full(state) => {
                let random = split_mix(state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed));
                let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
                Duration::from_nanos(random.checked_rem(nanos).unwrap_or(0))
            }
        }
    }
}

/// The output function of `SplitMix64` (Steele, Lea, Flood, 2014): plenty for spreading delays.
fn split_mix(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_jitter_spreads_over_the_whole_delay() {
        let jitter = Jitter::full();
        let longest = Duration::from_secs(8);
        let delays: Vec<Duration> = (0..1_000).map(|_| jitter.of(longest)).collect();
        assert!(delays.iter().all(|delay| *delay < longest));
        let low = delays.iter().filter(|delay| **delay < longest / 2).count();
        assert!((350..650).contains(&low), "{low} of 1000 in the lower half");
    }

    #[test]
    fn no_delay_stays_none() {
        assert_eq!(Jitter::full().of(Duration::ZERO), Duration::ZERO);
        assert_eq!(Jitter::None.of(Duration::from_secs(3)), Duration::from_secs(3));
    }
}
