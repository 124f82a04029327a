//! The thread that writes: one mailbox, first in, first on disk, many in one transaction.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::columns::error;
use super::erase;
use super::seal::Prepared;
use super::write::{Batch, WriteError};
use crate::failpoint::failpoint;
use crate::steps::Grant;
use crate::store::{
    Accepted, Change, Erasing, ErasingNotes, EventSeq, GoodClient, LimitedReport, NewEvent, NewIntent,
    NoteId, RunId, Settled, StoreError, TakenUp, Version,
};

/// Operations in one transaction. More would gain little (an fsync shared by 512 costs each of them nothing) and
/// keep the first one waiting.
const BATCH: usize = 512;

/// Bytes in one transaction: what a disk writes in a few milliseconds.
const BATCH_BYTES: usize = 4 << 20;

/// Bytes of events that may wait to be written. Beyond, events are refused, and their sender comes back.
const WAITING_BYTES: usize = 32 << 20;

/// A store in which so many operations came at once is busy.
const BUSY: usize = 16;

/// A busy store lets so many outcomes gather that nobody waits for: each commit writes the pages anew that all rows share,
/// and a page costs as much as many rows.
const GATHER: usize = 64;

/// For so long it lets them gather.
const GATHERING: Duration = Duration::from_millis(2);

/// For so long a failure is told to who asks how the store is: a disk that is full for events still takes a small
/// change now and then.
const LATELY: Duration = Duration::from_secs(10);

/// What could not be written last, for a reason that was not in it, and when that was.
type Failed = Arc<Mutex<Option<(Instant, StoreError)>>>;

/// One thing to write, and whom to tell.
pub(super) struct Task<I, O> {
    input: I,
    output: Option<O>,
    reply: oneshot::Sender<Result<O, StoreError>>,
}

/// What can be asked of the writer.
pub(super) enum Op {
    /// Events, and what is told of the first one.
    Accept(Task<(Vec<NewEvent>, Vec<LimitedReport>), Vec<Accepted>>),
    Intend(Task<NewIntent, Grant>),
    Commit(Task<Vec<Change>, ()>),
    TakeUp(Task<(), TakenUp>),
    KeepGood(Task<GoodClient, ()>),
    Forget(Task<(Vec<Version>, Timestamp), u64>),
    RetryDead(Task<(RunId, Timestamp), ()>),
    Settle(Task<Settled, ()>),
    Seal(Task<Vec<Prepared>, usize>),
    Erase(Task<Erasing, Vec<EventSeq>>),
    EraseNotes(Task<ErasingNotes, Vec<NoteId>>),
    /// Not part of any transaction.
    GiveBack(Task<(), bool>),
    Close(Task<(), ()>),
}

/// The writer's mailbox. Events are bounded here; everything else is bounded by the runs that are in memory.
pub(super) struct Mailbox {
    sender: mpsc::Sender<Op>,
    waiting: Arc<AtomicUsize>,
    failed: Failed,
}

impl Mailbox {
    /// Starts the thread. It ends when it is told to close, or when the mailbox is dropped.
    pub(super) fn start(connection: Connection, path: PathBuf) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let failed = Failed::default();
        let writer = Writer { connection, path, waiting: Arc::clone(&waiting), failed: Arc::clone(&failed) };
        std::thread::Builder::new().name("store-writer".into()).spawn(move || writer.run(&receiver))?;
        Ok(Self { sender, waiting, failed })
    }

    /// Why something could not be written, when that was just now.
    pub(super) fn failed_lately(&self) -> Result<(), StoreError> {
        match &*self.failed.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((at, failure)) if at.elapsed() < LATELY => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// Hands events over, unless too many wait already.
    pub(super) fn accept(
        &self,
        events: Vec<NewEvent>,
        told: Vec<LimitedReport>,
    ) -> BoxFuture<'static, Result<Vec<Accepted>, StoreError>> {
        let weight = events.iter().map(NewEvent::weight).sum();
        if self.waiting.fetch_add(weight, Ordering::AcqRel) > WAITING_BYTES {
            self.waiting.fetch_sub(weight, Ordering::AcqRel);
            return async { Err(StoreError::Busy) }.boxed();
        }
        self.send((events, told), Op::Accept)
    }

    /// Hands something over. It is queued when this returns; the future tells when it is on disk.
    pub(super) fn send<I, O: Send + 'static>(
        &self,
        input: I,
        op: impl FnOnce(Task<I, O>) -> Op,
    ) -> BoxFuture<'static, Result<O, StoreError>> {
        let (reply, answer) = oneshot::channel();
        // A writer that is gone drops the reply's other end, which the future reports.
        drop(self.sender.send(op(Task { input, output: None, reply })));
        async move { answer.await.unwrap_or(Err(StoreError::Closed)) }.boxed()
    }
}

