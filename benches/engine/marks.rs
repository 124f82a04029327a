//! When each event of a load was acknowledged, and when the CRM heard of it: both by the clock of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::figures::Spread;

/// The two moments of each event, by its number; zero until it came.
#[derive(Debug)]
pub(crate) struct Marks {
    begun: Instant,
    acknowledged: Vec<AtomicU64>,
    called: Vec<AtomicU64>,
}

impl Marks {
    pub(crate) fn new(events: usize) -> Arc<Self> {
        let zeros = || (0..events).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { begun: Instant::now(), acknowledged: zeros(), called: zeros() })
    }

    pub(crate) fn acknowledged(&self, number: usize) {
        self.mark(self.acknowledged.get(number));
    }

    /// The first call about an event counts.
    pub(crate) fn called(&self, number: usize) {
        self.mark(self.called.get(number));
    }

    fn mark(&self, moment: Option<&AtomicU64>) {
        let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Some(moment) = moment {
            let _ = moment.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// From the acknowledgement to the first call; nothing when the call was faster than the answer's way back.
    pub(crate) fn to_the_crm(&self) -> Spread {
        let pairs = self.acknowledged.iter().zip(&self.called);
        let pairs = pairs.map(|(a, b)| (a.load(Ordering::Relaxed), b.load(Ordering::Relaxed)));
        Spread::of(
            pairs
                .filter(|(acknowledged, called)| *acknowledged > 0 && *called > 0)
                .map(|(acknowledged, called)| Duration::from_nanos(called.saturating_sub(acknowledged)))
                .collect(),
        )
    }
}
