//! The task that writes changes: one mailbox, first in, first committed, many in one transaction.
//!
//! A transaction begins by moving on the batch number in this process's row of `replica`. That answers two questions:
//! whether a commit whose answer was lost was done, and whether this process is still taken for alive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_util::task::TaskTracker;

use super::claim::{self, Claim, LEASE};
use super::columns::Cells;
use super::db::{Db, Link, Pipe, Values};
use super::fault::Fault;
use super::wave::Wave;
use super::{versions, write};
use crate::failpoint::failpoint;
use crate::steps::Grant;
use crate::store::{Change, GoodClient, NewIntent, StoreError};

/// Operations in one transaction.
const BATCH: usize = 512;

/// So long a database that cannot be reached is tried again: runs wait for it meanwhile.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pause before another try.
const PAUSE: Duration = Duration::from_millis(100);

/// What is to be written, and whom to tell.
pub(super) struct Task<I, O> {
    input: I,
    reply: oneshot::Sender<Result<O, StoreError>>,
}

/// What can be asked of the writer.
pub(super) enum Op {
    Intend(Task<NewIntent, Grant>),
    Commit(Task<Vec<Change>, ()>),
    TakeUp(Task<(), BTreeMap<Arc<str>, u64>>),
    KeepGood(Task<GoodClient, ()>),
    Forget(Task<Timestamp, u64>),
}

/// What came of an operation.
enum Done {
    Intended(Grant),
    Written,
    TakenUp(BTreeMap<Arc<str>, u64>),
    Forgotten(u64),
}

/// The writer's mailbox. It is bounded by the runs that are in memory, which wait for their answers.
pub(super) struct Mailbox {
    sender: Mutex<Option<mpsc::UnboundedSender<Op>>>,
    done: TaskTracker,
}

impl Mailbox {
    /// Starts the task. It ends when the mailbox is closed or dropped. A process that carries runs out has its row
    /// already; another one gets it when it first writes.
    pub(super) fn start(db: &Db, claim: Claim, registered: bool) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let writer = Writer { db: db.clone(), claim, works: registered, registered };
        let done = TaskTracker::new();
        done.spawn(writer.run(receiver));
        done.close();
        Self { sender: Mutex::new(Some(sender)), done }
    }

    /// Hands something over. It is queued when this returns; the future tells when it is committed.
    pub(super) fn send<I, O: Send + 'static>(
        &self,
        input: I,
        op: impl FnOnce(Task<I, O>) -> Op,
    ) -> BoxFuture<'static, Result<O, StoreError>> {
        let (reply, answer) = oneshot::channel();
        // A writer that is gone drops the reply's other end, which the future reports.
        if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            drop(sender.send(op(Task { input, reply })));
        }
        async move { answer.await.unwrap_or(Err(StoreError::Closed)) }.boxed()
    }

    /// Takes nothing more; done when everything is written.
    pub(super) fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let done = self.done.clone();
        async move { done.wait().await }
    }
}

struct Writer {
    db: Db,
    claim: Claim,
    /// True when this process carries runs out: once its row is gone, so is its claim.
    works: bool,
    /// True when this process has its row.
    registered: bool,
}

/// A transaction of which only the answer to its commit is missing: its number, and what it would have answered.
struct Doubtful {
    number: i64,
    done: Vec<Done>,
}

/// Why a transaction failed.
struct Failed {
    fault: Fault,
    doubtful: Option<Doubtful>,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, doubtful: None }
    }
}

