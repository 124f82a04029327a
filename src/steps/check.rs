//! `check`: ends the run, with words, when a condition does not hold.

use super::calls::At;
use super::ending::Ending;
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::lower::Lowering;
use super::ways::Way;
use crate::config::step::CheckStep;
use crate::config::step::Otherwise;
use crate::diagnostic::Path;
use crate::expr::{Condition, Expr};
use crate::value::Value;

/// `check`, ready to be performed.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) that: Condition,
    pub(super) otherwise: Otherwise,
    pub(super) reason: Option<Expr>,
}

impl Check {
    pub(super) fn perform(&self, at: &At<'_>, run: &Execution<'_>) -> Result<Value, Stop> {
        let decided = run.decide(&at.step.label, &self.that);
        let (holds, words) = decided.map_err(|error| at.refuse(format!("that: {error}")))?;
        if holds {
            return Ok(Given::new(Outcome::Done).into());
        }
        run.took(&at.step.label, Way::CheckFails);
        let reason = run.reason(at, self.reason.as_ref(), words, &[])?;
        Err(match self.otherwise {
            Otherwise::Conflict => Box::new(Ending::Conflict { reason, candidates: Vec::new() }),
            Otherwise::Skip => Box::new(Ending::Skipped { reason }),
            Otherwise::Fail => at.refuse(reason),
        })
    }
}

impl Lowering<'_> {
    pub(super) fn check_step(&mut self, path: &Path, written: &CheckStep) -> Option<Check> {
        let that = self.condition(&path.key("that"), &written.that);
        let reason = self.reason(path, written.reason.as_ref());
        Some(Check { that: that?, otherwise: written.otherwise, reason: reason.ok()? })
    }
}
