//! The store of the simulation: SQLite on disk, behind a queue that loses what a crash loses.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lockstep::clock::SharedClock;
use lockstep::config::FileSet;
use lockstep::steps::{FieldKey, Grant, Identity};
use lockstep::store::sqlite::SqliteStore;
use lockstep::store::{
    Accepted, Access, AgreedRow, AlertWindow, AuditFilter, AuditRow, ChainState, Change, ConnectionState,
    Counts, DueReport, DueRun, ErasablePage, Erasing, ErasingNotes, ErasureFilter, EventDetail, EventFilter,
    EventRow, EventSeq, GoodClient, LastGood, LimitedReport, NewEvent, NewIntent, NoteId, NoteKind, NotePage,
    Outlook, PollId, PollName, PollState, QueuedRun, ReportFilter, ReportRow, RunBody, RunDetail, RunFilter,
    RunId, RunRow, SealedEntry, SeenBy, SeenRow, Settled, Staged, StagedBy, Store, StoreError, TakenUp, Told,
    Version,
};
use tokio::sync::{Notify, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::ledger::Ledger;
use super::life::Life;
use super::random::Random;

/// The longest time that a commit takes, and a read.
const COMMIT: Duration = Duration::from_millis(6);
const READ: Duration = Duration::from_millis(3);

/// What is broken on purpose: a simulation that finds nothing has to be shown to find something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// Nothing.
    None,
    /// Everybody gets every identity.
    GrantsEverything,
    /// What came of a call is answered as kept, and is not.
    ForgetsOutcomes,
    /// An event now and then is acknowledged, and not kept.
    AcknowledgesTooEarly,
    /// Runs stand in their lanes as they arrived.
    ForgetsOrder,
    /// Nothing is ever stale.
    ForgetsApplied,
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to write, and whom to tell.
enum Op {
    Accept(Vec<NewEvent>, Vec<LimitedReport>, Reply<Vec<Accepted>>),
    Intend(NewIntent, Reply<Grant>),
    Commit(Vec<Change>, Reply<()>),
    TakeUp(Reply<TakenUp>),
}

/// One process's store.
pub(super) struct SimStore {
    core: Arc<Core>,
    _writer: AbortOnDropHandle<()>,
}

/// What a store is made of.
pub(super) struct Core {
    inner: SqliteStore,
    queue: Mutex<VecDeque<Op>>,
    news: Notify,
    pub(super) random: Random,
    pub(super) life: Arc<Life>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: SharedClock,
    pub(super) sabotage: Sabotage,
    /// True while commits may fail.
    pub(super) faulty: AtomicBool,
}

/// What [`SimStore::open`] takes.
pub(super) struct Parts {
    pub(super) random: Random,
    pub(super) life: Arc<Life>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: SharedClock,
    pub(super) sabotage: Sabotage,
}

impl SimStore {
    pub(super) fn open(path: &Path, parts: Parts) -> Self {
        let Parts { random, life, ledger, clock, sabotage } = parts;
        let core = Arc::new(Core {
            inner: SqliteStore::open(path, Access::Run).unwrap(),
            queue: Mutex::default(),
            news: Notify::new(),
            random,
            life,
            ledger,
            clock,
            sabotage,
            faulty: AtomicBool::new(true),
        });
        let writer = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&core).write()));
        Self { core, _writer: writer }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Queues something; the answer of a dead process never comes.
    fn queue<T: Send + 'static>(
        &self,
        op: impl FnOnce(Reply<T>) -> Op,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (reply, answer) = oneshot::channel();
        self.core.queue.lock().unwrap().push_back(op(reply));
        self.core.news.notify_one();
        async move {
            match answer.await {
                Ok(answer) => answer,
                Err(_) => pending().await,
            }
        }
        .boxed()
    }

    fn read<'a, T: 'a>(
        &'a self,
        question: impl FnOnce(&'a SqliteStore) -> BoxFuture<'a, Result<T, StoreError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        async move {
            tokio::time::sleep(self.core.random.time(READ)).await;
            if self.core.life.is_over() {
                pending::<()>().await;
            }
            at_once(question(&self.core.inner))
        }
        .boxed()
    }
}

