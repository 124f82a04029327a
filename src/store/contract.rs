//! The seam between lockstep and the database that it keeps things in.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::alert::LimitedReport;
use super::chain::{ChainState, SealedEntry};
use super::change::{AgreedRow, AlertWindow, Change, ConnectionState, NewIntent, Settled};
use super::erase::{ErasablePage, Erasing, ErasureFilter};
use super::error::StoreError;
use super::event::{Accepted, EventSeq, NewEvent};
use super::note::{ErasingNotes, NoteId, NoteKind, NotePage};
use super::poll::{
    DueReport, PollId, PollName, PollState, ReportFilter, ReportRow, SeenBy, SeenRow, Staged, StagedBy,
};
use super::query::{
    AuditFilter, AuditRow, Counts, EventDetail, EventFilter, EventRow, RunDetail, RunFilter, RunRow,
};
use super::run::{DueRun, Outlook, QueuedRun, RunBody, RunId, Version};
use super::sharing::{Sharing, TakenUp};
use super::version::{GoodClient, LastGood};
use crate::config::FileSet;
use crate::steps::{FieldKey, Grant, Identity};

/// What a store's question is answered with, in the end.
type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A store. What it has answered is on disk.
///
/// `accept`, `intend`, `commit` and `keep_good` come to disk in the order in which they were called, whoever called them.
pub trait Store: Send + Sync {
    /// Names this store among all stores, so that what is sent to other systems (idempotency keys) never means
    /// the run of another store.
    fn mark(&self) -> &str;

    /// True while this process may carry runs out: no other one can have taken over.
    fn works(&self) -> bool;

    /// What processes that share this store's work have to do with each other; nothing when this one has it to itself.
    fn sharing(&self) -> Option<&dyn Sharing> {
        None
    }

    /// True when a change that was handed over later is never on disk without the earlier ones, so that what
    /// depends on a change need not wait until it is there.
    fn prefix_durable(&self) -> bool;

    /// Keeps events with their runs and answers, in their order, when they are on disk (invariant 1).
    /// [`StoreError::Busy`] keeps none.
    fn accept(&self, events: Vec<NewEvent>) -> Answer<'static, Vec<Accepted>>;

    /// The same, and with the first of them, when it is new, what is told of it to pipelines that are started only so
    /// often: together, or not at all.
    fn accept_told(&self, events: Vec<NewEvent>, told: Vec<LimitedReport>) -> Answer<'static, Vec<Accepted>>;

    /// Makes an intent durable and takes its identities, all or none. A run holds what it took before.
    fn intend(&self, intent: NewIntent) -> Answer<'static, Grant>;

    /// Writes changes, all or none. They are queued when this returns, and on disk when its future is done.
    fn commit(&self, changes: Vec<Change>) -> Answer<'static, ()>;

    /// Takes up what this process has and has not taken up yet, after a stop, a crash, or another process: runs that stood
    /// behind others are ready again, to be put in order anew, and those that wait for a connection which is not paused, as
    /// far as it is known, are due.
    fn take_up(&self) -> Answer<'static, TakenUp>;

    /// For each client with unfinished runs that could go by themselves: whether one is due, and when the next
    /// one will be. Speaks, like `due`, of what this process has, and is not about to hand over.
    fn outlook(&self, now: Timestamp) -> Answer<'_, Vec<Outlook>>;

