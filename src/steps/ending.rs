//! How one execution of a run ends. The engine decides what follows from it.

use std::sync::Arc;
use std::time::Duration;

use crate::config::RetryFile;
use crate::connector::Failure;
use crate::value::Value;

/// How one execution of a run ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// All steps were done.
    Succeeded,
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
        /// What is waited for.
        reason: String,
        /// How long after the run's beginning waiting turns into failing.
        at_most: Duration,
    },
    /// Another run holds an identity that this one needs: to be tried again at once, without using up an attempt.
    Held,
    /// A step failed. The failure's class decides what follows.
    Failed {
        /// The step's place and id.
        step: Arc<str>,
        /// What went wrong.
        failure: Failure,
        /// The connection that failed, when it was a call.
        connection: Option<Arc<str>>,
        /// The step's own retry rule, when it has one.
        retry: Option<RetryFile>,
    },
    /// The journal could not be reached.
    Interrupted {
        /// What the journal said.
        reason: String,
    },
}
