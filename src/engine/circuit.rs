//! Circuit breakers: a connection that is down is left alone, and tried now and then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::verdict::after;
use crate::clock::SharedClock;
use crate::connector::{Abilities, Call, Class, Failure, Gateway, Reply};
use crate::failpoint::failpoint;
use crate::metrics::Metrics;
use crate::store::{CircuitState, ConnectionState, Store};

/// Failures in a row, without one success between them, that pause a connection. More than the attempts of a
/// single run, so that one event that a system chokes on does not stop the others.
const FAILURES: u32 = 10;

/// The first and the longest pause; doubled from one try to the next.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
const PAUSE_LONGEST: Duration = Duration::from_mins(10);

/// So long nobody else tries whether a connection is back when a process has begun to; it may have died.
const TRY: Duration = Duration::from_mins(1);

/// So long a process that was too late to try waits to hear what came of it.
const TRY_ELSEWHERE: Duration = Duration::from_secs(2);

/// How often a process that is not sure of its work looks whether it is again.
const SURE_AGAIN: Duration = Duration::from_millis(50);

/// A connection of a client.
pub(super) type Key = (Arc<str>, Arc<str>);

/// A change that the scheduler writes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CircuitChange {
    /// It was well, since then when that is known, and is paused from now on.
    Opened { state: ConnectionState, well_since: Option<Timestamp> },
    /// It was tried, and is still down.
    StillOpen(ConnectionState),
    /// It is back.
    Closed(ConnectionState),
}

/// The circuits of all connections. Where several processes share the work, what one of them finds out holds for all: it
/// is written down, and the others learn of it within a second or two.
pub(super) struct Circuits {
    all: Mutex<All>,
    changes: mpsc::UnboundedSender<CircuitChange>,
}

#[derive(Debug, Default)]
struct All {
    circuits: BTreeMap<Key, Circuit>,
    /// Counts what was found out here, and when it came to disk.
    changes: u64,
}

/// When others were asked, counted by what had been found out here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known(u64);

/// What others have found out.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) paused: Vec<Key>,
    pub(super) back: Vec<Key>,
}

#[derive(Debug, Default)]
struct Circuit {
    /// Failures in a row.
    failures: u32,
    open: Option<Open>,
    /// Since when it is well, as far as that is known.
    well_since: Option<Timestamp>,
    /// When something was found out here last, and how much of it is not on disk yet: others do not know it.
    changed: u64,
    unsettled: usize,
}

#[derive(Debug)]
struct Open {
    since: Timestamp,
    reason: String,
    probes: u32,
    probe_at: Timestamp,
    /// The same, as all processes know it: whoever moves it on makes the try.
    agreed: Timestamp,
    /// True while the one call is under way that tries whether it is back.
    probing: bool,
}

/// Whether a call may go.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Pass,
    /// The try that was agreed for then.
    Probe(Timestamp),
    Refused(String),
}

