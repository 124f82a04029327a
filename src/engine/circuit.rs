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
use crate::store::{CircuitState, ConnectionState};

/// Failures in a row, without one success between them, that pause a connection. More than the attempts of a
/// single run, so that one event that a system chokes on does not stop the others.
const FAILURES: u32 = 10;

/// The first and the longest pause; doubled from one try to the next.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
const PAUSE_LONGEST: Duration = Duration::from_mins(10);

/// A connection of a client.
pub(super) type Key = (Arc<str>, Arc<str>);

/// A change that the scheduler writes down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CircuitChange {
    /// It was well, and is paused from now on.
    Opened(ConnectionState),
    /// It was tried, and is still down.
    StillOpen(ConnectionState),
    /// It is back.
    Closed(ConnectionState),
}

/// The circuits of all connections.
pub(super) struct Circuits {
    all: Mutex<BTreeMap<Key, Circuit>>,
    changes: mpsc::UnboundedSender<CircuitChange>,
}

#[derive(Debug, Default)]
struct Circuit {
    /// Failures in a row.
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Timestamp,
    reason: String,
    probes: u32,
    probe_at: Timestamp,
    /// True while the one call is under way that tries whether it is back.
    probing: bool,
}

/// Whether a call may go.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Pass,
    Probe,
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
        let open = known.into_iter().filter_map(|state| match state.circuit {
            CircuitState::Closed => None,
            CircuitState::Open { probes, .. } => {
                let ConnectionState { client, connection, since, reason, .. } = state;
                let open = Open { since, reason, probes, probe_at: now, probing: false };
                Some(((client, connection), Circuit { failures: 0, open: Some(open) }))
            }
        });
        Self { all: Mutex::new(open.collect()), changes }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Circuit>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while the connection is paused.
    pub(super) fn is_open(&self, key: &Key) -> bool {
        self.lock().get(key).is_some_and(|circuit| circuit.open.is_some())
    }

    /// When a paused connection is tried next; `None` when it is well.
    pub(super) fn tried_at(&self, key: &Key) -> Option<Timestamp> {
        self.lock().get(key)?.open.as_ref().map(|open| open.probe_at)
    }

    /// The paused connections and when each is tried next; those that are being tried are not listed.
    pub(super) fn probes(&self) -> Vec<(Key, Timestamp)> {
        let all = self.lock();
        let open = all.iter().filter_map(|(key, circuit)| Some((key, circuit.open.as_ref()?)));
        open.filter(|(_, open)| !open.probing).map(|(key, open)| (key.clone(), open.probe_at)).collect()
    }

    fn admit(&self, key: &Key, now: Timestamp) -> Admission {
        let mut all = self.lock();
        match all.get_mut(key).and_then(|circuit| circuit.open.as_mut()) {
            None => Admission::Pass,
            Some(open) if !open.probing && open.probe_at <= now => {
                open.probing = true;
                Admission::Probe
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
        let circuit = all.entry(key.clone()).or_default();
        let change = match failed.filter(|failure| speaks_of_the_connection(failure.class)) {
            None => circuit.well(key, now),
            Some(failure) => circuit.ill(key, failure, now),
        };
        let opened = matches!(change, Some(CircuitChange::Opened(_)));
        if let Some(change) = change {
            // Nobody listens any more only while the engine is going down.
            drop(self.changes.send(change));
        }
        opened
    }

    /// A probe that was given up without an answer: the next call may try.
    fn abandon(&self, key: &Key) {
        if let Some(open) = self.lock().get_mut(key).and_then(|circuit| circuit.open.as_mut()) {
            open.probing = false;
        }
    }
}

impl Circuit {
    fn well(&mut self, key: &Key, now: Timestamp) -> Option<CircuitChange> {
        self.failures = 0;
        let open = self.open.take()?;
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
        self.open = Some(Open { since: now, reason: reason.clone(), probes: 0, probe_at, probing: false });
        let circuit = CircuitState::Open { probes: 0, probe_at };
        Some(CircuitChange::Opened(state(key, circuit, now, reason)))
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

/// A gateway that leaves paused connections alone, and counts.
pub(super) struct GuardedGateway {
    pub(super) gateway: Arc<dyn Gateway>,
    pub(super) circuits: Arc<Circuits>,
    pub(super) clock: SharedClock,
    pub(super) metrics: Arc<Metrics>,
}

impl Gateway for GuardedGateway {
    fn call<'a>(&'a self, client: &'a str, call: &'a Call) -> BoxFuture<'a, Result<Reply, Failure>> {
        async move {
            let key: Key = (client.into(), Arc::clone(&call.connection));
            let probe = match self.circuits.admit(&key, self.clock.now()) {
                Admission::Pass => None,
                Admission::Probe => Some(Probe { circuits: &self.circuits, key: &key }),
                Admission::Refused(reason) => {
                    let paused = format!("connection `{}` is paused: {reason}", call.connection);
                    return Err(Failure::new(Class::ConnectionDown, paused));
                }
            };
            let began = Instant::now();
            failpoint!("before-call");
            let answer = self.gateway.call(client, call).await;
            let class = answer.as_ref().map_or_else(|failure| failure.class.word(), |_| "ok");
            self.metrics.called(&key.0, &key.1, class, began.elapsed());
            failpoint!("after-answer");
            if self.circuits.learn(&key, answer.as_ref().err(), self.clock.now()) {
                // Those that were let through before this and stand in line would only find out the same.
                self.gateway.call_off(client, &call.connection);
            }
            drop(probe);
            answer
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
        assert!(matches!(changes.try_recv(), Ok(CircuitChange::Opened(_))));
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
        assert_eq!(circuits.admit(&key(), at(10)), Admission::Probe);
        assert!(matches!(circuits.admit(&key(), at(10)), Admission::Refused(_)));
        fails(&circuits, Class::Transient, 11);
        assert_eq!(circuits.probes(), [(key(), at(31))]);
        assert_eq!(circuits.admit(&key(), at(31)), Admission::Probe);
        circuits.abandon(&key());
        assert_eq!(circuits.admit(&key(), at(31)), Admission::Probe);
        circuits.learn(&key(), None, at(32));
        assert_eq!(circuits.admit(&key(), at(32)), Admission::Pass);
        let all: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
        assert!(
            matches!(
                all[..],
                [CircuitChange::Opened(_), CircuitChange::StillOpen(_), CircuitChange::Closed(_)]
            ),
            "{all:?}"
        );
    }

    #[test]
    fn after_a_start_a_paused_connection_is_tried_at_once() {
        let open = CircuitState::Open { probes: 7, probe_at: at(900) };
        let (sender, _changes) = mpsc::unbounded_channel();
        let circuits = Circuits::new(vec![state(&key(), open, at(1), "no".into())], at(20), sender);
        assert_eq!(circuits.admit(&key(), at(20)), Admission::Probe);
    }
}
