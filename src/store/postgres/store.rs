//! The store over one PostgreSQL database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_postgres::types::Type;

use super::accept::Inbox;
use super::address::PostgresAddress;
use super::claim::Claim;
use super::columns::{lane_hash, part};
use super::db::{Db, Values};
use super::share::{self, Keeping};
use super::wake::{Listening, Nudger};
use super::writer::{Mailbox, Op};
use super::{erase, look, notes, open, pace, poll, read, seal, versions, write};
use crate::config::FileSet;
use crate::steps::{FieldKey, Grant, Identity};
use crate::store::columns::micros;
use crate::store::{
    Accepted, Access, AgreedRow, AlertWindow, AuditFilter, AuditRow, ChainState, Change, ConnectionState,
    Counts, DueReport, DueRun, ErasablePage, Erasing, ErasingNotes, ErasureFilter, EventDetail, EventFilter,
    EventRow, EventSeq, GoodClient, HandedOver, HeldBack, LastGood, LimitedReport, NewEvent, NewIntent,
    NoteId, NoteKind, NotePage, Outlook, PaceName, Part, Parts, PollId, PollName, PollState, QueuedRun,
    Replica, ReportFilter, ReportRow, Role, RunBody, RunDetail, RunFilter, RunId, RunRow, SealedEntry,
    SeenBy, SeenRow, Settled, Sharing, Staged, StagedBy, Store, StoreError, TakenUp, Tenure, Turns,
    TurnsAsked, Version,
};

/// A store in a PostgreSQL database, in its schema `lockstep`. Several processes share its work.
pub struct PostgresStore {
    mark: String,
    db: Db,
    inbox: Inbox,
    mailbox: Mailbox,
    claim: Claim,
    nudger: Arc<Nudger>,
    /// Held as long as the store is.
    _keeping: Option<(Keeping, Listening)>,
}

impl PostgresStore {
    /// Opens the store; with [`Access::Run`] it is made when it is missing, and brought up to date when an older
    /// lockstep made it.
    pub async fn open(address: &PostgresAddress, access: Access) -> Result<Self, StoreError> {
        let db = Db::new(address)?;
        let mark = open::open(&db, access).await?;
        let role = match access {
            Access::Run => Some(Role::All),
            Access::Share(role) => Some(role),
            Access::Beside => None,
        };
        let claim = Claim::new(role);
        let keeping = match role {
            Some(_) => Some((share::keep(&db, &claim).await?, Listening::start(&db, &claim))),
            None => None,
        };
        let nudger = Arc::new(Nudger::start(&db));
        let mailbox = Mailbox::start(&db, claim.clone(), Arc::clone(&nudger));
        Ok(Self { mark, inbox: Inbox::start(&db), mailbox, db, claim, nudger, _keeping: keeping })
    }
}

impl Store for PostgresStore {
    fn mark(&self) -> &str {
        &self.mark
    }

    fn works(&self) -> bool {
        self.claim.holds()
    }

    fn sharing(&self) -> Option<&dyn Sharing> {
        Some(self)
    }

    /// A commit can fail when a later one does not: the connection broke, or this process was taken for dead.
    fn prefix_durable(&self) -> bool {
        false
    }

