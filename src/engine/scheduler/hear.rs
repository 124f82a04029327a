//! What the scheduler learns: arrivals, and what its tasks report.

use std::sync::Arc;

use super::task::{Arrived, Note, Question, Report, SHARE_MAX, SHARE_MIN, Scheduler};
use crate::engine::applied::Moment;
use crate::engine::lanes::{Carried, LaneKey, Placed, Queued, key_of};
use crate::failpoint::failpoint;
use crate::store::{
    Ahead, AlertWindow, Change, DueRun, Outlook, Parts, QueuedRun, RunState, StoreError, Told,
};

impl Scheduler {
    pub(super) fn hear(&mut self, report: Result<Report, tokio::task::JoinError>) {
        match report {
            Ok(Report::Ran(done)) => self.ran(*done),
            Ok(Report::Settled { note, result }) => self.settled(note, &result),
            Ok(Report::Loaded { client, question, result }) => self.loaded(&client, question, result),
            Ok(Report::Refilled { client, key, question, result }) => {
                self.refilled(&client, &key, question, result);
            }
            Ok(Report::Looked { number, result }) => self.looked(number, result),
            Ok(Report::Connections { asked, result }) => self.connections_known(asked, result),
            Ok(Report::TakenUp(result)) => self.taken_up(result),
            Ok(Report::HandedOver { parts, result }) => self.handed_over(parts, result),
            Ok(Report::BegunAgain(result)) => self.begun_again(result),
            // Runs catch their panics; what is left reads and writes, and only reports.
            Err(failure) => tracing::error!(error = %failure, "a task of the scheduler failed"),
        }
    }

    /// Runs that came in just now go straight to their lanes, when nothing in the store could stand before them. Those that
    /// are another process's to carry out are left to it.
    pub(super) fn arrived(&mut self, arrived: Arrived) {
        let (loaded_up_to, direct) = (self.loaded_up_to, self.knows_all());
        let mut others = Parts::NONE;
        for mut queued in arrived.runs {
            let part = queued.run.part;
            if !self.workshop.holdings.has(part) {
                others.put(part);
                continue;
            }
            let since = arrived.since;
            let client = Arc::clone(&queued.run.client);
            let free = self.workshop.limits.runs.saturating_sub(self.in_memory);
            let bytes: usize = self.clients.values().map(|lanes| lanes.bytes).sum();
            if bytes + self.arrivals.bytes() + queued.run.weight * 6 > self.workshop.limits.bytes {
                queued.carried = None;
            }
            let holdings = Arc::clone(&self.workshop.holdings);
            let lanes = self.lanes(&client);
            let room = lanes.in_memory() < (lanes.in_memory() + free / 2).clamp(SHARE_MIN, SHARE_MAX);
            // One that may have been loaded, here or by another process, may have ended by now: the store knows (invariant 2).
            let direct = direct && holdings.has_since(part, since);
            if !direct || !lanes.takes_arrivals() || !room || queued.run.id <= loaded_up_to {
                lanes.more = true;
                if room {
                    lanes.defer(&queued.run);
                }
                // Where its turn is decided is in the store; what it is carried out with is not read there again.
                self.arrivals.keep(queued, since, self.workshop.limits.runs);
                continue;
            }
            self.in_memory += 1;
            self.place(&client, queued);
        }
        if let Some(sharing) = self.workshop.store.sharing().filter(|_| !others.is_empty()) {
            sharing.nudge(others);
        }
    }

    /// True when nothing can be in the store that is due and that nobody here knows of: no other process takes events in,
    /// and the store was asked since that is so.
    fn knows_all(&self) -> bool {
        self.looked_up_to >= self.direct_from && self.share.is_alone()
    }

    pub(super) fn place(&mut self, client: &Arc<str>, queued: Queued) {
        let limit = self.workshop.limits.lane;
        let run = queued.run.clone();
        let lanes = self.lanes(client);
        match lanes.place(queued, limit) {
            Placed::Queued => self.line_up(client),
            Placed::Spilled => self.block(client, &run),
        }
    }

    /// Has a run wait in the store behind another of its lane.
    pub(super) fn block(&mut self, client: &Arc<str>, run: &QueuedRun) {
        failpoint!("before-blocked");
        self.lanes(client).spill(run);
        let note = Note {
            client: Some(Arc::clone(client)),
            runs: vec![run.id],
            spilled: vec![key_of(run)],
            of_lane: Some(key_of(run)),
            held: run.state == RunState::Held,
            ..Note::default()
        };
        self.commit(vec![Change::Blocked { run: run.id }], note);
    }