impl Core {
    /// The writer: whatever gathered while the last commit was under way is the next one.
    async fn write(self: Arc<Self>) {
        loop {
            self.news.notified().await;
            loop {
                tokio::time::sleep(self.random.time(COMMIT)).await;
                let batch = std::mem::take(&mut *self.queue.lock().unwrap());
                if batch.is_empty() {
                    break;
                }
                if !self.life.goes_on() {
                    return;
                }
                let answers: Vec<_> = if self.faulty.load(Ordering::SeqCst) && self.random.percent(1) {
                    self.ledger.refused(self.clock.now());
                    batch.into_iter().map(Op::refuse).collect()
                } else {
                    batch.into_iter().map(|op| self.carry_out(op)).collect()
                };
                // On disk, and nobody was told: the widest gap there is.
                if !self.life.goes_on() {
                    return;
                }
                for answer in answers {
                    answer();
                }
            }
        }
    }

    /// Writes it, and gives what tells of it.
    fn carry_out(&self, op: Op) -> Box<dyn FnOnce() + Send> {
        match op {
            Op::Accept(mut events, limited, reply) => {
                if self.sabotage == Sabotage::AcknowledgesTooEarly && self.random.percent(20) {
                    let nothing = Accepted::New { seq: EventSeq(0), runs: Vec::new() };
                    let answer = events.iter().map(|_| nothing.clone()).collect();
                    return Box::new(move || drop(reply.send(Ok(answer))));
                }
                let now = self.clock.now();
                let told = events.clone();
                if self.sabotage == Sabotage::ForgetsOrder {
                    let places = events.iter_mut().flat_map(|event| &mut event.runs);
                    places.for_each(|run| (run.place.created, run.place.rank) = (now, 0));
                }
                let answer = at_once(self.inner.accept_told(events, limited));
                if let Ok(accepted) = &answer {
                    self.ledger.accepted(&told, accepted, now);
                }
                Box::new(move || drop(reply.send(answer)))
            }
            Op::Intend(intent, reply) => {
                let answer = at_once(self.inner.intend(intent));
                let everything = self.sabotage == Sabotage::GrantsEverything;
                let answer = answer.map(|grant| if everything { Grant::Granted } else { grant });
                Box::new(move || drop(reply.send(answer)))
            }
            Op::Commit(changes, reply) => {
                let mut kept = changes.clone();
                if self.sabotage == Sabotage::ForgetsOutcomes {
                    kept.retain(|change| !matches!(change, Change::Called { .. }));
                }
                let answer = at_once(self.inner.commit(kept));
                if answer.is_ok() {
                    self.ledger.written(&changes, self.clock.now());
                }
                Box::new(move || drop(reply.send(answer)))
            }
            Op::TakeUp(reply) => {
                let answer = at_once(self.inner.take_up());
                Box::new(move || drop(reply.send(answer)))
            }
        }
    }
}

impl Op {
    /// The disk was full for a moment.
    fn refuse(self) -> Box<dyn FnOnce() + Send> {
        match self {
            Self::Accept(_, _, reply) => Box::new(move || drop(reply.send(Err(StoreError::Full)))),
            Self::Intend(_, reply) => Box::new(move || drop(reply.send(Err(StoreError::Full)))),
            Self::Commit(_, reply) => Box::new(move || drop(reply.send(Err(StoreError::Full)))),
            Self::TakeUp(reply) => Box::new(move || drop(reply.send(Err(StoreError::Full)))),
        }
    }
}

/// Waits on the spot for another thread's answer: no simulated time passes, and nothing else happens meanwhile.
fn at_once<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    // Tokio would have a task that polls so long give way to others, for ever.
    let mut future = std::pin::pin!(tokio::task::unconstrained(future));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

impl Store for SimStore {
    fn mark(&self) -> &str {
        self.core.inner.mark()
    }

    fn works(&self) -> bool {
        true
    }

    fn prefix_durable(&self) -> bool {
        true
    }

