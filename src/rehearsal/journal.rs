//! The journal in memory: what the runs of a test, or of a dry run, have done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::steps::{
    Agreements, AuditEntry, CallId, CallOutcome, Entry, EntryState, FieldKey, Grant, Identity, Intent,
    Journal, JournalError,
};

/// What all runs have done, and which identities are known and taken.
#[derive(Debug, Default)]
pub struct Memory(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<(Arc<str>, CallId), Entry>,
    /// Identities with an open intent: the run and call that hold them.
    taken: BTreeMap<Identity, (Arc<str>, CallId)>,
    known: BTreeMap<Identity, Arc<str>>,
    agreed: Agreements,
    audit: Vec<AuditEntry>,
}

/// One run's view of it.
#[derive(Debug)]
pub struct RunJournal<'a> {
    memory: &'a Memory,
    run: Arc<str>,
}

impl Memory {
    /// The journal of one run. Made anew for each attempt, it knows what the earlier ones did.
    pub fn journal(&self, run: impl Into<Arc<str>>) -> RunJournal<'_> {
        RunJournal { memory: self, run: run.into() }
    }

    /// Ends a run: the identities that it holds are free.
    pub fn end(&self, run: &str) {
        self.state().taken.retain(|_, (holder, _)| &**holder != run);
    }

    /// What was written, for the audit.
    pub fn audit(&self) -> Vec<AuditEntry> {
        self.state().audit.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two changes, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn free(&mut self, run: &Arc<str>, call: &CallId) {
        self.taken.retain(|_, (holder, held)| holder != run || held != call);
    }
}

impl Journal for RunJournal<'_> {
    fn entry(&self, call: &CallId) -> Option<Entry> {
        self.memory.state().entries.get(&(Arc::clone(&self.run), call.clone())).cloned()
    }

    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<Grant, JournalError>> {
        let mut state = self.memory.state();
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
            Grant::Granted
        };
        async move { Ok(grant) }.boxed()
    }

    fn withdraw<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<(), JournalError>> {
        let mut state = self.memory.state();
        state.free(&self.run, call);
        state.entries.remove(&(Arc::clone(&self.run), call.clone()));
        async { Ok(()) }.boxed()
    }

    fn record(&self, outcome: CallOutcome) -> BoxFuture<'_, Result<(), JournalError>> {
        let mut state = self.memory.state();
        state.free(&self.run, &outcome.call);
        state.known.extend(outcome.identified);
        state.agreed.extend(outcome.agreed.iter().map(|agreed| (agreed.field, agreed.value)));
        state.audit.extend(outcome.audit);
        let entry = Entry { fingerprint: outcome.fingerprint, state: EntryState::Done(outcome.result) };
        state.entries.insert((Arc::clone(&self.run), outcome.call), entry);
        async { Ok(()) }.boxed()
    }

    fn agreements(&self, fields: Vec<FieldKey>) -> BoxFuture<'_, Result<Agreements, JournalError>> {
        let state = self.memory.state();
        let known = |field: FieldKey| Some((field, *state.agreed.get(&field)?));
        let agreed = fields.into_iter().filter_map(known).collect();
        async move { Ok(agreed) }.boxed()
    }

    fn known<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Option<Arc<str>>, JournalError>> {
        let known = self.memory.state().known.get(identity).map(Arc::clone);
        async move { Ok(known) }.boxed()
    }
}