    pub(super) fn loaded(
        &mut self,
        client: &Arc<str>,
        question: Question,
        result: Result<Vec<DueRun>, StoreError>,
    ) {
        let lanes = self.lanes(client);
        lanes.loading = false;
        match result {
            Err(failure) => {
                lanes.more = true;
                self.trouble("due runs cannot be read", &failure);
            }
            // Who stands behind whom has changed while it was read.
            Ok(_) if lanes.held_version != question.held_version => lanes.more = true,
            Ok(runs) => {
                failpoint!("after-load");
                // Held, waiting and ready runs are asked for separately, up to the limit of each.
                lanes.more |= runs.len() >= question.limit;
                for DueRun { run, ahead } in runs {
                    self.loaded_up_to = self.loaded_up_to.max(run.id);
                    if !self.workshop.holdings.has_since(run.part, question.since) {
                        continue;
                    }
                    if !self.lanes(client).is_new(run.id, question.asked) {
                        continue;
                    }
                    let carried = self.carried(&run, ahead, question);
                    if run.behind {
                        self.lanes(client).hide(&run);
                        self.block(client, &run);
                    } else {
                        self.place(client, Queued { run, carried });
                    }
                }
                self.lanes(client).load_answered();
            }
        }
        self.lanes(client).read_ends();
        self.refill_dry(client);
        self.line_up(client);
    }

    /// What a run is carried out with whose turn has come to be in memory: as it came in, or as the store has it.
    fn carried(&mut self, run: &QueuedRun, ahead: Option<Ahead>, question: Question) -> Option<Carried> {
        let arrived = self.arrivals.take(run, &self.workshop.holdings);
        let (body, told) = ahead.map(|ahead| (ahead.body, ahead.applied)).unzip();
        let told = (told.unwrap_or(Told::Nothing), question.applied);
        let carried = match arrived {
            Some(arrived) => Carried { told, ..arrived },
            None => Carried { body: Arc::new(body?), event: None, told },
        };
        let bytes: usize = self.clients.values().map(|lanes| lanes.bytes).sum();
        let room = self.workshop.limits.bytes.saturating_sub(bytes + self.arrivals.bytes());
        (carried.weight(run) <= room).then_some(carried)
    }

    /// Fetches what is blocked in a lane that has run dry.
    pub(super) fn refill(&mut self, client: &Arc<str>, key: LaneKey) {
        if self.is_troubled() || !self.workshop.holdings.has(key.2) {
            return;
        }
        let (limit, since) = (self.workshop.limits.lane, self.workshop.holdings.tick());
        let lanes = self.lanes(client);
        if !lanes.needs_refill(&key) {
            return;
        }
        let (held_version, asked) = (lanes.held_version, lanes.read_begins());
        let question = Question { held_version, limit, asked, since, applied: Moment::default() };
        let client = Arc::clone(client);
        let workshop = Arc::clone(&self.workshop);
        self.tasks.spawn(async move {
            let result = workshop.store.behind(&client, &key.0, &key.1, limit).await;
            Report::Refilled { client, key, question, result }
        });
    }

    pub(super) fn refilled(
        &mut self,
        client: &Arc<str>,
        key: &LaneKey,
        question: Question,
        result: Result<Vec<QueuedRun>, StoreError>,
    ) {
        let own = self.workshop.holdings.has_since(key.2, question.since);
        let lanes = self.lanes(client);
        match result {
            Ok(_) if !own => {
                let _ = lanes.refilled(key, u64::MAX, true);
            }
            Err(failure) => {
                let _ = lanes.refilled(key, u64::MAX, true);
                self.trouble("blocked runs cannot be read", &failure);
            }
            Ok(runs) => {
                failpoint!("after-refill");
                let free = runs.iter().take_while(|run| !run.behind).count();
                let asked = question.asked;
                // What has changed since is perhaps blocked all the same: it is asked for once more.
                let changed = runs.iter().take(free).any(|run| lanes.settled_since(run.id, asked));
                let more = changed || free >= question.limit;
                if let Some(covers) = lanes.refilled(key, question.held_version, more) {
                    for run in runs.into_iter().take(free) {
                        if lanes.is_new(run.id, asked) && covers.includes(&run) {
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

    pub(super) fn looked(
        &mut self,
        number: u64,
        result: Result<(Vec<Outlook>, Vec<AlertWindow>), StoreError>,
    ) {
        self.looking = false;
        match result {
            Err(failure) => self.trouble("the store cannot be read", &failure),
            Ok((outlooks, windows)) => {
                self.tell(windows);
                self.looked_up_to = number;
                self.next_due = outlooks.iter().filter_map(|outlook| outlook.next).min();
                let generations = self.workshop.generations.load_full();
                for outlook in outlooks.into_iter().filter(|outlook| outlook.due_now) {
                    if generations.present().is_dormant(&outlook.client) {
                        self.workshop.archive.rouse(&outlook.client);
                    }
                    self.lanes(&outlook.client).more = true;
                }
            }
        }
        if std::mem::take(&mut self.look_again) {
            self.look();
        }
        self.see_to_share();
        let clients: Vec<Arc<str>> = self.clients.keys().cloned().collect();
        for client in &clients {
            self.refill_dry(client);
        }
        self.clients.retain(|_, lanes| !lanes.is_idle());
    }
}
