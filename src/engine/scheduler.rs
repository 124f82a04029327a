//! The one task that decides which run goes next. It owns all that is in memory about runs, waits for nothing but
//! its own mail, and leaves reading, writing and carrying out to tasks that report back to it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::alerts::Alerts;
use super::carry_out::{Done, Workshop};
use super::circuit::{CircuitChange, Circuits};
use super::failpoint;
use super::lanes::{ClientLanes, LaneKey, Placed, Queued, key_of};
use super::verdict::{Until, Verdict};
use crate::store::{Change, NewEvent, Outlook, QueuedRun, RunId, RunState, StoreError};

/// A client may always have so many runs in memory, even when others have filled it: nobody waits for somebody
/// else's slow system (invariant 3).
const SHARE_MIN: usize = 4;

/// A client that has the memory for itself still leaves most of it free.
const SHARE_MAX: usize = 256;

/// Nobody is asked again sooner than this after something went wrong with the store.
const PAUSE: Duration = Duration::from_secs(1);

/// What the tasks report.
enum Report {
    /// A run was carried out.
    Ran(Box<Done>),
    /// Changes are on disk, or could not be written.
    Settled { note: Note, result: Result<(), StoreError> },
    /// Due runs of a client.
    Loaded { client: Arc<str>, held_version: u64, asked: usize, result: Result<Vec<QueuedRun>, StoreError> },
    /// The blocked runs of a lane.
    Refilled {
        client: Arc<str>,
        key: LaneKey,
        held_version: u64,
        asked: usize,
        result: Result<Vec<QueuedRun>, StoreError>,
    },
    /// Who has something due.
    Looked(Result<Vec<Outlook>, StoreError>),
}

/// What a commit was about.
#[derive(Debug, Default)]
struct Note {
    client: Option<Arc<str>>,
    /// Runs that the store shows as they are from now on.
    runs: Vec<RunId>,
    /// Lanes of the runs that were blocked.
    spilled: Vec<LaneKey>,
    /// True when a held run was among them.
    held: bool,
    /// True when there are new runs in the store.
    news: bool,
    /// The run whose lane goes on now: on stores whose commits do not come to disk in order.
    lane: Option<Box<QueuedRun>>,
}

/// How the scheduler is talked to.
pub(super) struct Doors {
    /// Runs that came in just now.
    pub(super) arrivals: mpsc::Receiver<Vec<Queued>>,
    /// Circuits that changed.
    pub(super) circuits: mpsc::UnboundedReceiver<CircuitChange>,
    /// Look around at once.
    pub(super) wake: Arc<Notify>,
    /// Once it says for how long: begin nothing new, and let what is under way finish for so long.
    pub(super) stop: watch::Receiver<Option<Duration>>,
}

/// The scheduler.
pub(super) struct Scheduler {
    workshop: Arc<Workshop>,
    circuits: Arc<Circuits>,
    doors: Doors,
    clients: HashMap<Arc<str>, ClientLanes>,
    /// Clients that have runs that may go, in turn.
    turns: VecDeque<Arc<str>>,
    tasks: JoinSet<Report>,
    alerts: Alerts,
    in_memory: usize,
    running: usize,
    /// When something in the store will be due.
    next_due: Option<Timestamp>,
    looking: bool,
    look_again: bool,
    /// The store failed lately: nothing is begun before this moment.
    troubled_until: Option<tokio::time::Instant>,
}

impl Scheduler {
    /// `held`: runs that are held in the store, by client.
    pub(super) fn new(
        workshop: Arc<Workshop>,
        circuits: Arc<Circuits>,
        doors: Doors,
        held: impl IntoIterator<Item = (Arc<str>, u64)>,
    ) -> Self {
        let clients = held.into_iter().map(|(client, held)| (client, ClientLanes::with_held(held)));
        Self {
            workshop,
            circuits,
            doors,
            clients: clients.collect(),
            turns: VecDeque::new(),
            tasks: JoinSet::new(),
            alerts: Alerts::default(),
            in_memory: 0,
            running: 0,
            next_due: None,
            looking: false,
            look_again: false,
            troubled_until: None,
        }
    }

