//! What a step asks of a connection, and what it is told: the seam between the verbs and a system.
//!
//! A [`Call`] is fully evaluated; there is no expression, path or template left in it. The manifest of the
//! connection's connector turns it into a request, and the answer into a [`Reply`] or a
//! [`Failure`](super::Failure).

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{Map, Value};

/// Field name -> value, in the order in which the author wrote them.
pub type Fields = Map;

/// One operation on a connection, as the verbs mean it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The connection's name within its client.
    pub connection: Arc<str>,
    /// What is to be done.
    pub action: Action,
    /// What is neither field nor identity: expand, proration, associations. A map, or nothing.
    pub params: Value,
    /// The same for each attempt of one journalled call: lets a system that knows idempotency keys answer a
    /// repeat with the first result. At most 255 characters.
    pub idempotency_key: Option<Arc<str>>,
}

impl Call {
    /// A call without parameters and idempotency key.
    pub fn new(connection: impl Into<Arc<str>>, action: Action) -> Self {
        Self { connection: connection.into(), action, params: Value::Null, idempotency_key: None }
    }
}

/// What is to be done. Object names are those of the manifest, without the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Looks records up by their identity: all fields together, compared for equality.
    Find {
        object: Arc<str>,
        identity: Fields,
        select: Select,
        /// How many records are wanted at most; 2 tells one from many.
        limit: u32,
    },
    /// Reads one record. A record that is not there is [`Class::Missing`](super::Class::Missing).
    Get { object: Arc<str>, id: Arc<str>, select: Select },
    /// Reads one page of records; [`Reply::next`] is the `cursor` of the page after it.
    List {
        object: Arc<str>,
        filter: Fields,
        /// Only records that changed since then.
        since: Option<Since>,
        select: Select,
        limit: u32,
        cursor: Option<Value>,
        /// A step of a listing that the system makes in the background; `None` for one that it answers at once.
        job: Option<JobStep>,
    },
    /// Reads one page of the system's past events, newest first.
    Events {
        /// The types that are wanted; in each, `*` stands for any text. Others may come along.
        types: Vec<Arc<str>>,
        /// Only events that happened then or later.
        since: Option<Timestamp>,
        limit: u32,
        cursor: Option<Value>,
    },
    /// Writes one new record.
    Create { object: Arc<str>, fields: Fields },
    /// Changes the named fields of one record; a null clears the field.
    Update { object: Arc<str>, id: Arc<str>, fields: Fields },
    /// Removes one record.
    Delete { object: Arc<str>, id: Arc<str> },
    /// The system's own upsert, where its manifest has one.
    Upsert { object: Arc<str>, key: Fields, fields: Fields },
    /// Puts `to` into a set of the record: a tag, an association, a membership.
    Link { object: Arc<str>, id: Arc<str>, relation: Arc<str>, to: Value, fields: Fields },
    /// Takes `to` out of a set of the record.
    Unlink { object: Arc<str>, id: Arc<str>, relation: Arc<str>, to: Value },
    /// Any other operation that the manifest names.
    Operation { name: Arc<str>, params: Value },
}

impl Action {
    /// The object that is acted on; operations and events have none.
    pub fn object(&self) -> Option<&Arc<str>> {
        match self {
            Self::Find { object, .. }
            | Self::Get { object, .. }
            | Self::List { object, .. }
            | Self::Create { object, .. }
            | Self::Update { object, .. }
            | Self::Delete { object, .. }
            | Self::Upsert { object, .. }
            | Self::Link { object, .. }
            | Self::Unlink { object, .. } => Some(object),
            Self::Operation { .. } | Self::Events { .. } => None,
        }
    }

    /// Which of an object's actions this is; an operation is none of them.
    pub fn kind(&self) -> Option<ActionKind> {
        Some(match self {
            Self::Find { .. } => ActionKind::Find,
            Self::Get { .. } => ActionKind::Get,
            Self::List { .. } | Self::Events { .. } => ActionKind::List,
            Self::Create { .. } => ActionKind::Create,
            Self::Update { .. } => ActionKind::Update,
            Self::Delete { .. } => ActionKind::Delete,
            Self::Upsert { .. } => ActionKind::Upsert,
            Self::Link { .. } => ActionKind::Link,
            Self::Unlink { .. } => ActionKind::Unlink,
            Self::Operation { .. } => return None,
        })
    }
}

/// The actions that an object can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Looks records up by their identity.
    Find,
    /// Reads one record by its id.
    Get,
    /// Reads records page by page.
    List,
    /// Writes a new record.
    Create,
    /// Changes fields of a record.
    Update,
    /// Removes a record.
    Delete,
    /// The system's own upsert.
    Upsert,
    /// Puts something into a set of a record.
    Link,
    /// Takes something out of a set of a record.
    Unlink,
}

impl ActionKind {
    /// All of them, in the order in which people read them.
    pub const ALL: [Self; 9] = [
        Self::Find,
        Self::Get,
        Self::List,
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::Upsert,
        Self::Link,
        Self::Unlink,
    ];

    /// The word of the YAML.
    pub fn word(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Upsert => "upsert",
            Self::Link => "link",
            Self::Unlink => "unlink",
        }
    }

    /// True when the action changes nothing in the system.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Find | Self::Get | Self::List)
    }
}

/// A step of a listing that the system makes in the background, with the job's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobStep {
    /// Begins the job; [`Reply::id`] is its id.
    Start,
    /// Asks how far it is: [`Reply::job`].
    Ask(Arc<str>),
    /// Reads a page of its records.
    Page(Arc<str>),
    /// Throws it away.
    End(Arc<str>),
    /// Stops it.
    Abort(Arc<str>),
}

impl JobStep {
    /// The job's id, once it has one.
    pub fn id(&self) -> Option<&Arc<str>> {
        match self {
            Self::Start => None,
            Self::Ask(id) | Self::Page(id) | Self::End(id) | Self::Abort(id) => Some(id),
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// The system works on it.
    UnderWay,
    /// Its records can be read.
    Done,
    /// It has ended, and there is nothing to read: the system's word for that, and why.
    Failed {
        /// The word.
        word: Arc<str>,
        /// Why, where the system says it.
        why: Option<Arc<str>>,
    },
}

/// A moment, by a field of the records that are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The field that tells when a record changed.
    pub field: Arc<str>,
    /// Records that changed then or later are wanted.
    pub at: Timestamp,
}

/// Which fields of a record are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Select {
    /// All that the system gives.
    #[default]
    All,
    /// These; the id comes along unasked.
    Fields(Vec<Arc<str>>),
}

/// What a call gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The id of the record that was read or written, where there is exactly one.
    pub id: Option<Arc<str>>,
    /// The record that was read, or that a write answered with.
    pub record: Option<Value>,
    /// The records that were found or listed.
    pub records: Vec<Record>,
    /// What an operation gave.
    pub result: Value,
    /// Whether an upsert created the record, where the system tells.
    pub created: Option<bool>,
    /// The cursor of the next page; `None` after the last one.
    pub next: Option<Value>,
    /// How far a job is that was asked after.
    pub job: Option<JobState>,
}

/// One record of a listing, with its id taken out by the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record's id, always text: ids of 18 digits do not survive as numbers elsewhere.
    pub id: Option<Arc<str>>,
    /// Its fields.
    pub fields: Value,
}
