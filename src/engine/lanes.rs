//! One client's runs in memory: its lanes, and which of its runs may go.
//!
//! Memory holds what can go now and a little of what comes after it. Of a lane and key the memory holds the oldest
//! runs, in order; what does not fit is blocked in the store and fetched when the lane runs dry. No I/O happens
//! here: the methods say what has to be written or read.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use super::applied::Moment;
use super::awaited::Awaited;
use crate::steps::EventInput;
use crate::store::{Part, Parts, QueuedRun, RunBody, RunId, RunState, Told};

/// A lane and a key within it, and the partition that they belong to.
pub(super) type LaneKey = (Arc<str>, Arc<str>, Part);

/// A run in memory.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) run: QueuedRun,
    /// What it is carried out with, when that is at hand; else the store is asked when its turn comes.
    pub(super) carried: Option<Carried>,
}

/// What a run is carried out with.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    pub(super) body: Arc<RunBody>,
    /// The event as its pipeline reads it, when the run came in just now.
    pub(super) event: Option<Arc<EventInput>>,
    /// What was applied to its object, as the store told it, and when that was.
    pub(super) told: (Told, Moment),
}

/// When the store was asked something, counted by what had come to disk before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked(u64);

/// Where a run stands in its lane.
pub(super) type Standing = (Timestamp, u32, RunId);

/// How much of a refill's answer is good.
#[derive(Debug, Clone, Copy)]
pub(super) struct Covers(Option<Standing>);

impl Covers {
    /// True when nothing that the answer does not show can stand before `run`.
    pub(super) fn includes(self, run: &QueuedRun) -> bool {
        self.0.is_none_or(|missing| standing(run) < missing)
    }
}

#[derive(Debug, Default)]
struct Lane {
    queue: BTreeMap<Standing, Queued>,
    running: Option<RunId>,
    /// True when runs of this lane may be blocked in the store, all of them after those in `queue`.
    spilled: bool,
    /// Runs whose blocking is not on disk yet: a refill would not see them.
    unsettled: usize,
    refill: Refill,
    /// True when it is not known how its runs stand in the store: one that is due may be older than those that are blocked.
    doubtful: bool,
    /// True while it stands in `going`.
    listed: bool,
}

/// How a lane's question for its blocked runs stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Refill {
    #[default]
    NotAsked,
    Asked,
    /// Something was blocked after it was asked: the answer may not show it. Whoever stands after the first of that, when
    /// it is known, has to let it go first.
    Outdated(Option<Standing>),
}

impl Lane {
    /// Something is blocked in the store, or may be: `run`, when it is known which.
    fn blocked(&mut self, run: Option<Standing>) {
        self.spilled = true;
        self.refill = match self.refill {
            Refill::NotAsked => Refill::NotAsked,
            Refill::Asked => Refill::Outdated(run),
            Refill::Outdated(first) => Refill::Outdated([first, run].into_iter().flatten().min()),
        };
    }
}

/// What has to be done about a run that was put into its lane.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// Nothing: it is in the queue.
    Queued,
    /// It does not fit into memory: it has to be blocked in the store.
    Spilled,
}

/// One client's runs in memory.
#[derive(Debug, Default)]
pub(super) struct ClientLanes {
    lanes: BTreeMap<LaneKey, Lane>,
    /// Lanes whose first run may go, in the order in which they came to it.
    going: VecDeque<LaneKey>,
    /// Runs in memory, and runs whose last change is not on disk yet: the store still shows those as they were.
    known: HashSet<RunId>,
    /// Runs in queues.
    queued: usize,
    /// Runs being carried out.
    pub(super) running: usize,
    /// Bytes of events in queues.
    pub(super) bytes: usize,
    /// Held and blocked runs in the store, counting what is on its way there.
    pub(super) held: usize,
    pub(super) blocked: usize,
    /// Changes of held runs that are not on disk yet, and how many there were: who reads meanwhile does not know
    /// who stands behind whom.
    pub(super) held_unsettled: usize,
    pub(super) held_version: u64,
    /// True when the store may have due runs that are not in memory.
    pub(super) more: bool,
    /// True while a load is under way.
    pub(super) loading: bool,
    /// Runs that came in and are looked for in the store.
    awaited: Awaited,
    /// Reads of the store under way, and when runs' changes came to disk meanwhile, counted by such changes: an answer
    /// to what was asked before may still show them as they were.
    reads: usize,
    settled_meanwhile: HashMap<RunId, u64>,
    settled_so_far: u64,
    /// True while the client stands in line for its turn.
    pub(super) in_turn: bool,
}

