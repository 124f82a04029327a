//! How one execution of a run ends. The engine decides what follows from it.

use std::sync::Arc;
use std::time::Duration;

use super::journal::CallId;
use crate::config::RetryFile;
use crate::connector::Failure;
use crate::value::Value;

/// How one execution of a run ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// All steps were done.
    Succeeded,
    /// All steps were done, but what they looked for is not there and nothing was written: the event counts as
    /// done, and not as applied to its object. An older one that makes the object is not stale then.
    Missed,
    /// There was nothing to do.
    Skipped {
        /// Why, for a person.
        reason: String,
    },
    /// A business ambiguity, for a person to decide.
    Conflict {
        /// What is ambiguous.
        reason: String,
        /// The records it is between.
        candidates: Vec<Value>,
    },
    /// Something is not there yet: the run leaves its lane and is tried again.
    Waiting {
        /// The call that did not find it.
        call: CallId,
        /// What is waited for.
        reason: String,
        /// How long after the first miss waiting turns into failing.
        at_most: Duration,
    },
    /// Another run holds an identity that this one needs: to be tried again at once, without using up an attempt.
    Held {
        /// The call that needs it.
        call: CallId,
    },
    /// A step failed. The failure's class decides what follows.
    Failed {
        /// The step's place and id.
        step: Arc<str>,
        /// What went wrong.
        failure: Failure,
        /// The connection that failed, when it was a call.
        connection: Option<Arc<str>>,
        /// The step's own rule of retries, when it has one.
        retry: Option<StepRetry>,
    },
    /// The journal could not be reached.
    Interrupted {
        /// What the journal said.
        reason: String,
    },
}

/// The rule of a step that has a `retry` of its own: its attempts are counted for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRetry {
    /// The call whose failures count.
    pub call: CallId,
    /// How often and how long it is tried again.
    pub rule: RetryFile,
}
