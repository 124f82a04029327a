//! `use`: the steps of a part, as if they stood here.

use super::calls::At;
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::mapping::Mapping;
use super::program::Step;
use crate::value::{Map, Value};

/// `use`, ready to be performed.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) with: Mapping,
    pub(super) steps: Vec<Step>,
}

impl Use {
    /// The steps see their own `with`; afterwards it is the user's again.
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let mut with = Map::new();
        for field in self.with.eval(at, run)? {
            with.insert(field.name, field.value);
        }
        let outside = run.context.root().get("with").cloned().unwrap_or_default();
        run.context = run.context.with("with", with.into());
        let ended = run.steps(&self.steps, &format!("{}.", at.call)).await;
        run.context = run.context.with("with", outside);
        ended.map(|()| Given::new(Outcome::Done).into())
    }
}
