//! The task that writes changes: one mailbox, first in, first committed, many in one transaction.
//!
//! A transaction begins by moving on the batch number in this process's row of `replica`. That answers two questions:
//! whether a commit whose answer was lost was done, and whether this process is still taken for alive. When it is not,
//! whatever it has to say of runs is refused until it has dropped them and begins again; the rest (a token that was
//! renewed, the files that a client runs with) is written all the same.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_util::task::TaskTracker;

use super::claim::{Claim, LEASE};
use super::columns::{Cells, part_numbers};
use super::db::{BEGIN, Db, Link, Pipe, Values};
use super::fault::Fault;
use super::wake::Nudger;
use super::wave::Wave;
use super::{share, versions, write};
use crate::failpoint::failpoint;
use crate::steps::Grant;
use crate::store::{Change, GoodClient, HandedOver, NewIntent, Parts, StoreError, TakenUp};

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
    TakeUp(Task<(), TakenUp>),
    HandOver(Task<Parts, HandedOver>),
    BeginAgain(Task<u64, ()>),
    KeepGood(Task<GoodClient, ()>),
    Forget(Task<Timestamp, u64>),
}

/// What came of an operation.
enum Done {
    Intended(Grant),
    Written,
    TakenUp(TakenUp),
    HandedOver(Parts, HandedOver),
    Forgotten(u64),
}

/// The writer's mailbox. It is bounded by the runs that are in memory, which wait for their answers.
pub(super) struct Mailbox {
    sender: Mutex<Option<mpsc::UnboundedSender<Op>>>,
    done: TaskTracker,
}

