//! Changes put together, so that each kind of them is one statement however many there are.
//!
//! A wave holds changes that do not touch the same thing twice, so that the order among them does not matter. A change
//! that would has to wait for the next wave; waves of one transaction are written one after another.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::columns::{digest, identity_digest};
use crate::steps::{Agreed, CallId, CallOutcome, FieldKey, Identity};
use crate::store::columns::{ENDLESS, candidates_json, micros, state_number};
use crate::store::{
    Applied, Change, ConnectionState, GoodClient, NewEvent, NewIntent, PollId, PollName, PollStep, ReportEnd,
    RunState, SealedSecret,
};

/// What becomes of a run's row. What is `None` stays as it is.
#[derive(Debug, Default)]
pub(super) struct RunChange<'a> {
    pub(super) state: Option<i64>,
    pub(super) due: Option<i64>,
    /// True when `parked` says which connection it waits for, or that it waits for none, and `spent` what its steps
    /// have used up.
    pub(super) parks: bool,
    pub(super) parked: Option<&'a str>,
    pub(super) spent: Option<String>,
    pub(super) attempts: Option<i64>,
    pub(super) reason: Option<&'a str>,
    pub(super) candidates: Option<String>,
    pub(super) ended: Option<i64>,
    pub(super) version: Option<&'a str>,
}

/// A call of a run that is done.
#[derive(Debug)]
pub(super) struct Called<'a> {
    pub(super) run: i64,
    pub(super) client: &'a str,
    pub(super) at: Timestamp,
    pub(super) outcome: &'a CallOutcome,
}

/// Which record an identity is.
#[derive(Debug)]
pub(super) struct Learned<'a> {
    pub(super) client: &'a str,
    pub(super) identity: &'a Identity,
    pub(super) record: &'a str,
    pub(super) run: i64,
}

/// Calls that a paused connection lets go again.
#[derive(Debug)]
pub(super) struct Release<'a> {
    pub(super) client: &'a str,
    pub(super) connection: &'a str,
    pub(super) due: i64,
    pub(super) at_most: Option<i64>,
}

