//! What a store keeps of a run, as rehearsals put together from it what was there.

use crate::config::test_file::ExpectedOutcome;
use crate::rehearsal::KeptRun;
use crate::store::{Outcome, RunDetail, RunState};

/// What is kept of a run.
pub(super) fn kept_run(detail: &RunDetail) -> KeptRun {
    let outcome = match detail.run.state {
        RunState::Ended(Outcome::Succeeded) => Some(ExpectedOutcome::Succeeded),
        RunState::Ended(Outcome::Skipped) => Some(ExpectedOutcome::Skipped),
        RunState::Ended(Outcome::Conflict) => Some(ExpectedOutcome::Conflict),
        // What died, or has not ended, may have died of a fault that nothing here knows.
        RunState::Ended(Outcome::Dead)
        | RunState::Waiting
        | RunState::Ready
        | RunState::Blocked
        | RunState::Held => None,
    };
    let mut audit: Vec<_> = detail.audit.iter().collect();
    audit.sort_by_key(|row| numbers(&row.call));
    KeptRun {
        outcome,
        given: detail.calls.iter().filter_map(|call| call.result.clone()).collect(),
        changes: audit.into_iter().map(|row| row.entry.clone()).collect(),
        candidates: detail.run.candidates.clone(),
    }
}

/// The numbers in the name of a call, which has them in the order of the steps: `2[10].0#1`.
fn numbers(call: &str) -> Vec<u64> {
    let digits = call.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    digits.map(|digits| digits.parse().unwrap_or(u64::MAX)).collect()
}