impl Circuits {
    /// The circuits as they were; open ones are tried at once, for a person may have mended something before the
    /// start. Changes go to `changes`: at most one for each call under way, so nothing bounds the channel.
    pub(super) fn new(
        known: Vec<ConnectionState>,
        now: Timestamp,
        changes: mpsc::UnboundedSender<CircuitChange>,
    ) -> Self {
        let circuits = known.into_iter().map(|state| {
            let ConnectionState { client, connection, circuit, since, reason } = state;
            let circuit = match circuit {
                CircuitState::Closed => Circuit { well_since: Some(since), ..Circuit::default() },
                CircuitState::Open { probes, probe_at } => {
                    let open =
                        Open { since, reason, probes, probe_at: now, agreed: probe_at, probing: false };
                    Circuit { open: Some(open), ..Circuit::default() }
                }
            };
            ((client, connection), circuit)
        });
        Self { all: Mutex::new(All { circuits: circuits.collect(), changes: 0 }), changes }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now, for a question to the store: see [`learn_from_others`](Self::learn_from_others).
    pub(super) fn known(&self) -> Known {
        Known(self.lock().changes)
    }

    /// What was found out here is on disk, or could not be written.
    pub(super) fn settled(&self, key: &Key) {
        let mut all = self.lock();
        all.changes += 1;
        let changes = all.changes;
        if let Some(circuit) = all.circuits.get_mut(key) {
            circuit.unsettled = circuit.unsettled.saturating_sub(1);
            circuit.changed = changes;
        }
    }

    /// Nothing of it is on its way any more.
    pub(super) fn all_settled(&self) {
        let mut all = self.lock();
        all.changes += 1;
        let changes = all.changes;
        for circuit in all.circuits.values_mut().filter(|circuit| circuit.unsettled > 0) {
            (circuit.unsettled, circuit.changed) = (0, changes);
        }
    }

    /// Learns what the store says, which was asked at `asked`. What was found out here since then is newer.
    pub(super) fn learn_from_others(&self, states: Vec<ConnectionState>, asked: Known) -> News {
        let mut news = News::default();
        let mut all = self.lock();
        for state in states {
            let ConnectionState { client, connection, circuit: now, since, reason } = state;
            let key = (client, connection);
            let circuit = all.circuits.entry(key.clone()).or_default();
            if circuit.unsettled > 0 || circuit.changed > asked.0 {
                continue;
            }
            match (now, &mut circuit.open) {
                (CircuitState::Closed, open) => {
                    circuit.well_since = Some(since);
                    if open.take().is_some() {
                        circuit.failures = 0;
                        news.back.push(key);
                    }
                }
                (CircuitState::Open { .. }, Some(open)) if open.probing => {}
                (CircuitState::Open { probes, probe_at }, Some(open)) => {
                    // Unless it is what was known, and is to be tried sooner here: after a start.
                    if open.agreed != probe_at {
                        (open.probe_at, open.agreed) = (probe_at, probe_at);
                    }
                    (open.since, open.reason, open.probes) = (since, reason, probes);
                }
                (CircuitState::Open { probes, probe_at }, open @ None) => {
                    *open = Some(Open { since, reason, probes, probe_at, agreed: probe_at, probing: false });
                    news.paused.push(key);
                }
            }
        }
        news
    }

    /// The right to make a try was won, until then; or another process makes it, and here it is not asked again before.
    fn tried(&self, key: &Key, won: bool, until: Timestamp) {
        if let Some(open) = self.lock().circuits.get_mut(key).and_then(|circuit| circuit.open.as_mut()) {
            if won {
                open.agreed = until;
            } else {
                open.probing = false;
                open.probe_at = open.probe_at.max(until);
            }
        }
    }

    /// True while the connection is paused.
    pub(super) fn is_open(&self, key: &Key) -> bool {
        self.lock().circuits.get(key).is_some_and(|circuit| circuit.open.is_some())
    }

    /// When a paused connection is tried next; `None` when it is well.
    pub(super) fn tried_at(&self, key: &Key) -> Option<Timestamp> {
        self.lock().circuits.get(key)?.open.as_ref().map(|open| open.probe_at)
    }

    /// The paused connections and when each is tried next; those that are being tried are not listed.
    pub(super) fn probes(&self) -> Vec<(Key, Timestamp)> {
        let all = self.lock();
        let open = all.circuits.iter().filter_map(|(key, circuit)| Some((key, circuit.open.as_ref()?)));
        open.filter(|(_, open)| !open.probing).map(|(key, open)| (key.clone(), open.probe_at)).collect()
    }

    fn admit(&self, key: &Key, now: Timestamp) -> Admission {
        let mut all = self.lock();
        match all.circuits.get_mut(key).and_then(|circuit| circuit.open.as_mut()) {
            None => Admission::Pass,
            Some(open) if !open.probing && open.probe_at <= now => {
                open.probing = true;
                Admission::Probe(open.agreed)
            }
            Some(open) => Admission::Refused(open.reason.clone()),
        }
    }

    /// Learns from an answer. True when the connection is paused by it.
    fn learn(&self, key: &Key, failed: Option<&Failure>, now: Timestamp) -> bool {
        // A call that was held back or refused on this side says nothing of the other one.
        if failed.is_some_and(|failure| failure.status.is_none() && !speaks_of_the_connection(failure.class))
        {
            return false;
        }
        let mut all = self.lock();
        let changes = all.changes + 1;
        let circuit = all.circuits.entry(key.clone()).or_default();
        let change = match failed.filter(|failure| speaks_of_the_connection(failure.class)) {
            None => circuit.well(key, now),
            Some(failure) => circuit.ill(key, failure, now),
        };
        let opened = matches!(change, Some(CircuitChange::Opened { .. }));
        if let Some(change) = change {
            (circuit.changed, circuit.unsettled) = (changes, circuit.unsettled + 1);
            all.changes = changes;
            // Nobody listens any more only while the engine is going down.
            drop(self.changes.send(change));
        }
        opened
    }

    /// A probe that was given up without an answer: the next call may try.
    fn abandon(&self, key: &Key) {
        if let Some(open) = self.lock().circuits.get_mut(key).and_then(|circuit| circuit.open.as_mut()) {
            open.probing = false;
        }
    }
}

impl Circuit {
    fn well(&mut self, key: &Key, now: Timestamp) -> Option<CircuitChange> {
        self.failures = 0;
        let open = self.open.take()?;
        self.well_since = Some(now);
        Some(CircuitChange::Closed(state(key, CircuitState::Closed, now, open.reason)))
    }

