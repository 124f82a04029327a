//! Events on their way in: many in one statement, which is a transaction of its own.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_util::task::TaskTracker;

use super::columns::{Cells, clean, clean_option, digest, lane_hash, part, part_number};
use super::db::{Db, Pipe};
use super::fault::Fault;
use crate::store::columns::{micros, stale_number, state_number};
use crate::store::{Accepted, EventSeq, NewEvent, NewRun, RunId, RunState, StoreError};

/// Statements under way at one time: while one waits for the disk, the next gathers.
const TASKS: usize = 2;

/// Events in one statement.
const BATCH: usize = 512;

/// Bytes in one statement: the database keeps the arrays in memory that it is given, and 4 MB of it.
const BATCH_BYTES: usize = 2 << 20;

/// Bytes of events that may wait to be written. Beyond, events are refused, and their sender comes back.
const WAITING_BYTES: usize = 32 << 20;

/// So long a database that cannot be reached is tried again: a sender waits for the answer meanwhile.
const PATIENCE: Duration = Duration::from_secs(4);

/// The pause before another try.
const PAUSE: Duration = Duration::from_millis(100);

/// Events that wait to be written, and whom to tell.
struct Task {
    events: Vec<NewEvent>,
    weight: usize,
    reply: oneshot::Sender<Result<Vec<Accepted>, StoreError>>,
}

/// Where events are handed over.
pub(super) struct Inbox {
    sender: std::sync::Mutex<Option<mpsc::UnboundedSender<Task>>>,
    waiting: Arc<AtomicUsize>,
    done: TaskTracker,
}

impl Inbox {
    /// Starts the tasks that write. They end when the inbox is closed or dropped.
    pub(super) fn start(db: &Db) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let waiting = Arc::new(AtomicUsize::new(0));
        let done = TaskTracker::new();
        for _ in 0..TASKS {
            let acceptor = Acceptor { db: db.clone(), waiting: Arc::clone(&waiting) };
            done.spawn(acceptor.run(Arc::clone(&receiver)));
        }
        done.close();
        Self { sender: std::sync::Mutex::new(Some(sender)), waiting, done }
    }

    /// Hands events over, unless too many wait already.
    pub(super) fn accept(
        &self,
        events: Vec<NewEvent>,
    ) -> impl Future<Output = Result<Vec<Accepted>, StoreError>> + Send + use<> {
        let weight = events.iter().map(NewEvent::weight).sum();
        let (reply, answer) = oneshot::channel();
        let busy = self.waiting.fetch_add(weight, Ordering::AcqRel) > WAITING_BYTES;
        if busy {
            self.waiting.fetch_sub(weight, Ordering::AcqRel);
        } else if let Some(sender) = &*self.sender.lock().unwrap_or_else(PoisonError::into_inner) {
            // Whoever could not take it drops the reply's other end, which the future reports.
            drop(sender.send(Task { events, weight, reply }));
        }
        async move { if busy { Err(StoreError::Busy) } else { answer.await.unwrap_or(Err(StoreError::Closed)) } }
    }

    /// Takes nothing more; done when everything is written.
    pub(super) fn close(&self) -> impl Future<Output = ()> + Send + use<> {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let done = self.done.clone();
        async move { done.wait().await }
    }
}

struct Acceptor {
    db: Db,
    waiting: Arc<AtomicUsize>,
}

impl Acceptor {
    async fn run(self, mailbox: Arc<Mutex<mpsc::UnboundedReceiver<Task>>>) {
        while let Some(batch) = gather(&mailbox).await {
            let together = self.accept(&batch).await;
            // One event that cannot be kept must not hit its neighbours.
            let alone = batch.len() > 1 && matches!(together, Err(Fault::Said(StoreError::Database(_))));
            let mut answers = together.map(Vec::into_iter);
            for task in batch {
                let answer = match &mut answers {
                    Ok(answers) => Ok(answers.by_ref().take(task.events.len()).collect()),
                    Err(_) if alone => self.accept(std::slice::from_ref(&task)).await,
                    Err(fault) => Err(fault.clone()),
                };
                self.waiting.fetch_sub(task.weight, Ordering::AcqRel);
                // Whoever asked may have gone; what was written stays written.
                drop(task.reply.send(answer.map_err(|fault| fault.told(&self.db.store))));
            }
        }
    }

