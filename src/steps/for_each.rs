//! `for_each`: steps once for each element of a list.

use std::sync::Arc;

use super::calls::At;
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::mapping::Operand;
use super::program::Step;
use crate::value::Value;

/// A list is worked off within one run, so it has an end (invariant 7).
const ELEMENTS_MAX: usize = 1_000;

/// `for_each`, ready to be performed.
#[derive(Debug)]
pub(super) struct ForEach {
    pub(super) list: Operand,
    pub(super) name: Arc<str>,
    pub(super) steps: Vec<Step>,
}

impl ForEach {
    /// What the steps of one iteration give is visible in that iteration only.
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let list = run.eval(at, "in", &self.list)?;
        let elements = match &list {
            Value::Null => &[],
            Value::List(elements) => elements.as_slice(),
            other => return Err(at.refuse(format!("in: a list is needed, and this is {}", other.kind()))),
        };
        if elements.len() > ELEMENTS_MAX {
            let words = format!("{} elements, and a loop takes at most {ELEMENTS_MAX}", elements.len());
            return Err(run.conflict(at, None, words, Vec::new()));
        }
        let outside = run.context.clone();
        for (number, element) in elements.iter().enumerate() {
            run.context = outside.with(&self.name, element.clone());
            let prefix = format!("{}[{number}].", at.call);
            let ended = run.steps(&self.steps, &prefix).await;
            if ended.is_err() {
                run.context = outside;
                return ended.map(|()| Value::Null);
            }
        }
        run.context = outside;
        Ok(Given::new(Outcome::Done).into())
    }
}