impl Writer {
    async fn run(mut self, mut mailbox: mpsc::UnboundedReceiver<Op>) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(first) = mailbox.recv().await {
            batch.push(first);
            // Whatever gathered during the last commit goes with this one: no timer, so an idle store answers at once.
            while batch.len() < BATCH {
                let Ok(op) = mailbox.try_recv() else { break };
                batch.push(op);
            }
            self.write(&mut batch).await;
        }
        if self.registered {
            self.sign_off().await;
        }
    }

    /// Writes a batch in one transaction and tells everyone. When one of them cannot be written, nothing of the
    /// batch is, and each is tried in a transaction of its own, so that one mistake does not hit its neighbours.
    async fn write(&mut self, batch: &mut Vec<Op>) {
        let together = self.commit(batch).await;
        let alone = batch.len() > 1
            && matches!(together, Err(Fault::Assumption(_) | Fault::Said(StoreError::Database(_))));
        let mut answers = together.map(Vec::into_iter);
        for op in batch.drain(..) {
            let answer = match &mut answers {
                Ok(answers) => answers.next().ok_or(Fault::Said(StoreError::Closed)),
                Err(_) if alone => {
                    let done = self.commit(std::slice::from_ref(&op)).await;
                    done.and_then(|done| done.into_iter().next().ok_or(Fault::Said(StoreError::Closed)))
                }
                Err(fault) => Err(fault.clone()),
            };
            op.tell(answer.map_err(|fault| fault.told(&self.db.store)));
        }
    }

    /// Commits operations, with tries as long as the database cannot be reached. Whether a commit whose answer was
    /// lost was done is found out before it is tried again.
    async fn commit(&mut self, ops: &[Op]) -> Result<Vec<Done>, Fault> {
        let patient_until = Instant::now() + PATIENCE;
        let mut doubtful = None;
        loop {
            let failed = match self.attempt(ops, &mut doubtful).await {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            doubtful = failed.doubtful.or(doubtful);
            match failed.fault {
                Fault::Again => {}
                Fault::Swept => self.registered = false,
                Fault::Lost(_) if Instant::now() < patient_until => tokio::time::sleep(PAUSE).await,
                fault => return Err(fault),
            }
        }
    }

    async fn attempt(&mut self, ops: &[Op], doubtful: &mut Option<Doubtful>) -> Result<Vec<Done>, Failed> {
        let mut link = self.db.writer().await?;
        if let Some(earlier) = doubtful.take() {
            match self.reached(&mut link).await {
                Ok(reached) if reached.is_some_and(|reached| reached >= earlier.number) => {
                    return Ok(earlier.done);
                }
                Ok(_) => {}
                Err(fault) => return Err(Failed { fault, doubtful: Some(earlier) }),
            }
        }
        if !self.registered {
            claim::sign_on(&mut link, self.claim.id(), false).await?;
            self.registered = true;
        }
        let written = self.transaction(link.pipe()?, ops).await;
        let (number, done) = match link.kept(written) {
            Ok(written) => written,
            Err(fault) => {
                link.roll_back().await;
                return Err(fault.into());
            }
        };
        failpoint!("before-commit");
        match link.batch("COMMIT").await {
            Ok(()) => {
                failpoint!("after-commit");
                Ok(done)
            }
            Err(fault @ Fault::Lost(_)) => Err(Failed { fault, doubtful: Some(Doubtful { number, done }) }),
            Err(fault) => {
                link.roll_back().await;
                Err(fault.into())
            }
        }
    }

    /// Everything but the commit: the transaction's number, and what it answers.
    async fn transaction(&self, pipe: Pipe<'_>, ops: &[Op]) -> Result<(i64, Vec<Done>), Fault> {
        let sql = "UPDATE lockstep.replica
            SET batch = batch + 1, until = greatest(until, now() + $2 * interval '1 second')
            WHERE id = $1 RETURNING batch";
        let (id, lease) = (self.claim.id(), LEASE.as_secs_f64());
        let values: Values<'_> = &[(&id, Type::TEXT), (&lease, Type::FLOAT8)];
        let ((), alive) = tokio::try_join!(pipe.batch("BEGIN"), pipe.rows(sql, values))?;
        let Some(row) = alive.first() else {
            // A process that only changes a little now and then simply signs on again.
            return Err(if self.works { Fault::Said(StoreError::Fenced) } else { Fault::Swept });
        };
        let number = Cells(row).int(0).map_err(Fault::Said)?;
        Ok((number, perform(pipe, ops).await?))
    }

    /// The number of the last transaction of this process that was committed. Waits for one that is still under way
    /// on a connection that we have lost.
    async fn reached(&self, link: &mut Link) -> Result<Option<i64>, Fault> {
        let sql = "SELECT batch FROM lockstep.replica WHERE id = $1 FOR UPDATE";
        let rows = link.rows(sql, &[(&self.claim.id(), Type::TEXT)]).await?;
        rows.first().map(|row| Cells(row).int(0)).transpose().map_err(Fault::Said)
    }

    /// A row that stays behind is swept away by others later.
    async fn sign_off(&self) {
        let sql = "DELETE FROM lockstep.replica WHERE id = $1";
        if let Ok(mut link) = self.db.writer().await
            && let Err(fault) = link.rows(sql, &[(&self.claim.id(), Type::TEXT)]).await
        {
            tracing::debug!(error = %fault.told(&self.db.store), "the process's row was left behind");
        }
    }
}

