//! Value expressions and conditions of a manifest: those of pipelines, over a manifest's context.

use crate::expr::{Condition, Context, Expr};
use crate::value::Value;

use super::failure::Failure;

/// A compiled value expression.
#[derive(Debug)]
pub(super) struct Expression(pub(super) Expr);

impl Expression {
    /// The value for this call. Data that the manifest's author did not expect is a permanent failure.
    pub(super) fn eval(&self, context: &Context) -> Result<Value, Failure> {
        self.0
            .eval(context)
            .map_err(|error| Failure::permanent(format!("in the connector's manifest: {error}")))
    }

    /// The value for an answer: what cannot be computed is nothing, since an answer may look like anything.
    pub(super) fn read(&self, context: &Context) -> Value {
        self.0.eval(context).unwrap_or_default()
    }
}

/// A compiled condition.
#[derive(Debug)]
pub(super) struct Check(pub(super) Condition);

impl Check {
    /// Whether it holds; what cannot be computed does not.
    pub(super) fn holds(&self, context: &Context) -> bool {
        self.0.eval(context).unwrap_or(false)
    }
}