impl ClientLanes {
    /// A client of which so many runs are held in the store.
    pub(super) fn with_held(held: u64) -> Self {
        Self { held: usize::try_from(held).unwrap_or(usize::MAX), ..Self::default() }
    }

    /// Runs in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.queued + self.running
    }

    /// Runs that a load would find although they are known.
    pub(super) fn known(&self) -> usize {
        self.known.len()
    }

    /// True when nothing is left that this client's entry is needed for.
    pub(super) fn is_idle(&self) -> bool {
        self.lanes.is_empty()
            && self.known.is_empty()
            && !self.loading
            && !self.more
            && self.held == 0
            && self.blocked == 0
    }

    /// True when a run can be put into memory without asking the store who stands before it.
    pub(super) fn takes_arrivals(&self) -> bool {
        self.held == 0 && !self.more && !self.loading
    }

    /// True when an answer of the store tells something new of `run`: nothing of it is in memory, and nothing has come
    /// to disk since `asked`.
    pub(super) fn is_new(&self, run: RunId, asked: Asked) -> bool {
        !self.known.contains(&run) && !self.settled_since(run, asked)
    }

    /// True when a change of `run` has come to disk since `asked`.
    pub(super) fn settled_since(&self, run: RunId, asked: Asked) -> bool {
        self.settled_meanwhile.get(&run).is_some_and(|settled| *settled > asked.0)
    }

    /// A run that came in is left to the store, which decides its turn: whoever stands after it waits until it was looked for.
    pub(super) fn defer(&mut self, run: &QueuedRun) {
        self.awaited.add(run);
    }

    /// True when a lane may have to wait for the next load.
    pub(super) fn awaits(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// The store is asked for due runs.
    pub(super) fn load_begins(&mut self) -> Asked {
        (self.loading, self.more) = (true, false);
        self.awaited.load_begins();
        self.read_begins()
    }

    /// All that a load has brought is in its lane, or blocked.
    pub(super) fn load_answered(&mut self) {
        self.lanes.values_mut().for_each(|lane| lane.doubtful = false);
        for key in self.awaited.load_answered() {
            self.list(&key);
        }
    }

    /// Puts a run into its lane, of which at most `limit` runs stay in memory. No held run stands before it.
    pub(super) fn place(&mut self, queued: Queued, limit: usize) -> Placed {
        let standing = standing(&queued.run);
        let returns = queued.run.state == RunState::Held;
        self.known.insert(queued.run.id);
        self.awaited.found(&queued.run);
        let lane = self.lanes.entry(key_of(&queued.run)).or_default();
        // A held run that comes back is before those that were blocked behind it, so it need not be blocked to go first;
        // but what is older, and waited outside the lane, may have come back and been blocked before it.
        let goes_first = returns && !lane.spilled;
        // Its lane may be forgotten, and runs of it blocked. A refill that was asked for while it was away knows of none
        // that it may fetch: its answer must not say that there are none.
        if self.blocked > 0 && matches!(queued.run.state, RunState::Held | RunState::Waiting) {
            lane.blocked(None);
        }
        let last = lane.queue.last_key_value().map(|(last, _)| *last);
        let full = lane.spilled || lane.queue.len() >= limit;
        if full && !goes_first && last.is_none_or(|last| last < standing) {
            return Placed::Spilled;
        }
        self.insert(queued);
        Placed::Queued
    }

    /// A run goes to the store, to stand there behind others of its lane: it can be fetched when that has settled.
    pub(super) fn spill(&mut self, run: &QueuedRun) {
        self.left(run.state);
        self.blocked += 1;
        let lane = self.lanes.entry(key_of(run)).or_default();
        lane.blocked(Some(standing(run)));
        lane.unsettled += 1;
        if run.state == RunState::Held {
            self.held_unsettled += 1;
            self.held_version += 1;
        }
    }

    /// Puts a run into its lane that was blocked there, and is next.
    pub(super) fn place_next(&mut self, queued: Queued) {
        self.known.insert(queued.run.id);
        self.insert(queued);
    }

    fn insert(&mut self, queued: Queued) {
        let key = key_of(&queued.run);
        self.queued += 1;
        self.bytes += weight(&queued);
        let lane = self.lanes.entry(key.clone()).or_default();
        lane.queue.insert(standing(&queued.run), queued);
        self.list(&key);
    }

    /// Lists a lane as going, if its first run may go.
    fn list(&mut self, key: &LaneKey) {
        if let Some(lane) = self.lanes.get_mut(key)
            && lane.running.is_none()
            && !lane.listed
            && let Some((first, _)) = lane.queue.first_key_value()
            && !self.awaited.goes_before(key, first)
        {
            lane.listed = true;
            self.going.push_back(key.clone());
        }
    }

    /// True when a run may go.
    pub(super) fn has_going(&self) -> bool {
        !self.going.is_empty()
    }

    /// Takes the next run that may go. Its lane waits for it.
    pub(super) fn start(&mut self) -> Option<Queued> {
        while let Some(key) = self.going.pop_front() {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            lane.listed = false;
            // Since it was listed, somebody older may have come in.
            let Some(first) = lane.queue.first_entry() else { continue };
            if self.awaited.goes_before(&key, first.key()) {
                continue;
            }
            let queued = first.remove();
            lane.running = Some(queued.run.id);
            self.queued -= 1;
            self.bytes -= weight(&queued);
            self.running += 1;
            return Some(queued);
        }
        None
    }

    /// A run is done for now, and its lane may go on. `hold`: it stays the lane's head, and gives back those after
    /// it, which have to be blocked.
    pub(super) fn finished(&mut self, run: &QueuedRun, hold: bool) -> Vec<QueuedRun> {
        let key = key_of(run);
        self.running -= 1;
        let Some(lane) = self.lanes.get_mut(&key) else { return Vec::new() };
        lane.running = None;
        let mut behind = Vec::new();
        if hold {
            for (_, queued) in lane.queue.split_off(&standing(run)) {
                self.queued -= 1;
                self.bytes -= weight(&queued);
                behind.push(queued.run);
            }
        }
        self.list(&key);
        behind
    }

    /// A run whose ending could not be written goes again, from its journal, before those after it (invariant 3).
    pub(super) fn goes_again(&mut self, run: QueuedRun) {
        self.running -= 1;
        self.blocked += usize::from(run.state == RunState::Blocked);
        if let Some(lane) = self.lanes.get_mut(&key_of(&run)) {
            lane.running = None;
        }
        self.place_next(Queued { run, carried: None });
    }

    /// What a lane needs when it has run dry: a refill from the store, or nothing any more. True: fetch its blocked
    /// runs, and hand them to [`refilled`](Self::refilled).
    pub(super) fn needs_refill(&mut self, key: &LaneKey) -> bool {
        let (held_unsettled, due_first) = (self.held_unsettled > 0, self.more || self.loading);
        let Some(lane) = self.lanes.get_mut(key) else { return false };
        let asked = lane.refill != Refill::NotAsked;
        if !lane.queue.is_empty() || lane.running.is_some() || asked || lane.unsettled > 0 {
            return false;
        }
        if !lane.spilled || self.blocked == 0 {
            self.lanes.remove(key);
            return false;
        }
        if held_unsettled || (lane.doubtful && due_first) {
            return false;
        }
        lane.refill = Refill::Asked;
        true
    }

    /// A refill has come: which of it is to be used. `None`: it has to be asked for again.
    pub(super) fn refilled(&mut self, key: &LaneKey, held_version: u64, more: bool) -> Option<Covers> {
        let current = held_version == self.held_version;
        let Some(lane) = self.lanes.get_mut(key) else { return current.then_some(Covers(None)) };
        let refill = std::mem::take(&mut lane.refill);
        if !current {
            return None;
        }
        let (outdated, first) =
            if let Refill::Outdated(first) = refill { (true, first) } else { (false, None) };
        lane.spilled = more || lane.unsettled > 0 || outdated;
        Some(Covers(first))
    }

    /// Lanes that have run dry, and wait for something to settle before they can be refilled.
    pub(super) fn dry(&self) -> Vec<LaneKey> {
        let asked = |lane: &Lane| lane.refill != Refill::NotAsked;
        let dry = |lane: &Lane| lane.queue.is_empty() && lane.running.is_none() && !asked(lane);
        self.lanes.iter().filter(|(_, lane)| dry(lane)).map(|(key, _)| key.clone()).collect()
    }

    /// The store is asked something about this client.
    pub(super) fn read_begins(&mut self) -> Asked {
        self.reads += 1;
        Asked(self.settled_so_far)
    }

    /// The answer has been dealt with.
    pub(super) fn read_ends(&mut self) {
        self.reads -= 1;
        if self.reads == 0 {
            self.settled_meanwhile.clear();
        }
    }

    /// A run that goes from the store to the store: it must not be found again before its change is on disk.
    pub(super) fn hide(&mut self, run: &QueuedRun) {
        self.known.insert(run.id);
        self.awaited.found(run);
    }

    /// A run's last change is on disk: whoever asks the store from now on sees it as it is.
    pub(super) fn settled(&mut self, run: RunId) {
        self.known.remove(&run);
        self.settled_so_far += 1;
        if self.reads > 0 {
            self.settled_meanwhile.insert(run, self.settled_so_far);
        }
    }

    /// What was to be written about so many runs of a lane could not be: they may still be blocked in the store, where
    /// nobody but a refill finds them.
    pub(super) fn doubt(&mut self, key: &LaneKey, runs: usize) {
        self.blocked += runs;
        let lane = self.lanes.entry(key.clone()).or_default();
        lane.blocked(None);
        lane.doubtful = true;
    }

    /// A blocked run is on disk.
    pub(super) fn spill_settled(&mut self, key: &LaneKey) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.unsettled = lane.unsettled.saturating_sub(1);
        }
    }

    /// Nothing of these partitions begins here any more: what waits in memory is left to the store, as it has it.
    pub(super) fn forget(&mut self, parts: Parts) {
        for (_, lane) in self.lanes.iter_mut().filter(|(key, _)| parts.has(key.2)) {
            for (_, queued) in std::mem::take(&mut lane.queue) {
                self.queued -= 1;
                self.bytes -= weight(&queued);
                self.known.remove(&queued.run.id);
            }
            (lane.listed, lane.spilled) = (false, false);
        }
        self.awaited.forget(parts);
        self.going.retain(|key| !parts.has(key.2));
        self.lanes.retain(|key, lane| !parts.has(key.2) || lane.running.is_some());
    }

    /// A run leaves the state that the store has it in.
    pub(super) fn left(&mut self, state: RunState) {
        match state {
            RunState::Held => self.held = self.held.saturating_sub(1),
            RunState::Blocked => self.blocked = self.blocked.saturating_sub(1),
            RunState::Ready | RunState::Waiting | RunState::Ended(_) => {}
        }
    }
}

