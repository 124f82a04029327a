//! From what a test or a file says to the event that a run gets.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalog::{Catalog, lay_over};
use crate::config::TriggerFile;
use crate::config::test_file::{GivenEvent, TestEvent};
use crate::connector::EnvelopeError;
use crate::expr::time_of;
use crate::poll;
use crate::project::{Client, Pipeline, Trigger};
use crate::steps::EventInput;
use crate::value::{Map, Value};

/// An event that a run can be executed for.
#[derive(Debug, Clone)]
pub struct Occasion {
    /// What the run gets.
    pub event: Arc<EventInput>,
    /// Its type.
    pub kind: Arc<str>,
    /// When it happened.
    pub created: Timestamp,
    /// Where it stands among others.
    pub(super) place: Place,
}

/// Where an event stands among others, as its system tells it.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// The kind and the id of the object that it is about.
    pub(super) object_kind: Option<Arc<str>>,
    pub(super) object: Option<Arc<str>>,
    /// The order key of pipelines that name none; nothing when it is the event's own.
    pub(super) key: Option<Arc<str>>,
    /// Its rank among the events of one moment.
    pub(super) rank: u32,
    /// True when it tells that something happened, false when it tells a state.
    pub(super) occurrence: bool,
}

/// An event that cannot be made, or not be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The file is not there.
    #[error("{} could not be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is no JSON.
    #[error("{} is not JSON", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// No sample can be made of a type.
    #[error("there is no sample of an event `{0}`")]
    NoSample(String),
    /// The pipeline starts by a schedule.
    #[error("the pipeline starts by a schedule: give it records by `listing`")]
    Scheduled,
    /// A record that is listed cannot be told from others.
    #[error("a record of `listing` has no id: `{field}` of {object}")]
    NoId {
        /// The field that holds it.
        field: String,
        /// What is listed.
        object: String,
    },
    /// What must be unique cannot be computed.
    #[error("`unique.by`: {0}")]
    Unique(String),
    /// The connection's system has no events.
    #[error("`{0}` sends no events")]
    NoEvents(Arc<str>),
    /// It is not an event as the connection's system sends them.
    #[error("it is no event of `{connection}`")]
    NotAnEvent {
        /// The connection.
        connection: Arc<str>,
        /// What is missing.
        source: EnvelopeError,
    },
}

/// The event of a test: a file beside it, or a full sample with the given values laid over.
pub fn of_test(
    client: &Client,
    pipeline: &Pipeline,
    folder: &Path,
    written: &TestEvent,
) -> Result<Occasion, EventError> {
    match written {
        TestEvent::File(path) => of_file(client, pipeline, &folder.join(path)),
        TestEvent::Given(given) => match &pipeline.trigger {
            // Of no other system there are samples: the event is what is given.
            Trigger::Events { .. } if matches!(pipeline.written.trigger, TriggerFile::Webhook(_)) => {
                Ok(of_webhook(given))
            }
            Trigger::Events { connection, .. } => {
                let sample = sample(client, connection, &given.event_type)?;
                of_system(client, connection, lay_over(&sample, &laid(given)))
            }
            Trigger::Schedule(schedule) if schedule.listing.is_none() => Ok(of_time(&laid(given))),
            Trigger::Schedule(_) => Err(EventError::Scheduled),
            Trigger::Reports(_) => Ok(of_report(&laid(given))),
        },
    }
}

/// The event of a test as it would be at `created`; nothing where the test says itself when it happened.
pub(super) fn created_at(written: &TestEvent, created: Timestamp) -> Option<TestEvent> {
    let TestEvent::Given(given) = written else { return None };
    if given.envelope.contains_key("created") {
        return None;
    }
    let mut given = given.clone();
    given.envelope.insert("created".to_owned(), Value::from(created.as_second()));
    Some(TestEvent::Given(given))
}

/// The event in a file, as its system sends it.
pub fn of_file(client: &Client, pipeline: &Pipeline, path: &Path) -> Result<Occasion, EventError> {
    let text =
        std::fs::read(path).map_err(|source| EventError::Unreadable { path: path.to_owned(), source })?;
    let event =
        Value::from_json(&text).map_err(|source| EventError::NotJson { path: path.to_owned(), source })?;
    match &pipeline.trigger {
        Trigger::Events { connection, .. } => of_system(client, connection, event),
        Trigger::Schedule(_) => Ok(of_record(event)),
        Trigger::Reports(_) => Ok(of_report(&event)),
    }
}

/// An event that was kept, as its run got it: what came over `connection`.
pub fn of_kept(
    client: &Client,
    pipeline: &Pipeline,
    connection: &Arc<str>,
    event: Value,
) -> Result<Occasion, EventError> {
    match &pipeline.trigger {
        Trigger::Events { .. } => of_system(client, connection, event),
        Trigger::Schedule(_) => Ok(of_poll(event)),
        Trigger::Reports(_) => Ok(of_report(&event)),
    }
}

/// What a poll found.
fn of_poll(event: Value) -> Occasion {
    let text = |key: &str| event.get(key).and_then(Value::to_text);
    let place = Place { key: text("record"), object: text("record"), ..Place::default() };
    let created = event.get("created").and_then(|time| time_of(time, &TimeZone::UTC)).unwrap_or_default();
    let kind = text("type").unwrap_or_else(|| "listed".into());
    Occasion { event: Arc::new(poll::input_of(event)), kind, created, place }
}

