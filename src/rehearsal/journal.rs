//! The journal in memory: what the runs of a test, or of a dry run, have done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::engine::Standing;
use crate::steps::{
    Agreements, AuditEntry, CallId, CallOutcome, Durability, Entry, EntryState, FieldKey, Grant, Identity,
    Intent, Journal, JournalError,
};

/// What all runs have done, and which identities are known and taken.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Both>);

#[derive(Debug, Default)]
struct Both {
    now: State,
    /// What would be there after a crash: without what need not have been on disk yet.
    disk: State,
}

#[derive(Debug, Clone, Default)]
struct State {
    entries: BTreeMap<(Arc<str>, CallId), Entry>,
    /// Identities with an open intent: the run and call that hold them.
    taken: BTreeMap<Identity, (Arc<str>, CallId)>,
    known: BTreeMap<Identity, Arc<str>>,
    agreed: Agreements,
    /// The newest event that was applied to an object, by the object's id.
    applied: BTreeMap<Arc<str>, Standing>,
    audit: Vec<AuditEntry>,
}

/// One run's view of it.
#[derive(Debug)]
pub struct RunJournal<'a> {
    memory: &'a Memory,
    run: Arc<str>,
    applies: Option<(Arc<str>, Standing)>,
}

impl Memory {
    /// The journal of one run. Made anew for each attempt, it knows what the earlier ones did.
    pub fn journal(&self, run: impl Into<Arc<str>>) -> RunJournal<'_> {
        RunJournal { memory: self, run: run.into(), applies: None }
    }

    /// Ends a run: the identities that it holds are free, and everything is on disk.
    pub fn end(&self, run: &str) {
        let mut both = self.both();
        both.now.taken.retain(|_, (holder, _)| &**holder != run);
        both.sync();
    }

    /// What was written, for the audit.
    pub fn audit(&self) -> Vec<AuditEntry> {
        self.both().now.audit.clone()
    }

    /// The newest event that was applied to an object.
    pub(super) fn applied(&self, object: &str) -> Option<Standing> {
        self.both().now.applied.get(object).copied()
    }

    /// An event was applied to its object.
    pub(super) fn apply(&self, object: &Arc<str>, standing: Standing) {
        self.both().now.apply(object, standing);
    }

    /// True when a run has done something that a later attempt finds.
    pub(super) fn has_begun(&self, run: &Arc<str>) -> bool {
        self.both().now.entries.keys().any(|(of, _)| of == run)
    }

    /// Everything that was queued comes to disk.
    pub(super) fn sync(&self) {
        self.both().sync();
    }

    /// The process dies: what was not on disk is gone.
    pub(super) fn crash(&self) {
        let mut both = self.both();
        both.now = both.disk.clone();
    }

    fn both(&self) -> MutexGuard<'_, Both> {
        // The state is whole between any two changes, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Both {
    fn sync(&mut self) {
        self.disk = self.now.clone();
    }
}

impl RunJournal<'_> {
    /// What the run applies its event to: kept from the first thing on that it has written.
    pub(super) fn applying(mut self, applies: Option<(Arc<str>, Standing)>) -> Self {
        self.applies = applies;
        self
    }
}

impl State {
    fn apply(&mut self, object: &Arc<str>, standing: Standing) {
        let newest = self.applied.entry(Arc::clone(object)).or_insert(standing);
        *newest = standing.max(*newest);
    }

    fn free(&mut self, run: &Arc<str>, call: &CallId) {
        self.taken.retain(|_, (holder, held)| holder != run || held != call);
    }
}

impl Journal for RunJournal<'_> {
    fn entry(&self, call: &CallId) -> Option<Entry> {
        self.memory.both().now.entries.get(&(Arc::clone(&self.run), call.clone())).cloned()
    }

    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<Grant, JournalError>> {
        let mut both = self.memory.both();
        let state = &mut both.now;
        let held =
            |identity: &Identity| state.taken.get(identity).is_some_and(|(holder, _)| *holder != self.run);
        let grant = if intent.identities.iter().any(held) {
            Grant::Held
        } else {
            for identity in intent.identities {
                state.taken.insert(identity, (Arc::clone(&self.run), intent.call.clone()));
            }
            let entry = Entry { fingerprint: intent.fingerprint, state: EntryState::Intended };
            state.entries.insert((Arc::clone(&self.run), intent.call), entry);
            both.sync();
            Grant::Granted
        };
        async move { Ok(grant) }.boxed()
    }

    fn withdraw<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<(), JournalError>> {
        let mut both = self.memory.both();
        let state = &mut both.now;
        state.free(&self.run, call);
        state.entries.remove(&(Arc::clone(&self.run), call.clone()));
        async { Ok(()) }.boxed()
    }

    fn record(&self, outcome: CallOutcome) -> BoxFuture<'_, Result<(), JournalError>> {
        let mut both = self.memory.both();
        let (state, durability) = (&mut both.now, outcome.durability);
        if let Some((object, standing)) = self.applies.as_ref().filter(|_| outcome.wrote()) {
            state.apply(object, *standing);
        }
        state.free(&self.run, &outcome.call);
        state.known.extend(outcome.identified);
        state.agreed.extend(outcome.agreed.iter().map(|agreed| (agreed.field, agreed.value)));
        state.audit.extend(outcome.audit);
        let entry = Entry { fingerprint: outcome.fingerprint, state: EntryState::Done(outcome.result) };
        state.entries.insert((Arc::clone(&self.run), outcome.call), entry);
        if durability == Durability::BeforeGoingOn {
            both.sync();
        }
        async { Ok(()) }.boxed()
    }

    fn agreements(&self, fields: Vec<FieldKey>) -> BoxFuture<'_, Result<Agreements, JournalError>> {
        let both = self.memory.both();
        let state = &both.now;
        let known = |field: FieldKey| Some((field, *state.agreed.get(&field)?));
        let agreed = fields.into_iter().filter_map(known).collect();
        async move { Ok(agreed) }.boxed()
    }

    fn known<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Option<Arc<str>>, JournalError>> {
        let known = self.memory.both().now.known.get(identity).map(Arc::clone);
        async move { Ok(known) }.boxed()
    }
}
