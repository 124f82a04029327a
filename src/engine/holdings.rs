//! Which partitions of the work this process carries out, since when, and what is under way in each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::store::{PARTS, Part, Parts};

/// Stands in the place of a lane for what one process at a time does: no pipeline can name its lane so.
pub(super) const DUTY: &str = "\0duty";

/// A moment among those at which partitions were taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(u64);

/// The partitions that this process carries out. A store that nobody shares has them all, from the start to the end.
#[derive(Debug)]
pub(super) struct Holdings(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    /// Counts how often something was taken up.
    tick: Tick,
    /// Counts how often everything was lost.
    losses: u64,
    each: Vec<One>,
}

/// One partition.
#[derive(Debug, Clone, Copy)]
struct One {
    taken: Tick,
    at: Timestamp,
    busy: usize,
}

impl Holdings {
    /// None yet.
    pub(super) fn none() -> Self {
        let one = One { taken: Tick(0), at: Timestamp::UNIX_EPOCH, busy: 0 };
        Self(Mutex::new(Inner { parts: Parts::NONE, tick: Tick(0), losses: 0, each: vec![one; PARTS] }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present moment.
    pub(super) fn tick(&self) -> Tick {
        self.lock().tick
    }

    /// All of them.
    pub(super) fn parts(&self) -> Parts {
        self.lock().parts
    }

    /// True when runs of this partition may begin here.
    pub(super) fn has(&self, part: Part) -> bool {
        self.lock().parts.has(part)
    }

    /// True when nobody else can have had this partition since then.
    pub(super) fn has_since(&self, part: Part, tick: Tick) -> bool {
        let inner = self.lock();
        inner.parts.has(part) && inner.of(part).taken <= tick
    }

    /// When this partition was taken up: what was received before may have been begun by somebody else.
    pub(super) fn taken_at(&self, part: Part) -> Timestamp {
        self.lock().of(part).at
    }

    /// Takes partitions up.
    pub(super) fn take(&self, parts: Parts, now: Timestamp) {
        let mut inner = self.lock();
        inner.tick.0 += 1;
        let tick = inner.tick;
        for part in parts.without(inner.parts).iter() {
            let one = &mut inner.each[usize::from(part.0)];
            (one.taken, one.at) = (tick, now);
        }
        inner.parts = inner.parts.and(parts);
    }

    /// Begins nothing of these any more.
    pub(super) fn leave(&self, parts: Parts) {
        let mut inner = self.lock();
        inner.parts = inner.parts.without(parts);
    }

    /// Everything was lost, and nothing of it is under way any more.
    pub(super) fn lose(&self) {
        let mut inner = self.lock();
        inner.parts = Parts::NONE;
        inner.losses += 1;
        inner.each.iter_mut().for_each(|one| one.busy = 0);
    }

    /// Something of this partition is under way: it is not handed over before that has ended.
    pub(super) fn begins(&self, part: Part) {
        self.lock().each[usize::from(part.0)].busy += 1;
    }

    /// It has ended.
    pub(super) fn ends(&self, part: Part) {
        let mut inner = self.lock();
        let one = &mut inner.each[usize::from(part.0)];
        one.busy = one.busy.saturating_sub(1);
    }

    /// Those of these partitions of which nothing is under way.
    pub(super) fn idle(&self, parts: Parts) -> Parts {
        let inner = self.lock();
        parts.iter().filter(|part| inner.of(*part).busy == 0).collect()
    }

    /// Begins something that one process at a time does, which belongs to this partition.
    pub(super) fn duty(self: &Arc<Self>, part: Part) -> Option<Duty> {
        let mut inner = self.lock();
        if !inner.parts.has(part) {
            return None;
        }
        inner.each[usize::from(part.0)].busy += 1;
        Some(Duty { holdings: Arc::clone(self), part, losses: inner.losses })
    }
}

impl Inner {
    fn of(&self, part: Part) -> &One {
        &self.each[usize::from(part.0)]
    }
}

/// Something that one process at a time does, and this one now. As long as this value lives, the partition that it belongs
/// to is not handed over.
#[derive(Debug)]
pub struct Duty {
    holdings: Arc<Holdings>,
    part: Part,
    losses: u64,
}

impl Duty {
    /// True while no other process can have taken it over.
    pub fn is_held(&self) -> bool {
        self.holdings.lock().losses == self.losses
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        if self.is_held() {
            self.holdings.ends(self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn parts(numbers: std::ops::Range<u8>) -> Parts {
        numbers.map(Part).collect()
    }

    #[test]
    fn a_partition_that_came_back_was_not_held_all_the_time() {
        let holdings = Holdings::none();
        let now = Timestamp::UNIX_EPOCH;
        holdings.take(parts(0..2), now);
        let asked = holdings.tick();
        assert!(holdings.has_since(Part(0), asked));
        holdings.leave(parts(0..1));
        assert!(!holdings.has(Part(0)));
        holdings.take(parts(0..1), now);
        assert!(holdings.has(Part(0)) && !holdings.has_since(Part(0), asked));
        assert!(holdings.has_since(Part(1), asked));
    }

    #[test]
    fn a_partition_is_not_idle_as_long_as_a_duty_in_it_is_done() {
        let holdings = Arc::new(Holdings::none());
        assert!(holdings.duty(Part(1)).is_none());
        holdings.take(parts(0..2), Timestamp::UNIX_EPOCH);
        let duty = holdings.duty(Part(1)).unwrap();
        assert_eq!(holdings.idle(parts(0..2)), parts(0..1));
        drop(duty);
        assert_eq!(holdings.idle(parts(0..2)), parts(0..2));
        let lost = holdings.duty(Part(1)).unwrap();
        holdings.lose();
        assert!(!lost.is_held());
        holdings.take(parts(1..2), Timestamp::UNIX_EPOCH);
        let held = holdings.duty(Part(1)).unwrap();
        drop(lost);
        assert_eq!(holdings.idle(parts(1..2)), Parts::NONE, "it was another tenure's");
        assert!(held.is_held());
    }
}