    fn accept(&self, events: Vec<NewEvent>) -> BoxFuture<'static, Result<Vec<Accepted>, StoreError>> {
        self.inbox.accept(events).boxed()
    }

    fn accept_told(
        &self,
        events: Vec<NewEvent>,
        told: Vec<LimitedReport>,
    ) -> BoxFuture<'static, Result<Vec<Accepted>, StoreError>> {
        let (db, given) = (self.db.clone(), Arc::new((events, told)));
        let done = async move {
            let given = &given;
            seal::transaction(&db, |pipe| {
                let given = Arc::clone(given);
                async move { write::accept_told(pipe, &given.0, &given.1).await }.boxed()
            })
            .await
        };
        done.boxed()
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
        read::outlook(&self.db, self.claim.carried(), now).boxed()
    }

    fn due<'a>(
        &'a self,
        client: &'a str,
        now: Timestamp,
        limit: usize,
        beyond: RunId,
    ) -> BoxFuture<'a, Result<Vec<DueRun>, StoreError>> {
        read::due(&self.db, self.claim.carried(), client, now, limit, beyond).boxed()
    }

    fn behind<'a>(
        &'a self,
        client: &'a str,
        lane: &'a str,
        key: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<QueuedRun>, StoreError>> {
        read::behind(&self.db, client, lane, key, limit).boxed()
    }

    fn load(&self, run: RunId) -> BoxFuture<'_, Result<Option<RunBody>, StoreError>> {
        read::load(&self.db, run).boxed()
    }

    fn applied<'a>(
        &'a self,
        client: &'a str,
        pipeline: &'a str,
        object: &'a str,
    ) -> BoxFuture<'a, Result<Option<(Timestamp, u32)>, StoreError>> {
        read::applied(&self.db, client, pipeline, object).boxed()
    }

    fn agreed(&self, fields: Vec<FieldKey>) -> BoxFuture<'_, Result<Vec<AgreedRow>, StoreError>> {
        async move { read::agreed(&self.db, &fields).await }.boxed()
    }

    fn known<'a>(
        &'a self,
        client: &'a str,
        identity: &'a Identity,
    ) -> BoxFuture<'a, Result<Option<Arc<str>>, StoreError>> {
        read::known(&self.db, client, identity).boxed()
    }

    fn connections(&self) -> BoxFuture<'_, Result<Vec<ConnectionState>, StoreError>> {
        read::connections(&self.db).boxed()
    }

    fn secret<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        read::secret(&self.db, client, connection).boxed()
    }

    fn alert_windows(&self) -> BoxFuture<'_, Result<Vec<AlertWindow>, StoreError>> {
        read::alert_windows(&self.db).boxed()
    }

    fn poll<'a>(&'a self, name: &'a PollName) -> BoxFuture<'a, Result<Option<PollState>, StoreError>> {
        poll::poll(&self.db, name).boxed()
    }

    fn seen<'a>(&'a self, name: &'a PollName, by: SeenBy) -> BoxFuture<'a, Result<Vec<SeenRow>, StoreError>> {
        async move { poll::seen(&self.db, name, &by).await }.boxed()
    }

    fn seen_count<'a>(&'a self, name: &'a PollName) -> BoxFuture<'a, Result<u64, StoreError>> {
        poll::seen_count(&self.db, name).boxed()
    }

    fn staged<'a>(&'a self, id: &'a PollId, by: StagedBy) -> BoxFuture<'a, Result<Vec<Staged>, StoreError>> {
        async move { poll::staged(&self.db, id, &by).await }.boxed()
    }

    fn known_events<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        ids: Vec<Arc<str>>,
    ) -> BoxFuture<'a, Result<Vec<Arc<str>>, StoreError>> {
        async move { poll::known_events(&self.db, client, connection, &ids).await }.boxed()
    }

    fn due_reports(&self, limit: usize) -> BoxFuture<'_, Result<Vec<DueReport>, StoreError>> {
        poll::due_reports(&self.db, limit).boxed()
    }

    fn reports(&self, filter: ReportFilter) -> BoxFuture<'_, Result<Vec<ReportRow>, StoreError>> {
        async move { poll::reports(&self.db, &filter).await }.boxed()
    }

    fn counts(&self) -> BoxFuture<'_, Result<Counts, StoreError>> {
        read::counts(&self.db).boxed()
    }

    fn events(&self, filter: EventFilter) -> BoxFuture<'_, Result<Vec<EventRow>, StoreError>> {
        async move { look::events(&self.db, &filter).await }.boxed()
    }

    fn event(&self, seq: EventSeq) -> BoxFuture<'_, Result<Option<EventDetail>, StoreError>> {
        look::event(&self.db, seq).boxed()
    }

    fn runs(&self, filter: RunFilter) -> BoxFuture<'_, Result<Vec<RunRow>, StoreError>> {
        async move { look::runs(&self.db, &filter).await }.boxed()
    }

    fn run(&self, id: RunId) -> BoxFuture<'_, Result<Option<RunDetail>, StoreError>> {
        look::run(&self.db, id).boxed()
    }

    fn audit(&self, filter: AuditFilter) -> BoxFuture<'_, Result<Vec<AuditRow>, StoreError>> {
        async move { look::audit(&self.db, &filter).await }.boxed()
    }

    fn keep_good(&self, good: GoodClient) -> BoxFuture<'static, Result<(), StoreError>> {
        self.mailbox.send(good, Op::KeepGood)
    }

    fn last_good(&self) -> BoxFuture<'_, Result<BTreeMap<Arc<str>, LastGood>, StoreError>> {
        versions::last_good(&self.db).boxed()
    }

    fn files<'a>(&'a self, version: &'a Version) -> BoxFuture<'a, Result<Option<FileSet>, StoreError>> {
        versions::files(&self.db, version).boxed()
    }

    fn forget_versions(&self, before: Timestamp) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.mailbox.send(before, Op::Forget)
    }

    fn retry_dead(&self, run: RunId, now: Timestamp) -> BoxFuture<'static, Result<(), StoreError>> {
        let db = self.db.clone();
        async move { retry_dead(&db, run, now).await }.boxed()
    }

    fn settle(&self, settled: Settled) -> BoxFuture<'static, Result<(), StoreError>> {
        let (db, settled) = (self.db.clone(), Arc::new(settled));
        let done = async move {
            let settled = &settled;
            seal::transaction(&db, |pipe| {
                let settled = Arc::clone(settled);
                async move { seal::settle(pipe, &settled).await }.boxed()
            })
            .await
        };
        done.boxed()
    }

    fn seal(&self, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        async move { seal::transaction(&self.db, |pipe| seal::seal(pipe, limit).boxed()).await }.boxed()
    }

    fn chain(&self) -> BoxFuture<'_, Result<ChainState, StoreError>> {
        seal::chain(&self.db).boxed()
    }

    fn sealed(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<SealedEntry>, StoreError>> {
        seal::sealed(&self.db, after, limit).boxed()
    }

    fn erasable(
        &self,
        filter: ErasureFilter,
        after: EventSeq,
        limit: usize,
    ) -> BoxFuture<'_, Result<ErasablePage, StoreError>> {
        async move { erase::erasable(&self.db, &filter, after, limit).await }.boxed()
    }

    fn erase(&self, erasing: Erasing) -> BoxFuture<'static, Result<Vec<EventSeq>, StoreError>> {
        let (db, erasing) = (self.db.clone(), Arc::new(erasing));
        let done = async move {
            let erasing = &erasing;
            seal::transaction(&db, |pipe| {
                let erasing = Arc::clone(erasing);
                async move { erase::erase(pipe, &erasing).await }.boxed()
            })
            .await
        };
        done.boxed()
    }

    fn erasable_notes(
        &self,
        filter: ErasureFilter,
        kind: NoteKind,
        after: Option<NoteId>,
        limit: usize,
    ) -> BoxFuture<'_, Result<NotePage, StoreError>> {
        async move { notes::erasable(&self.db, &filter, kind, after.as_ref(), limit).await }.boxed()
    }

    fn erase_notes(&self, erasing: ErasingNotes) -> BoxFuture<'static, Result<Vec<NoteId>, StoreError>> {
        let (db, erasing) = (self.db.clone(), Arc::new(erasing));
        let done = async move {
            let erasing = &erasing;
            seal::transaction(&db, |pipe| {
                let erasing = Arc::clone(erasing);
                async move { notes::erase(pipe, &erasing).await }.boxed()
            })
            .await
        };
        done.boxed()
    }

    /// The database vacuums by itself.
    fn give_back(&self) -> BoxFuture<'static, Result<bool, StoreError>> {
        async { Ok(true) }.boxed()
    }

    fn close(&self) -> BoxFuture<'static, Result<(), StoreError>> {
        let (db, inbox, written) = (self.db.clone(), self.inbox.close(), self.mailbox.close());
        async move {
            inbox.await;
            written.await;
            db.close();
            Ok(())
        }
        .boxed()
    }
}