/// The operations of a batch, in waves.
async fn perform(pipe: Pipe<'_>, ops: &[Op]) -> Result<Vec<Done>, Fault> {
    let mut waves = Waves { pipe, wave: Wave::default(), grants: Vec::new() };
    let mut done: Vec<Done> = Vec::with_capacity(ops.len());
    for op in ops {
        done.push(match op {
            Op::Intend(Task { input, .. }) => {
                waves.add(|wave| wave.takes_intent(input)).await?;
                // Put right when its wave is written.
                Done::Intended(Grant::Held)
            }
            Op::Commit(Task { input, .. }) => {
                for change in input {
                    waves.add(|wave| wave.takes(change)).await?;
                }
                Done::Written
            }
            Op::KeepGood(Task { input, .. }) => {
                waves.add(|wave| wave.takes_good(input)).await?;
                Done::Written
            }
            Op::TakeUp(_) => {
                waves.write().await?;
                Done::TakenUp(take_up(pipe).await?)
            }
            Op::Forget(Task { input, .. }) => {
                waves.write().await?;
                Done::Forgotten(versions::forget(pipe, *input).await?)
            }
        });
    }
    waves.write().await?;
    let mut grants = waves.grants.into_iter();
    for done in &mut done {
        if let Done::Intended(grant) = done {
            *grant = grants.next().unwrap_or(Grant::Held);
        }
    }
    Ok(done)
}

/// The wave that is being put together, and what became of the intents in those before it.
struct Waves<'a> {
    pipe: Pipe<'a>,
    wave: Wave<'a>,
    grants: Vec<Grant>,
}

impl<'a> Waves<'a> {
    /// Puts something into this wave, or writes it and puts it into the next one: an empty wave takes anything.
    async fn add(&mut self, put: impl Fn(&mut Wave<'a>) -> bool) -> Result<(), Fault> {
        if put(&mut self.wave) {
            return Ok(());
        }
        self.write().await?;
        if put(&mut self.wave) { Ok(()) } else { Err(Fault::Again) }
    }

    async fn write(&mut self) -> Result<(), Fault> {
        let wave = std::mem::take(&mut self.wave);
        self.grants.extend(write::wave(self.pipe, &wave).await?);
        Ok(())
    }
}

/// Runs that stood behind others are ready again: who goes first is decided anew.
async fn take_up(pipe: Pipe<'_>) -> Result<BTreeMap<Arc<str>, u64>, Fault> {
    pipe.change("UPDATE lockstep.run SET state = 0 WHERE state = 1", &[]).await?;
    // A crash came before it was written that the connection is paused: nobody would ever call those who wait for it.
    let sql = "UPDATE lockstep.run r SET due = r.received, parked = NULL
        WHERE r.state = 2 AND r.parked IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM lockstep.connection_state c
            WHERE c.client = r.client AND c.connection = r.parked AND c.probe_at IS NOT NULL)";
    pipe.change(sql, &[]).await?;
    let sql = "SELECT client, count(*) FROM lockstep.run WHERE state = 2 GROUP BY client";
    let held = pipe.rows(sql, &[]).await?;
    let held = held.iter().map(|row| Ok((Cells(row).text(0)?, Cells(row).int(1)?.unsigned_abs())));
    held.collect::<Result<_, StoreError>>().map_err(Fault::Said)
}

impl Op {
    /// Whoever asked may have gone; what was written stays written.
    fn tell(self, answer: Result<Done, StoreError>) {
        match self {
            Self::Commit(task) => task.tell(answer, |_| Some(())),
            Self::KeepGood(task) => task.tell(answer, |_| Some(())),
            Self::Intend(task) => task.tell(answer, |done| match done {
                Done::Intended(grant) => Some(grant),
                Done::Written | Done::TakenUp(_) | Done::Forgotten(_) => None,
            }),
            Self::TakeUp(task) => task.tell(answer, |done| match done {
                Done::TakenUp(held) => Some(held),
                Done::Written | Done::Intended(_) | Done::Forgotten(_) => None,
            }),
            Self::Forget(task) => task.tell(answer, |done| match done {
                Done::Forgotten(count) => Some(count),
                Done::Written | Done::Intended(_) | Done::TakenUp(_) => None,
            }),
        }
    }
}

impl<I, O> Task<I, O> {
    fn tell(self, answer: Result<Done, StoreError>, own: impl FnOnce(Done) -> Option<O>) {
        drop(self.reply.send(answer.and_then(|done| own(done).ok_or(StoreError::Closed))));
    }
}
