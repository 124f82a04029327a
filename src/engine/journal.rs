//! The journal of one run, over the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::applied::Unsettled;
use crate::clock::SharedClock;
use crate::failpoint::failpoint;
use crate::secret::Redactor;
use crate::steps::{
    Agreements, CallId, CallOutcome, Durability, Entry, EntryState, FieldKey, Grant, Identity, Intent,
    Journal, JournalError,
};
use crate::store::{Applied, Change, NewIntent, RunId, Store, StoreError};

/// What one run has done: what the store knows of it, and what is being added.
pub(super) struct RunJournal {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: SharedClock,
    pub(super) client: Arc<str>,
    pub(super) run: RunId,
    pub(super) redactor: Redactor,
    pub(super) entries: Mutex<HashMap<CallId, Entry>>,
    /// What was handed over and need not be on disk before the run goes on, but before it ends.
    pub(super) queued: Mutex<Vec<BoxFuture<'static, Result<(), StoreError>>>>,
    /// What the run applies its event to, until that is kept: together with the first thing that it has written.
    pub(super) applies: Mutex<Option<Applied>>,
    pub(super) unsettled: Arc<Unsettled>,
}

impl RunJournal {
    /// Waits until everything that was only queued is on disk: a run never ends as done while the store has
    /// refused a part of what it did.
    pub(super) async fn settled(&self) -> Result<(), StoreError> {
        let queued = std::mem::take(&mut *self.queued.lock().unwrap_or_else(PoisonError::into_inner));
        for stored in queued {
            stored.await?;
        }
        Ok(())
    }

    /// What the run applies its event to, unless it is kept that it has begun to.
    pub(super) fn still_applies(&self) -> Option<Applied> {
        self.applies.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<CallId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for RunJournal {
    fn entry(&self, call: &CallId) -> Option<Entry> {
        self.entries().get(call).cloned()
    }

    fn intend(&self, mut intent: Intent) -> BoxFuture<'_, Result<Grant, JournalError>> {
        // Everybody takes identities in one order, so that two runs never wait for each other.
        intent.identities.sort_unstable();
        let (call, fingerprint) = (intent.call.clone(), intent.fingerprint);
        let new = NewIntent { run: self.run, client: Arc::clone(&self.client), at: self.clock.now(), intent };
        let stored = self.store.intend(new);
        async move {
            failpoint!("before-intent");
            let grant = stored.await.map_err(out_of_reach)?;
            failpoint!("after-intent");
            if grant == Grant::Granted {
                self.entries().insert(call, Entry { fingerprint, state: EntryState::Intended });
            }
            Ok(grant)
        }
        .boxed()
    }

    fn withdraw<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<(), JournalError>> {
        failpoint!("before-withdrawn");
        self.entries().remove(call);
        let stored = self.store.commit(vec![Change::Withdrawn { run: self.run, call: call.clone() }]);
        async move {
            self.unless_queued(stored, Durability::WithNextCommit).await?;
            failpoint!("after-withdrawn");
            Ok(())
        }
        .boxed()
    }

    fn record(&self, mut outcome: CallOutcome) -> BoxFuture<'_, Result<(), JournalError>> {
        failpoint!("before-record");
        self.blot(&mut outcome);
        let durability = outcome.durability;
        let entry =
            Entry { fingerprint: outcome.fingerprint, state: EntryState::Done(outcome.result.clone()) };
        self.entries().insert(outcome.call.clone(), entry);
        // From its first write on an older event is stale: a run that is held or waits half-way is not written over.
        let wrote = outcome.wrote();
        let applied = if wrote { self.still_applies() } else { None };
        if let Some(applied) = &applied {
            self.unsettled.begun(applied);
        }
        let client = Arc::clone(&self.client);
        let called = Change::Called { run: self.run, client, at: self.clock.now(), outcome };
        let stored = self.store.commit([called].into_iter().chain(applied.map(Change::Applied)).collect());
        failpoint!("record-queued");
        async move {
            self.unless_queued(stored, durability).await?;
            failpoint!("after-record");
            Ok(())
        }
        .boxed()
    }

    fn agreements(&self, fields: Vec<FieldKey>) -> BoxFuture<'_, Result<Agreements, JournalError>> {
        let rows = self.store.agreed(fields);
        async move {
            let rows = rows.await.map_err(out_of_reach)?;
            Ok(rows.into_iter().map(|row| (row.agreed.field, row.agreed.value)).collect())
        }
        .boxed()
    }

    fn known<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Option<Arc<str>>, JournalError>> {
        async move { self.store.known(&self.client, identity).await.map_err(out_of_reach) }.boxed()
    }
}

impl RunJournal {
    /// Takes out what a mapping has written of a secret: the audit is for people (invariant 5).
    fn blot(&self, outcome: &mut CallOutcome) {
        for change in outcome.audit.iter_mut().flat_map(|audit| &mut audit.changes) {
            for value in [&mut change.before, &mut change.after] {
                if let Some(clean) = self.redactor.redact_value(value) {
                    *value = clean;
                }
            }
        }
        if let Some(clean) = self.redactor.redact_value(&outcome.result) {
            outcome.result = clean;
        }
    }

    /// Waits for the disk where the outcome asks for it, or where the order of commits does not promise it. What
    /// is only queued comes to disk before anything that this run hands over later.
    async fn unless_queued(
        &self,
        stored: BoxFuture<'static, Result<(), StoreError>>,
        durability: Durability,
    ) -> Result<(), JournalError> {
        match durability {
            Durability::WithNextCommit if self.store.prefix_durable() => {
                self.queued.lock().unwrap_or_else(PoisonError::into_inner).push(stored);
                Ok(())
            }
            Durability::WithNextCommit | Durability::BeforeGoingOn => stored.await.map_err(out_of_reach),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn out_of_reach(failure: StoreError) -> JournalError {
    JournalError(failure.to_string())
}
