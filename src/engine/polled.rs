//! The engine's door for polls: their calls, what they found, and their ends.

use std::sync::Arc;

use super::alerts::Alerts;
use super::api::{AcceptError, Engine, event_of};
use super::incoming::Incoming;
use crate::connector::{Call, Failure, Gateway, Reply};
use crate::store::{Change, Find, NewEvent, Outcome, PollStep, ReportEnd, Seen, StoreError};
use crate::value::{Map, Value};

/// Something that a poll found.
#[derive(Debug)]
pub struct Listed {
    /// The event; nothing for what is only taken note of.
    pub incoming: Option<Incoming>,
    /// Why a person has to decide about it before it can run.
    pub torn: Option<Torn>,
    /// What was seen of its record.
    pub seen: Option<Seen>,
}

/// Why a person has to decide.
#[derive(Debug)]
pub struct Torn {
    /// In words.
    pub reason: String,
    /// Between these records.
    pub candidates: Vec<Value>,
}

impl Engine {
    /// Carries out a call that belongs to no run. It fails at once when its connection is paused, and what comes of it
    /// counts for whether that is.
    pub async fn call(&self, client: &str, call: &Call) -> Result<Reply, Failure> {
        self.gateway.call(client, call).await
    }

    /// Takes a part of a poll. Answered means on disk: what it found, with the runs that this starts, and what it saw,
    /// together (invariant 1). `report`: what whoever listens for reports is told, when the poll is over with this.
    pub async fn take_polled(
        &self,
        listed: Vec<Listed>,
        mut step: PollStep,
        report: Option<Map>,
    ) -> Result<(), AcceptError> {
        if self.stop.borrow().is_some() {
            return Err(AcceptError::Stopping);
        }
        let client = Arc::clone(&step.id.name.client);
        let generations = self.generations.load_full();
        let runnables = generations.present();
        if !runnables.has(&client) {
            return Err(AcceptError::NoClient { client });
        }
        let (now, again) = (self.clock.now(), !step.again.is_empty());
        let (mut told, mut events) = (Vec::new(), Vec::new());
        if let Some(report) = report {
            told.extend(Alerts::about_poll(&step.id, report, runnables, now).changes());
        }
        for Listed { incoming, torn, seen } in listed {
            let event = incoming.map(|incoming| {
                let mut event = event_of(runnables, &incoming, now);
                if let Some(torn) = &torn {
                    for run in &mut event.runs {
                        run.ended = Some((Outcome::Conflict, torn.reason.clone()));
                    }
                }
                event
            });
            let candidates = torn.map_or_else(Vec::new, |torn| torn.candidates);
            if let Some(event) = &event {
                told.extend(Alerts::about_accepted(event, &candidates, runnables, now).changes());
                events.push(event.clone());
            }
            step.finds.push(Find { event, candidates, seen });
        }
        let quiet = told.is_empty();
        let changes = std::iter::once(Change::Polled(Box::new(step))).chain(told).collect();
        self.store.commit(changes).await?;
        for event in &events {
            self.measure(event, now);
        }
        if again || !quiet || events.iter().any(starts_something) {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Ends the report of a poll, and tells whoever listens for reports: `object` is what it says.
    pub async fn report_poll(&self, end: ReportEnd, object: Map) -> Result<(), StoreError> {
        let generations = self.generations.load_full();
        let reported = Alerts::about_poll(&end.id, object, generations.present(), self.clock.now());
        let news = !reported.is_empty();
        let changes = std::iter::once(Change::PollReported(end)).chain(reported.changes()).collect();
        self.store.commit(changes).await?;
        if news {
            self.wake.notify_one();
        }
        Ok(())
    }
}

fn starts_something(event: &NewEvent) -> bool {
    event.runs.iter().any(|run| run.ended.is_none())
}