/// A sample in the shape that the client's mappings are written for.
fn sample(client: &Client, connection: &str, event_type: &str) -> Result<Value, EventError> {
    let config = client.connections.get(connection).map(|connection| &connection.config);
    let version = config.and_then(|config| config.get("api_version")).and_then(Value::as_str);
    let catalog = version.and_then(Catalog::of).unwrap_or_else(Catalog::newest);
    catalog.sample(event_type).ok_or_else(|| EventError::NoSample(event_type.to_owned()))
}

fn laid(given: &GivenEvent) -> Value {
    let owned = |map: &indexmap::IndexMap<String, Value>| {
        Value::map(map.iter().map(|(key, value)| (key.as_str(), value.clone())))
    };
    let mut all: Map =
        given.envelope.iter().map(|(key, value)| (key.as_str().into(), value.clone())).collect();
    all.insert("type".into(), Value::from(given.event_type.as_str()));
    all.insert("object".into(), owned(&given.object));
    if !given.previous.is_empty() {
        all.insert("previous".into(), owned(&given.previous));
    }
    all.into()
}

fn of_system(client: &Client, connection: &Arc<str>, event: Value) -> Result<Occasion, EventError> {
    let manifest = client.connections.get(connection).map(|connection| &connection.manifest);
    let events = manifest.and_then(|manifest| manifest.events());
    let events = events.ok_or_else(|| EventError::NoEvents(Arc::clone(connection)))?;
    let read = events
        .envelope(&event)
        .map_err(|source| EventError::NotAnEvent { connection: Arc::clone(connection), source })?;
    let place = Place {
        object_kind: read.object_type.clone(),
        object: read.object_id.clone(),
        key: Some(Arc::clone(&read.order_key)),
        rank: read.standing(),
        occurrence: read.occurrence,
    };
    let input = EventInput {
        envelope: events.told(event, &read),
        object: read.object,
        previous: read.previous,
        source: "webhook".into(),
    };
    Ok(Occasion { event: Arc::new(input), kind: read.kind, created: read.created, place })
}

/// A webhook's event: what is given, and of its object the id.
fn of_webhook(given: &GivenEvent) -> Occasion {
    let laid = laid(given);
    let mut envelope = laid.as_map().cloned().unwrap_or_default();
    let object = envelope.shift_remove("object").unwrap_or_default();
    envelope.entry("id".into()).or_insert_with(|| Value::from("delivery_sample"));
    let id = ["ID", "id", "Id"].iter().find_map(|name| object.get(name).cloned());
    envelope.entry("object_id".into()).or_insert_with(|| id.unwrap_or_default());
    let created = envelope.get("created").and_then(Value::as_i64);
    let created = created.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or_default();
    let previous = envelope.shift_remove("previous").unwrap_or_default();
    let kind = given.event_type.as_str().into();
    let object_id = envelope.get("object_id").and_then(Value::to_text);
    let place = Place { key: object_id.clone(), object: object_id, ..Place::default() };
    let input = EventInput { envelope: envelope.into(), object, previous, source: "webhook".into() };
    Occasion { event: Arc::new(input), kind, created, place }
}

/// A report of lockstep itself: its facts are the object.
fn of_report(event: &Value) -> Occasion {
    let text = |key: &str| event.get(key).and_then(Value::to_text);
    let created = event.get("created").and_then(Value::as_i64);
    let created = created.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or_default();
    let mut envelope = event.as_map().cloned().unwrap_or_default();
    envelope.entry("id".into()).or_insert_with(|| Value::from("report_sample"));
    let input = EventInput {
        object: event.get("object").cloned().unwrap_or_default(),
        envelope: envelope.into(),
        previous: Value::Null,
        source: "lockstep".into(),
    };
    let place = Place { occurrence: true, ..Place::default() };
    Occasion { event: Arc::new(input), kind: text("type").unwrap_or_default(), created, place }
}

/// A record as a poll lists it.
fn of_record(record: Value) -> Occasion {
    let id = record.get("id").or_else(|| record.get("Id")).and_then(Value::to_text);
    let listed = poll::Occasion {
        record: Some(id.unwrap_or_else(|| "sample".into())),
        object: record,
        previous: Value::Null,
        created: Timestamp::default(),
    };
    let event = poll::listed(&"listed-sample".into(), &listed);
    let place = Place { key: listed.record.clone(), object: listed.record, ..Place::default() };
    Occasion { event: Arc::new(event), kind: "listed".into(), created: listed.created, place }
}

/// The time of a schedule that lists nothing.
fn of_time(given: &Value) -> Occasion {
    let created = given.get("created").and_then(|time| time_of(time, &TimeZone::UTC)).unwrap_or_default();
    let time = poll::Occasion { record: None, object: Value::Null, previous: Value::Null, created };
    let event = poll::listed(&"time-sample".into(), &time);
    let place = Place { occurrence: true, ..Place::default() };
    Occasion { event: Arc::new(event), kind: "time".into(), created, place }
}
