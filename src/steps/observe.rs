//! Watching a run: what a dry run shows and a test can look at.

use super::ways::Way;
use crate::connector::{Call, Failure, Reply};
use crate::expr::Trace;
use crate::value::Value;

/// Is told what a run does, while it does it. Changes nothing.
pub trait Observer: Send + Sync {
    /// `sight` was seen at `step`, the label of a step, or `trigger`.
    fn saw(&self, step: &str, sight: &Sight<'_>);
}

/// What can be seen of a run.
#[derive(Debug)]
pub enum Sight<'a> {
    /// A condition was decided.
    Condition {
        /// The condition as it is written.
        text: &'a str,
        /// What it gave.
        holds: bool,
        /// The paths it reads and what stands there.
        values: &'a [(String, Value)],
    },
    /// A field, parameter or key was computed.
    Mapped {
        /// Its name.
        field: &'a str,
        /// The expression, what it read, and how its value came about.
        trace: &'a Trace,
    },
    /// A call was carried out.
    Called {
        /// What was asked.
        call: &'a Call,
        /// What came of it.
        answer: &'a Result<Reply, Failure>,
    },
    /// A way was taken that the pipeline's file writes down.
    Took(Way),
    /// The step was done.
    Gave {
        /// What later steps read as `steps.<id>`.
        given: &'a Value,
        /// True when an earlier attempt had done it.
        replayed: bool,
    },
}