    /// Runs of a client that are ready, held or waiting, and due: the oldest first, at most `limit` of each. With those beyond
    /// `beyond` that have done nothing yet comes what they are carried out with.
    fn due<'a>(
        &'a self,
        client: &'a str,
        now: Timestamp,
        limit: usize,
        beyond: RunId,
    ) -> Answer<'a, Vec<DueRun>>;

    /// The blocked runs of one lane and key in lane order, at most `limit`.
    fn behind<'a>(
        &'a self,
        client: &'a str,
        lane: &'a str,
        key: &'a str,
        limit: usize,
    ) -> Answer<'a, Vec<QueuedRun>>;

    /// What a run is carried out with; `None` when there is no such run.
    fn load(&self, run: RunId) -> Answer<'_, Option<RunBody>>;

    /// The newest event that a pipeline has applied to an object: when it happened, and its rank.
    fn applied<'a>(
        &'a self,
        client: &'a str,
        pipeline: &'a str,
        object: &'a str,
    ) -> Answer<'a, Option<(Timestamp, u32)>>;

    /// What was agreed on last about these fields; those of which nothing is known are left out.
    fn agreed(&self, fields: Vec<FieldKey>) -> Answer<'_, Vec<AgreedRow>>;

    /// The record that an identity is known to be.
    fn known<'a>(&'a self, client: &'a str, identity: &'a Identity) -> Answer<'a, Option<Arc<str>>>;

    /// What is known of the connections' health; one that is not listed is well.
    fn connections(&self) -> Answer<'_, Vec<ConnectionState>>;

    /// The sealed secret that a connection kept last.
    fn secret<'a>(&'a self, client: &'a str, connection: &'a str) -> Answer<'a, Option<Vec<u8>>>;

    /// How far alerts that are started only so often have got.
    fn alert_windows(&self) -> Answer<'_, Vec<AlertWindow>>;

    /// How far a poll has got; `None` before its first.
    fn poll<'a>(&'a self, name: &'a PollName) -> Answer<'a, Option<PollState>>;

    /// What a poll saw of records.
    fn seen<'a>(&'a self, name: &'a PollName, by: SeenBy) -> Answer<'a, Vec<SeenRow>>;

    /// Of how many records it has seen something.
    fn seen_count<'a>(&'a self, name: &'a PollName) -> Answer<'a, u64>;

    /// The records of a poll that wait for the end of its listing.
    fn staged<'a>(&'a self, id: &'a PollId, by: StagedBy) -> Answer<'a, Vec<Staged>>;

    /// Those of these events of a connection that are there.
    fn known_events<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        ids: Vec<Arc<str>>,
    ) -> Answer<'a, Vec<Arc<str>>>;

    /// Reports whose runs have all ended, the oldest first, at most `limit`.
    fn due_reports(&self, limit: usize) -> Answer<'_, Vec<DueReport>>;

    /// Reports of polls, newest first.
    fn reports(&self, filter: ReportFilter) -> Answer<'_, Vec<ReportRow>>;

    /// Why something could not be written lately, where whoever reads would not notice.
    fn writable(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// How many runs are where.
    fn counts(&self) -> Answer<'_, Counts>;

    /// Events, newest first.
    fn events(&self, filter: EventFilter) -> Answer<'_, Vec<EventRow>>;

    /// One event with everything that came of it.
    fn event(&self, seq: EventSeq) -> Answer<'_, Option<EventDetail>>;

    /// Runs, newest first.
    fn runs(&self, filter: RunFilter) -> Answer<'_, Vec<RunRow>>;

    /// One run with what it has done.
    fn run(&self, id: RunId) -> Answer<'_, Option<RunDetail>>;

    /// Audit entries, newest run first.
    fn audit(&self, filter: AuditFilter) -> Answer<'_, Vec<AuditRow>>;

    /// Keeps what a client runs with from now on; what it ran with before is retired, unless it is part of this. An
    /// event that is accepted after this has answered may start runs of these versions.
    fn keep_good(&self, good: GoodClient) -> Answer<'static, ()>;

    /// What was kept last of each client.
    fn last_good(&self) -> Answer<'_, BTreeMap<Arc<str>, LastGood>>;

    /// The files of a kept version, of a client or of a pipeline; `None` when it was never kept, or is forgotten.
    fn files<'a>(&'a self, version: &'a Version) -> Answer<'a, Option<FileSet>>;

    /// Forgets the versions that were retired before `before` and that no unfinished run has begun with, and the texts
    /// that only they needed. Gives how many versions.
    fn forget_versions(&self, before: Timestamp) -> Answer<'_, u64>;

    /// Makes a dead letter ready again, with all its attempts before it, in the present version of its pipeline. What
    /// it has journalled stays done.
    /// [`StoreError::Assumption`] when there is no such run, or it is not dead.
    fn retry_dead(&self, run: RunId, now: Timestamp) -> Answer<'static, ()>;

    /// Ends a dead letter or a conflict for good, and tells the audit.
    /// [`StoreError::Assumption`] when it is not there, or does not wait for a person any more.
    fn settle(&self, settled: Settled) -> Answer<'static, ()>;

    /// Seals audit entries, those that have waited longest first, at most `limit`, and gives how many. When several
    /// processes seal, one of them does and the others seal nothing.
    fn seal(&self, limit: usize) -> Answer<'_, usize>;

    /// How far the audit is sealed.
    fn chain(&self) -> Answer<'_, ChainState>;

    /// The sealed entries after the one with the number `after`, in their order, at most `limit`.
    fn sealed(&self, after: u64, limit: usize) -> Answer<'_, Vec<SealedEntry>>;

    /// Looks at `limit` events after `after` that are not erased, for those that are to be.
    fn erasable(&self, filter: ErasureFilter, after: EventSeq, limit: usize) -> Answer<'_, ErasablePage>;

    /// Erases what came with these events and what came of them, and tells the audit, all or nothing. Gives those that
    /// were erased: an event is left as it is when it is erased already, when a run of it has not ended or is a dead
    /// letter, and when an audit entry of it is not sealed yet.
    fn erase(&self, erasing: Erasing) -> Answer<'static, Vec<EventSeq>>;

    /// Looks at `limit` notes of a kind after `after`, for those that are to be erased: what is kept of customers beside
    /// events.
    fn erasable_notes(
        &self,
        filter: ErasureFilter,
        kind: NoteKind,
        after: Option<NoteId>,
        limit: usize,
    ) -> Answer<'_, NotePage>;

    /// Erases what these notes say, and tells the audit, all or nothing. Gives those that were erased: not those that
    /// are not there any more. What polls know their records by stays.
    fn erase_notes(&self, erasing: ErasingNotes) -> Answer<'static, Vec<NoteId>>;

    /// Gives space back that erased things took, a small piece at a time. True when there is nothing left to give.
    fn give_back(&self) -> Answer<'static, bool>;

    /// Writes what is queued, and closes. Everything after it is [`StoreError::Closed`].
    fn close(&self) -> Answer<'static, ()>;
}
