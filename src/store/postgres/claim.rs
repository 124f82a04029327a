//! What this process has of the work: its row in `replica`, and the partitions that belong to it.
//!
//! The row is the claim. The process renews it; a row that was not renewed in time is deleted by whoever notices, which
//! frees its partitions. From then on nothing that the former process writes about runs is taken, for each of its
//! transactions needs the row: it may have been silent, but it cannot write beside its successors. It learns that it
//! was taken for dead, drops what it holds, and takes part again under another id.
//!
//! Partitions are shared out without anybody in charge: each process knows from the same rows how many it should have,
//! claims free ones when it has too few, and marks those that it has too many as leaving. They are handed over when
//! nothing of them is under way (`Writer`).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::store::{Part, Parts, Role, Tenure};

/// A process that has not renewed its row for so long is taken for dead.
pub(super) const LEASE: Duration = Duration::from_secs(6);

/// This process's row and partitions.
#[derive(Clone)]
pub(super) struct Claim(Arc<Inner>);

struct Inner {
    /// None: a command that changes a little beside others.
    role: Option<Role>,
    began: Instant,
    /// Milliseconds since `began` until when nobody can have taken over.
    sure_until: AtomicU64,
    retired: AtomicBool,
    state: Mutex<State>,
    tenure: watch::Sender<Tenure>,
    /// Somebody has freed partitions, or this process is to look for other reasons.
    look: Notify,
}

struct State {
    id: Arc<str>,
    /// Those that were taken up.
    taken: Parts,
    /// Counts what changes about the partitions by itself, beside a survey that is under way.
    changes: u64,
}

/// A survey under way: its answer is used only if nothing has changed meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    number: u64,
    changes: u64,
}

