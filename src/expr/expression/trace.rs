//! How a value came about, for people: path -> value -> each modifier.

use super::model::{Expr, Form};
use crate::expr::context::Context;
use crate::expr::fault::EvalError;
use crate::expr::reads::reads;
use crate::value::Value;

/// The way of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The form as it was written.
    pub source: String,
    /// All of the expression as it stands in its file, with its modifiers.
    pub written: Value,
    /// True when its value is what stands at a path, and nothing is made of it.
    pub is_plain: bool,
    /// Each path of the context that was read, with what was there.
    pub reads: Vec<(String, Value)>,
    /// What the form gave, then what each modifier made of it.
    pub steps: Vec<TraceStep>,
    /// The value, or why there is none.
    pub result: Result<Value, EvalError>,
}

/// One change of a value on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStep {
    /// The modifier; of the first step `value`.
    pub name: String,
    /// What it gave.
    pub value: Value,
}

impl Expr {
    /// Evaluates and tells how.
    pub fn trace(&self, context: &Context) -> Trace {
        let node = &self.inner.node;
        let mut steps = Vec::new();
        if let Ok(value) = node.form.eval(context) {
            steps.push(TraceStep { name: "value".to_owned(), value });
        }
        let result = node.eval(context, &mut |name, value| {
            steps.push(TraceStep { name: name.to_owned(), value: value.clone() });
        });
        Trace {
            source: node.form.source(),
            written: self.inner.written.clone(),
            is_plain: matches!(node.form, Form::Path(_)) && node.modifiers.is_none(),
            reads: reads(self.references(), context),
            steps,
            result,
        }
    }
}
