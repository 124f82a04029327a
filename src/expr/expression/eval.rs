//! Evaluates a value expression.

use super::model::{Expr, Form, Node, Piece};
use crate::expr::context::Context;
use crate::expr::fault::EvalError;
use crate::value::{Map, Value};

/// The longest text that a template may give, in bytes: many times what any field takes.
const TEXT_MAX: usize = 1024 * 1024;

/// Is told of each modifier that was applied, with what it gave.
pub(super) type Watch<'a> = &'a mut dyn FnMut(&str, &Value);

impl Expr {
    /// The value in `context`; [`Value::Null`] is nothing.
    pub fn eval(&self, context: &Context) -> Result<Value, EvalError> {
        self.inner.node.eval(context, &mut |_, _| {})
    }
}

impl Node {
    pub(super) fn eval(&self, context: &Context, watch: Watch<'_>) -> Result<Value, EvalError> {
        let value = self.form.eval(context)?;
        match &self.modifiers {
            None => Ok(value),
            Some(modifiers) => modifiers.apply(value, &self.form, context, watch),
        }
    }

    /// The value of a part, whose modifiers nobody watches.
    pub(super) fn part(&self, context: &Context) -> Result<Value, EvalError> {
        self.eval(context, &mut |_, _| {})
    }
}

impl Form {
    pub(super) fn eval(&self, context: &Context) -> Result<Value, EvalError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Path(path) => Ok(path.select(context.root())?),
            Self::Script { program, .. } => program.eval(context),
            Self::Text(pieces) => text(pieces, context),
            Self::First(nodes) => {
                for node in nodes {
                    let value = node.part(context)?;
                    if !value.is_nothing() {
                        return Ok(value);
                    }
                }
                Ok(Value::Null)
            }
            Self::Each { over, name, give } => each(&over.part(context)?, name, give, context),
            Self::List(nodes) => {
                let mut items = Vec::with_capacity(nodes.len());
                for node in nodes {
                    items.push(node.part(context)?);
                }
                items.retain(|item| !item.is_nothing());
                Ok(items.into())
            }
            Self::Map(nodes) => {
                let mut map = Map::with_capacity(nodes.len());
                for (key, node) in nodes {
                    let value = node.part(context)?;
                    if !value.is_nothing() {
                        map.insert(key.clone(), value);
                    }
                }
                Ok(map.into())
            }
        }
    }
}

fn text(pieces: &[Piece], context: &Context) -> Result<Value, EvalError> {
    use std::fmt::Write;

    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Plain(plain) => text.push_str(plain),
            // Writing to a string cannot fail.
            Piece::Script(program) => drop(write!(text, "{}", program.eval(context)?)),
        }
        if text.len() > TEXT_MAX {
            return Err(EvalError::Limit(format!("the text is longer than {TEXT_MAX} bytes")));
        }
    }
    Ok(text.into())
}

fn each(over: &Value, name: &str, give: &Node, context: &Context) -> Result<Value, EvalError> {
    let items = match over {
        Value::Null => return Ok(Value::Null),
        Value::List(items) => items,
        other => return Err(EvalError::Unfit(format!("`each` needs a list, not {}", other.kind()))),
    };
    let mut given = Vec::with_capacity(items.len());
    for item in items.iter() {
        given.push(give.part(&context.with(name, item.clone()))?);
    }
    given.retain(|item| !item.is_nothing());
    Ok(given.into())
}