pub(super) fn key_of(run: &QueuedRun) -> LaneKey {
    (Arc::clone(&run.place.lane), Arc::clone(&run.place.key), run.part)
}

pub(super) fn standing(run: &QueuedRun) -> Standing {
    (run.place.created, run.place.rank, run.id)
}

/// What an event takes in memory: its text, and about five times as much as a tree of values.
fn weight(queued: &Queued) -> usize {
    queued.carried.as_ref().map_or(0, |carried| carried.weight(&queued.run))
}

impl Carried {
    /// About how many bytes it takes.
    pub(super) fn weight(&self, run: &QueuedRun) -> usize {
        run.weight.saturating_mul(if self.event.is_some() { 6 } else { 1 })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;
    use crate::config::Stale;
    use crate::steps::Spent;
    use crate::store::{Place, Version};

    /// What can happen next; numbers choose among what is there.
    #[derive(Debug, Clone)]
    enum Event {
        Arrives {
            lane: u8,
            created: i64,
            rank: u32,
        },
        /// The store has to be asked before arrivals are placed.
        Looks,
        Loads,
        Loaded,
        Starts,
        Ends(usize),
        Settles(usize),
        Refills(usize),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            4 => (0..3_u8, 0..5_i64, 0..3_u32).prop_map(|(lane, created, rank)| Event::Arrives { lane, created, rank }),
            1 => Just(Event::Looks),
            2 => Just(Event::Loads),
            2 => Just(Event::Loaded),
            3 => Just(Event::Starts),
            3 => any::<usize>().prop_map(Event::Ends),
            2 => any::<usize>().prop_map(Event::Settles),
            2 => any::<usize>().prop_map(Event::Refills),
        ];
        proptest::collection::vec(event, 0..60)
    }

