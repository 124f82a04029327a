//! The journal: what a run has done, as the steps see it.
//!
//! Steps never talk to a store. They ask the journal what is known of a call, say what they are about to do,
//! and tell what came of it; whoever runs them (the engine over a store, a pipeline test in memory) keeps it.
//! Invariant 2: an outcome that is journalled is never executed again.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::ledger::{Agreed, Agreements, FieldKey};
use crate::value::Value;

/// Names one call within its run by the place of its step and, in scripts, its number: `2`, `4[3].0`, `5#2`.
/// The same in every attempt, so that an attempt finds what an earlier one did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub Arc<str>);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the journal has of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Hash of what the call was asked to do. One that no longer fits means that the run would do something else
    /// than it began: it ends as a dead letter.
    pub fingerprint: u64,
    /// How far it got.
    pub state: EntryState,
}

/// How far a journalled call got.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryState {
    /// It was about to be sent; whether it was done is not known. It is looked up before anything is sent.
    Intended,
    /// It was done; this is what the step gave.
    Done(Value),
}

/// What identifies a record that is about to be created: two runs never hold the same one at one time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The connection.
    pub connection: Arc<str>,
    /// The object, or the operation of a call.
    pub object: Arc<str>,
    /// The key's fields and values in canonical form, e-mails trimmed and case-folded.
    pub key: Arc<str>,
}

/// What is about to be done and must be known to have been intended, whatever happens.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The call.
    pub call: CallId,
    /// Hash of what it was asked to do.
    pub fingerprint: u64,
    /// What it would bring into being; several for several match keys. Locked in sorted order until the call's
    /// outcome is recorded or the run ends.
    pub identities: Vec<Identity>,
}

/// The answer to an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// The intent is on disk and the identities are this run's.
    Granted,
    /// Another run holds one of the identities: come back shortly, and look again.
    Held,
}

/// What came of a call.
#[derive(Debug, Clone)]
pub struct CallOutcome {
    /// The call.
    pub call: CallId,
    /// Hash of what it was asked to do.
    pub fingerprint: u64,
    /// What the step gave, as later steps read it and as a later attempt gets it back.
    pub result: Value,
    /// What was written, for the audit; `None` for reads.
    pub audit: Option<AuditEntry>,
    /// Which record an identity turned out to be, so that a search that lags behind never decides a create.
    pub identified: Vec<(Identity, Arc<str>)>,
    /// What fields hold from now on, where it will be asked for.
    pub agreed: Vec<Agreed>,
    /// Whether the next step must wait until this is on disk.
    pub durability: Durability,
}

impl CallOutcome {
    /// True when something was written, or found to be what the call would have written: the event is applied from here on.
    pub(crate) fn wrote(&self) -> bool {
        self.audit.is_some() || !self.identified.is_empty()
    }
}

/// When an outcome must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before the run goes on.
    BeforeGoingOn,
    /// With the next commit: losing it means reading, comparing and finding nothing to do.
    WithNextCommit,
}

/// Who changed which record's which field, from what to what.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// The connection.
    pub connection: Arc<str>,
    /// The object, or the operation of a call.
    pub object: Arc<str>,
    /// The record; `None` for operations that have none.
    pub record: Option<Arc<str>>,
    /// `create`, `update`, `delete`, `link`, `unlink` or `call`; `dismiss`, `resolve` or `erase` where a person or the
    /// retention did something to the store itself.
    pub verb: &'static str,
    /// The step's place in its pipeline, and its id when it has one.
    pub step: Arc<str>,
    /// Each field that was written, with its value before (nothing when it was not read) and after.
    pub changes: Vec<FieldChange>,
    /// Fields of the mapping that were left alone: because their value was nothing, or because they are another side's, as
    /// `note` says.
    pub left_alone: Vec<Arc<str>>,
    /// A word for people: `possibly repeated`, `found after a lost answer`, ...
    pub note: Option<Arc<str>>,
}

/// One field before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// The field's name in its system.
    pub field: Arc<str>,
    /// Its value before; nothing when it was empty or not read.
    pub before: Value,
    /// Its value after.
    pub after: Value,
}

/// The journal could not be read or written: the run stops where it is and is taken up again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal is out of reach: {0}")]
pub struct JournalError(pub String);

/// What a run has done. One is made for each execution of a run.
pub trait Journal: Send + Sync {
    /// What is known of a call, from this attempt or an earlier one.
    fn entry(&self, call: &CallId) -> Option<Entry>;

    /// Makes an intent durable and takes its identities, or says that another run holds one.
    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<Grant, JournalError>>;

    /// Takes an intent back: the system answered that it did not do it. Frees the identities, and the call is again
    /// one of which nothing is known. Need not be on disk before the run goes on: losing it means looking up once
    /// more than needed.
    fn withdraw<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<(), JournalError>>;

    /// Keeps what came of a call.
    fn record(&self, outcome: CallOutcome) -> BoxFuture<'_, Result<(), JournalError>>;

    /// What was agreed on last about these fields, by any run; those of which nothing is known are left out.
    fn agreements(&self, fields: Vec<FieldKey>) -> BoxFuture<'_, Result<Agreements, JournalError>>;

    /// The record that we know an identity to be, from any run.
    fn known<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Option<Arc<str>>, JournalError>>;
}
