//! What a running lockstep counts, in OpenMetrics.
//!
//! Labels hold only names that stand in the project (client, connection, pipeline) and words of closed sets, so the
//! number of series is bounded by the configuration and not by what anybody sends.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// From an event to the end of a run of it: milliseconds when idle, minutes behind a slow CRM, hours behind a dead one,
/// days when the sender could not reach us.
const LAG_BUCKETS: [f64; 15] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0];

/// How long after its event a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Since the event happened, by its sender's clock: what a client sees. Senders often tell whole seconds.
    pub since_created: Duration,
    /// Since the event reached us: what is ours to answer for.
    pub since_received: Duration,
}

impl Lag {
    /// The lag of what ended at `now`; a sender's clock that is ahead gives none.
    pub fn between(created: Timestamp, received: Timestamp, now: Timestamp) -> Self {
        let since = |time: Timestamp| Duration::try_from(now.duration_since(time)).unwrap_or_default();
        Self { since_created: since(created), since_received: since(received) }
    }
}

/// One call to a system.
const CALL_BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// All counters of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    received: Family<Connection, Counter>,
    duplicates: Family<Connection, Counter>,
    refused: Family<Refused, Counter>,
    runs: Family<Run, Counter>,
    calls: Family<Call, Counter>,
    call_time: Family<Connection, Histogram, fn() -> Histogram>,
    events_ended: Family<Ended, Counter>,
    lag: Family<Client, Histogram, fn() -> Histogram>,
    lag_since_received: Family<Client, Histogram, fn() -> Histogram>,
    attempts: Family<Attempt, Counter>,
    polls: Family<Polled, Counter>,
    poll_time: Family<Client, Histogram, fn() -> Histogram>,
    listed: Family<Client, Counter>,
    waiting: Gauge,
    in_memory: Gauge,
    running: Gauge,
    paused: Family<Connection, Gauge>,
    broken: Family<Broken, Gauge>,
    partitions: Gauge,
    workers: Gauge,
    taken_for_dead: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Client {
    client: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Connection {
    client: Arc<str>,
    connection: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Broken {
    client: Arc<str>,
    runs: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    client: Arc<str>,
    connection: Arc<str>,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Run {
    client: Arc<str>,
    pipeline: Arc<str>,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    client: Arc<str>,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    client: Arc<str>,
    pipeline: Arc<str>,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Polled {
    client: Arc<str>,
    poll: Arc<str>,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    client: Arc<str>,
    connection: Arc<str>,
    class: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("lockstep"),
            received: Family::default(),
            duplicates: Family::default(),
            refused: Family::default(),
            runs: Family::default(),
            calls: Family::default(),
            call_time: Family::new_with_constructor(|| Histogram::new(CALL_BUCKETS)),
            events_ended: Family::default(),
            lag: Family::new_with_constructor(|| Histogram::new(LAG_BUCKETS)),
            lag_since_received: Family::new_with_constructor(|| Histogram::new(LAG_BUCKETS)),
            attempts: Family::default(),
            polls: Family::default(),
            poll_time: Family::new_with_constructor(|| Histogram::new(LAG_BUCKETS)),
            listed: Family::default(),
            waiting: Gauge::default(),
            in_memory: Gauge::default(),
            running: Gauge::default(),
            paused: Family::default(),
            broken: Family::default(),
            partitions: Gauge::default(),
            workers: Gauge::default(),
            taken_for_dead: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", build);
        registry.register("events_received", "Events stored and acknowledged", self.received.clone());
        registry.register(
            "events_duplicate",
            "Deliveries of an event that was stored before",
            self.duplicates.clone(),
        );
        registry.register(
            "deliveries_refused",
            "Deliveries that were not taken in, by reason",
            self.refused.clone(),
        );
        registry.register("runs_ended", "Runs that came to an end, by outcome", self.runs.clone());
        registry.register("calls", "Calls to systems, by what came of them", self.calls.clone());
        registry.register_with_unit(
            "call_duration",
            "How long calls to systems took",
            Unit::Seconds,
            self.call_time.clone(),
        );
        registry.register(
            "events_ended",
            "Events that ended without a run, by outcome",
            self.events_ended.clone(),
        );
        registry.register_with_unit(
            "lag",
            "From an event, by its sender's clock, to the end of a run of it",
            Unit::Seconds,
            self.lag.clone(),
        );
        registry.register_with_unit(
            "lag_since_received",
            "From an event's arrival to the end of a run of it",
            Unit::Seconds,
            self.lag_since_received.clone(),
        );
        registry.register(
            "attempts_failed",
            "Executions of runs that failed, by the failure's class",
            self.attempts.clone(),
        );
        registry.register("polls", "Polls, by outcome", self.polls.clone());
        registry.register_with_unit(
            "poll_duration",
            "How long polls took to list everything",
            Unit::Seconds,
            self.poll_time.clone(),
        );
        registry.register("records_listed", "Records that polls have listed", self.listed.clone());
        registry.register("runs_unfinished", "Runs that have not ended", self.waiting.clone());
        registry.register("runs_in_memory", "Runs that the scheduler holds", self.in_memory.clone());
        registry.register("runs_running", "Runs that are being carried out", self.running.clone());
        registry.register(
            "connection_paused",
            "1 while calls to a connection are held back",
            self.paused.clone(),
        );
        registry.register(
            "client_broken",
            "1 while a client cannot run as its files are, and what runs of it",
            self.broken.clone(),
        );
        self.register_shares();
    }

    fn register_shares(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "partitions_held",
            "How many of the 256 partitions of the work this process carries out",
            self.partitions.clone(),
        );
        registry.register(
            "replicas_working",
            "Processes that carry out the work of the store, this one included",
            self.workers.clone(),
        );
        registry.register(
            "taken_for_dead",
            "How often others have taken over what this process was at, because it was out of reach of the store",
            self.taken_for_dead.clone(),
        );
    }

    /// An event was stored and acknowledged.
    pub fn received(&self, client: &Arc<str>, connection: &Arc<str>) {
        self.received.get_or_create(&label(client, connection)).inc();
    }

    /// A delivery brought an event that is stored already.
    pub fn duplicate(&self, client: &Arc<str>, connection: &Arc<str>) {
        self.duplicates.get_or_create(&label(client, connection)).inc();
    }

    /// A delivery was not taken in. `address` is the client and connection when both are the project's; what a
    /// stranger made up is no label.
    pub fn refused(&self, address: Option<(&Arc<str>, &Arc<str>)>, reason: &'static str) {
        let name = |name: Option<&Arc<str>>| name.cloned().unwrap_or_else(|| Arc::from(""));
        let (client, connection) = address.unzip();
        let labels = Refused { client: name(client), connection: name(connection), reason };
        self.refused.get_or_create(&labels).inc();
    }

    /// An event ended that started no run.
    pub fn event_ended(&self, client: &Arc<str>, outcome: &'static str) {
        self.events_ended.get_or_create(&Ended { client: Arc::clone(client), outcome }).inc();
    }

    /// A run ended, so long after its event.
    pub fn run_ended(&self, client: &Arc<str>, pipeline: &Arc<str>, outcome: &'static str, lag: Lag) {
        let labels = Run { client: Arc::clone(client), pipeline: Arc::clone(pipeline), outcome };
        self.runs.get_or_create(&labels).inc();
        let client = Client { client: Arc::clone(client) };
        self.lag.get_or_create(&client).observe(lag.since_created.as_secs_f64());
        self.lag_since_received.get_or_create(&client).observe(lag.since_received.as_secs_f64());
    }

    /// A call was answered or failed. `class` is `ok` or the failure's.
    pub fn called(&self, client: &Arc<str>, connection: &Arc<str>, class: &'static str, took: Duration) {
        let labels = Call { client: Arc::clone(client), connection: Arc::clone(connection), class };
        self.calls.get_or_create(&labels).inc();
        self.call_time.get_or_create(&label(client, connection)).observe(took.as_secs_f64());
    }

    /// An execution of a run failed.
    pub fn attempt_failed(&self, client: &Arc<str>, pipeline: &Arc<str>, class: &'static str) {
        let labels = Attempt { client: Arc::clone(client), pipeline: Arc::clone(pipeline), class };
        self.attempts.get_or_create(&labels).inc();
    }

    /// How many partitions of the work this process carries out, and how many processes there are that do.
    pub fn share(&self, partitions: usize, workers: u32) {
        self.partitions.set(i64::try_from(partitions).unwrap_or(i64::MAX));
        self.workers.set(i64::from(workers));
    }

    /// Others have taken over what this process was at.
    pub fn taken_for_dead(&self) {
        self.taken_for_dead.inc();
    }

    /// A poll was over; `outcome` is `ok` or `failed`.
    pub fn polled(
        &self,
        client: &Arc<str>,
        poll: &Arc<str>,
        outcome: &'static str,
        listed: u64,
        took: Duration,
    ) {
        let labels = Polled { client: Arc::clone(client), poll: Arc::clone(poll), outcome };
        self.polls.get_or_create(&labels).inc();
        let client = Client { client: Arc::clone(client) };
        self.poll_time.get_or_create(&client).observe(took.as_secs_f64());
        self.listed.get_or_create(&client).inc_by(listed);
    }

    /// How many runs are held in memory, and how many of them are being carried out.
    pub fn load(&self, in_memory: usize, running: usize) {
        let gauge = |runs: usize| i64::try_from(runs).unwrap_or(i64::MAX);
        self.in_memory.set(gauge(in_memory));
        self.running.set(gauge(running));
    }

    /// How many runs have not ended.
    pub fn unfinished(&self, runs: u64) {
        self.waiting.set(i64::try_from(runs).unwrap_or(i64::MAX));
    }

    /// Exactly these connections are paused.
    pub fn paused<'a>(&self, connections: impl IntoIterator<Item = (&'a Arc<str>, &'a Arc<str>)>) {
        self.paused.clear();
        for (client, connection) in connections {
            self.paused.get_or_create(&label(client, connection)).set(1);
        }
    }

    /// Exactly these clients cannot run as their files are; what runs of them is `last_good` or `nothing`.
    pub fn broken<'a>(&self, clients: impl IntoIterator<Item = (&'a Arc<str>, &'static str)>) {
        self.broken.clear();
        for (client, runs) in clients {
            self.broken.get_or_create(&Broken { client: Arc::clone(client), runs }).set(1);
        }
    }

    /// Everything, as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut page = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

fn label(client: &Arc<str>, connection: &Arc<str>) -> Connection {
    Connection { client: Arc::clone(client), connection: Arc::clone(connection) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_was_counted() {
        let metrics = Metrics::new();
        let (acme, stripe) = (Arc::from("acme"), Arc::from("stripe"));
        metrics.received(&acme, &stripe);
        metrics.refused(Some((&acme, &stripe)), "signature");
        metrics.refused(None, "unknown_address");
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let lag = Lag::between(at(0), at(1_000), at(1_007));
        metrics.run_ended(&acme, &Arc::from("sync"), "succeeded", lag);
        metrics.event_ended(&acme, "conflict");
        metrics.called(&acme, &stripe, "ok", Duration::from_millis(3));
        metrics.unfinished(12);
        metrics.paused([(&acme, &stripe)]);
        metrics.broken([(&acme, "last_good")]);
        let page = metrics.render();
        for line in [
            r#"lockstep_events_received_total{client="acme",connection="stripe"} 1"#,
            r#"lockstep_deliveries_refused_total{client="acme",connection="stripe",reason="signature"} 1"#,
            r#"lockstep_deliveries_refused_total{client="",connection="",reason="unknown_address"} 1"#,
            r#"lockstep_runs_ended_total{client="acme",pipeline="sync",outcome="succeeded"} 1"#,
            r#"lockstep_events_ended_total{client="acme",outcome="conflict"} 1"#,
            r#"lockstep_lag_since_received_seconds_bucket{le="0.01",client="acme"} 1"#,
            r#"lockstep_lag_seconds_bucket{le="1.0",client="acme"} 0"#,
            r#"lockstep_lag_seconds_bucket{le="5.0",client="acme"} 1"#,
            r#"lockstep_calls_total{client="acme",connection="stripe",class="ok"} 1"#,
            "lockstep_runs_unfinished 12",
            r#"lockstep_connection_paused{client="acme",connection="stripe"} 1"#,
            r#"lockstep_client_broken{client="acme",runs="last_good"} 1"#,
        ] {
            assert!(page.lines().any(|known| known == line), "{line} is not in:\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
    }

    #[test]
    fn what_is_well_again_is_no_longer_told() {
        let metrics = Metrics::new();
        metrics.paused([(&Arc::from("acme"), &Arc::from("stripe"))]);
        metrics.paused([]);
        metrics.broken([(&Arc::from("acme"), "nothing")]);
        metrics.broken([]);
        let page = metrics.render();
        assert!(!page.contains("lockstep_connection_paused{") && !page.contains("lockstep_client_broken{"));
    }
}
