//! What this process has of the work, where several share it: what it wins is taken up, what it has too many is handed
//! over when nothing of it is under way, and when it was taken for dead everything in memory is dropped.

use tokio::sync::watch;

use super::task::{Report, Scheduler};
use crate::failpoint::failpoint;
use crate::store::{HandedOver, Parts, StoreError, TakenUp, Tenure};

/// How the work is shared, as far as it is known here.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// `None` when this process has it all.
    tenure: Option<watch::Receiver<Tenure>>,
    /// True while partitions are being taken up.
    taking: bool,
    /// Partitions that are being handed over.
    handing: Parts,
    /// The tenure of which everything was dropped last.
    dropped: u64,
    /// True while this process asks to take part again.
    beginning: bool,
    nudges: u64,
    alone: bool,
}

impl Share {
    pub(super) fn of(tenure: Option<watch::Receiver<Tenure>>) -> Self {
        Self { tenure, ..Self::default() }
    }

    /// Waits until something has changed.
    pub(super) async fn changed(&mut self) {
        if let Some(tenure) = &mut self.tenure
            && tenure.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// True when no other process takes events in.
    pub(super) fn is_alone(&self) -> bool {
        self.tenure.is_none() || self.alone
    }

    fn now(&self) -> Option<Tenure> {
        self.tenure.as_ref().map(|tenure| *tenure.borrow())
    }
}

impl Scheduler {
    /// Something has changed about what this process has.
    pub(super) async fn share_changed(&mut self) {
        let Some(tenure) = self.share.now() else { return };
        if tenure.lost && self.share.dropped < tenure.number {
            self.drop_everything(tenure.number).await;
        }
        if tenure.alone != self.share.alone {
            self.share.alone = tenure.alone;
            self.look_first();
        }
        if tenure.nudges != self.share.nudges {
            self.share.nudges = tenure.nudges;
            self.look();
        }
        self.see_to_share();
    }

    /// Sets off what is to be done about partitions; what could not be done before is tried again.
    pub(super) fn see_to_share(&mut self) {
        let Some(tenure) = self.share.now() else { return };
        self.workshop.metrics.share(tenure.parts.count(), tenure.workers);
        if tenure.lost {
            self.begin_again(tenure.number);
            return;
        }
        let leaving = tenure.leaving.within(self.workshop.holdings.parts());
        if !leaving.is_empty() {
            self.workshop.holdings.leave(leaving);
            self.clients.values_mut().for_each(|lanes| lanes.forget(leaving));
            // Whatever else came in for them is in the store.
            self.arrivals.clear();
        }
        self.hand_over();
        let new = tenure.parts.without(tenure.leaving).without(self.workshop.holdings.parts());
        if !new.is_empty() && !self.share.taking {
            self.share.taking = true;
            let workshop = std::sync::Arc::clone(&self.workshop);
            self.tasks.spawn(async move {
                failpoint!("before-take-up");
                Report::TakenUp(workshop.store.take_up().await)
            });
        }
    }

    pub(super) fn taken_up(&mut self, result: Result<TakenUp, StoreError>) {
        self.share.taking = false;
        match result {
            Err(failure) => self.trouble("partitions cannot be taken up", &failure),
            Ok(TakenUp { parts, held }) => {
                failpoint!("after-take-up");
                self.workshop.holdings.take(parts, self.workshop.clock.now());
                for (client, held) in held {
                    self.lanes(&client).held += usize::try_from(held).unwrap_or(usize::MAX);
                }
                tracing::debug!(partitions = parts.count(), "took up");
                self.look_first();
            }
        }
        // Some of them may have to leave again.
        self.see_to_share();
    }

    /// There may be runs in the store that nobody here knows of: they are looked for before arrivals are placed beside them.
    fn look_first(&mut self) {
        self.direct_from = self.looks + 1;
        self.look();
    }

    /// Hands over what is to leave, as far as nothing of it is under way.
    pub(super) fn hand_over(&mut self) {
        let Some(tenure) = self.share.now() else { return };
        let leaving = tenure.leaving.without(self.share.handing);
        if leaving.is_empty() {
            return;
        }
        let idle = self.workshop.holdings.idle(leaving);
        if idle.is_empty() {
            return;
        }
        self.share.handing = self.share.handing.and(idle);
        let workshop = std::sync::Arc::clone(&self.workshop);
        self.tasks.spawn(async move {
            failpoint!("before-hand-over");
            let result = match workshop.store.sharing() {
                Some(sharing) => sharing.hand_over(idle).await,
                None => Ok(HandedOver::default()),
            };
            failpoint!("after-handed-over");
            Report::HandedOver { parts: idle, result }
        });
    }

    pub(super) fn handed_over(&mut self, parts: Parts, result: Result<HandedOver, StoreError>) {
        self.share.handing = self.share.handing.without(parts);
        match result {
            Err(failure) => self.trouble("partitions cannot be handed over", &failure),
            Ok(counts) => {
                tracing::debug!(partitions = parts.count(), "handed over");
                for (client, (held, blocked)) in counts {
                    if let Some(lanes) = self.clients.get_mut(&client) {
                        lanes.held = lanes.held.saturating_sub(usize::try_from(held).unwrap_or(usize::MAX));
                        lanes.blocked =
                            lanes.blocked.saturating_sub(usize::try_from(blocked).unwrap_or(usize::MAX));
                    }
                }
                self.clients.values_mut().for_each(|lanes| lanes.forget(parts));
            }
        }
    }

    /// This process was taken for dead: others carry on what it was at, and nothing that it says of it is taken.
    async fn drop_everything(&mut self, number: u64) {
        tracing::warn!(
            runs = self.running,
            "this process was out of reach of the store for too long: others have taken over its work; it takes part again"
        );
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
        self.clients.clear();
        self.turns.clear();
        self.arrivals.clear();
        (self.running, self.in_memory, self.next_due) = (0, 0, None);
        (self.looking, self.look_again) = (false, false);
        self.workshop.unsettled.forget();
        self.workshop.holdings.lose();
        self.circuits.all_settled();
        self.workshop.metrics.taken_for_dead();
        let tenure = self.share.tenure.take();
        let nudges = self.share.nudges;
        self.share = Share { tenure, dropped: number, nudges, ..Share::default() };
        self.direct_from = self.looks + 1;
    }

    /// Asks to take part again, once at a time.
    fn begin_again(&mut self, number: u64) {
        if self.share.beginning || self.share.dropped < number {
            return;
        }
        self.share.beginning = true;
        let workshop = std::sync::Arc::clone(&self.workshop);
        self.tasks.spawn(async move {
            let result = match workshop.store.sharing() {
                Some(sharing) => sharing.begin_again(number).await,
                None => Ok(()),
            };
            Report::BegunAgain(result)
        });
    }

    pub(super) fn begun_again(&mut self, result: Result<(), StoreError>) {
        self.share.beginning = false;
        if let Err(failure) = result {
            self.trouble("this process cannot take part again yet", &failure);
        }
    }
}