    /// Writes the events of a batch, with tries as long as the database cannot be reached.
    async fn accept(&self, batch: &[Task]) -> Result<Vec<Accepted>, Fault> {
        let events: Vec<&NewEvent> = batch.iter().flat_map(|task| &task.events).collect();
        let patient_until = Instant::now() + PATIENCE;
        let mut doubtful = false;
        loop {
            let fault = match self.attempt(&events, doubtful).await {
                Ok(accepted) => return Ok(accepted),
                Err(fault) => fault,
            };
            match fault {
                Fault::Again => {}
                Fault::Lost(_) if Instant::now() < patient_until => {
                    doubtful = true;
                    tokio::time::sleep(PAUSE).await;
                }
                fault => return Err(fault),
            }
        }
    }

    async fn attempt(&self, events: &[&NewEvent], doubtful: bool) -> Result<Vec<Accepted>, Fault> {
        let mut link = self.db.writer().await?;
        let written = insert(link.pipe()?, events).await;
        let mut accepted = link.kept(written)?;
        if doubtful {
            // An earlier try may have done it without telling: what looks like a duplicate of an event may be
            // that event.
            let found = recover(link.pipe()?, events, &mut accepted).await;
            link.kept(found)?;
        }
        Ok(accepted)
    }
}

/// Whatever gathered meanwhile is the next statement: no timer, so an idle store answers at once.
async fn gather(mailbox: &Mutex<mpsc::UnboundedReceiver<Task>>) -> Option<Vec<Task>> {
    let mut mailbox = mailbox.lock().await;
    let first = mailbox.recv().await?;
    let (mut bytes, mut count) = (first.weight, first.events.len());
    let mut batch = vec![first];
    while count < BATCH && bytes < BATCH_BYTES {
        let Ok(task) = mailbox.try_recv() else { break };
        bytes += task.weight;
        count += task.events.len();
        batch.push(task);
    }
    Some(batch)
}

/// Numbers are drawn in order of arrival, rows written in order of their digests: two processes that take the same
/// events at one time never wait for each other in a circle.
const ACCEPT: &str = "\
WITH input AS MATERIALIZED (
    SELECT u.*, nextval('lockstep.event_seq') AS seq,
           ARRAY(SELECT nextval('lockstep.run_id') FROM generate_series(1, u.count)) AS runs
    FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                $9::bigint[], $10::bigint[], $11::smallint[], $12::text[], $13::int[])
         WITH ORDINALITY AS u (digest, client, connection, id, kind, object_kind, object, source, created, received,
                               outcome, reason, count, n)
), kept AS (
    INSERT INTO lockstep.event (seq, digest, client, connection, id, kind, object_kind, object, source, created,
                                received, outcome, reason, runs)
    SELECT seq, digest, client, connection, id, kind, object_kind, object, source, created, received, outcome,
           reason, runs
    FROM input ORDER BY digest
    ON CONFLICT (digest) DO NOTHING
    RETURNING seq
), bodies AS (
    INSERT INTO lockstep.payload (seq, body)
    SELECT i.seq, b.body
    FROM unnest($14::bytea[]) WITH ORDINALITY AS b (body, n) JOIN input i ON i.n = b.n JOIN kept k ON k.seq = i.seq
), started AS (
    INSERT INTO lockstep.run (id, event, client, pipeline, version, lane, order_key, lane_hash, part, created, rank,
                              stale, state, due, received, reason, ended)
    SELECT i.runs[r.k], i.seq, i.client, r.pipeline, r.version, r.lane, r.order_key, r.lane_hash, r.part, r.created,
           r.rank, r.stale, r.state, least(r.created, i.received), i.received, r.reason,
           CASE WHEN r.state >= 4 THEN i.received END
    FROM unnest($15::bigint[], $16::int[], $17::text[], $18::text[], $19::text[], $20::text[], $21::bigint[],
                $22::smallint[], $23::bigint[], $24::bigint[], $25::smallint[], $26::smallint[], $27::text[])
         AS r (n, k, pipeline, version, lane, order_key, lane_hash, part, created, rank, stale, state, reason)
    JOIN input i ON i.n = r.n JOIN kept k ON k.seq = i.seq
)
SELECT i.n, i.seq, i.runs FROM input i JOIN kept k ON k.seq = i.seq";

