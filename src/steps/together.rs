//! Several iterations of a loop side by side, so that what they ask of a system can go as one request.
//!
//! Each iteration is executed as ever: it has its own calls, each with its own entry in the journal, its own look-up after a
//! lost answer and its own line in the audit. What it sends is held back until every iteration that is still under way has come
//! to such a point; then all of it goes out together ([`Gateway::call_many`]), and each gets its own answer. Nothing is timed:
//! the same loop makes the same requests in each attempt.
//!
//! Two iterations never create one identity, or write one record, at one time: the later one starts again when the earlier one is
//! through, and takes what it had done already from the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::oneshot;

use super::journal::{CallId, CallOutcome, Entry, Grant, Identity, Intent, Journal, JournalError};
use super::ledger::{Agreements, FieldKey};
use crate::connector::{Abilities, Action, Call, Class, Failure, Gateway, Reply};
use crate::value::Value;

type Answer = Result<Reply, Failure>;

/// What the iterations of one wave share.
#[derive(Default)]
pub(super) struct Wave(Mutex<State>);

#[derive(Default)]
struct State {
    /// Calls that wait to be sent, by the iteration that makes them.
    waiting: BTreeMap<usize, (Vec<Call>, oneshot::Sender<Vec<Answer>>)>,
    /// Who is about to create what, under which call.
    creating: BTreeMap<Identity, (usize, CallId)>,
    /// Who has written which record.
    writing: BTreeMap<Written, usize>,
    /// The iterations that have to start again.
    again: BTreeSet<usize>,
}

/// A record that is written: connection, object, and its id or what identifies it.
type Written = (Arc<str>, Arc<str>, Arc<str>);

/// One iteration's way to systems and journal.
pub(super) struct Lane<'a> {
    wave: &'a Wave,
    number: usize,
    gateway: &'a dyn Gateway,
    journal: &'a dyn Journal,
}

impl Wave {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way of the iteration of this number.
    pub(super) fn lane<'a>(
        &'a self,
        number: usize,
        gateway: &'a dyn Gateway,
        journal: &'a dyn Journal,
    ) -> Lane<'a> {
        Lane { wave: self, number, gateway, journal }
    }

    /// True when this iteration met another one's record, and has to start again when that is through.
    pub(super) fn starts_again(&self, number: usize) -> bool {
        self.state().again.contains(&number)
    }

    /// Drives iterations to their ends, and sends what they make together. What they gave comes in their order.
    pub(super) async fn drive<T>(
        &self,
        client: &str,
        gateway: &dyn Gateway,
        iterations: Vec<BoxFuture<'_, T>>,
    ) -> Vec<T> {
        let numbered = iterations.into_iter().enumerate();
        let mut under_way: FuturesUnordered<_> =
            numbered.map(|(number, iteration)| iteration.map(move |gave| (number, gave))).collect();
        let mut ended = BTreeMap::new();
        while !under_way.is_empty() {
            let step = poll_fn(|context| {
                while let Poll::Ready(Some((number, gave))) = under_way.poll_next_unpin(context) {
                    ended.insert(number, gave);
                }
                let waiting = self.state().waiting.len();
                if waiting == under_way.len() { Poll::Ready(waiting) } else { Poll::Pending }
            });
            if step.await > 0 {
                self.send(client, gateway).await;
            }
        }
        ended.into_values().collect()
    }

    /// Sends all that waits: of each connection one lot, reads that are equal once.
    async fn send(&self, client: &str, gateway: &dyn Gateway) {
        let waiting = std::mem::take(&mut self.state().waiting);
        let mut lots: BTreeMap<Arc<str>, Vec<Call>> = BTreeMap::new();
        let mut places = Vec::new();
        for (calls, _) in waiting.values() {
            let of_one = calls.iter().map(|call| {
                let lot = lots.entry(Arc::clone(&call.connection)).or_default();
                let reads = call.action.kind().is_some_and(crate::connector::ActionKind::is_read);
                let known = lot.iter().position(|known| reads && known == call);
                let place = known.unwrap_or_else(|| {
                    lot.push(call.clone());
                    lot.len() - 1
                });
                (Arc::clone(&call.connection), place)
            });
            places.push(of_one.collect::<Vec<_>>());
        }
        let asked = lots.into_iter().map(|(connection, calls)| async move {
            let answers = match &*calls {
                [call] => vec![gateway.call(client, call).await],
                calls => gateway.call_many(client, calls).await,
            };
            (connection, answers)
        });
        let answers: BTreeMap<Arc<str>, Vec<Answer>> = join_all(asked).await.into_iter().collect();
        for ((_, teller), places) in waiting.into_values().zip(places) {
            let of_one = places.iter().map(|(connection, place)| {
                let answer = answers.get(connection).and_then(|answers| answers.get(*place)).cloned();
                answer.unwrap_or_else(unanswered)
            });
            // Nobody listens when the run was stopped.
            drop(teller.send(of_one.collect()));
        }
    }
}