    /// The lanes, and beside them the plainest thing that could be right: sets of what is where.
    #[derive(Default)]
    struct Model {
        lanes: ClientLanes,
        /// In memory or in the store, not started.
        waiting: BTreeSet<(u8, Standing)>,
        blocked: BTreeSet<(u8, Standing)>,
        unsettled: Vec<(u8, Standing)>,
        running: Vec<(u8, Standing)>,
        refilling: Vec<(u8, Asked)>,
        /// Left to the store; and what of it the load under way has seen.
        deferred: Vec<(u8, Standing)>,
        loading: Vec<(u8, Standing)>,
    }

    const LIMIT: usize = 3;

    fn run(lane: u8, (created, rank, id): Standing, state: RunState) -> QueuedRun {
        let place = Place { lane: lane.to_string().into(), key: "k".into(), created, rank };
        QueuedRun {
            id,
            client: "acme".into(),
            pipeline: "p".into(),
            version: Version("v".into()),
            place,
            stale: Stale::Apply,
            state,
            attempts: 0,
            spent: Spent::default(),
            received: Timestamp::UNIX_EPOCH,
            behind: false,
            weight: 10,
            part: Part::default(),
        }
    }

    impl Model {
        fn happens(&mut self, event: &Event, id: i64) {
            match event {
                Event::Arrives { lane, created, rank } => {
                    let standing = (Timestamp::from_second(*created).unwrap(), *rank, RunId(id));
                    self.waiting.insert((*lane, standing));
                    if self.lanes.takes_arrivals() {
                        self.place((*lane, standing));
                    } else {
                        self.lanes.more = true;
                        self.lanes.defer(&run(*lane, standing, RunState::Ready));
                        self.deferred.push((*lane, standing));
                    }
                }
                Event::Looks => self.lanes.more = true,
                Event::Loads if self.lanes.more && !self.lanes.loading => {
                    self.lanes.load_begins();
                    self.loading = std::mem::take(&mut self.deferred);
                }
                Event::Loaded if self.lanes.loading => {
                    self.lanes.loading = false;
                    for found in std::mem::take(&mut self.loading) {
                        self.place(found);
                    }
                    self.lanes.load_answered();
                    self.lanes.read_ends();
                }
                Event::Starts => self.starts(),
                Event::Ends(which) if !self.running.is_empty() => {
                    let (lane, standing) = self.running.swap_remove(which % self.running.len());
                    let behind = self.lanes.finished(&run(lane, standing, RunState::Ready), false);
                    assert!(behind.is_empty(), "nothing is held");
                    self.lanes.settled(standing.2);
                    self.refill(lane);
                }
                Event::Settles(which) if !self.unsettled.is_empty() => {
                    let (lane, standing) = self.unsettled.swap_remove(which % self.unsettled.len());
                    self.lanes.settled(standing.2);
                    self.lanes.spill_settled(&key(lane));
                    self.refill(lane);
                }
                Event::Refills(which) if !self.refilling.is_empty() => {
                    let (lane, asked) = self.refilling.swap_remove(which % self.refilling.len());
                    self.refilled(lane, asked);
                }
                Event::Loads | Event::Loaded | Event::Ends(_) | Event::Settles(_) | Event::Refills(_) => {}
            }
        }