    /// Works until it is told to stop; then lets those that are being carried out finish.
    pub(super) async fn run(mut self) {
        self.look();
        let grace = loop {
            if let Some(grace) = *self.doors.stop.borrow() {
                break grace;
            }
            self.begin();
            self.count();
            let pause = self.pause();
            tokio::select! {
                Some(report) = self.tasks.join_next() => self.hear(report),
                Some(arrived) = self.doors.arrivals.recv() => self.arrived(arrived),
                Some(change) = self.doors.circuits.recv() => self.circuit(change),
                () = self.doors.wake.notified() => self.look(),
                () = tokio::time::sleep(pause) => self.look(),
                gone = self.doors.stop.changed() => if gone.is_err() { break Duration::ZERO },
            }
            while let Some(report) = self.tasks.try_join_next() {
                self.hear(report);
            }
        };
        self.finish(grace).await;
    }

    async fn finish(&mut self, grace: Duration) {
        let deadline = tokio::time::Instant::now() + grace;
        while self.running > 0 {
            let Ok(Some(report)) = tokio::time::timeout_at(deadline, self.tasks.join_next()).await else {
                break;
            };
            self.hear(report);
        }
        // What did not finish is carried on from its journal by the next start.
        self.tasks.abort_all();
        self.count();
    }

    fn count(&mut self) {
        self.in_memory = self.clients.values().map(ClientLanes::in_memory).sum();
        self.workshop.metrics.load(self.in_memory, self.running);
    }

    /// How long nothing happens by itself.
    fn pause(&self) -> Duration {
        let now = self.workshop.clock.now();
        let until = |time: Timestamp| Duration::try_from(time.duration_since(now)).unwrap_or_default();
        let probe = self.circuits.probes().into_iter().map(|(_, at)| at).min();
        let next = [self.next_due, probe].into_iter().flatten().map(until).min();
        // A moment that has passed is dealt with by looking; a probe that finds nobody to make it must not spin.
        let next = next.map(|pause| pause.max(Duration::from_millis(20)));
        next.unwrap_or(Duration::MAX).min(self.workshop.limits.look_around)
    }

    fn is_troubled(&self) -> bool {
        self.troubled_until.is_some_and(|until| tokio::time::Instant::now() < until)
    }

    fn trouble(&mut self, what: &'static str, failure: &StoreError) {
        tracing::error!(error = %failure, "{what}");
        self.troubled_until = Some(tokio::time::Instant::now() + PAUSE);
    }

    fn lanes(&mut self, client: &Arc<str>) -> &mut ClientLanes {
        self.clients.entry(Arc::clone(client)).or_default()
    }
}

/// Beginning: loads and runs.
impl Scheduler {
    /// Begins whatever can begin.
    fn begin(&mut self) {
        if self.is_troubled() {
            return;
        }
        self.load();
        while self.running < self.workshop.limits.runs {
            let Some(client) = self.turns.pop_front() else { break };
            let at_once = self.workshop.limits.at_once;
            let Some(lanes) = self.clients.get_mut(&client) else { continue };
            lanes.in_turn = false;
            if lanes.running >= at_once {
                continue;
            }
            if let Some(queued) = lanes.start() {
                self.running += 1;
                let workshop = Arc::clone(&self.workshop);
                self.tasks.spawn(async move { Report::Ran(Box::new(workshop.carry_out(queued).await)) });
            }
            self.line_up(&client);
        }
    }

    /// Puts a client in line for its turn, once.
    fn line_up(&mut self, client: &Arc<str>) {
        let at_once = self.workshop.limits.at_once;
        if let Some(lanes) = self.clients.get_mut(client)
            && !lanes.in_turn
            && lanes.has_going()
            && lanes.running < at_once
        {
            lanes.in_turn = true;
            self.turns.push_back(Arc::clone(client));
        }
    }

    /// Asks the store for due runs of the clients that have room for more.
    fn load(&mut self) {
        let generations = self.workshop.generations.load_full();
        let free = self.workshop.limits.runs.saturating_sub(self.in_memory);
        let now = self.workshop.clock.now();
        for (client, lanes) in &mut self.clients {
            if !lanes.more || lanes.loading || lanes.held_unsettled > 0 || !generations.present().has(client)
            {
                continue;
            }
            // Half of what is free, so that something is left for those who come later.
            let share = (lanes.in_memory() + free / 2).clamp(SHARE_MIN, SHARE_MAX);
            let room = share.saturating_sub(lanes.in_memory());
            if room < share.div_ceil(2) {
                continue;
            }
            lanes.loading = true;
            lanes.more = false;
            lanes.read_begins();
            let (client, held_version, asked) =
                (Arc::clone(client), lanes.held_version, lanes.known() + room);
            let workshop = Arc::clone(&self.workshop);
            self.tasks.spawn(async move {
                let result = workshop.store.due(&client, now, asked).await;
                Report::Loaded { client, held_version, asked, result }
            });
        }
    }