/// Keeps events with their runs; those that are there already are left as they are (invariant 9: their runs tell
/// whether they are done).
pub(super) async fn insert(pipe: Pipe<'_>, events: &[&NewEvent]) -> Result<Vec<Accepted>, Fault> {
    let mut accepted = vec![Accepted::Duplicate; events.len()];
    let mut seen = HashSet::new();
    // A second one with the same id is a duplicate of the first.
    let first: Vec<(usize, Vec<u8>, &NewEvent)> = events
        .iter()
        .enumerate()
        .map(|(number, event)| (number, event_digest(event), *event))
        .filter(|(_, digest, _)| seen.insert(digest.clone()))
        .collect();
    let all = |text: fn(&NewEvent) -> &str| -> Vec<_> {
        first.iter().map(|(_, _, event)| clean(text(event))).collect()
    };
    let optional = |text: fn(&NewEvent) -> Option<&str>| -> Vec<_> {
        first.iter().map(|(_, _, event)| clean_option(text(event))).collect()
    };
    let digests: Vec<&[u8]> = first.iter().map(|(_, digest, _)| &**digest).collect();
    let created: Vec<i64> = first.iter().map(|(_, _, event)| micros(event.created)).collect();
    let received: Vec<i64> = first.iter().map(|(_, _, event)| micros(event.received)).collect();
    let outcomes: Vec<Option<i16>> = first.iter().map(|(_, _, event)| outcome(event)).collect();
    let counts: Vec<i32> =
        first.iter().map(|(_, _, event)| i32::try_from(event.runs.len()).unwrap_or(i32::MAX)).collect();
    let bodies: Vec<&[u8]> = first.iter().map(|(_, _, event)| &*event.body).collect();
    let runs = Runs::of(first.iter().map(|(_, _, event)| *event));
    let rows = pipe
        .rows(
            ACCEPT,
            &[
                (&digests, Type::BYTEA_ARRAY),
                (&all(|event| &event.client), Type::TEXT_ARRAY),
                (&all(|event| &event.connection), Type::TEXT_ARRAY),
                (&all(|event| &event.id), Type::TEXT_ARRAY),
                (&all(|event| &event.kind), Type::TEXT_ARRAY),
                (&optional(|event| event.object_kind.as_deref()), Type::TEXT_ARRAY),
                (&optional(|event| event.object.as_deref()), Type::TEXT_ARRAY),
                (&all(|event| event.source.word()), Type::TEXT_ARRAY),
                (&created, Type::INT8_ARRAY),
                (&received, Type::INT8_ARRAY),
                (&outcomes, Type::INT2_ARRAY),
                (&optional(|event| event.ended.as_ref().map(|(_, why)| why.as_str())), Type::TEXT_ARRAY),
                (&counts, Type::INT4_ARRAY),
                (&bodies, Type::BYTEA_ARRAY),
                (&runs.event, Type::INT8_ARRAY),
                (&runs.number, Type::INT4_ARRAY),
                (&runs.pipeline, Type::TEXT_ARRAY),
                (&runs.version, Type::TEXT_ARRAY),
                (&runs.lane, Type::TEXT_ARRAY),
                (&runs.key, Type::TEXT_ARRAY),
                (&runs.lane_hash, Type::INT8_ARRAY),
                (&runs.part, Type::INT2_ARRAY),
                (&runs.created, Type::INT8_ARRAY),
                (&runs.rank, Type::INT8_ARRAY),
                (&runs.stale, Type::INT2_ARRAY),
                (&runs.state, Type::INT2_ARRAY),
                (&runs.reason, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    for row in rows {
        let (n, new) = new_event(Cells(&row)).map_err(Fault::Said)?;
        if let Some((number, _, _)) = first.get(n) {
            accepted[*number] = new;
        }
    }
    Ok(accepted)
}

/// Columns: the number of an event from 1, its seq, its runs.
fn new_event(cells: Cells<'_>) -> Result<(usize, Accepted), StoreError> {
    let n = usize::try_from(cells.int(0)? - 1).unwrap_or(usize::MAX);
    let runs = cells.ints(2)?.into_iter().map(RunId).collect();
    Ok((n, Accepted::New { seq: EventSeq(cells.int(1)?), runs }))
}

/// Finds the events that an earlier try has written: they are there, and were received at that very microsecond.
async fn recover(pipe: Pipe<'_>, events: &[&NewEvent], accepted: &mut [Accepted]) -> Result<(), Fault> {
    let digests: Vec<Vec<u8>> = events.iter().map(|event| event_digest(event)).collect();
    let mut first = HashMap::new();
    for (number, digest) in digests.iter().enumerate().rev() {
        first.insert(digest.as_slice(), number);
    }
    let numbers: Vec<usize> =
        first.into_values().filter(|number| accepted[*number] == Accepted::Duplicate).collect();
    let wanted: Vec<&[u8]> = numbers.iter().map(|number| &*digests[*number]).collect();
    let received: Vec<i64> = numbers.iter().map(|number| micros(events[*number].received)).collect();
    let sql = "SELECT u.n, e.seq, e.runs
               FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY AS u (digest, received, n)
               JOIN lockstep.event e ON e.digest = u.digest AND e.received = u.received";
    let rows = pipe.rows(sql, &[(&wanted, Type::BYTEA_ARRAY), (&received, Type::INT8_ARRAY)]).await?;
    for row in rows {
        let (n, new) = new_event(Cells(&row)).map_err(Fault::Said)?;
        if let Some(number) = numbers.get(n) {
            accepted[*number] = new;
        }
    }
    Ok(())
}

fn event_digest(event: &NewEvent) -> Vec<u8> {
    digest(&[&event.client, &event.connection, &event.id])
}

fn outcome(event: &NewEvent) -> Option<i16> {
    event.ended.as_ref().map(|(outcome, _)| short(state_number(RunState::Ended(*outcome))))
}

/// States and the like are single digits.
fn short(number: i64) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}

/// The runs of a batch of events, column by column.
#[derive(Default)]
struct Runs<'a> {
    event: Vec<i64>,
    number: Vec<i32>,
    pipeline: Vec<Cow<'a, str>>,
    version: Vec<&'a str>,
    lane: Vec<Cow<'a, str>>,
    key: Vec<Cow<'a, str>>,
    lane_hash: Vec<i64>,
    part: Vec<i16>,
    created: Vec<i64>,
    rank: Vec<i64>,
    stale: Vec<i16>,
    state: Vec<i16>,
    reason: Vec<Cow<'a, str>>,
}

impl<'a> Runs<'a> {
    fn of(events: impl Iterator<Item = &'a NewEvent>) -> Self {
        let mut all = Self::default();
        for (event, n) in events.zip(1..) {
            for (run, number) in event.runs.iter().zip(1..) {
                all.event.push(n);
                all.number.push(number);
                all.push(event, run);
            }
        }
        all
    }

    fn push(&mut self, event: &'a NewEvent, run: &'a NewRun) {
        let hash = lane_hash(&event.client, &run.place.lane, &run.place.key);
        let state = run.ended.as_ref().map_or(RunState::Ready, |(outcome, _)| RunState::Ended(*outcome));
        self.pipeline.push(clean(&run.pipeline));
        self.version.push(&run.version.0);
        self.lane.push(clean(&run.place.lane));
        self.key.push(clean(&run.place.key));
        self.lane_hash.push(hash);
        self.part.push(part_number(part(hash)));
        self.created.push(micros(run.place.created));
        self.rank.push(i64::from(run.place.rank));
        self.stale.push(short(stale_number(run.stale)));
        self.state.push(short(state_number(state)));
        self.reason.push(clean(run.ended.as_ref().map_or("", |(_, reason)| reason)));
    }
}