impl Sharing for PostgresStore {
    fn part(&self, client: &str, lane: &str, key: &str) -> Part {
        part(lane_hash(client, lane, key))
    }

    fn tenure(&self) -> watch::Receiver<Tenure> {
        self.claim.watch()
    }

    fn hand_over(&self, parts: Parts) -> BoxFuture<'static, Result<HandedOver, StoreError>> {
        self.mailbox.send(parts, Op::HandOver)
    }

    fn begin_again(&self, number: u64) -> BoxFuture<'static, Result<(), StoreError>> {
        self.mailbox.send(number, Op::BeginAgain)
    }

    fn retire(&self) {
        self.claim.retire();
    }

    fn nudge(&self, parts: Parts) {
        self.nudger.nudge(parts);
    }

    fn replicas(&self) -> BoxFuture<'_, Result<Vec<Replica>, StoreError>> {
        share::replicas(&self.db, &self.claim)
    }

    fn win_try<'a>(
        &'a self,
        client: &'a str,
        connection: &'a str,
        due: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move {
            let sql = "UPDATE lockstep.connection_state SET probe_at = $4
                WHERE client = $1 AND connection = $2 AND probe_at = $3 RETURNING 1";
            let values: Values<'_> = &[
                (&client, Type::TEXT),
                (&connection, Type::TEXT),
                (&micros(due), Type::INT8),
                (&micros(until), Type::INT8),
            ];
            let mut link = self.db.writer().await.map_err(|fault| fault.told(&self.db.store))?;
            let won = link.rows(sql, values).await.map_err(|fault| fault.told(&self.db.store))?;
            Ok(!won.is_empty())
        }
        .boxed()
    }

    fn take_turns<'a>(&'a self, asked: TurnsAsked<'a>) -> BoxFuture<'a, Result<Turns, StoreError>> {
        async move {
            let taking = OwnPace::of(asked.pace);
            let (buckets, count, patience) = (asked.buckets.to_vec(), asked.count, asked.patience);
            seal::transaction(&self.db, |pipe| {
                let (taking, buckets) = (taking.clone(), buckets.clone());
                async move {
                    let pace = taking.name();
                    pace::take(pipe, TurnsAsked { pace, buckets: &buckets, count, patience }).await
                }
                .boxed()
            })
            .await
        }
        .boxed()
    }

    fn hold_back<'a>(&'a self, pace: PaceName<'a>, wait: Duration) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let holding = OwnPace::of(pace);
            seal::transaction(&self.db, |pipe| {
                let holding = holding.clone();
                async move { pace::hold_back(pipe, holding.name(), wait).await }.boxed()
            })
            .await
        }
        .boxed()
    }

    fn held_back(&self) -> BoxFuture<'_, Result<Vec<HeldBack>, StoreError>> {
        pace::held_back(&self.db).boxed()
    }
}