/// Changes of which no two touch the same thing.
#[derive(Debug, Default)]
pub(super) struct Wave<'a> {
    pub(super) runs: IndexMap<i64, RunChange<'a>>,
    pub(super) called: Vec<Called<'a>>,
    pub(super) learned: IndexMap<Vec<u8>, Learned<'a>>,
    /// What fields hold from now on, each with the run that says so: the last of several is right.
    pub(super) agreed: IndexMap<FieldKey, (Agreed, i64)>,
    /// Fields that somebody else has changed.
    pub(super) not_ours: HashSet<FieldKey>,
    pub(super) withdrawn: Vec<(i64, &'a CallId)>,
    pub(super) ended: Vec<i64>,
    pub(super) applied: IndexMap<Vec<u8>, &'a Applied>,
    pub(super) connections: IndexMap<(&'a str, &'a str), &'a ConnectionState>,
    pub(super) secrets: IndexMap<(&'a str, &'a str), &'a SealedSecret>,
    pub(super) reported: Vec<&'a NewEvent>,
    pub(super) polled: IndexMap<&'a PollName, &'a PollStep>,
    pub(super) reports: IndexMap<&'a PollId, &'a ReportEnd>,
    pub(super) intents: Vec<&'a NewIntent>,
    pub(super) good: Vec<&'a GoodClient>,
    /// Done last, and alone: it looks at all runs that wait.
    pub(super) release: Option<Release<'a>>,
    calls: HashSet<(i64, &'a Arc<str>)>,
    identities: HashSet<Vec<u8>>,
}

impl<'a> Wave<'a> {
    /// Adds a change, unless it has to wait for the next wave.
    #[must_use]
    pub(super) fn takes(&mut self, change: &'a Change) -> bool {
        if self.release.is_some() || !self.is_apart(change) {
            return false;
        }
        match change {
            Change::Called { run, client, at, outcome } => self.call_done(run.0, client, *at, outcome),
            Change::Withdrawn { run, call } => self.withdrawn.push((run.0, call)),
            Change::NotOurs(fields) => self.not_ours.extend(fields),
            Change::Applied(applied) => {
                self.applied.insert(applied_digest(applied), applied);
            }
            Change::Connection(state) => {
                self.connections.insert((&state.client, &state.connection), state);
            }
            Change::SecretKept(secret) => {
                self.secrets.insert((&secret.client, &secret.connection), secret);
            }
            Change::Released { client, connection, due, at_most } => {
                let at_most = at_most.map(i64::from);
                self.release = Some(Release { client, connection, due: micros(*due), at_most });
            }
            Change::Reported(event) => self.reported.push(event),
            // Decided one by one, under the lock of their rows (`write::limited`).
            Change::Limited(_) | Change::Told(_) => {}
            Change::Polled(step) => {
                self.polled.insert(&step.id.name, step);
            }
            Change::PollReported(end) => {
                self.reports.insert(&end.id, end);
            }
            Change::Ended { run, applied, .. } => {
                self.ended.push(run.0);
                if let Some(applied) = applied {
                    self.applied.insert(applied_digest(applied), applied);
                }
                self.runs.insert(run.0, run_change(change));
            }
            Change::Held { run, .. }
            | Change::Waiting { run, .. }
            | Change::Blocked { run }
            | Change::Versioned { run, .. } => {
                self.runs.insert(run.0, run_change(change));
            }
        }
        true
    }

    /// Adds an intent, unless it has to wait for the next wave.
    #[must_use]
    pub(super) fn takes_intent(&mut self, new: &'a NewIntent) -> bool {
        let digests = new.intent.identities.iter().map(|identity| identity_digest(&new.client, identity));
        let digests: Vec<Vec<u8>> = digests.collect();
        let clash = digests.iter().any(|digest| self.identities.contains(digest));
        if self.release.is_some() || clash || !self.calls.insert((new.run.0, &new.intent.call.0)) {
            return false;
        }
        self.identities.extend(digests);
        self.intents.push(new);
        true
    }

    /// Adds what a client runs with from now on, unless it has to wait for the next wave.
    #[must_use]
    pub(super) fn takes_good(&mut self, good: &'a GoodClient) -> bool {
        let again = self.good.iter().any(|other| other.client == good.client);
        if self.release.is_some() || again {
            return false;
        }
        self.good.push(good);
        true
    }

    fn is_apart(&mut self, change: &'a Change) -> bool {
        match change {
            Change::Called { run, outcome: CallOutcome { call, agreed, .. }, .. } => {
                agreed.iter().all(|agreed| !self.not_ours.contains(&agreed.field))
                    && self.calls.insert((run.0, &call.0))
            }
            Change::Withdrawn { run, call } => self.calls.insert((run.0, &call.0)),
            Change::NotOurs(fields) => fields.iter().all(|field| !self.agreed.contains_key(field)),
            Change::Ended { run, applied, .. } => {
                let twice = applied
                    .as_ref()
                    .is_some_and(|applied| self.applied.contains_key(&applied_digest(applied)));
                // Intents of the run that are taken in this wave would outlive it.
                let intends = self.intents.iter().any(|new| new.run == *run);
                !twice && !intends && !self.runs.contains_key(&run.0)
            }
            Change::Held { run, .. }
            | Change::Waiting { run, .. }
            | Change::Blocked { run }
            | Change::Versioned { run, .. } => !self.runs.contains_key(&run.0),
            Change::Applied(applied) => !self.applied.contains_key(&applied_digest(applied)),
            Change::Connection(state) => {
                !self.connections.contains_key(&(&*state.client, &*state.connection))
            }
            Change::SecretKept(secret) => !self.secrets.contains_key(&(&*secret.client, &*secret.connection)),
            Change::Released { .. } => self.is_empty(),
            Change::Reported(_) | Change::Limited(_) | Change::Told(_) => true,
            // A poll may make runs ready again: nothing else is to be said about one in the same wave.
            Change::Polled(step) => {
                !self.polled.contains_key(&step.id.name)
                    && step.again.iter().all(|(run, _)| !self.runs.contains_key(&run.0))
            }
            Change::PollReported(end) => {
                !self.reports.contains_key(&end.id) && !self.polled.contains_key(&end.id.name)
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.runs.is_empty()
            && self.called.is_empty()
            && self.withdrawn.is_empty()
            && self.not_ours.is_empty()
            && self.applied.is_empty()
            && self.connections.is_empty()
            && self.secrets.is_empty()
            && self.reported.is_empty()
            && self.polled.is_empty()
            && self.reports.is_empty()
            && self.intents.is_empty()
            && self.good.is_empty()
    }

    fn call_done(&mut self, run: i64, client: &'a str, at: Timestamp, outcome: &'a CallOutcome) {
        self.called.push(Called { run, client, at, outcome });
        for (identity, record) in &outcome.identified {
            let learned = Learned { client, identity, record, run };
            self.learned.insert(identity_digest(client, identity), learned);
        }
        self.agreed.extend(outcome.agreed.iter().map(|agreed| (agreed.field, (*agreed, run))));
    }
}

/// The key of what was applied to which object.
fn applied_digest(applied: &Applied) -> Vec<u8> {
    let Applied { client, pipeline, object, .. } = applied;
    digest(&[client, pipeline, object])
}

/// What a change of a run's state does to its row.
fn run_change(change: &Change) -> RunChange<'_> {
    match change {
        Change::Ended { at, attempts, outcome, reason, candidates, .. } => RunChange {
            state: Some(state_number(RunState::Ended(*outcome))),
            parks: true,
            attempts: Some(i64::from(*attempts)),
            reason: Some(reason),
            candidates: candidates_json(candidates),
            ended: Some(micros(*at)),
            ..RunChange::default()
        },
        Change::Held { due, connection, attempts, spent, reason, .. } => RunChange {
            state: Some(state_number(RunState::Held)),
            due: Some(due.map_or(ENDLESS, micros)),
            parks: true,
            parked: connection.as_deref(),
            spent: spent.to_json(),
            attempts: Some(i64::from(*attempts)),
            reason: Some(reason),
            ..RunChange::default()
        },
        Change::Waiting { due, spent, reason, .. } => RunChange {
            state: Some(state_number(RunState::Waiting)),
            due: Some(micros(*due)),
            parks: true,
            spent: spent.to_json(),
            reason: Some(reason),
            ..RunChange::default()
        },
        Change::Blocked { .. } => {
            RunChange { state: Some(state_number(RunState::Blocked)), ..RunChange::default() }
        }
        Change::Versioned { version, .. } => RunChange { version: Some(&version.0), ..RunChange::default() },
        Change::Called { .. }
        | Change::Withdrawn { .. }
        | Change::NotOurs(_)
        | Change::Applied(_)
        | Change::Connection(_)
        | Change::Released { .. }
        | Change::SecretKept(_)
        | Change::Limited(_)
        | Change::Told(_)
        | Change::Polled(_)
        | Change::PollReported(_)
        | Change::Reported(_) => RunChange::default(),
    }
}