    fn accept(&self, events: Vec<NewEvent>) -> BoxFuture<'static, Result<Vec<Accepted>, StoreError>> {
        self.accept_told(events, Vec::new())
    }

    fn accept_told(
        &self,
        events: Vec<NewEvent>,
        told: Vec<LimitedReport>,
    ) -> BoxFuture<'static, Result<Vec<Accepted>, StoreError>> {
        self.queue(|reply| Op::Accept(events, told, reply))
    }

    fn intend(&self, intent: NewIntent) -> BoxFuture<'static, Result<Grant, StoreError>> {
        self.queue(|reply| Op::Intend(intent, reply))
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'static, Result<(), StoreError>> {
        self.core.ledger.queued(&changes, self.core.clock.now());
        self.queue(|reply| Op::Commit(changes, reply))
    }

    fn take_up(&self) -> BoxFuture<'static, Result<TakenUp, StoreError>> {
        self.queue(Op::TakeUp)
    }

    fn outlook(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<Outlook>, StoreError>> {
        self.read(move |store| store.outlook(now))
    }

    fn due<'a>(
        &'a self,
        client: &'a str,
        now: Timestamp,
        limit: usize,
        beyond: RunId,
    ) -> BoxFuture<'a, Result<Vec<DueRun>, StoreError>> {
        let forgets = self.core.sabotage == Sabotage::ForgetsApplied;
        let due = self.read(move |store| store.due(client, now, limit, beyond));
        async move {
            let mut due = due.await?;
            for ahead in due.iter_mut().filter(|_| forgets).filter_map(|due| due.ahead.as_mut()) {
                ahead.applied = Told::Nothing;
            }
            Ok(due)
        }
        .boxed()
    }

    fn behind<'a>(
        &'a self,
        client: &'a str,
        lane: &'a str,
        key: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<QueuedRun>, StoreError>> {
        self.read(move |store| store.behind(client, lane, key, limit))
    }

    fn load(&self, run: RunId) -> BoxFuture<'_, Result<Option<RunBody>, StoreError>> {
        self.read(move |store| store.load(run))
    }

    fn applied<'a>(
        &'a self,
        client: &'a str,
        pipeline: &'a str,
        object: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Timestamp, u32)>, StoreError>> {
        let forgets = self.core.sabotage == Sabotage::ForgetsApplied;
        let applied = self.read(move |store| store.applied(client, pipeline, object));
        async move { Ok(applied.await?.filter(|_| !forgets)) }.boxed()
    }

    fn agreed(&self, fields: Vec<FieldKey>) -> BoxFuture<'_, Result<Vec<AgreedRow>, StoreError>> {
        self.read(move |store| store.agreed(fields))
    }

    fn known<'a>(
        &'a self,
        client: &'a str,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<Option<Arc<str>>, StoreError>> {
        self.read(move |store| store.known(client, identity))
    }

    fn connections(&self) -> BoxFuture<'_, Result<Vec<ConnectionState>, StoreError>> {
        self.read(Store::connections)
    }

    fn secret<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.read(move |store| store.secret(client, connection))
    }

    fn alert_windows(&self) -> BoxFuture<'_, Result<Vec<AlertWindow>, StoreError>> {
        self.read(Store::alert_windows)
    }

    fn poll<'a>(&'a self, name: &'a PollName) -> BoxFuture<'a, Result<Option<PollState>, StoreError>> {
        self.read(move |store| store.poll(name))
    }

    fn seen<'a>(&'a self, name: &'a PollName, by: SeenBy) -> BoxFuture<'a, Result<Vec<SeenRow>, StoreError>> {
        self.read(move |store| store.seen(name, by))
    }

    fn seen_count<'a>(&'a self, name: &'a PollName) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.read(move |store| store.seen_count(name))
    }

    fn staged<'a>(&'a self, id: &'a PollId, by: StagedBy) -> BoxFuture<'a, Result<Vec<Staged>, StoreError>> {
        self.read(move |store| store.staged(id, by))
    }

    fn known_events<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        ids: Vec<Arc<str>>,
    ) -> BoxFuture<'a, Result<Vec<Arc<str>>, StoreError>> {
        self.read(move |store| store.known_events(client, connection, ids))
    }

    fn due_reports(&self, limit: usize) -> BoxFuture<'_, Result<Vec<DueReport>, StoreError>> {
        self.read(move |store| store.due_reports(limit))
    }

    fn reports(&self, filter: ReportFilter) -> BoxFuture<'_, Result<Vec<ReportRow>, StoreError>> {
        self.read(move |store| store.reports(filter))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts, StoreError>> {
        self.read(Store::counts)
    }

    fn events(&self, filter: EventFilter) -> BoxFuture<'_, Result<Vec<EventRow>, StoreError>> {
        self.read(move |store| store.events(filter))
    }

    fn event(&self, seq: EventSeq) -> BoxFuture<'_, Result<Option<EventDetail>, StoreError>> {
        self.read(move |store| store.event(seq))
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRow>, StoreError>> {
        self.read(move |store| store.runs(filter))
    }

    fn run(&self, id: RunId) -> BoxFuture<'_, Result<Option<RunDetail>, StoreError>> {
        self.read(move |store| store.run(id))
    }

    fn audit(&self, filter: AuditFilter) -> BoxFuture<'_, Result<Vec<AuditRow>, StoreError>> {
        self.read(move |store| store.audit(filter))
    }

    fn keep_good(&self, good: GoodClient) -> BoxFuture<'static, Result<(), StoreError>> {
        let answer = at_once(self.core.inner.keep_good(good));
        async move { answer }.boxed()
    }

    fn last_good(&self) -> BoxFuture<'_, Result<BTreeMap<Arc<str>, LastGood>, StoreError>> {
        self.read(Store::last_good)
    }

    fn files<'a>(&'a self, version: &'a Version) -> BoxFuture<'a, Result<Option<FileSet>, StoreError>> {
        self.read(move |store| store.files(version))
    }

    fn forget_versions(&self, before: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.read(move |store| store.forget_versions(before))
    }

    fn retry_dead(&self, run: RunId, now: Timestamp) -> BoxFuture<'static, Result<(), StoreError>> {
        let answer = at_once(self.core.inner.retry_dead(run, now));
        async move { answer }.boxed()
    }

    fn settle(&self, settled: Settled) -> BoxFuture<'static, Result<(), StoreError>> {
        let answer = at_once(self.core.inner.settle(settled));
        async move { answer }.boxed()
    }

    fn seal(&self, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.read(move |store| store.seal(limit))
    }

    fn chain(&self) -> BoxFuture<'_, Result<ChainState, StoreError>> {
        self.read(Store::chain)
    }

    fn sealed(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<SealedEntry>, StoreError>> {
        self.read(move |store| store.sealed(after, limit))
    }

    fn erasable(
        &self,
        filter: ErasureFilter,
        after: EventSeq,
        limit: usize,
    ) -> BoxFuture<'_, Result<ErasablePage, StoreError>> {
        self.read(move |store| store.erasable(filter, after, limit))
    }

    fn erase(&self, erasing: Erasing) -> BoxFuture<'static, Result<Vec<EventSeq>, StoreError>> {
        let answer = at_once(self.core.inner.erase(erasing));
        async move { answer }.boxed()
    }

    fn erasable_notes(
        &self,
        filter: ErasureFilter,
        kind: NoteKind,
        after: Option<NoteId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<NotePage, StoreError>> {
        self.read(move |store| store.erasable_notes(filter, kind, after, limit))
    }

    fn erase_notes(&self, erasing: ErasingNotes) -> BoxFuture<'static, Result<Vec<NoteId>, StoreError>> {
        let answer = at_once(self.core.inner.erase_notes(erasing));
        async move { answer }.boxed()
    }

    fn give_back(&self) -> BoxFuture<'static, Result<bool, StoreError>> {
        let answer = at_once(self.core.inner.give_back());
        async move { answer }.boxed()
    }

    fn close(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let answer = at_once(self.core.inner.close());
        async move { answer }.boxed()
    }
}
