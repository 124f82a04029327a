//! The store over one SQLite file.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::columns::name;
use super::open::{self, Opened};
use super::readers::Readers;
use super::writer::{Mailbox, Op};
use super::{erase, look, notes, poll, read, seal, versions};
use crate::config::FileSet;
use crate::steps::{FieldKey, Grant, Identity};
use crate::store::{
    Accepted, Access, AgreedRow, AlertWindow, AuditFilter, AuditRow, ChainState, Change, ConnectionState,
    Counts, DueReport, DueRun, ErasablePage, Erasing, ErasingNotes, ErasureFilter, EventDetail, EventFilter,
    EventRow, EventSeq, GoodClient, LastGood, LimitedReport, NewEvent, NewIntent, NoteId, NoteKind, NotePage,
    Outlook, PollId, PollName, PollState, QueuedRun, ReportFilter, ReportRow, RunBody, RunDetail, RunFilter,
    RunId, RunRow, SealedEntry, SeenBy, SeenRow, Settled, Staged, StagedBy, Store, StoreError, TakenUp,
    Version,
};

/// A store in one SQLite file. Several processes may have it open, one of them to carry runs out.
pub struct SqliteStore {
    mark: String,
    mailbox: Mailbox,
    readers: Readers,
    /// Held as long as the store is: see [`Access::Run`].
    _guard: Option<File>,
}

impl SqliteStore {
    /// Opens the store at `path`, makes it when it is missing, brings it up to date when an older lockstep made it.
    /// Blocks for as long as that takes: some milliseconds, when there is nothing to migrate.
    pub fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        let Opened { connection, mark, guard } = open::open(path, access)?;
        let mailbox = Mailbox::start(connection, path.into())
            .map_err(|failure| StoreError::Unopened { store: name(path), reason: failure.to_string() })?;
        Ok(Self { mark, mailbox, readers: Readers::new(path), _guard: guard })
    }
}

impl Store for SqliteStore {
    fn mark(&self) -> &str {
        &self.mark
    }

    /// The lock on the file is held as long as it is open.
    fn works(&self) -> bool {
        true
    }

    /// One mailbox, one log.
    fn prefix_durable(&self) -> bool {
        true
    }

