//! Applies modifiers, in the order of the language reference.

use std::sync::Arc;

use indexmap::IndexMap;

use super::eval::Watch;
use super::model::{Convert, Form, Modifiers, Node, Table, Transform, Zone};
use crate::expr::context::Context;
use crate::expr::fault::{EvalError, shown};
use crate::expr::functions::{self, Unfit, time};
use crate::value::{Map, Value};

impl From<Unfit> for EvalError {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit.0)
    }
}

impl Modifiers {
    /// What becomes of `value`, which `form` gave. Nothing passes through all but `default` and `required`.
    pub(super) fn apply(
        &self,
        mut value: Value,
        form: &Form,
        context: &Context,
        watch: Watch<'_>,
    ) -> Result<Value, EvalError> {
        for transform in &self.transform {
            if !value.is_nothing() {
                value = transform.apply(&value, context)?;
                watch(transform.name(), &value);
            }
        }
        if let Some(convert) = &self.convert
            && !value.is_nothing()
        {
            value = convert.apply(&value, context)?;
            watch(convert.name(), &value);
        }
        if value.is_nothing() {
            if let Some(default) = &self.default {
                value = default.part(context)?;
                watch("default", &value);
            }
            if self.required && value.is_nothing() {
                return Err(EvalError::Required { from: format!("`{}`", shown(&form.source())) });
            }
        }
        Ok(value)
    }
}

impl Transform {
    /// The function's name.
    pub(in crate::expr) fn name(&self) -> &str {
        match self {
            Self::Shared(function) => function.name,
            Self::Library { name, .. } => name,
        }
    }

    fn apply(&self, value: &Value, context: &Context) -> Result<Value, EvalError> {
        match self {
            Self::Shared(function) => Ok(function.call(std::slice::from_ref(value), context)?),
            Self::Library { runtime, name } => runtime.call_library(name, value, context),
        }
    }
}

impl Convert {
    fn name(&self) -> &'static str {
        match self {
            Self::Money(_) => "money",
            Self::Minor(_) => "minor",
            Self::Datetime { .. } => "datetime",
            Self::Table(_) => "map",
            Self::Truncate(_) => "truncate",
        }
    }

    fn apply(&self, value: &Value, context: &Context) -> Result<Value, EvalError> {
        match self {
            Self::Money(currency) | Self::Minor(currency) => {
                in_currency(self.name(), value, currency, context)
            }
            Self::Datetime { format, zone: None } => Ok(format.write(value, &context.frame().zone)?),
            Self::Datetime { format, zone: Some(Zone::Fixed(zone)) } => Ok(format.write(value, zone)?),
            Self::Datetime { format, zone: Some(Zone::Read(node)) } => {
                let name = node.part(context)?;
                let name = name.as_str().ok_or_else(|| {
                    EvalError::Unfit(format!("a time zone is an IANA name, not {}", name.kind()))
                })?;
                Ok(format.write(value, &time::zone(name)?)?)
            }
            Self::Table(Table::Fixed(entries)) => in_fixed(entries, value),
            Self::Table(Table::Read(path)) => match path.one(context.root())? {
                Some(Value::Map(entries)) => in_read(entries, value),
                found => {
                    let kind = found.map_or("nothing", Value::kind);
                    Err(EvalError::Unfit(format!("`{path}` should be a map of values, and is {kind}")))
                }
            },
            Self::Truncate(length) => truncated(value, *length),
        }
    }
}

fn in_currency(name: &str, value: &Value, currency: &Node, context: &Context) -> Result<Value, EvalError> {
    let function = functions::find(name).ok_or_else(|| EvalError::Unfit(format!("there is no `{name}`")))?;
    Ok(function.call(&[value.clone(), currency.part(context)?], context)?)
}

fn in_fixed(entries: &IndexMap<Arc<str>, Value>, value: &Value) -> Result<Value, EvalError> {
    looked_up(value, |key| entries.get(key), || entries.keys())
}

fn in_read(entries: &Map, value: &Value) -> Result<Value, EvalError> {
    looked_up(value, |key| entries.get(key), || entries.keys())
}

/// The entry for a value, or that for `*`.
fn looked_up<'a, K: Iterator<Item = &'a Arc<str>>>(
    value: &Value,
    entry: impl Fn(&str) -> Option<&'a Value>,
    keys: impl Fn() -> K,
) -> Result<Value, EvalError> {
    /// As many entries as a person reads in an error.
    const SHOWN_MAX: usize = 6;

    let key = value
        .to_text()
        .ok_or_else(|| EvalError::Unfit(format!("a map looks up single values, not {}", value.kind())))?;
    if let Some(found) = entry(&key).or_else(|| entry("*")) {
        return Ok(found.clone());
    }
    let mut known = keys().take(SHOWN_MAX).map(|key| shown(key)).collect::<Vec<_>>();
    if keys().count() > SHOWN_MAX {
        known.push("...".to_owned());
    }
    Err(EvalError::NotInMap { value: shown(&key), known: known.join(", ") })
}

fn truncated(value: &Value, length: usize) -> Result<Value, EvalError> {
    let text = value
        .to_text()
        .ok_or_else(|| EvalError::Unfit(format!("truncate needs text, not {}", value.kind())))?;
    match text.char_indices().nth(length) {
        None => Ok(value.clone()),
        Some((end, _)) => Ok(Value::from(&text[..end])),
    }
}