    /// Asks the store who has something due.
    fn look(&mut self) {
        if self.looking {
            self.look_again = true;
            return;
        }
        self.looking = true;
        self.probe();
        let workshop = Arc::clone(&self.workshop);
        let now = workshop.clock.now();
        self.tasks.spawn(async move { Report::Looked(workshop.store.outlook(now).await) });
    }

    /// Calls one of the runs that wait for a paused connection, for each whose time has come: it tries whether the
    /// connection is back.
    fn probe(&mut self) {
        let now = self.workshop.clock.now();
        for ((client, connection), at) in self.circuits.probes() {
            if at <= now {
                self.release(client, connection, Some(1));
            }
        }
    }

    fn release(&mut self, client: Arc<str>, connection: Arc<str>, at_most: Option<u32>) {
        let due = self.workshop.clock.now();
        let note = Note { client: Some(Arc::clone(&client)), news: true, ..Note::default() };
        self.commit(vec![Change::Released { client, connection, due, at_most }], note);
    }

    fn commit(&mut self, changes: Vec<Change>, note: Note) {
        let stored = self.workshop.store.commit(changes);
        self.tasks.spawn(async move { Report::Settled { note, result: stored.await } });
    }
}

/// Hearing: what the tasks report.
impl Scheduler {
    fn hear(&mut self, report: Result<Report, tokio::task::JoinError>) {
        match report {
            Ok(Report::Ran(done)) => self.ran(*done),
            Ok(Report::Settled { note, result }) => self.settled(note, result),
            Ok(Report::Loaded { client, held_version, asked, result }) => {
                self.loaded(&client, held_version, asked, result);
            }
            Ok(Report::Refilled { client, key, held_version, asked, result }) => {
                self.refilled(&client, &key, held_version, asked, result);
            }
            Ok(Report::Looked(result)) => self.looked(result),
            // Runs catch their panics; what is left reads and writes, and only reports.
            Err(failure) => tracing::error!(error = %failure, "a task of the scheduler failed"),
        }
    }

    /// Runs that came in just now go straight to their lanes, when nothing in the store could stand before them.
    fn arrived(&mut self, arrived: Vec<Queued>) {
        for mut queued in arrived {
            let client = Arc::clone(&queued.run.client);
            let free = self.workshop.limits.runs.saturating_sub(self.in_memory);
            let bytes: usize = self.clients.values().map(|lanes| lanes.bytes).sum();
            if bytes + queued.run.weight * 6 > self.workshop.limits.bytes {
                queued.carried = None;
            }
            let lanes = self.lanes(&client);
            let room = lanes.in_memory() < (lanes.in_memory() + free / 2).clamp(SHARE_MIN, SHARE_MAX);
            if !lanes.takes_arrivals() || !room {
                lanes.more = true;
                continue;
            }
            if lanes.is_new(queued.run.id) {
                self.in_memory += 1;
                self.place(&client, queued);
            }
        }
    }

    fn place(&mut self, client: &Arc<str>, queued: Queued) {
        let limit = self.workshop.limits.lane;
        let run = queued.run.clone();
        let lanes = self.lanes(client);
        match lanes.place(queued, limit) {
            Placed::Queued => self.line_up(client),
            Placed::Spilled => self.block(client, run),
        }
    }

    /// Has a run wait in the store behind another of its lane.
    fn block(&mut self, client: &Arc<str>, run: QueuedRun) {
        let lanes = self.lanes(client);
        lanes.left(run.state);
        lanes.blocked += 1;
        let note = Note {
            client: Some(Arc::clone(client)),
            runs: vec![run.id],
            spilled: vec![key_of(&run)],
            ..Note::default()
        };
        self.commit(vec![Change::Blocked { run: run.id }], note);
    }