    fn ill(&mut self, key: &Key, failure: &Failure, now: Timestamp) -> Option<CircuitChange> {
        self.failures += 1;
        if let Some(open) = &mut self.open {
            // Calls that were under way when it was paused say nothing new.
            if !open.probing {
                return None;
            }
            open.probing = false;
            open.probes += 1;
            open.probe_at = after(now, pause(open.probes));
            open.agreed = open.probe_at;
            open.reason = failure.to_string();
            let circuit = CircuitState::Open { probes: open.probes, probe_at: open.probe_at };
            return Some(CircuitChange::StillOpen(state(key, circuit, open.since, open.reason.clone())));
        }
        let at_once = matches!(failure.class, Class::ConnectionDown | Class::Expired);
        if !at_once && self.failures < FAILURES {
            return None;
        }
        let probe_at = after(now, pause(0));
        let reason = failure.to_string();
        let open = Open {
            since: now,
            reason: reason.clone(),
            probes: 0,
            probe_at,
            agreed: probe_at,
            probing: false,
        };
        self.open = Some(open);
        let circuit = CircuitState::Open { probes: 0, probe_at };
        let state = state(key, circuit, now, reason);
        Some(CircuitChange::Opened { state, well_since: self.well_since })
    }
}

fn state(key: &Key, circuit: CircuitState, since: Timestamp, reason: String) -> ConnectionState {
    let (client, connection) = key.clone();
    ConnectionState { client, connection, circuit, since, reason }
}

fn pause(probes: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(probes)).min(PAUSE_LONGEST)
}

/// Whether a failure of this class may mean that the connection is down. A refusal of one record proves that
/// somebody is there.
fn speaks_of_the_connection(class: Class) -> bool {
    match class {
        Class::Transient | Class::Unknown | Class::Expired | Class::ConnectionDown => true,
        Class::Missing
        | Class::Duplicate
        | Class::Throttled
        | Class::Locked
        | Class::Permanent
        | Class::Partial => false,
    }
}

/// What several answers that came together say of their connection: one that was given proves that somebody is there, unless
/// another one says that nothing will work.
fn telling(answers: &[Result<Reply, Failure>]) -> Option<&Failure> {
    let failures = || answers.iter().filter_map(|answer| answer.as_ref().err());
    let down = failures().find(|failure| failure.class == Class::ConnectionDown);
    let any =
        || failures().find(|failure| speaks_of_the_connection(failure.class)).or_else(|| failures().next());
    down.or_else(|| any().filter(|_| answers.iter().all(Result::is_err)))
}

/// A gateway that leaves paused connections alone, and counts.
pub(super) struct GuardedGateway {
    pub(super) gateway: Arc<dyn Gateway>,
    pub(super) circuits: Arc<Circuits>,
    pub(super) clock: SharedClock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) store: Arc<dyn Store>,
}

impl GuardedGateway {
    /// Whether a call may go, as all processes that share the work have agreed.
    async fn admit<'a>(&'a self, key: &'a Key) -> Result<Option<Probe<'a>>, String> {
        let now = self.clock.now();
        let due = match self.circuits.admit(key, now) {
            Admission::Pass => return Ok(None),
            Admission::Refused(reason) => return Err(reason),
            Admission::Probe(due) => due,
        };
        let probe = Probe { circuits: &self.circuits, key };
        let Some(sharing) = self.store.sharing() else { return Ok(Some(probe)) };
        let until = after(now, TRY);
        if let Ok(true) = sharing.win_try(&key.0, &key.1, due, until).await {
            self.circuits.tried(key, true, until);
            return Ok(Some(probe));
        }
        self.circuits.tried(key, false, after(now, TRY_ELSEWHERE));
        Err("another process tries whether it is back".to_owned())
    }

    /// Waits while others may have taken over what this process is at: it does nothing more before it is sure of that, or
    /// is told to drop it.
    async fn is_sure(&self) {
        while !self.store.works() {
            tokio::time::sleep(SURE_AGAIN).await;
        }
    }
}