impl Mailbox {
    /// Starts the task. It ends when the mailbox is closed or dropped. A process that stays has its row already; another
    /// one gets it when it first writes.
    pub(super) fn start(db: &Db, claim: Claim, nudger: Arc<Nudger>) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let registered = claim.stays();
        let writer = Writer { db: db.clone(), claim, nudger, registered };
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
    nudger: Arc<Nudger>,
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
            let mut next = Some(first);
            // Whatever gathered during the last commit goes with this one: no timer, so an idle store answers at once.
            while let Some(op) = next.take() {
                if let Op::BeginAgain(task) = op {
                    self.write(&mut batch).await;
                    self.begin_again(task).await;
                    continue;
                }
                batch.push(op);
                if batch.len() < BATCH {
                    next = mailbox.try_recv().ok();
                }
            }
            self.write(&mut batch).await;
        }
        if self.registered {
            self.sign_off().await;
        }
    }

    /// Takes part again. What was handed over before this was refused before this.
    async fn begin_again(&mut self, task: Task<u64, ()>) {
        let tenure = self.claim.tenure();
        if !tenure.lost || tenure.number != task.input {
            drop(task.reply.send(Ok(())));
            return;
        }
        if self.registered {
            self.sign_off().await;
        }
        self.claim.change_id();
        let (asked, works) = (Instant::now(), self.claim.works());
        let signed_on = async { share::sign_on(&mut self.db.writer().await?, &self.claim, works).await };
        let signed_on: Result<(), Fault> = signed_on.await;
        self.registered = signed_on.is_ok();
        if self.registered {
            self.claim.begin_again();
            self.claim.extend(asked, self.claim.tenure().number);
        }
        drop(task.reply.send(signed_on.map_err(|fault| fault.told(&self.db.store))));
    }

    /// Writes a batch in one transaction and tells everyone. When one of them cannot be written, nothing of the
    /// batch is, and each is tried in a transaction of its own, so that one mistake does not hit its neighbours.
    async fn write(&mut self, batch: &mut Vec<Op>) {
        self.refuse(batch);
        if batch.is_empty() {
            return;
        }
        let mut together = self.commit(batch).await;
        if let Err(Fault::Swept) = together {
            self.refuse(batch);
            if batch.is_empty() {
                return;
            }
            together = self.commit(batch).await;
        }
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

    /// Of a process that was taken for dead nothing about runs is taken.
    fn refuse(&self, batch: &mut Vec<Op>) {
        if self.claim.tenure().lost {
            for op in batch.extract_if(.., |op| op.is_about_runs()) {
                op.tell(Err(StoreError::Fenced));
            }
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
                Fault::Swept => {
                    self.registered = false;
                    self.claim.change_id();
                    // A process that only changes a little now and then simply signs on again.
                    if self.claim.carries() && self.claim.lose() {
                        return Err(Fault::Swept);
                    }
                }
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
                    self.committed(&earlier.done);
                    return Ok(earlier.done);
                }
                Ok(_) => {}
                Err(fault) => return Err(Failed { fault, doubtful: Some(earlier) }),
            }
        }
        if !self.registered {
            // As long as it has not begun again, it carries nothing out.
            share::sign_on(&mut link, &self.claim, false).await?;
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
                self.committed(&done);
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
        let values: Values<'_> = &[(&&*id, Type::TEXT), (&lease, Type::FLOAT8)];
        let ((), alive) = tokio::try_join!(pipe.batch(BEGIN), pipe.rows(sql, values))?;
        let row = alive.first().ok_or(Fault::Swept)?;
        let number = Cells(row).int(0).map_err(Fault::Said)?;
        Ok((number, perform(pipe, &self.claim, ops).await?))
    }

    /// What has become of partitions, once it is on disk.
    fn committed(&self, done: &[Done]) {
        for done in done {
            match done {
                Done::TakenUp(taken) => self.claim.took_up(taken.parts),
                Done::HandedOver(parts, _) => {
                    self.claim.handed_over(*parts);
                    self.nudger.freed();
                }
                Done::Intended(_) | Done::Written | Done::Forgotten(_) => {}
            }
        }
    }

    /// The number of the last transaction of this process that was committed. Waits for one that is still under way
    /// on a connection that we have lost.
    async fn reached(&self, link: &mut Link) -> Result<Option<i64>, Fault> {
        let sql = "SELECT batch FROM lockstep.replica WHERE id = $1 FOR UPDATE";
        let rows = link.rows(sql, &[(&&*self.claim.id(), Type::TEXT)]).await?;
        rows.first().map(|row| Cells(row).int(0)).transpose().map_err(Fault::Said)
    }

    /// A row that stays behind is swept away by others later. With the row go its partitions, which somebody may be waiting
    /// for.
    async fn sign_off(&self) {
        let sql = "DELETE FROM lockstep.replica WHERE id = $1";
        let (id, word) = (self.claim.id(), "SELECT pg_notify('lockstep', 'free')");
        let signed_off = async {
            let mut link = self.db.writer().await?;
            link.rows(sql, &[(&&*id, Type::TEXT)]).await?;
            link.rows(word, &[]).await
        };
        if let Err(fault) = signed_off.await {
            tracing::debug!(error = %fault.told(&self.db.store), "the process's row was left behind");
        }
    }
}

/// The operations of a batch, in waves.
async fn perform(pipe: Pipe<'_>, claim: &Claim, ops: &[Op]) -> Result<Vec<Done>, Fault> {
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
                    match change {
                        Change::Limited(report) => {
                            waves.write().await?;
                            write::limited(pipe, report).await?;
                        }
                        Change::Told(group) => {
                            waves.write().await?;
                            write::told(pipe, group).await?;
                        }
                        change => waves.add(|wave| wave.takes(change)).await?,
                    }
                }
                Done::Written
            }
            Op::KeepGood(Task { input, .. }) => {
                waves.add(|wave| wave.takes_good(input)).await?;
                Done::Written
            }
            Op::TakeUp(_) => {
                waves.write().await?;
                Done::TakenUp(take_up(pipe, claim.untaken()).await?)
            }
            Op::HandOver(Task { input, .. }) => {
                waves.write().await?;
                Done::HandedOver(*input, hand_over(pipe, claim, *input).await?)
            }
            Op::BeginAgain(_) => Done::Written,
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
async fn take_up(pipe: Pipe<'_>, parts: Parts) -> Result<TakenUp, Fault> {
    if parts.is_empty() {
        return Ok(TakenUp::default());
    }
    let numbers = part_numbers(parts);
    let values: Values<'_> = &[(&numbers, Type::INT2_ARRAY)];
    let sql = "UPDATE lockstep.run SET state = 0 WHERE state = 1 AND part = ANY($1::smallint[])";
    pipe.change(sql, values).await?;
    // A crash came before it was written that the connection is paused: nobody would ever call those who wait for it.
    let sql = "UPDATE lockstep.run r SET due = r.received, parked = NULL
        WHERE r.state = 2 AND r.part = ANY($1::smallint[]) AND r.parked IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM lockstep.connection_state c
            WHERE c.client = r.client AND c.connection = r.parked AND c.probe_at IS NOT NULL)";
    pipe.change(sql, values).await?;
    let sql = "SELECT client, count(*) FROM lockstep.run WHERE state = 2 AND part = ANY($1::smallint[]) GROUP BY client";
    let held = pipe.rows(sql, values).await?;
    let held = held.iter().map(|row| Ok((Cells(row).text(0)?, Cells(row).int(1)?.unsigned_abs())));
    let held = held.collect::<Result<_, StoreError>>().map_err(Fault::Said)?;
    Ok(TakenUp { parts, held })
}

