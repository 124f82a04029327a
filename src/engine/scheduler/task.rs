//! The scheduler's state, and the loop that waits for its mail.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::arrivals::Arrivals;
use super::share::Share;
use crate::engine::applied::Moment;
use crate::engine::carry_out::{Done, Workshop};
use crate::engine::circuit::{CircuitChange, Circuits, Key, Known};
use crate::engine::holdings::Tick;
use crate::engine::lanes::{Asked, ClientLanes, LaneKey, Queued};
use crate::store::{
    AlertWindow, Applied, ConnectionState, DueRun, HandedOver, Outlook, Parts, QueuedRun, RunId, Sharing,
    StoreError, TakenUp,
};

/// A client may always have so many runs in memory, even when others have filled it: nobody waits for somebody
/// else's slow system (invariant 3).
pub(super) const SHARE_MIN: usize = 4;

/// A client that has the memory for itself still leaves most of it free.
pub(super) const SHARE_MAX: usize = 256;

/// Nobody is asked again sooner than this after something went wrong with the store.
const PAUSE: Duration = Duration::from_secs(1);

/// The store is not asked more often than this for what is due.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What the tasks report.
pub(super) enum Report {
    /// A run was carried out.
    Ran(Box<Done>),
    /// Changes are on disk, or could not be written.
    Settled { note: Note, result: Result<(), StoreError> },
    /// Due runs of a client.
    Loaded { client: Arc<str>, question: Question, result: Result<Vec<DueRun>, StoreError> },
    /// The blocked runs of a lane.
    Refilled {
        client: Arc<str>,
        key: LaneKey,
        question: Question,
        result: Result<Vec<QueuedRun>, StoreError>,
    },
    /// Who has something due.
    Looked { number: u64, result: Result<(Vec<Outlook>, Vec<AlertWindow>), StoreError> },
    /// How connections are, as all processes know.
    Connections { asked: Known, result: Result<Vec<ConnectionState>, StoreError> },
    /// Partitions of the work that this process carries out from now on.
    TakenUp(Result<TakenUp, StoreError>),
    /// Partitions that it does not carry out any more.
    HandedOver { parts: Parts, result: Result<HandedOver, StoreError> },
    /// It takes part again.
    BegunAgain(Result<(), StoreError>),
}

/// Runs that came in just now.
pub(in crate::engine) struct Arrived {
    pub(in crate::engine) runs: Vec<Queued>,
    /// When they were handed to the store, or before.
    pub(in crate::engine) since: Tick,
}

/// What is remembered of a question to the store until its answer comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    /// How often held runs had changed.
    pub(super) held_version: u64,
    /// For how many runs was asked.
    pub(super) limit: usize,
    pub(super) asked: Asked,
    pub(super) since: Tick,
    /// What was applied by then, the answer shows.
    pub(super) applied: Moment,
}

/// What a commit was about.
#[derive(Debug, Default)]
pub(super) struct Note {
    pub(super) client: Option<Arc<str>>,
    /// Runs that the store shows as they are from now on.
    pub(super) runs: Vec<RunId>,
    /// Lanes of the runs that were blocked.
    pub(super) spilled: Vec<LaneKey>,
    /// True when a held run was among them.
    pub(super) held: bool,
    /// True when there are new runs in the store.
    pub(super) news: bool,
    /// True when reports were among it that are told only so often.
    pub(super) reports: bool,
    /// What a run has applied.
    pub(super) applied: Option<Applied>,
    /// The run whose lane goes on now: on stores whose commits do not come to disk in order.
    pub(super) lane: Option<Box<QueuedRun>>,
    /// The lane of the runs, which has to be looked at again should they not be written.
    pub(super) of_lane: Option<LaneKey>,
    /// The connection whose circuit has changed.
    pub(super) circuit: Option<Key>,
    /// A connection that is back: those who wait for it are called.
    pub(super) released: Option<(Arc<str>, Arc<str>)>,
}

/// How the scheduler is talked to.
pub(in crate::engine) struct Doors {
    /// Runs that came in just now.
    pub(in crate::engine) arrivals: mpsc::Receiver<Arrived>,
    /// Circuits that changed.
    pub(in crate::engine) circuits: mpsc::UnboundedReceiver<CircuitChange>,
    /// Look around at once.
    pub(in crate::engine) wake: Arc<Notify>,
    /// Once it says for how long: begin nothing new, and let what is under way finish for so long.
    pub(in crate::engine) stop: watch::Receiver<Option<Duration>>,
}

/// The scheduler.
pub(in crate::engine) struct Scheduler {
    pub(super) workshop: Arc<Workshop>,
    pub(super) circuits: Arc<Circuits>,
    pub(super) share: Share,
    pub(super) doors: Doors,
    pub(super) clients: BTreeMap<Arc<str>, ClientLanes>,
    /// Clients that have runs that may go, in turn.
    pub(super) turns: VecDeque<Arc<str>>,
    pub(super) tasks: JoinSet<Report>,
    pub(super) in_memory: usize,
    /// The newest run that was ever loaded from the store. An arrival up to it may have been loaded before.
    pub(super) loaded_up_to: RunId,
    pub(super) running: usize,
    /// When something in the store will be due.
    pub(super) next_due: Option<Timestamp>,
    /// When the next group of reports is to be told.
    pub(super) next_group: Option<Timestamp>,
    /// Connections that are back, of which those who wait for them could not be told.
    pub(super) owed: BTreeSet<(Arc<str>, Arc<str>)>,
    pub(super) looking: bool,
    /// How often the store was asked who has something due.
    pub(super) looks: u64,
    /// Arrivals are placed without asking the store only after an answer to this one or a later one: before it, there may be
    /// older runs in the store that nobody here knows of.
    pub(super) direct_from: u64,
    pub(super) looked_up_to: u64,
    /// What arrivals are carried out with that wait to be found in the store.
    pub(super) arrivals: Arrivals,
    /// When the store was asked last.
    pub(super) looked: tokio::time::Instant,
    pub(super) look_again: bool,
    /// The store failed lately: nothing is begun before this moment.
    pub(super) troubled_until: Option<tokio::time::Instant>,
}

