//! `choose`: the first branch whose condition holds.

use super::calls::At;
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::program::Step;
use super::ways::Way;
use crate::expr::Condition;
use crate::value::Value;

/// `choose`, ready to be performed.
#[derive(Debug)]
pub(super) struct Choose(pub(super) Vec<Branch>);

/// One branch; one without a condition always holds.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) when: Option<Condition>,
    pub(super) steps: Vec<Step>,
}

impl Choose {
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        for (number, branch) in self.0.iter().enumerate() {
            let holds = match &branch.when {
                None => true,
                Some(when) => {
                    let decided = run.decide(&at.step.label, when);
                    decided.map_err(|error| at.refuse(format!("when: {error}")))?.0
                }
            };
            if holds {
                run.took(&at.step.label, Way::Branch(number));
                run.steps(&branch.steps, &format!("{}.{number}.", at.call)).await?;
                return Ok(Given::new(Outcome::Done).into());
            }
        }
        run.took(&at.step.label, Way::NoBranch);
        Ok(Given::new(Outcome::Skipped).into())
    }
}