impl Claim {
    pub(super) fn new(role: Option<Role>) -> Self {
        let tenure = Tenure { number: 1, workers: 1, ..Tenure::default() };
        Self(Arc::new(Inner {
            role,
            began: Instant::now(),
            sure_until: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            state: Mutex::new(State { id: new_id(), taken: Parts::NONE, changes: 0 }),
            tenure: watch::Sender::new(tenure),
            look: Notify::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the process's row.
    pub(super) fn id(&self) -> Arc<str> {
        Arc::clone(&self.state().id)
    }

    /// Its row is gone: it gets another one.
    pub(super) fn change_id(&self) {
        self.state().id = new_id();
    }

    /// What it does, as its row says.
    pub(super) fn role(&self) -> &'static str {
        self.0.role.map_or("beside", Role::word)
    }

    /// True when it renews its row: it does more than change a little now and then.
    pub(super) fn stays(&self) -> bool {
        self.0.role.is_some()
    }

    /// True when this process is one that carries runs out, and has not retired.
    pub(super) fn works(&self) -> bool {
        self.carries() && !self.0.retired.load(Ordering::Acquire)
    }

    /// True when it takes events in.
    pub(super) fn ingests(&self) -> bool {
        self.0.role.is_some_and(Role::ingests)
    }

    /// True when what it writes about runs needs its row.
    pub(super) fn carries(&self) -> bool {
        self.0.role.is_some_and(Role::works)
    }

    /// True while nobody else can have taken over.
    pub(super) fn holds(&self) -> bool {
        let now = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        now < self.0.sure_until.load(Ordering::Acquire)
    }

    /// The row was renewed by a statement that was sent at `asked`: the database's lease began later.
    pub(super) fn extend(&self, asked: Instant, number: u64) {
        let until = asked.duration_since(self.0.began) + LEASE;
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        let _state = self.state();
        let tenure = self.0.tenure.borrow();
        if self.carries() && tenure.number == number && !tenure.lost {
            self.0.sure_until.store(until, Ordering::Release);
        }
    }

    pub(super) fn tenure(&self) -> Tenure {
        *self.0.tenure.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Tenure> {
        self.0.tenure.subscribe()
    }

    /// The partitions whose runs are this process's to begin.
    pub(super) fn carried(&self) -> Parts {
        let tenure = self.tenure();
        tenure.parts.without(tenure.leaving)
    }

    /// Those that are to be taken up.
    pub(super) fn untaken(&self) -> Parts {
        let taken = self.state().taken;
        self.carried().without(taken)
    }

    pub(super) fn took_up(&self, parts: Parts) {
        let mut state = self.state();
        state.taken = state.taken.and(parts);
    }

    /// These are not this process's any more.
    pub(super) fn handed_over(&self, parts: Parts) {
        let mut state = self.state();
        state.changes += 1;
        state.taken = state.taken.without(parts);
        self.0.tenure.send_modify(|tenure| {
            tenure.parts = tenure.parts.without(parts);
            tenure.leaving = tenure.leaving.without(parts);
        });
    }

    /// The process was taken for dead. True when that is news.
    pub(super) fn lose(&self) -> bool {
        let mut state = self.state();
        self.0.sure_until.store(0, Ordering::Release);
        state.taken = Parts::NONE;
        state.changes += 1;
        self.0.tenure.send_if_modified(|tenure| {
            let news = !tenure.lost;
            (tenure.lost, tenure.alone) = (true, false);
            (tenure.parts, tenure.leaving) = (Parts::NONE, Parts::NONE);
            news
        })
    }

    /// It takes part again, with a row of this id.
    pub(super) fn begin_again(&self) {
        let mut state = self.state();
        state.changes += 1;
        state.taken = Parts::NONE;
        self.0.tenure.send_modify(|tenure| {
            tenure.number += 1;
            tenure.lost = false;
        });
        self.0.look.notify_one();
    }

    pub(super) fn retire(&self) {
        self.0.retired.store(true, Ordering::Release);
        self.0.look.notify_one();
    }

    /// Others tell that there is something new in these partitions.
    pub(super) fn nudged(&self, parts: Parts) {
        self.0.tenure.send_if_modified(|tenure| {
            let own = !tenure.parts.within(parts).is_empty();
            tenure.nudges += u64::from(own);
            own
        });
    }

    /// Has the process look for free partitions at once.
    pub(super) fn look(&self) {
        self.0.look.notify_one();
    }

    /// Waits until it is to look at once.
    pub(super) async fn asked_to_look(&self) {
        self.0.look.notified().await;
    }

    /// Whether this process is the only one that takes events in; what was found out about an earlier tenure says nothing.
    pub(super) fn is_alone(&self, seen: Seen, alone: bool) {
        let _state = self.state();
        self.0.tenure.send_if_modified(|tenure| {
            let news = tenure.alone != alone && (!alone || (tenure.number == seen.number && !tenure.lost));
            if news {
                tenure.alone = alone;
            }
            news
        });
    }

    /// A survey begins.
    pub(super) fn surveys(&self) -> Seen {
        let changes = self.state().changes;
        Seen { number: self.tenure().number, changes }
    }

    /// What a survey has seen: these partitions are its own, of which it should have so many.
    pub(super) fn surveyed(&self, seen: Seen, parts: Parts, share: usize, workers: u32) {
        let state = self.state();
        self.0.tenure.send_if_modified(|tenure| {
            if tenure.lost || seen != (Seen { number: tenure.number, changes: state.changes }) {
                return false;
            }
            let before = *tenure;
            tenure.workers = workers;
            tenure.parts = parts;
            tenure.leaving = leaving(parts, tenure.leaving, share);
            *tenure != before
        });
    }
}

/// Those of a process's partitions that leave it: as many as it has too many, and none of those that leave already stays.
fn leaving(parts: Parts, already: Parts, share: usize) -> Parts {
    let already = already.within(parts);
    let surplus = parts.count().saturating_sub(share).saturating_sub(already.count());
    let more: Vec<Part> = parts.without(already).iter().rev().take(surplus).collect();
    already.and(more.into_iter().collect())
}

fn new_id() -> Arc<str> {
    uuid::Uuid::now_v7().simple().to_string().into()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn parts(numbers: std::ops::Range<u8>) -> Parts {
        numbers.map(Part).collect()
    }

    fn worker() -> Claim {
        Claim::new(Some(Role::All))
    }

    #[test]
    fn what_is_too_much_leaves_and_what_leaves_does_not_come_back() {
        assert_eq!(leaving(parts(0..10), Parts::NONE, 10), Parts::NONE);
        assert_eq!(leaving(parts(0..10), Parts::NONE, 7), parts(7..10));
        assert_eq!(leaving(parts(0..10), parts(7..10), 9), parts(7..10));
        assert_eq!(leaving(parts(0..9), parts(8..10), 8), parts(8..9), "one was handed over already");
    }

    #[test]
    fn a_survey_that_was_overtaken_is_not_used() {
        let claim = worker();
        claim.surveyed(claim.surveys(), parts(0..4), 2, 2);
        assert_eq!(claim.carried(), parts(0..2));
        let seen = claim.surveys();
        claim.handed_over(parts(2..4));
        claim.surveyed(seen, parts(0..4), 2, 2);
        assert_eq!(claim.tenure().parts, parts(0..2), "what was handed over is not its own again");
        let seen = claim.surveys();
        assert!(claim.lose() && !claim.lose());
        claim.surveyed(seen, parts(0..2), 2, 2);
        assert_eq!(claim.tenure().parts, Parts::NONE);
        claim.begin_again();
        claim.surveyed(seen, parts(0..2), 2, 2);
        assert_eq!(claim.tenure().parts, Parts::NONE, "it was another tenure's");
    }

    #[tokio::test]
    async fn who_was_taken_for_dead_is_sure_of_nothing() {
        let claim = worker();
        claim.extend(Instant::now(), 1);
        assert!(claim.holds());
        claim.lose();
        claim.extend(Instant::now(), 1);
        assert!(!claim.holds(), "an answer that came late");
        claim.begin_again();
        claim.extend(Instant::now(), 1);
        assert!(!claim.holds(), "and was another tenure's");
        claim.extend(Instant::now(), 2);
        assert!(claim.holds());
        let ingest = Claim::new(Some(Role::Ingest));
        ingest.extend(Instant::now(), 1);
        assert!(!ingest.holds(), "it carries nothing out");
    }
}
