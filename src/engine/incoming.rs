//! An event as it is handed to the engine.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::connector::Envelope;
use crate::store::Source;
use crate::value::Value;

/// An event that was received and found genuine, with the facts that its connector reads off it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Whose it is.
    pub client: Arc<str>,
    /// The connection that it came over.
    pub connection: Arc<str>,
    /// The sender's id for it.
    pub id: Arc<str>,
    /// Its type, in the sender's words.
    pub kind: Arc<str>,
    /// What kind of object it is about, where it is about one.
    pub object_kind: Option<Arc<str>>,
    /// The id of the object that it is about.
    pub object_id: Option<Arc<str>>,
    /// The object as the event tells it.
    pub object: Value,
    /// The old values of what has changed; nothing when the event does not tell.
    pub previous: Value,
    /// The order key of pipelines that name none: the customer, else the object, else the event.
    pub key: Arc<str>,
    /// When it happened, by the sender's clock.
    pub created: Timestamp,
    /// Where it stands in its object's life, for events of one moment.
    pub rank: u32,
    /// True when it tells that something happened (a refund), false when it tells a state (updated).
    pub occurrence: bool,
    /// How it came here.
    pub source: Source,
    /// The event as it is kept, without card data.
    pub body: Bytes,
    /// What `body` says.
    pub event: Value,
    /// The one pipeline that it is for; `None`: whoever listens.
    pub pipeline: Option<Arc<str>>,
    /// Why it cannot be used as it is (a foreign account, another API version, a thin event): it is kept and
    /// ends as a conflict.
    pub unfit: Option<String>,
}

impl Incoming {
    /// An event as its system tells it: for whoever listens to the connection.
    pub fn of_envelope(
        (client, connection): (&Arc<str>, &Arc<str>),
        envelope: Envelope,
        (event, body): (Value, Bytes),
        source: Source,
        unfit: Option<String>,
    ) -> Self {
        Self {
            client: Arc::clone(client),
            connection: Arc::clone(connection),
            rank: envelope.standing(),
            id: storable(envelope.id),
            kind: storable(envelope.kind),
            object_kind: envelope.object_type.map(storable),
            object_id: envelope.object_id.map(storable),
            object: envelope.object,
            previous: envelope.previous,
            key: storable(envelope.order_key),
            created: envelope.created,
            occurrence: envelope.occurrence,
            source,
            body,
            event,
            pipeline: None,
            unfit,
        }
    }
}

/// A name as every store can keep it. PostgreSQL's texts know no NUL: the picture of one stands in its place, here and not
/// there, so that what is in memory, and what both stores say, is one name. What an event says is kept as it came.
pub fn storable(name: Arc<str>) -> Arc<str> {
    if name.contains('\0') { name.replace('\0', "\u{2400}").into() } else { name }
}