impl Scheduler {
    /// `held`: runs that are held in the store, by client.
    pub(in crate::engine) fn new(
        workshop: Arc<Workshop>,
        circuits: Arc<Circuits>,
        doors: Doors,
        held: impl IntoIterator<Item = (Arc<str>, u64)>,
    ) -> Self {
        let clients = held.into_iter().map(|(client, held)| (client, ClientLanes::with_held(held)));
        let share = Share::of(workshop.store.sharing().map(Sharing::tenure));
        Self {
            workshop,
            circuits,
            share,
            doors,
            clients: clients.collect(),
            turns: VecDeque::new(),
            tasks: JoinSet::new(),
            in_memory: 0,
            loaded_up_to: RunId(0),
            running: 0,
            next_due: None,
            next_group: None,
            owed: BTreeSet::new(),
            looking: false,
            looks: 0,
            direct_from: 1,
            looked_up_to: 0,
            arrivals: Arrivals::default(),
            looked: tokio::time::Instant::now(),
            look_again: false,
            troubled_until: None,
        }
    }

    /// Works until it is told to stop; then lets those that are being carried out finish.
    pub(in crate::engine) async fn run(mut self) {
        self.look();
        self.share_changed().await;
        let grace = loop {
            if let Some(grace) = *self.doors.stop.borrow() {
                break grace;
            }
            self.begin();
            self.count();
            let look_at = self.look_at();
            // The rare mail first, and what there is of the frequent below, each time: nothing is starved, whatever comes in.
            tokio::select! {
                biased;
                gone = self.doors.stop.changed() => if gone.is_err() { break Duration::ZERO },
                () = tokio::time::sleep_until(look_at) => self.look(),
                () = self.doors.wake.notified() => self.look(),
                () = self.share.changed() => self.share_changed().await,
                Some(change) = self.doors.circuits.recv() => self.circuit(change),
                Some(arrived) = self.doors.arrivals.recv() => self.arrived(arrived),
                Some(report) = self.tasks.join_next() => self.hear(report),
            }
            while let Some(report) = self.tasks.try_join_next() {
                self.hear(report);
            }
            // Whoever came in before a run ended is placed before the next of its lane begins.
            for _ in 0..self.doors.arrivals.len() {
                let Ok(arrived) = self.doors.arrivals.try_recv() else { break };
                self.arrived(arrived);
            }
        };
        self.finish(grace).await;
    }

    async fn finish(&mut self, grace: Duration) {
        let deadline = tokio::time::Instant::now() + grace;
        // What nothing is under way of is another's at once, and the rest when it has finished.
        if let Some(sharing) = self.workshop.store.sharing() {
            sharing.retire();
        }
        while self.running > 0 {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => break,
                () = self.share.changed() => self.see_to_share(),
                Some(report) = self.tasks.join_next() => self.hear(report),
            }
        }
        // What did not finish is carried on from its journal by the next start.
        self.tasks.abort_all();
        self.count();
    }

    fn count(&mut self) {
        self.in_memory = self.clients.values().map(ClientLanes::in_memory).sum();
        self.workshop.metrics.load(self.in_memory, self.running);
    }

    /// When the store is asked next. Counted from the last look, not from the last piece of mail: however much comes
    /// in, what is due by time is not forgotten.
    fn look_at(&self) -> tokio::time::Instant {
        if let Some(until) = self.troubled_until.filter(|_| self.is_troubled()) {
            return until;
        }
        let now = self.workshop.clock.now();
        let until = |time: Timestamp| Duration::try_from(time.duration_since(now)).unwrap_or_default();
        // A try that is overdue finds nobody to make it: that is looked at with everything else.
        let probe = self.circuits.probes().into_iter().map(|(_, at)| at).filter(|at| *at > now).min();
        let next = [self.next_due, probe, self.next_group].into_iter().flatten().map(until).min();
        // What is overdue is being looked at already.
        let latest = self.looked + self.workshop.limits.look_around;
        let next = next.map(|pause| (tokio::time::Instant::now() + pause).max(self.looked + LOOK_AGAIN));
        next.map_or(latest, |next| next.min(latest))
    }

    pub(super) fn is_troubled(&self) -> bool {
        self.troubled_until.is_some_and(|until| tokio::time::Instant::now() < until)
    }

    pub(super) fn trouble(&mut self, what: &'static str, failure: &StoreError) {
        tracing::error!(error = %failure, "{what}");
        self.troubled_until = Some(tokio::time::Instant::now() + PAUSE);
    }

    pub(super) fn lanes(&mut self, client: &Arc<str>) -> &mut ClientLanes {
        self.clients.entry(Arc::clone(client)).or_default()
    }
}
