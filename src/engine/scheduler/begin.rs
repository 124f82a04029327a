//! What the scheduler sets off: loads, looks, runs and commits.

use std::sync::Arc;

use super::task::{Note, Question, Report, SHARE_MAX, SHARE_MIN, Scheduler};
use crate::connector::Gateway;
use crate::engine::alerts::Alerts;
use crate::engine::circuit::Known;
use crate::engine::holdings::DUTY;
use crate::store::{AlertWindow, Change, ConnectionState, StoreError};

impl Scheduler {
    /// Begins whatever can begin.
    pub(super) fn begin(&mut self) {
        // Whoever has taken over begins with what is in the store: nothing of what this process still has in memory.
        if self.is_troubled() || !self.workshop.store.works() {
            return;
        }
        self.load();
        let mut dry = false;
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
                self.workshop.holdings.begins(queued.run.part);
                let workshop = Arc::clone(&self.workshop);
                self.tasks.spawn(async move { Report::Ran(Box::new(workshop.carry_out(queued).await)) });
            } else {
                dry = true;
            }
            self.line_up(&client);
        }
        if dry {
            // Of what seemed to be able to go, somebody awaited goes first.
            self.load();
        }
    }

    /// Puts a client in line for its turn, once.
    pub(super) fn line_up(&mut self, client: &Arc<str>) {
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
    pub(super) fn load(&mut self) {
        let generations = self.workshop.generations.load_full();
        let free = self.workshop.limits.runs.saturating_sub(self.in_memory);
        let (now, since) = (self.workshop.clock.now(), self.workshop.holdings.tick());
        let applied = self.workshop.unsettled.moment();
        let beyond = self.loaded_up_to.max(self.arrivals.newest());
        for (client, lanes) in &mut self.clients {
            if !lanes.more || lanes.loading || lanes.held_unsettled > 0 || !generations.present().has(client)
            {
                continue;
            }
            // Half of what is free, so that something is left for those who come later.
            let share = (lanes.in_memory() + free / 2).clamp(SHARE_MIN, SHARE_MAX);
            let room = share.saturating_sub(lanes.in_memory());
            if room < share.div_ceil(2) && (lanes.has_going() || !lanes.awaits()) {
                continue;
            }
            let (limit, held_version) = (lanes.known() + room.max(1), lanes.held_version);
            let question = Question { held_version, limit, asked: lanes.load_begins(), since, applied };
            let client = Arc::clone(client);
            let workshop = Arc::clone(&self.workshop);
            self.tasks.spawn(async move {
                let result = workshop.store.due(&client, now, limit, beyond).await;
                Report::Loaded { client, question, result }
            });
        }
    }

    /// Asks the store who has something due.
    pub(super) fn look(&mut self) {
        self.looked = tokio::time::Instant::now();
        if self.looking {
            self.look_again = true;
            return;
        }
        self.looking = true;
        self.probe();
        for (client, connection) in std::mem::take(&mut self.owed) {
            self.release(client, connection, None);
        }
        if self.workshop.store.sharing().is_some() {
            let (workshop, asked) = (Arc::clone(&self.workshop), self.circuits.known());
            self.tasks.spawn(async move {
                Report::Connections { asked, result: workshop.store.connections().await }
            });
        }
        let workshop = Arc::clone(&self.workshop);
        let now = workshop.clock.now();
        self.looks += 1;
        let number = self.looks;
        self.tasks.spawn(async move {
            let (outlook, windows) = (workshop.store.outlook(now), workshop.store.alert_windows());
            Report::Looked { number, result: tokio::try_join!(outlook, windows) }
        });
    }

    /// What all processes know of the connections: another one may have paused one, or found it back.
    pub(super) fn connections_known(
        &mut self,
        asked: Known,
        result: Result<Vec<ConnectionState>, StoreError>,
    ) {
        match result {
            Err(failure) => self.trouble("the connections' health cannot be read", &failure),
            Ok(states) => {
                let news = self.circuits.learn_from_others(states, asked);
                for (client, connection) in news.paused {
                    self.workshop.gateway.call_off(&client, &connection);
                }
                // Whoever found it back has called those who wait; not those that this process sent to wait meanwhile.
                for (client, connection) in news.back {
                    self.release(client, connection, None);
                }
            }
        }
    }

    /// Calls one of the runs that wait for a paused connection, for each whose time has come: it tries whether the
    /// connection is back.
    pub(super) fn probe(&mut self) {
        let now = self.workshop.clock.now();
        for ((client, connection), at) in self.circuits.probes() {
            if at <= now && self.has_duty(&client, &connection) {
                self.release(client, connection, Some(1));
            }
        }
    }

    /// True when it is this process that does what one process at a time does for something of a client's.
    fn has_duty(&self, client: &str, name: &str) -> bool {
        let sharing = self.workshop.store.sharing();
        sharing.is_none_or(|sharing| self.workshop.holdings.has(sharing.part(client, DUTY, name)))
    }

    /// Tells what was grouped for alerts that are started only so often, when its time is over.
    pub(super) fn tell(&mut self, windows: Vec<AlertWindow>) {
        let (now, generations) = (self.workshop.clock.now(), self.workshop.generations.load_full());
        let grouped: Vec<AlertWindow> =
            windows.into_iter().filter(|window| window.untold.is_some()).collect();
        self.next_group = grouped.iter().map(|window| window.ends).filter(|ends| *ends > now).min();
        for window in grouped {
            if !self.has_duty(&window.client, &window.pipeline) {
                continue;
            }
            let client = Some(Arc::clone(&window.client));
            if let Some(group) = Alerts::overdue(window, generations.present(), now) {
                let note = Note { client, news: true, ..Note::default() };
                self.commit(vec![Change::Told(Box::new(group))], note);
            }
        }
    }

    pub(super) fn release(&mut self, client: Arc<str>, connection: Arc<str>, at_most: Option<u32>) {
        let due = self.workshop.clock.now();
        // One that tries is followed by another when it is overdue; the others are called once.
        let released = at_most.is_none().then(|| (Arc::clone(&client), Arc::clone(&connection)));
        let note = Note { client: Some(Arc::clone(&client)), news: true, released, ..Note::default() };
        self.commit(vec![Change::Released { client, connection, due, at_most }], note);
    }

    pub(super) fn commit(&mut self, changes: Vec<Change>, note: Note) {
        if let Some((.., part)) = &note.of_lane {
            self.workshop.holdings.begins(*part);
        }
        let stored = self.workshop.store.commit(changes);
        self.tasks.spawn(async move { Report::Settled { note, result: stored.await } });
    }
}
