//! What can go wrong with a call, in one vocabulary for all systems.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::Value;

/// A call that did not do what was asked. The class decides what happens next; the rest is for people.
///
/// No text in it holds a secret: the connection redacts by value before it hands one out (invariant 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the engine does about it.
    pub class: Class,
    /// Whether the call may have been carried out all the same.
    pub done: Done,
    /// What the system said, in its words, or what was found wrong with its answer.
    pub message: String,
    /// The system's own code, where it has one.
    pub code: Option<String>,
    /// The fields that the system complains about.
    pub fields: Vec<String>,
    /// The id of the record that is already there, when a duplicate names it.
    pub other: Option<Arc<str>>,
    /// The records among which a person has to choose, when the system found several.
    pub candidates: Vec<Value>,
    /// How long the system asks to be left alone.
    pub wait: Option<Duration>,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
}

impl Failure {
    /// A failure of `class` that says `message`.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            done: Done::No,
            message: message.into(),
            code: None,
            fields: Vec::new(),
            other: None,
            candidates: Vec::new(),
            wait: None,
            status: None,
        }
    }

    /// Something the system will refuse again however often it is asked.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(Class::Permanent, message)
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        match (&self.code, self.status) {
            (Some(code), Some(status)) => write!(f, " ({code}, status {status})"),
            (Some(code), None) => write!(f, " ({code})"),
            (None, Some(status)) => write!(f, " (status {status})"),
            (None, None) => Ok(()),
        }
    }
}

/// Whether a call that failed may have been carried out all the same. The class does not tell: a call that carries an
/// idempotency key is simply tried again, yet whoever forgets it after a lost answer could do it twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The system did not do it.
    No,
    /// The answer was lost, says nothing of it, or says that an earlier try is still under way.
    Perhaps,
}

/// What kind of failure an answer is: decided once, here, by the manifest's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The record is not there. `find` and `update` report it; not an error by itself.
    Missing,
    /// The record exists already, perhaps several times: looked for, then gone on with as an update.
    Duplicate,
    /// Too much was asked. Tried again after the wait that the system names; uses up no attempt.
    Throttled,
    /// A passing fault, and nothing was done. Tried again with backoff.
    Transient,
    /// Somebody else holds the record. Tried again at short random intervals.
    Locked,
    /// The credential was refused although it was renewed once.
    Expired,
    /// Nothing on this connection will work before a person acts: revoked, unpaid, wrong key. The connection
    /// is paused, and reported once.
    ConnectionDown,
    /// The system refuses this content, and will again. The run becomes a dead letter.
    Permanent,
    /// Some records of a batch were rejected; the reply is read record by record.
    Partial,
    /// Nobody knows whether it was done: the answer was lost after the request was sent. What cannot be
    /// repeated safely is looked for first.
    Unknown,
}

impl Class {
    /// All classes, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Missing,
        Self::Duplicate,
        Self::Throttled,
        Self::Transient,
        Self::Locked,
        Self::Expired,
        Self::ConnectionDown,
        Self::Permanent,
        Self::Partial,
        Self::Unknown,
    ];

    /// The word of YAML, metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Duplicate => "duplicate",
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::Locked => "locked",
            Self::Expired => "expired",
            Self::ConnectionDown => "connection_down",
            Self::Permanent => "permanent",
            Self::Partial => "partial",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