impl GuardedGateway {
    /// Lets one request through to a connection, or says why not.
    async fn enter<'a>(&'a self, key: &'a Key) -> Result<Option<Probe<'a>>, Failure> {
        self.is_sure().await;
        self.admit(key).await.map_err(|reason| {
            let paused = format!("connection `{}` is paused: {reason}", key.1);
            Failure::new(Class::ConnectionDown, paused)
        })
    }

    /// Learns from the answer to one request.
    fn learn(&self, key: &Key, failure: Option<&Failure>) {
        if self.circuits.learn(key, failure, self.clock.now()) {
            // Those that were let through before this and stand in line would only find out the same.
            self.gateway.call_off(&key.0, &key.1);
        }
    }
}

impl Gateway for GuardedGateway {
    fn call<'a>(&'a self, client: &'a str, call: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>> {
        async move {
            let key: Key = (client.into(), Arc::clone(&call.connection));
            let probe = self.enter(&key).await?;
            let began = Instant::now();
            failpoint!("before-call");
            let answer = self.gateway.call(client, call).await;
            let class = answer.as_ref().map_or_else(|failure| failure.class.word(), |_| "ok");
            self.metrics.called(&key.0, &key.1, class, began.elapsed());
            failpoint!("after-answer");
            self.learn(&key, answer.as_ref().err());
            drop(probe);
            answer
        }
        .boxed()
    }

    fn call_many<'a>(
        &'a self,
        client: &'a str,
        calls: &'a [Call],
    ) -> BoxFuture<'a, Vec<Result<Reply, Failure>>> {
        async move {
            let Some(first) = calls.first() else { return Vec::new() };
            let key: Key = (client.into(), Arc::clone(&first.connection));
            let probe = match self.enter(&key).await {
                Ok(probe) => probe,
                Err(failure) => return calls.iter().map(|_| Err(failure.clone())).collect(),
            };
            let began = Instant::now();
            failpoint!("before-call");
            let answers = self.gateway.call_many(client, calls).await;
            for answer in &answers {
                let class = answer.as_ref().map_or_else(|failure| failure.class.word(), |_| "ok");
                self.metrics.called(&key.0, &key.1, class, began.elapsed());
            }
            failpoint!("after-answer");
            self.learn(&key, telling(&answers));
            drop(probe);
            answers
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

/// A probe under way. Dropped without an answer, when its run was stopped, it lets the next call try.
struct Probe<'a> {
    circuits: &'a Circuits,
    key: &'a Key,
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.circuits.abandon(self.key);
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn circuits() -> (Circuits, mpsc::UnboundedReceiver<CircuitChange>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Circuits::new(Vec::new(), at(0), sender), receiver)
    }

    fn key() -> Key {
        ("acme".into(), "crm".into())
    }

    fn fails(circuits: &Circuits, class: Class, now: i64) {
        circuits.learn(&key(), Some(&Failure::new(class, "no")), at(now));
    }

    #[test]
    fn a_revoked_key_pauses_at_once_and_is_reported_once() {
        let (circuits, mut changes) = circuits();
        fails(&circuits, Class::ConnectionDown, 5);
        fails(&circuits, Class::ConnectionDown, 6);
        assert!(matches!(changes.try_recv(), Ok(CircuitChange::Opened { well_since: None, .. })));
        assert!(changes.try_recv().is_err());
        assert_eq!(circuits.admit(&key(), at(7)), Admission::Refused("no".into()));
        assert_eq!(circuits.admit(&("acme".into(), "mail".into()), at(7)), Admission::Pass);
    }

    #[test]
    fn transient_failures_pause_only_in_a_row() {
        let (circuits, _changes) = circuits();
        for _ in 0..3 {
            (1..FAILURES).for_each(|_| fails(&circuits, Class::Transient, 1));
            let refused = Failure { status: Some(400), ..Failure::permanent("field too long") };
            circuits.learn(&key(), Some(&refused), at(1));
        }
        assert!(!circuits.is_open(&key()), "an answer about one record proves that somebody is there");
        (0..FAILURES).for_each(|_| fails(&circuits, Class::Transient, 1));
        assert!(circuits.is_open(&key()));
    }

    #[test]
    fn a_call_that_was_never_sent_says_nothing_of_the_connection() {
        let (circuits, _changes) = circuits();
        fails(&circuits, Class::ConnectionDown, 1);
        fails(&circuits, Class::Throttled, 2);
        fails(&circuits, Class::Permanent, 2);
        assert!(circuits.is_open(&key()));
    }

    #[test]
    fn one_call_at_a_time_tries_whether_it_is_back_and_the_pauses_grow() {
        let (circuits, mut changes) = circuits();
        fails(&circuits, Class::Expired, 0);
        assert_eq!(circuits.admit(&key(), at(10)), Admission::Probe(at(10)));
        assert!(matches!(circuits.admit(&key(), at(10)), Admission::Refused(_)));
        fails(&circuits, Class::Transient, 11);
        assert_eq!(circuits.probes(), [(key(), at(31))]);
        assert_eq!(circuits.admit(&key(), at(31)), Admission::Probe(at(31)));
        circuits.abandon(&key());
        assert_eq!(circuits.admit(&key(), at(31)), Admission::Probe(at(31)));
        circuits.learn(&key(), None, at(32));
        assert_eq!(circuits.admit(&key(), at(32)), Admission::Pass);
        let all: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
        assert!(
            matches!(
                all[..],
                [CircuitChange::Opened { .. }, CircuitChange::StillOpen(_), CircuitChange::Closed(_)]
            ),
            "{all:?}"
        );
    }

    #[test]
    fn after_a_start_a_paused_connection_is_tried_at_once() {
        let open = CircuitState::Open { probes: 7, probe_at: at(900) };
        let (sender, _changes) = mpsc::unbounded_channel();
        let circuits = Circuits::new(vec![state(&key(), open, at(1), "no".into())], at(20), sender);
        assert_eq!(circuits.admit(&key(), at(20)), Admission::Probe(at(900)));
    }

    fn told(circuit: CircuitState, since: i64) -> Vec<ConnectionState> {
        vec![state(&key(), circuit, at(since), "no".into())]
    }

    #[test]
    fn what_another_process_found_out_holds_here_too() {
        let (circuits, mut changes) = circuits();
        let open = |probe_at| CircuitState::Open { probes: 0, probe_at: at(probe_at) };
        assert_eq!(circuits.learn_from_others(told(open(10), 0), circuits.known()).paused, [key()]);
        assert!(matches!(circuits.admit(&key(), at(9)), Admission::Refused(_)));
        // Another one tries: it has moved the time of the next try.
        assert!(circuits.learn_from_others(told(open(70), 0), circuits.known()).paused.is_empty());
        assert!(matches!(circuits.admit(&key(), at(10)), Admission::Refused(_)));
        let back = circuits.learn_from_others(told(CircuitState::Closed, 12), circuits.known()).back;
        assert_eq!((back, circuits.admit(&key(), at(12))), (vec![key()], Admission::Pass));
        assert!(changes.try_recv().is_err(), "it is the other one's to write down");
        fails(&circuits, Class::ConnectionDown, 20);
        let opened = changes.try_recv().unwrap();
        assert!(matches!(opened, CircuitChange::Opened { well_since: Some(since), .. } if since == at(12)));
    }

    #[test]
    fn an_older_answer_does_not_undo_what_was_found_out_here() {
        let (circuits, _changes) = circuits();
        let asked = circuits.known();
        fails(&circuits, Class::ConnectionDown, 1);
        circuits.learn_from_others(told(CircuitState::Closed, 0), asked);
        assert!(circuits.is_open(&key()), "asked before it was found out");
        let asked = circuits.known();
        circuits.learn_from_others(told(CircuitState::Closed, 0), asked);
        assert!(circuits.is_open(&key()), "asked before it was on disk");
        circuits.settled(&key());
        circuits.learn_from_others(told(CircuitState::Closed, 0), asked);
        assert!(circuits.is_open(&key()), "asked before it was on disk");
        circuits.learn_from_others(told(CircuitState::Closed, 0), circuits.known());
        assert!(!circuits.is_open(&key()));
    }

    #[test]
    fn who_is_too_late_to_try_leaves_it_to_the_other_one() {
        let (circuits, _changes) = circuits();
        fails(&circuits, Class::ConnectionDown, 0);
        assert_eq!(circuits.admit(&key(), at(10)), Admission::Probe(at(10)));
        circuits.tried(&key(), false, at(12));
        assert!(matches!(circuits.admit(&key(), at(11)), Admission::Refused(_)));
        assert_eq!(circuits.admit(&key(), at(12)), Admission::Probe(at(10)));
    }
}
