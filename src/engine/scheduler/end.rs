//! What becomes of a run that was carried out, and of a connection whose circuit has changed.

use std::sync::Arc;

use jiff::Timestamp;

use super::task::{Note, Scheduler};
use crate::engine::alerts::Alerts;
use crate::engine::carry_out::Done;
use crate::engine::circuit::CircuitChange;
use crate::engine::lanes::key_of;
use crate::engine::verdict::{Until, Verdict};
use crate::failpoint::failpoint;
use crate::metrics::Lag;
use crate::store::{Change, RunState, StoreError};

impl Scheduler {
    pub(super) fn ran(&mut self, done: Done) {
        failpoint!("before-end");
        self.running -= 1;
        let client = Arc::clone(&done.run.client);
        let now = self.workshop.clock.now();
        let generations = self.workshop.generations.load_full();
        let reported = Alerts::about_run(&done, generations.present(), now);
        let mut note = Note {
            client: Some(Arc::clone(&client)),
            runs: vec![done.run.id],
            of_lane: Some(key_of(&done.run)),
            ..Note::default()
        };
        let hold = matches!(done.verdict, Verdict::Hold { .. });
        note.held = hold || done.run.state == RunState::Held;
        (note.news, note.reports) = (!reported.is_empty(), !reported.limited.is_empty());
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
        if let Some(applied) = &done.applied {
            self.workshop.unsettled.queued(applied);
            note.applied = Some(applied.clone());
        }
        changes.push(self.change(done, now));
        changes.extend(reported.changes());
        if !in_order && !hold {
            note.lane = Some(Box::new(run.clone()));
        }
        self.commit(changes, note);
        self.workshop.holdings.ends(run.part);
        failpoint!("after-end");
        self.refill(&client, key_of(&run));
        self.line_up(&client);
    }

    pub(super) fn measure(&self, done: &Done, now: Timestamp) {
        if let Verdict::End { outcome, .. } = &done.verdict {
            let lag = Lag::between(done.run.place.created, done.run.received, now);
            let metrics = &self.workshop.metrics;
            metrics.run_ended(&done.run.client, &done.run.pipeline, outcome.word(), lag);
        }
    }

    /// What the store has to know of a verdict.
    pub(super) fn change(&mut self, done: Done, now: Timestamp) -> Change {
        let Done { run, verdict, applied, .. } = done;
        match verdict {
            Verdict::End { outcome, reason, candidates, attempts } => {
                Change::Ended { run: run.id, at: now, attempts, outcome, reason, candidates, applied }
            }
            Verdict::Hold { until, attempts, spent, reason } => {
                let (due, connection) = match until {
                    Until::Due(due) => (Some(due), None),
                    Until::Back(connection) => {
                        // It may have come back since the run met it: then nobody would call the run any more.
                        let open = self.circuits.is_open(&(Arc::clone(&run.client), Arc::clone(&connection)));
                        if open { (None, Some(connection)) } else { (Some(now), None) }
                    }
                };
                self.expect(due);
                Change::Held { run: run.id, due, connection, attempts, spent, reason }
            }
            Verdict::Wait { due, spent, reason } => {
                self.expect(Some(due));
                Change::Waiting { run: run.id, due, spent, reason }
            }
        }
    }

    /// Something will be due then.
    pub(super) fn expect(&mut self, due: Option<Timestamp>) {
        self.next_due = [self.next_due, due].into_iter().flatten().min();
    }

    pub(super) fn settled(&mut self, note: Note, result: &Result<(), StoreError>) {
        match result {
            // Everything will be dropped in a moment; that is told then.
            Ok(()) | Err(StoreError::Fenced) => {}
            Err(failure) => self.trouble("what runs have done cannot be written", failure),
        }
        if let Some((.., part)) = &note.of_lane {
            self.workshop.holdings.ends(*part);
        }
        if note.reports {
            // When the next group is to be told.
            self.look();
        }
        if let Some(key) = &note.circuit {
            self.circuits.settled(key);
        }
        failpoint!("end-settled");
        if let Some(applied) = &note.applied {
            self.workshop.unsettled.settled(applied, result.is_ok());
        }
        if let (Some(released), Err(_)) = (note.released, result) {
            self.owed.insert(released);
        }
        let Some(client) = note.client else { return };
        let holdings = Arc::clone(&self.workshop.holdings);
        let lanes = self.lanes(&client);
        if let (Some(key), Err(_)) = (&note.of_lane, result) {
            lanes.doubt(key, note.runs.len());
        }
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
        match (note.lane, result) {
            (None, _) => {}
            // An assumption that does not hold: the store knows better how the run stands.
            (Some(run), Ok(()) | Err(StoreError::Assumption(_))) => {
                lanes.finished(&run, false);
                self.refill(&client, key_of(&run));
            }
            (Some(run), Err(_)) if holdings.has(run.part) => lanes.goes_again(*run),
            // It is about to be another process's.
            (Some(run), Err(_)) => drop(lanes.finished(&run, false)),
        }
        self.hand_over();
        self.refill_dry(&client);
        self.line_up(&client);
    }

    /// Fetches what is blocked in lanes that had to wait for it.
    pub(super) fn refill_dry(&mut self, client: &Arc<str>) {
        if self.lanes(client).blocked > 0 {
            for key in self.lanes(client).dry() {
                self.refill(client, key);
            }
        }
    }

    /// A circuit has changed: that is kept, reported once, and those who waited for it are called.
    pub(super) fn circuit(&mut self, change: CircuitChange) {
        let now = self.workshop.clock.now();
        let (state, well_since, closed) = match change {
            CircuitChange::Opened { state, well_since } => (state, Some(well_since), false),
            CircuitChange::StillOpen(state) => (state, None, false),
            CircuitChange::Closed(state) => (state, None, true),
        };
        let mut changes = vec![Change::Connection(state.clone())];
        let key = (Arc::clone(&state.client), Arc::clone(&state.connection));
        let mut note =
            Note { client: Some(Arc::clone(&state.client)), circuit: Some(key), ..Note::default() };
        if let Some(well_since) = well_since {
            let generations = self.workshop.generations.load_full();
            let reported = Alerts::about_connection(&state, well_since, generations.present(), now);
            (note.news, note.reports) = (!reported.is_empty(), !reported.limited.is_empty());
            changes.extend(reported.changes());
            tracing::warn!(client = %state.client, connection = %state.connection, reason = state.reason, "connection paused");
        }
        self.commit(changes, note);
        if closed {
            tracing::info!(client = %state.client, connection = %state.connection, "connection is back");
            self.release(state.client, state.connection, None);
        }
    }
}