/// These partitions are free, and what stands in them is somebody else's to count.
async fn hand_over(pipe: Pipe<'_>, claim: &Claim, parts: Parts) -> Result<HandedOver, Fault> {
    let numbers = part_numbers(parts);
    let sql = "SELECT client, sum((state = 2)::int), sum((state = 1)::int) FROM (
            SELECT client, state FROM lockstep.run WHERE state = 1 AND part = ANY($1::smallint[])
            UNION ALL SELECT client, state FROM lockstep.run WHERE state = 2 AND part = ANY($1::smallint[])) r
        GROUP BY client";
    let counts = pipe.rows(sql, &[(&numbers, Type::INT2_ARRAY)]).await?;
    let free = "UPDATE lockstep.partition SET owner = NULL WHERE part = ANY($1::smallint[]) AND owner = $2";
    pipe.change(free, &[(&numbers, Type::INT2_ARRAY), (&&*claim.id(), Type::TEXT)]).await?;
    let count = |row| {
        let cells = Cells(row);
        Ok((cells.text(0)?, (cells.int(1)?.unsigned_abs(), cells.int(2)?.unsigned_abs())))
    };
    counts.iter().map(count).collect::<Result<_, StoreError>>().map_err(Fault::Said)
}

impl Op {
    /// Whoever asked may have gone; what was written stays written.
    fn tell(self, answer: Result<Done, StoreError>) {
        match self {
            Self::Commit(task) => task.tell(answer, |_| Some(())),
            Self::KeepGood(task) => task.tell(answer, |_| Some(())),
            Self::Intend(task) => task.tell(answer, |done| match done {
                Done::Intended(grant) => Some(grant),
                _ => None,
            }),
            Self::TakeUp(task) => task.tell(answer, |done| match done {
                Done::TakenUp(taken) => Some(taken),
                _ => None,
            }),
            Self::HandOver(task) => task.tell(answer, |done| match done {
                Done::HandedOver(_, counts) => Some(counts),
                _ => None,
            }),
            Self::BeginAgain(task) => task.tell(answer, |_| Some(())),
            Self::Forget(task) => task.tell(answer, |done| match done {
                Done::Forgotten(count) => Some(count),
                _ => None,
            }),
        }
    }

    /// True when it may be written only by the process whose runs these are.
    fn is_about_runs(&self) -> bool {
        match self {
            Self::Intend(_) | Self::TakeUp(_) | Self::HandOver(_) => true,
            Self::Commit(task) => task.input.iter().any(Change::is_of_a_run),
            Self::BeginAgain(_) | Self::KeepGood(_) | Self::Forget(_) => false,
        }
    }
}

impl<I, O> Task<I, O> {
    fn tell(self, answer: Result<Done, StoreError>, own: impl FnOnce(Done) -> Option<O>) {
        drop(self.reply.send(answer.and_then(|done| own(done).ok_or(StoreError::Closed))));
    }
}
