//! What a step gives: what later steps read as `steps.<id>`.

use std::sync::Arc;

use super::target::Target;
use crate::value::{Map, Value};

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Created,
    Updated,
    Unchanged,
    Found,
    Missing,
    Deleted,
    Failed,
    Skipped,
    /// For verbs without a record: a call, a script, a loop.
    Done,
}

impl Outcome {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Found => "found",
            Self::Missing => "missing",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Done => "done",
        }
    }
}

/// What a step gave, while it is put together.
#[derive(Debug, Clone)]
pub(super) struct Given(Map);

impl Given {
    pub(super) fn new(outcome: Outcome) -> Self {
        Self::word(outcome.word())
    }

    /// With an outcome that a system's answer named.
    pub(super) fn word(outcome: &str) -> Self {
        Self(Map::from_iter([("outcome".into(), Value::from(outcome))]))
    }

    #[must_use]
    pub(super) fn id(self, id: Option<&Arc<str>>) -> Self {
        self.with("id", id.map(Arc::clone).into())
    }

    #[must_use]
    pub(super) fn object(self, target: &Target) -> Self {
        self.with("object", Value::from(target.to_string()))
    }

    #[must_use]
    pub(super) fn record(self, record: Value) -> Self {
        self.with("record", record)
    }

    /// Adds `value` under `key`, unless it is nothing.
    #[must_use]
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        if !value.is_nothing() {
            self.0.insert(key.into(), value);
        }
        self
    }
}

impl From<Given> for Value {
    fn from(given: Given) -> Self {
        given.0.into()
    }
}