    fn loaded(
        &mut self,
        client: &Arc<str>,
        held_version: u64,
        asked: usize,
        result: Result<Vec<QueuedRun>, StoreError>,
    ) {
        let lanes = self.lanes(client);
        lanes.loading = false;
        match result {
            Err(failure) => {
                lanes.more = true;
                self.trouble("due runs cannot be read", &failure);
            }
            // Who stands behind whom has changed while it was read.
            Ok(_) if lanes.held_version != held_version => lanes.more = true,
            Ok(runs) => {
                // Held, waiting and ready runs are asked for separately, up to `asked` of each.
                lanes.more |= runs.len() >= asked;
                for run in runs {
                    if !self.lanes(client).is_new(run.id) {
                        continue;
                    }
                    if run.behind {
                        self.lanes(client).hide(run.id);
                        self.block(client, run);
                    } else {
                        self.place(client, Queued { run, carried: None });
                    }
                }
            }
        }
        self.lanes(client).read_ends();
        self.line_up(client);
    }

    /// Fetches what is blocked in a lane that has run dry.
    fn refill(&mut self, client: &Arc<str>, key: LaneKey) {
        if self.is_troubled() {
            return;
        }
        let asked = self.workshop.limits.lane;
        let lanes = self.lanes(client);
        if !lanes.needs_refill(&key) {
            return;
        }
        lanes.read_begins();
        let (client, held_version) = (Arc::clone(client), lanes.held_version);
        let workshop = Arc::clone(&self.workshop);
        self.tasks.spawn(async move {
            let result = workshop.store.behind(&client, &key.0, &key.1, asked).await;
            Report::Refilled { client, key, held_version, asked, result }
        });
    }

    fn refilled(
        &mut self,
        client: &Arc<str>,
        key: &LaneKey,
        held_version: u64,
        asked: usize,
        result: Result<Vec<QueuedRun>, StoreError>,
    ) {
        let lanes = self.lanes(client);
        match result {
            Err(failure) => {
                lanes.refilled(key, u64::MAX, true);
                self.trouble("blocked runs cannot be read", &failure);
            }
            Ok(runs) => {
                let free = runs.iter().take_while(|run| !run.behind).count();
                if lanes.refilled(key, held_version, free >= asked) {
                    for run in runs.into_iter().take(free) {
                        if lanes.is_new(run.id) {
                            lanes.place_next(Queued { run, carried: None });
                        }
                    }
                }
            }
        }
        self.lanes(client).read_ends();
        self.refill(client, key.clone());
        self.line_up(client);
    }

    fn looked(&mut self, result: Result<Vec<Outlook>, StoreError>) {
        self.looking = false;
        match result {
            Err(failure) => self.trouble("the store cannot be read", &failure),
            Ok(outlooks) => {
                self.next_due = outlooks.iter().filter_map(|outlook| outlook.next).min();
                for outlook in outlooks.into_iter().filter(|outlook| outlook.due_now) {
                    self.lanes(&outlook.client).more = true;
                }
            }
        }
        if std::mem::take(&mut self.look_again) {
            self.look();
        }
        let clients: Vec<Arc<str>> = self.clients.keys().cloned().collect();
        clients.iter().for_each(|client| self.refill_dry(client));
        self.clients.retain(|_, lanes| !lanes.is_idle());
    }
}

/// Ending: what a verdict changes.
impl Scheduler {
    fn ran(&mut self, done: Done) {
        failpoint!("before-end");
        self.running -= 1;
        let client = Arc::clone(&done.run.client);
        let now = self.workshop.clock.now();
        let reported = self.alerts.about_run(&done, self.workshop.generations.load().present(), now);
        let mut note = Note { client: Some(Arc::clone(&client)), runs: vec![done.run.id], ..Note::default() };
        let hold = matches!(done.verdict, Verdict::Hold { .. });
        note.held = hold || done.run.state == RunState::Held;
        note.news = !reported.is_empty();
        let in_order = self.workshop.store.prefix_durable();
        let lanes = self.lanes(&client);
        lanes.left(done.run.state);
        lanes.held += usize::from(hold);
        if note.held {
            lanes.held_unsettled += 1;
            lanes.held_version += 1;
        }
        let mut changes = Vec::with_capacity(2);
        let behind = if in_order || hold { lanes.finished(&done.run, hold) } else { Vec::new() };
        for run in behind {
            lanes.left(run.state);
            lanes.blocked += 1;
            note.runs.push(run.id);
            changes.push(Change::Blocked { run: run.id });
        }
        let run = done.run.clone();
        self.measure(&done, now);
        changes.push(self.change(done, now));
        changes.extend(reported.into_iter().map(Change::Reported));
        if !in_order && !hold {
            note.lane = Some(Box::new(run.clone()));
        }
        self.commit(changes, note);
        failpoint!("after-end");
        self.refill(&client, key_of(&run));
        self.line_up(&client);
    }