        fn place(&mut self, (lane, standing): (u8, Standing)) {
            let run = run(lane, standing, RunState::Ready);
            if self.lanes.place(Queued { run: run.clone(), carried: None }, LIMIT) == Placed::Spilled {
                self.lanes.spill(&run);
                self.blocked.insert((lane, standing));
                self.unsettled.push((lane, standing));
            }
        }

        /// Whoever starts is the first of its lane, and alone in it.
        fn starts(&mut self) {
            let Some(queued) = self.lanes.start() else { return };
            let lane: u8 = queued.run.place.lane.parse().unwrap();
            assert!(self.running.iter().all(|(other, _)| *other != lane), "one at a time");
            let first = *self.waiting.iter().find(|(other, _)| *other == lane).unwrap();
            assert_eq!(first, (lane, standing(&queued.run)), "the oldest first");
            self.waiting.remove(&first);
            self.running.push(first);
        }

        fn refill(&mut self, lane: u8) {
            if self.lanes.needs_refill(&key(lane)) {
                let asked = self.lanes.read_begins();
                self.refilling.push((lane, asked));
            }
        }

        fn refilled(&mut self, lane: u8, asked: Asked) {
            let found = self.blocked.iter().filter(|(other, _)| *other == lane).take(LIMIT);
            let found: Vec<(u8, Standing)> = found.copied().collect();
            let version = self.lanes.held_version;
            let covers = self.lanes.refilled(&key(lane), version, found.len() >= LIMIT).unwrap();
            for (lane, standing) in found {
                let run = run(lane, standing, RunState::Blocked);
                if self.lanes.is_new(standing.2, asked) && covers.includes(&run) {
                    self.blocked.remove(&(lane, standing));
                    self.lanes.left(RunState::Blocked);
                    self.lanes.place_next(Queued { run, carried: None });
                }
            }
            self.lanes.read_ends();
            self.refill(lane);
        }

        /// Everything goes on until nothing is left to do.
        fn finish(&mut self) {
            for _ in 0..1_000 {
                self.happens(&Event::Loads, 0);
                self.happens(&Event::Loaded, 0);
                self.starts();
                self.happens(&Event::Ends(0), 0);
                self.happens(&Event::Settles(0), 0);
                self.happens(&Event::Refills(0), 0);
            }
        }
    }

    fn key(lane: u8) -> LaneKey {
        (lane.to_string().into(), "k".into(), Part::default())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        /// Invariant 3, whatever the order of arrivals, ends and reads: and nobody is forgotten.
        #[test]
        fn lanes_go_one_at_a_time_and_the_oldest_first(events in events()) {
            let mut model = Model::default();
            for (id, event) in (1..).zip(&events) {
                model.happens(event, id);
            }
            model.finish();
            prop_assert!(model.waiting.is_empty(), "left behind: {:?}", model.waiting);
            prop_assert!(model.lanes.is_idle());
            prop_assert_eq!((model.lanes.queued, model.lanes.running, model.lanes.bytes), (0, 0, 0));
        }
    }
}