struct Writer {
    connection: Connection,
    path: PathBuf,
    waiting: Arc<AtomicUsize>,
    failed: Failed,
}

impl Writer {
    fn run(mut self, mailbox: &mpsc::Receiver<Op>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut busy = false;
        while let Ok(first) = mailbox.recv() {
            let mut gathered = Gathered { bytes: first.weight(), last: first.is_last() };
            batch.push(first);
            // Whatever came during the last fsync goes with this one: an idle store answers at once.
            gathered.gather(mailbox, &mut batch);
            if busy && !gathered.last && batch.len() < GATHER && batch.iter().all(Op::can_wait) {
                std::thread::sleep(GATHERING);
                gathered.gather(mailbox, &mut batch);
            }
            busy = batch.len() >= BUSY;
            let closing = matches!(batch.last(), Some(Op::Close(_)));
            let after = batch.pop_if(|op| matches!(op, Op::GiveBack(_)));
            if !batch.is_empty() {
                self.write(&mut batch);
            }
            if let Some(Op::GiveBack(mut task)) = after {
                let given = erase::give_back(&self.connection).map_err(|failure| error(&failure, &self.path));
                task.output = given.as_ref().ok().copied();
                task.tell(given.map(drop));
            }
            if closing {
                return;
            }
        }
    }

    /// Writes a batch in one transaction and tells everyone. When one of them cannot be written, nothing of the
    /// batch is, and each is tried in a transaction of its own, so that one mistake does not hit its neighbours.
    fn write(&mut self, batch: &mut Vec<Op>) {
        let together = self.transaction(batch);
        let alone =
            batch.len() > 1 && matches!(together, Err(WriteError::Assumption(_) | WriteError::Sql(_)));
        for mut op in batch.drain(..) {
            let result =
                if alone { self.transaction(std::slice::from_mut(&mut op)) } else { together.clone() };
            self.waiting.fetch_sub(op.counted(), Ordering::AcqRel);
            let result = result.map_err(|failure| failure.told(&self.path));
            if let Err(failure) = &result
                && !matches!(failure, StoreError::Assumption(_))
            {
                let failed = (Instant::now(), failure.clone());
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(failed);
            }
            op.tell(result);
        }
    }

    fn transaction(&mut self, ops: &mut [Op]) -> Result<(), WriteError> {
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|failure| WriteError::of_all(&failure, &self.path))?;
        let mut batch = Batch::new(&transaction);
        for op in ops {
            op.perform(&mut batch)?;
        }
        failpoint!("before-commit");
        transaction.commit().map_err(|failure| WriteError::of_all(&failure, &self.path))?;
        failpoint!("after-commit");
        Ok(())
    }
}

/// What is in a batch.
struct Gathered {
    bytes: usize,
    last: bool,
}

impl Gathered {
    /// Takes what is there, as far as it fits.
    fn gather(&mut self, mailbox: &mpsc::Receiver<Op>, batch: &mut Vec<Op>) {
        while !self.last && batch.len() < BATCH && self.bytes < BATCH_BYTES {
            let Ok(op) = mailbox.try_recv() else { break };
            self.bytes += op.weight();
            self.last = op.is_last();
            batch.push(op);
        }
    }
}