    fn accept(&self, events: Vec<NewEvent>) -> BoxFuture<'static, Result<Vec<Accepted>, StoreError>> {
        self.mailbox.accept(events, Vec::new())
    }

    fn accept_told(
        &self,
        events: Vec<NewEvent>,
        told: Vec<LimitedReport>,
    ) -> BoxFuture<'static, Result<Vec<Accepted>, StoreError>> {
        self.mailbox.accept(events, told)
    }

    fn intend(&self, intent: NewIntent) -> BoxFuture<'static, Result<Grant, StoreError>> {
        self.mailbox.send(intent, Op::Intend)
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.mailbox.send(changes, Op::Commit)
    }

    fn take_up(&self) -> BoxFuture<'static, Result<TakenUp, StoreError>> {
        self.mailbox.send((), Op::TakeUp)
    }

    fn outlook(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<Outlook>, StoreError>> {
        self.readers.ask(move |connection| read::outlook(connection, now)).boxed()
    }

    fn due<'a>(
        &'a self,
        client: &'a str,
        now: Timestamp,
        limit: usize,
        beyond: RunId,
    ) -> BoxFuture<'a, Result<Vec<DueRun>, StoreError>> {
        let client = client.to_owned();
        self.readers.ask(move |connection| read::due(connection, &client, now, limit, beyond)).boxed()
    }

    fn behind<'a>(
        &'a self,
        client: &'a str,
        lane: &'a str,
        key: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<QueuedRun>, StoreError>> {
        let [client, lane, key] = [client, lane, key].map(str::to_owned);
        self.readers.ask(move |connection| read::behind(connection, &client, &lane, &key, limit)).boxed()
    }

    fn load(&self, run: RunId) -> BoxFuture<'_, Result<Option<RunBody>, StoreError>> {
        self.readers.ask(move |connection| read::load(connection, run)).boxed()
    }

    fn applied<'a>(
        &'a self,
        client: &'a str,
        pipeline: &'a str,
        object: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Timestamp, u32)>, StoreError>> {
        let [client, pipeline, object] = [client, pipeline, object].map(str::to_owned);
        self.readers.ask(move |connection| read::applied(connection, &client, &pipeline, &object)).boxed()
    }

    fn agreed(&self, fields: Vec<FieldKey>) -> BoxFuture<'_, Result<Vec<AgreedRow>, StoreError>> {
        self.readers.ask(move |connection| read::agreed(connection, &fields)).boxed()
    }

    fn known<'a>(
        &'a self,
        client: &'a str,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<Option<Arc<str>>, StoreError>> {
        let (client, identity) = (client.to_owned(), identity.clone());
        self.readers.ask(move |connection| read::known(connection, &client, &identity)).boxed()
    }

    fn connections(&self) -> BoxFuture<'_, Result<Vec<ConnectionState>, StoreError>> {
        self.readers.ask(read::connections).boxed()
    }

    fn secret<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let [client, connection] = [client, connection].map(str::to_owned);
        self.readers.ask(move |reader| read::secret(reader, &client, &connection)).boxed()
    }

    fn alert_windows(&self) -> BoxFuture<'_, Result<Vec<AlertWindow>, StoreError>> {
        self.readers.ask(read::alert_windows).boxed()
    }

    fn poll<'a>(&'a self, name: &'a PollName) -> BoxFuture<'a, Result<Option<PollState>, StoreError>> {
        let name = name.clone();
        self.readers.ask(move |connection| poll::poll(connection, &name)).boxed()
    }

    fn seen<'a>(&'a self, name: &'a PollName, by: SeenBy) -> BoxFuture<'a, Result<Vec<SeenRow>, StoreError>> {
        let name = name.clone();
        self.readers.ask(move |connection| poll::seen(connection, &name, &by)).boxed()
    }

    fn seen_count<'a>(&'a self, name: &'a PollName) -> BoxFuture<'a, Result<u64, StoreError>> {
        let name = name.clone();
        self.readers.ask(move |connection| poll::seen_count(connection, &name)).boxed()
    }

    fn staged<'a>(&'a self, id: &'a PollId, by: StagedBy) -> BoxFuture<'a, Result<Vec<Staged>, StoreError>> {
        let id = id.clone();
        self.readers.ask(move |connection| poll::staged(connection, &id, &by)).boxed()
    }

    fn known_events<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        ids: Vec<Arc<str>>,
    ) -> BoxFuture<'a, Result<Vec<Arc<str>>, StoreError>> {
        let [client, connection] = [client, connection].map(str::to_owned);
        self.readers.ask(move |reader| poll::known_events(reader, &client, &connection, &ids)).boxed()
    }

    fn due_reports(&self, limit: usize) -> BoxFuture<'_, Result<Vec<DueReport>, StoreError>> {
        self.readers.ask(move |connection| poll::due_reports(connection, limit)).boxed()
    }

    fn reports(&self, filter: ReportFilter) -> BoxFuture<'_, Result<Vec<ReportRow>, StoreError>> {
        self.readers.ask(move |connection| poll::reports(connection, &filter)).boxed()
    }

    fn writable(&self) -> Result<(), StoreError> {
        self.mailbox.failed_lately()
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts, StoreError>> {
        self.readers.ask(read::counts).boxed()
    }

    fn events(&self, filter: EventFilter) -> BoxFuture<'_, Result<Vec<EventRow>, StoreError>> {
        self.readers.ask(move |connection| look::events(connection, &filter)).boxed()
    }

    fn event(&self, seq: EventSeq) -> BoxFuture<'_, Result<Option<EventDetail>, StoreError>> {
        self.readers.ask(move |connection| look::event(connection, seq)).boxed()
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRow>, StoreError>> {
        self.readers.ask(move |connection| look::runs(connection, &filter)).boxed()
    }

    fn run(&self, id: RunId) -> BoxFuture<'_, Result<Option<RunDetail>, StoreError>> {
        self.readers.ask(move |connection| look::run(connection, id)).boxed()
    }

    fn audit(&self, filter: AuditFilter) -> BoxFuture<'_, Result<Vec<AuditRow>, StoreError>> {
        self.readers.ask(move |connection| look::audit(connection, &filter)).boxed()
    }

    fn keep_good(&self, good: GoodClient) -> BoxFuture<'static, Result<(), StoreError>> {
        self.mailbox.send(good, Op::KeepGood)
    }

    fn last_good(&self) -> BoxFuture<'_, Result<BTreeMap<Arc<str>, LastGood>, StoreError>> {
        self.readers.ask(versions::last_good).boxed()
    }

    fn files<'a>(&'a self, version: &'a Version) -> BoxFuture<'a, Result<Option<FileSet>, StoreError>> {
        let version = version.clone();
        self.readers.ask(move |connection| versions::files(connection, &version)).boxed()
    }

    fn forget_versions(&self, before: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        let forgotten = async move {
            let unneeded = self.readers.ask(move |connection| versions::unneeded(connection, before)).await?;
            if unneeded.is_empty() {
                return Ok(0);
            }
            self.mailbox.send((unneeded, before), Op::Forget).await
        };
        forgotten.boxed()
    }

    fn retry_dead(&self, run: RunId, now: Timestamp) -> BoxFuture<'static, Result<(), StoreError>> {
        self.mailbox.send((run, now), Op::RetryDead)
    }

    fn settle(&self, settled: Settled) -> BoxFuture<'static, Result<(), StoreError>> {
        self.mailbox.send(settled, Op::Settle)
    }

    fn seal(&self, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        let sealed = async move {
            let prepared = self.readers.ask(move |connection| seal::prepare(connection, limit)).await??;
            if prepared.is_empty() {
                return Ok(0);
            }
            self.mailbox.send(prepared, Op::Seal).await
        };
        sealed.boxed()
    }

    fn chain(&self) -> BoxFuture<'_, Result<ChainState, StoreError>> {
        self.readers.ask(seal::chain).boxed()
    }

    fn sealed(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<SealedEntry>, StoreError>> {
        self.readers.ask(move |connection| seal::sealed(connection, after, limit)).boxed()
    }

    fn erasable(
        &self,
        filter: ErasureFilter,
        after: EventSeq,
        limit: usize,
    ) -> BoxFuture<'_, Result<ErasablePage, StoreError>> {
        self.readers.ask(move |connection| erase::erasable(connection, &filter, after, limit)).boxed()
    }

    fn erase(&self, erasing: Erasing) -> BoxFuture<'static, Result<Vec<EventSeq>, StoreError>> {
        self.mailbox.send(erasing, Op::Erase)
    }

    fn erasable_notes(
        &self,
        filter: ErasureFilter,
        kind: NoteKind,
        after: Option<NoteId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<NotePage, StoreError>> {
        let look = move |connection: &_| notes::erasable(connection, &filter, kind, after.as_ref(), limit);
        self.readers.ask(look).boxed()
    }

    fn erase_notes(&self, erasing: ErasingNotes) -> BoxFuture<'static, Result<Vec<NoteId>, StoreError>> {
        self.mailbox.send(erasing, Op::EraseNotes)
    }

    fn give_back(&self) -> BoxFuture<'static, Result<bool, StoreError>> {
        self.mailbox.send((), Op::GiveBack)
    }

    fn close(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        self.readers.close();
        self.mailbox.send((), Op::Close)
    }
}