    fn measure(&self, done: &Done, now: Timestamp) {
        if let Verdict::End { outcome, .. } = &done.verdict {
            let lag = Duration::try_from(now.duration_since(done.run.received)).unwrap_or_default();
            let metrics = &self.workshop.metrics;
            metrics.run_ended(&done.run.client, &done.run.pipeline, outcome.word(), lag);
        }
    }

    /// What the store has to know of a verdict.
    fn change(&mut self, done: Done, now: Timestamp) -> Change {
        let Done { run, verdict, applied, .. } = done;
        match verdict {
            Verdict::End { outcome, reason, candidates, attempts } => {
                Change::Ended { run: run.id, at: now, attempts, outcome, reason, candidates, applied }
            }
            Verdict::Hold { until, attempts, reason } => {
                let (due, connection) = match until {
                    Until::Due(due) => (Some(due), None),
                    Until::Back(connection) => {
                        // It may have come back since the run met it: then nobody would call the run any more.
                        let open = self.circuits.is_open(&(Arc::clone(&run.client), Arc::clone(&connection)));
                        if open { (None, Some(connection)) } else { (Some(now), None) }
                    }
                };
                self.expect(due);
                Change::Held { run: run.id, due, connection, attempts, reason }
            }
            Verdict::Wait { due, reason } => {
                self.expect(Some(due));
                Change::Waiting { run: run.id, due, reason }
            }
        }
    }

    /// Something will be due then.
    fn expect(&mut self, due: Option<Timestamp>) {
        self.next_due = [self.next_due, due].into_iter().flatten().min();
    }

    fn settled(&mut self, note: Note, result: Result<(), StoreError>) {
        if let Err(failure) = &result {
            self.trouble("what runs have done cannot be written", failure);
        }
        let Some(client) = note.client else { return };
        let lanes = self.lanes(&client);
        for run in note.runs {
            lanes.settled(run);
        }
        for key in &note.spilled {
            lanes.spill_settled(key);
        }
        lanes.held_unsettled -= usize::from(note.held);
        // Whether it is held is not known now: that only makes arrivals go by the store.
        lanes.held += usize::from(note.held && result.is_err());
        // After a failure the store still has them as they were: due, as far as anybody knows.
        lanes.more |= note.news || result.is_err();
        if let Some(run) = note.lane {
            lanes.finished(&run, false);
            self.refill(&client, key_of(&run));
        }
        self.refill_dry(&client);
        self.line_up(&client);
    }

    /// Fetches what is blocked in lanes that had to wait for it.
    fn refill_dry(&mut self, client: &Arc<str>) {
        if self.lanes(client).blocked > 0 {
            for key in self.lanes(client).dry() {
                self.refill(client, key);
            }
        }
    }

    /// A circuit has changed: that is kept, reported once, and those who waited for it are called.
    fn circuit(&mut self, change: CircuitChange) {
        let now = self.workshop.clock.now();
        let (state, opened, closed) = match change {
            CircuitChange::Opened(state) => (state, true, false),
            CircuitChange::StillOpen(state) => (state, false, false),
            CircuitChange::Closed(state) => (state, false, true),
        };
        let mut changes = vec![Change::Connection(state.clone())];
        let mut note = Note { client: Some(Arc::clone(&state.client)), ..Note::default() };
        if opened {
            let generations = self.workshop.generations.load();
            let reported = self.alerts.about_connection(&state, generations.present(), now);
            note.news = !reported.is_empty();
            changes.extend(reported.into_iter().map(|event: NewEvent| Change::Reported(event)));
            tracing::warn!(client = %state.client, connection = %state.connection, reason = state.reason, "connection paused");
        }
        self.commit(changes, note);
        if closed {
            tracing::info!(client = %state.client, connection = %state.connection, "connection is back");
            self.release(state.client, state.connection, None);
        }
    }
}
