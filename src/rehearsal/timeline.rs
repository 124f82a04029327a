//! A pipeline's runs over time: events come in, stand in order by their keys, wait, are stale, and are taken up after a
//! crash.
//!
//! What follows from how a run ended, and which event is stale, is decided by the engine's own functions; here everything is
//! in memory, one thing happens after another, and no time passes but what a run is told to wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::case::{Rehearsal, told};
use super::crash::{Crash, Line};
use super::event::Occasion;
use crate::clock::FixedClock;
use crate::config::Stale;
use crate::config::test_file::ExpectedOutcome;
use crate::connector::{Action, Call, Class, Failure, Gateway, Select};
use crate::engine::{self, Jitter, Standing, Verdict};
use crate::project::Trigger;
use crate::steps::{ClientFacts, Ending, EventInput, RunInput, Spent, World, execute};
use crate::value::Value;

/// What came of a run so far.
pub(super) type Ended = (ExpectedOutcome, Option<String>);

/// What has happened so far.
pub(super) struct Timeline<'a> {
    rehearsal: &'a Rehearsal<'a>,
    facts: ClientFacts,
    line: Line<'a>,
    now: Timestamp,
    runs: Vec<Run>,
    /// What came of each run, by its id.
    results: BTreeMap<Arc<str>, Ended>,
}

/// A run that has not ended.
struct Run {
    id: Arc<str>,
    event: Arc<EventInput>,
    received: Timestamp,
    object_kind: Option<Arc<str>>,
    object: Option<Arc<str>>,
    key: Arc<str>,
    standing: Standing,
    stale: Stale,
    attempts: u32,
    spent: Spent,
    /// True when it has left its lane.
    waits: bool,
    /// True when it was looked at since something has changed.
    looked: bool,
}

impl<'a> Timeline<'a> {
    pub(super) fn new(rehearsal: &'a Rehearsal<'a>, crash: Option<Crash>) -> Self {
        let line = Line::new(rehearsal.crm, rehearsal.memory, crash);
        let (facts, runs, results) = (rehearsal.facts(), Vec::new(), BTreeMap::new());
        Self { rehearsal, facts, line, now: Timestamp::MIN, runs, results }
    }

    /// How many calls there were.
    pub(super) fn calls(&self) -> usize {
        self.line.calls()
    }

    /// The call at which the process died, in words; nothing when it did not.
    pub(super) fn died_at(&self) -> Option<String> {
        self.line.died_at()
    }

    /// An event comes in at `now`; one that was there before, by its `id`, starts nothing (invariant 9).
    pub(super) fn deliver(&mut self, id: &Arc<str>, occasion: &Occasion, now: Timestamp) {
        if self.results.contains_key(id) {
            return;
        }
        self.now = self.now.max(now);
        let place = &occasion.place;
        let own = place.key.as_ref().unwrap_or(id);
        let order = &self.rehearsal.pipeline.order;
        let key = match order.key_of(&occasion.event, &self.facts, now, own) {
            Ok(key) => key,
            Err(reason) => {
                let reason = format!("its order key cannot be computed: {reason}");
                self.results.insert(Arc::clone(id), (ExpectedOutcome::Dead, Some(reason)));
                return;
            }
        };
        self.results.insert(Arc::clone(id), (ExpectedOutcome::Waiting, None));
        self.runs.push(Run {
            id: Arc::clone(id),
            event: Arc::clone(&occasion.event),
            received: now,
            object_kind: place.object_kind.clone(),
            object: place.object.clone(),
            key,
            standing: (occasion.created, place.rank),
            stale: order.stale(&occasion.kind, place.occurrence),
            attempts: 0,
            spent: Spent::default(),
            waits: false,
            looked: false,
        });
    }

    /// Carries out what can go, until nothing that is left could go on.
    pub(super) async fn settle(&mut self) {
        while let Some(index) = self.next() {
            let before = self.rehearsal.crm.written();
            let run = self.runs.remove(index);
            let left = self.carry_out(run).await;
            let changed = left.is_none() || self.rehearsal.crm.written() != before;
            if changed {
                // Whoever waits may find now what was not there.
                self.runs.iter_mut().for_each(|run| run.looked = false);
            }
            if let Some(left) = left {
                self.runs.insert(index, left);
            }
        }
    }

    /// What came of a run; the last thing that was said of one that still waits.
    pub(super) fn result(&self, id: &str) -> Option<&Ended> {
        self.results.get(id)
    }

    /// The run that goes next: the oldest of its key, those that have left their lane after the others.
    fn next(&self) -> Option<usize> {
        let can_go = |(index, run): &(usize, &Run)| {
            let before_it = |(at, other): (usize, &Run)| {
                !other.waits && other.key == run.key && (other.standing, at) < (run.standing, *index)
            };
            !run.looked && (run.waits || !self.runs.iter().enumerate().any(before_it))
        };
        let free = self.runs.iter().enumerate().filter(can_go);
        free.min_by_key(|(index, run)| (run.waits, *index)).map(|(index, _)| index)
    }