fn unanswered() -> Answer {
    Err(Failure::new(Class::Unknown, "a batch gave fewer answers than it had calls"))
}

impl State {
    /// True when an iteration may write a record; the first to do so has it until the wave is over.
    fn may_write(&mut self, number: usize, call: &Call) -> bool {
        let Some(written) = written(call) else { return true };
        let first = *self.writing.entry(written).or_insert(number);
        first == number
    }
}

/// What a call writes that another one could write, too.
fn written(call: &Call) -> Option<Written> {
    let (object, id) = match &call.action {
        Action::Update { object, id, .. } | Action::Delete { object, id } => (object, Arc::clone(id)),
        Action::Upsert { object, key, .. } => (object, Value::from(key.clone()).to_json().into()),
        _ => return None,
    };
    Some((Arc::clone(&call.connection), Arc::clone(object), id))
}

impl Lane<'_> {
    /// Marks this iteration to be started again.
    fn later(&self) {
        self.wave.state().again.insert(self.number);
    }
}

impl Gateway for Lane<'_> {
    fn call<'a>(&'a self, client: &'a str, call: &'a Call) -> BoxFuture<'a, Answer> {
        async move {
            let mut answers = self.call_many(client, std::slice::from_ref(call)).await;
            answers.pop().unwrap_or_else(unanswered)
        }
        .boxed()
    }

    fn call_many<'a>(&'a self, _: &'a str, calls: &'a [Call]) -> BoxFuture<'a, Vec<Answer>> {
        async move {
            let (teller, told) = oneshot::channel();
            {
                let mut state = self.wave.state();
                if !calls.iter().all(|call| state.may_write(self.number, call)) {
                    drop(state);
                    self.later();
                    let words = "another element of the loop writes the same record: after that one";
                    return calls.iter().map(|_| Err(Failure::new(Class::Throttled, words))).collect();
                }
                state.waiting.insert(self.number, (calls.to_vec(), teller));
            }
            told.await.unwrap_or_else(|_| calls.iter().map(|_| unanswered()).collect())
        }
        .boxed()
    }

    fn call_off(&self, client: &str, connection: &str) {
        self.gateway.call_off(client, connection);
    }

    fn abilities(&self, client: &str, connection: &str) -> Option<Arc<Abilities>> {
        self.gateway.abilities(client, connection)
    }
}

impl Journal for Lane<'_> {
    fn entry(&self, call: &CallId) -> Option<Entry> {
        self.journal.entry(call)
    }

    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<Grant, JournalError>> {
        async move {
            {
                let mut state = self.wave.state();
                let taken = |identity| state.creating.get(identity).is_some_and(|(by, _)| *by != self.number);
                if intent.identities.iter().any(taken) {
                    state.again.insert(self.number);
                    return Ok(Grant::Held);
                }
                for identity in &intent.identities {
                    state.creating.insert(identity.clone(), (self.number, intent.call.clone()));
                }
            }
            let call = intent.call.clone();
            let grant = self.journal.intend(intent).await?;
            if grant == Grant::Held {
                self.free(&call);
            }
            Ok(grant)
        }
        .boxed()
    }

    fn withdraw<'a>(&'a self, call: &'a CallId) -> BoxFuture<'a, Result<(), JournalError>> {
        self.free(call);
        self.journal.withdraw(call)
    }

    fn record(&self, outcome: CallOutcome) -> BoxFuture<'_, Result<(), JournalError>> {
        self.free(&outcome.call);
        self.journal.record(outcome)
    }

    fn agreements(&self, fields: Vec<FieldKey>) -> BoxFuture<'_, Result<Agreements, JournalError>> {
        self.journal.agreements(fields)
    }

    fn known<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Option<Arc<str>>, JournalError>> {
        self.journal.known(identity)
    }
}

impl Lane<'_> {
    /// The identities that this call was about to create are nobody's any more.
    fn free(&self, call: &CallId) {
        self.wave.state().creating.retain(|_, (_, held)| held != call);
    }
}
