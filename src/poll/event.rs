//! What a poll found, as an event.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::engine::Incoming;
use crate::steps::EventInput;
use crate::store::Source;
use crate::value::Value;

/// The types of events that a listing yields.
const LISTED: &str = "listed";
const GONE: &str = "gone";
const TIME: &str = "time";

/// What a run of a schedule is about.
#[derive(Debug, Clone)]
pub struct Occasion {
    /// The record's id; nothing for one that only tells the time.
    pub record: Option<Arc<str>>,
    /// The record; nothing when it is listed no more.
    pub object: Value,
    /// The old values of what has changed; nothing on a first sight.
    pub previous: Value,
    /// When it changed, as far as that is known.
    pub created: Timestamp,
}

impl Occasion {
    fn kind(&self) -> &'static str {
        match &self.record {
            None => TIME,
            Some(_) if self.object.is_nothing() => GONE,
            Some(_) => LISTED,
        }
    }

    /// The event under this id: `event` in expressions.
    fn body(&self, id: &Arc<str>) -> Value {
        Value::map([
            ("id", Value::from(Arc::clone(id))),
            ("type", Value::from(self.kind())),
            ("created", Value::from(self.created.to_string())),
            ("record", Value::from(self.record.clone())),
            ("object", self.object.clone()),
            ("previous", self.previous.clone()),
        ])
    }
}

/// An event of a schedule as a run gets it: of a pipeline's test, or of a dry run.
pub fn listed(id: &Arc<str>, occasion: &Occasion) -> EventInput {
    input_of(occasion.body(id))
}

/// What a run gets of an event that a listing yielded.
pub fn input_of(event: Value) -> EventInput {
    let part = |key: &str| event.get(key).cloned().unwrap_or_default();
    let (object, previous) = (part("object"), part("previous"));
    EventInput { object, previous, envelope: event, source: Source::Poll.word().into() }
}

/// Where an event of a listing comes from, and whose it is.
pub(super) struct Origin<'a> {
    pub(super) client: &'a Arc<str>,
    pub(super) pipeline: &'a Arc<str>,
    /// The connection and object that are listed; nothing for a schedule that lists nothing.
    pub(super) listed: Option<(&'a Arc<str>, &'a Arc<str>)>,
    /// When the poll began: no other poll of this name has begun then.
    pub(super) began: Timestamp,
}

/// The connection of events that come from no system.
const CLOCK: &str = "lockstep";

impl Origin<'_> {
    /// The event as the engine takes it.
    pub(super) fn incoming(&self, occasion: &Occasion) -> Incoming {
        let place = occasion.record.as_deref().unwrap_or_default();
        let began = self.began.as_microsecond();
        let id: Arc<str> = format!("{}-{began}-{place}", self.pipeline).trim_end_matches('-').into();
        let event = occasion.body(&id);
        let body = Bytes::from(event.to_json());
        Incoming {
            client: Arc::clone(self.client),
            connection: self.listed.map_or_else(|| CLOCK.into(), |(connection, _)| Arc::clone(connection)),
            kind: occasion.kind().into(),
            object_kind: self.listed.map(|(_, object)| Arc::clone(object)),
            object_id: occasion.record.clone(),
            object: occasion.object.clone(),
            previous: occasion.previous.clone(),
            key: occasion.record.clone().unwrap_or_else(|| Arc::clone(self.pipeline)),
            created: occasion.created,
            rank: 0,
            occurrence: false,
            source: Source::Poll,
            body,
            event,
            pipeline: Some(Arc::clone(self.pipeline)),
            unfit: None,
            id,
        }
    }
}