    /// Carries a run out, once; gives it back when it has not ended.
    async fn carry_out(&mut self, mut run: Run) -> Option<Run> {
        let ending = match self.overtaken(&run).await {
            Ok(event) => {
                let ending = self.perform(&run, event).await;
                if let (Ending::Succeeded, Some(object)) = (&ending, &run.object) {
                    self.rehearsal.memory.apply(object, run.standing);
                }
                ending
            }
            Err(ending) => ending,
        };
        let case = engine::Case {
            attempts: run.attempts,
            spent: run.spent.clone(),
            now: self.now,
            retry: self.rehearsal.pipeline.program.retry,
            paused_until: None,
        };
        self.results.insert(Arc::clone(&run.id), told(ending.clone()));
        match case.judge(ending, &Jitter::None) {
            Verdict::End { .. } => {
                self.rehearsal.memory.end(&run.id);
                return None;
            }
            Verdict::Hold { attempts, spent, .. } => {
                (run.attempts, run.spent, run.waits) = (attempts, spent, false);
            }
            Verdict::Wait { spent, .. } => (run.spent, run.waits) = (spent, true),
        }
        run.looked = true;
        Some(run)
    }

    /// The event of a run, as it is after the stale rule; the run's end when that ends it.
    async fn overtaken(&self, run: &Run) -> Result<Arc<EventInput>, Ending> {
        let event = Arc::clone(&run.event);
        let Some(object) = run.object.as_ref().filter(|_| run.stale != Stale::Apply) else {
            return Ok(event);
        };
        let memory = self.rehearsal.memory;
        let begun = run.stale == Stale::Skip && memory.has_begun(&run.id);
        match engine::overtaken(object, run.standing, memory.applied(object), begun) {
            Some(reason) if run.stale == Stale::Skip => Err(Ending::Skipped { reason }),
            Some(_) => self.refetch(run, object).await,
            None => Ok(event),
        }
    }

    /// The event with its object as it is now, where the systems in memory have it.
    async fn refetch(&self, run: &Run, id: &Arc<str>) -> Result<Arc<EventInput>, Ending> {
        let pipeline = self.rehearsal.pipeline;
        let (Trigger::Events { connection, .. }, Some(object)) = (&pipeline.trigger, &run.object_kind) else {
            let failure = Failure::permanent("the event does not tell which object could be read anew");
            let step = "stale: refetch".into();
            return Err(Ending::Failed { step, failure, connection: None, retry: None });
        };
        let action = Action::Get { object: Arc::clone(object), id: Arc::clone(id), select: Select::All };
        let call = Call::new(Arc::clone(connection), action);
        let object = match self.rehearsal.crm.call(&self.facts.name, &call).await {
            Ok(reply) => reply.record.unwrap_or_default(),
            Err(failure) if failure.class == Class::Missing => {
                let reason =
                    format!("the event is older than one already applied, and {id} is not there any more");
                return Err(Ending::Skipped { reason });
            }
            Err(failure) => {
                let (step, connection) = ("stale: refetch".into(), Some(Arc::clone(connection)));
                return Err(Ending::Failed { step, failure, connection, retry: None });
            }
        };
        Ok(Arc::new(EventInput { object, previous: Value::Null, ..EventInput::clone(&run.event) }))
    }

    /// The run's steps; after a crash, once more from what was on disk.
    async fn perform(&self, run: &Run, event: Arc<EventInput>) -> Ending {
        let Rehearsal { memory, pipeline, observer, .. } = *self.rehearsal;
        let clock = FixedClock::at(self.now);
        let mut resumed = run.attempts > 0;
        loop {
            let input = RunInput {
                id: Arc::clone(&run.id),
                attempt: run.attempts + 1,
                spent: run.spent.clone(),
                resumed,
                began: run.received,
                now: run.received,
                event: Arc::clone(&event),
            };
            let applies = run.object.clone().map(|object| (object, run.standing));
            let journal = memory.journal(Arc::clone(&run.id)).applying(applies);
            let world = World {
                gateway: &self.line,
                journal: &journal,
                clock: &clock,
                client: &self.facts,
                observer,
            };
            let ending = tokio::select! {
                biased;
                () = self.line.dies() => None,
                ending = execute(&pipeline.program, &input, &world) => Some(ending),
            };
            if let Some(ending) = ending.filter(|_| !self.line.dies_at_end()) {
                return ending;
            }
            memory.crash();
            resumed = true;
        }
    }
}

/// A second after `time`: what happens next in a story that tells no times.
pub(super) fn next_second(time: Timestamp) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(1)).unwrap_or(time)
}