/// The name of a pace, for a transaction that may be tried again.
#[derive(Clone)]
struct OwnPace(Arc<str>, Arc<str>, Arc<str>);

impl OwnPace {
    fn of(PaceName { client, connection, operation }: PaceName<'_>) -> Self {
        Self(client.into(), connection.into(), operation.into())
    }

    fn name(&self) -> PaceName<'_> {
        PaceName { client: &self.0, connection: &self.1, operation: &self.2 }
    }
}

/// A dead letter goes again. One statement beside the writer: whoever asks may be no process that carries runs out.
async fn retry_dead(db: &Db, run: RunId, now: Timestamp) -> Result<(), StoreError> {
    // A person has mended something, most often the pipeline: the run goes on with the present version.
    let sql = "UPDATE lockstep.run
        SET state = 0, due = $2, attempts = 0, spent = NULL, reason = '', candidates = NULL, ended = NULL,
            version = $3
        WHERE id = $1 AND state = 7";
    let values: Values<'_> =
        &[(&run.0, Type::INT8), (&micros(now), Type::INT8), (&Version::PRESENT, Type::TEXT)];
    let link = db.writer().await.map_err(|fault| fault.told(&db.store))?;
    let changed = match link.pipe() {
        Ok(pipe) => pipe.change(sql, values).await,
        Err(fault) => Err(fault),
    };
    match changed {
        Ok(1) => Ok(()),
        Ok(_) => {
            Err(StoreError::Assumption(format!("run {run} is not there, or is not a dead letter").into()))
        }
        Err(fault) => Err(fault.told(&db.store)),
    }
}
