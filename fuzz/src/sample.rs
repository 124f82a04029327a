//! A project, an event and a time to stand around what is fuzzed.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lockstep::catalog::Catalog;
use lockstep::clock::FixedClock;
use lockstep::connector::{Connection, ConnectionParts, Http, Manifest, MemoryVault, Surroundings};
use lockstep::expr::{Context, Frame, Known, Names};
use lockstep::secret::Redactor;
use lockstep::value::{Map, Value};

/// A client with a connection of every connector.
pub(crate) const CLIENT: &str = include_str!("client.yaml");

/// A pipeline that fits it.
pub(crate) const PIPELINE: &str = include_str!("pipeline.yaml");

/// The moment at which everything happens.
pub(crate) const NOW: i64 = 1_795_000_000;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW).expect("a time")
}

/// What a run sees: a whole event, a step's record, variables.
pub(crate) fn context() -> &'static Context {
    static CONTEXT: LazyLock<Context> = LazyLock::new(|| {
        let catalog = Catalog::newest();
        let event = catalog.sample("customer.subscription.updated").expect("a sample");
        let data = event.get("data").expect("data");
        let record =
            json(r#"{"Id":"001A","Name":"Ann O'Neill é","Amount":12.50,"Tags":["a","b"],"Owner":null}"#);
        let step = Value::map([("id", "001A".into()), ("outcome", "found".into()), ("record", record)]);
        let root = Value::map([
            ("object", data.get("object").cloned().unwrap_or_default()),
            ("previous", data.get("previous_attributes").cloned().unwrap_or_default()),
            ("event", event.clone()),
            ("steps", Value::map([("account", step)])),
            ("vars", json(r#"{"status":{"active":"Active","*":"Other"},"limit":3}"#)),
            ("set", json("{}")),
        ]);
        Context::new(root, Frame::new(now(), TimeZone::UTC))
    });
    &CONTEXT
}

/// The names of [`context`].
pub(crate) fn names() -> Names {
    Names::new(["object", "previous", "event", "set", "now"])
        .with_keys("vars", ["status", "limit"])
        .with_steps([("account".into(), Arc::new(found()))], ["task".into()])
}

/// What is known of the step `account`.
fn found() -> Known {
    Known {
        giver: "`find`".to_owned(),
        keys: vec!["id", "record", "outcome"],
        worded: "outcome",
        words: vec!["found", "missing"],
        ..Known::default()
    }
}

/// A connection of `manifest`, of which nothing is ever sent.
pub(crate) fn connection(manifest: Arc<Manifest>, config: Map) -> Option<Connection> {
    static AROUND: LazyLock<Surroundings> = LazyLock::new(|| Surroundings {
        http: Http::new().expect("an HTTP client"),
        clock: Arc::new(FixedClock::at(now())),
        redactor: Redactor::default(),
        commons: None,
        vault: Arc::new(MemoryVault::default()),
    });
    let parts = ConnectionParts {
        client: "acme".into(),
        name: "crm".into(),
        manifest,
        config,
        rate_limit: None,
        concurrency: None,
        timeout: None,
        read_only: false,
        fields: [].into(),
    };
    Connection::open(parts, AROUND.clone()).ok()
}

pub(crate) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).expect("JSON")
}

pub(crate) fn map(text: &str) -> Map {
    json(text).as_map().cloned().expect("a map")
}

/// A fuzzer's bytes as a first line and the rest.
pub(crate) fn split(data: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(data).ok()?;
    Some(text.split_once('\n').unwrap_or((text, "")))
}