impl Op {
    /// True for outcomes: whoever has handed them over goes on without their being on disk, or has other runs to go on with.
    fn can_wait(&self) -> bool {
        matches!(self, Self::Commit(_))
    }

    /// About how many bytes it writes.
    fn weight(&self) -> usize {
        match self {
            Self::Accept(_) => self.counted(),
            Self::Commit(task) => task.input.iter().map(Change::weight).sum(),
            Self::KeepGood(task) => task.input.weight(),
            Self::Forget(task) => task.input.0.len() * 512,
            Self::Seal(task) => task.input.len() * 256,
            // Its rows are written over, not only taken out.
            Self::Erase(task) => task.input.events.len() * 4096,
            Self::EraseNotes(task) => task.input.notes.len() * 4096,
            Self::Settle(_)
            | Self::Intend(_)
            | Self::TakeUp(_)
            | Self::RetryDead(_)
            | Self::GiveBack(_)
            | Self::Close(_) => 512,
        }
    }

    /// True when nothing is gathered after it.
    fn is_last(&self) -> bool {
        matches!(self, Self::GiveBack(_) | Self::Close(_))
    }

    /// What it adds to the bytes that wait.
    fn counted(&self) -> usize {
        match self {
            Self::Accept(task) => task.input.0.iter().map(NewEvent::weight).sum(),
            _ => 0,
        }
    }

    fn perform(&mut self, batch: &mut Batch<'_>) -> Result<(), WriteError> {
        match self {
            Self::Accept(task) => task.output = Some(batch.accept(&task.input.0, &task.input.1)?),
            Self::Intend(task) => task.output = Some(batch.intend(&task.input)?),
            Self::Commit(task) => {
                task.input.iter().try_for_each(|change| batch.change(change))?;
                task.output = Some(());
            }
            Self::TakeUp(task) => task.output = Some(batch.take_up()?),
            Self::KeepGood(task) => task.output = Some(batch.keep_good(&task.input)?),
            Self::Forget(task) => task.output = Some(batch.forget(&task.input.0, task.input.1)?),
            Self::RetryDead(task) => task.output = Some(batch.retry_dead(task.input.0, task.input.1)?),
            Self::Settle(task) => task.output = Some(batch.settle(&task.input)?),
            Self::Seal(task) => task.output = Some(batch.seal(&task.input)?),
            Self::Erase(task) => task.output = Some(batch.erase(&task.input)?),
            Self::EraseNotes(task) => task.output = Some(batch.erase_notes(&task.input)?),
            Self::GiveBack(_) => {}
            Self::Close(task) => task.output = Some(()),
        }
        Ok(())
    }

    fn tell(self, result: Result<(), StoreError>) {
        match self {
            Self::Accept(task) => task.tell(result),
            Self::Intend(task) => task.tell(result),
            Self::Commit(task) => task.tell(result),
            Self::TakeUp(task) => task.tell(result),
            Self::KeepGood(task) => task.tell(result),
            Self::Forget(task) => task.tell(result),
            Self::RetryDead(task) => task.tell(result),
            Self::Settle(task) => task.tell(result),
            Self::Seal(task) => task.tell(result),
            Self::Erase(task) => task.tell(result),
            Self::EraseNotes(task) => task.tell(result),
            Self::GiveBack(task) => task.tell(result),
            Self::Close(task) => task.tell(result),
        }
    }
}

impl<I, O> Task<I, O> {
    fn tell(self, result: Result<(), StoreError>) {
        let answer = result.and_then(|()| self.output.ok_or(StoreError::Closed));
        // Whoever asked may have gone; what was written stays written.
        drop(self.reply.send(answer));
    }
}

impl WriteError {
    /// A failure that hits the whole transaction, whatever is in it.
    fn of_all(failure: &rusqlite::Error, path: &std::path::Path) -> Self {
        Self::All(error(failure, path))
    }
}
