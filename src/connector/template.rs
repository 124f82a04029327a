//! Bodies and parameters: value expressions, and the forms that only a manifest has.
//!
//! | form | gives |
//! | --- | --- |
//! | `{ quoted: soql, text: [...] }` | text in a query language ([`Quoted`]) |
//! | `{ escaped: mrkdwn, value: ..., keys: [text] }` | the value with its texts escaped; only those under `keys`, when given |
//! | `{ merge: [a, b], without: [c] }` | one map of several, later ones over earlier ones, without some keys |
//! | `{ given: {...} }` | the map without the entries that are nothing |

use std::sync::Arc;

use super::compile::Compiler;
use super::expression::Expression;
use super::failure::Failure;
use super::language::{Language, Unwritable};
use super::quoted::Quoted;
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::{Map, Value};

/// A compiled body or parameter.
#[derive(Debug)]
pub(super) enum Template {
    /// A value expression, nested payload included.
    Value(Expression),
    /// A map that has a manifest's own form somewhere below.
    Map(Vec<(Arc<str>, Template)>),
    /// A list that has one.
    List(Vec<Template>),
    /// Maps laid over each other.
    Merge { parts: Vec<Template>, without: Option<Expression> },
    /// A map without the entries that are nothing.
    Given(Box<Template>),
    /// Text in a query language.
    Quoted(Quoted),
    /// Escaped texts.
    Escaped { language: Arc<Language>, value: Box<Template>, keys: Option<Vec<Arc<str>>> },
}

/// The keys that make a map one of the forms.
const FORMS: [&str; 4] = ["quoted", "escaped", "merge", "given"];

impl Template {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        written: &Value,
        names: &Names,
    ) -> Option<Self> {
        if !has_form(written) {
            return compiler.expression(at, written, names).map(Self::Value);
        }
        match written {
            Value::List(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(index, item)| Self::compile(compiler, &at.index(index), item, names))
                    .collect::<Vec<_>>()
                    .into_iter()
                    .collect::<Option<_>>()
                    .map(Self::List)
            }
            Value::Map(map) if map.contains_key("quoted") => {
                Quoted::compile(compiler, at, map, names).map(Self::Quoted)
            }
            Value::Map(map) if map.contains_key("escaped") => Self::compile_escaped(compiler, at, map, names),
            Value::Map(map) if map.contains_key("merge") => Self::compile_merge(compiler, at, map, names),
            Value::Map(map) if map.contains_key("given") => {
                compiler.only_keys(at, map, &["given"]);
                let given = Self::compile(compiler, &at.key("given"), map.get("given")?, names)?;
                Some(Self::Given(Box::new(given)))
            }
            Value::Map(map) => map
                .iter()
                .map(|(key, value)| {
                    let template = Self::compile(compiler, &at.key(Arc::clone(key)), value, names)?;
                    Some((Arc::clone(key), template))
                })
                .collect::<Vec<_>>()
                .into_iter()
                .collect::<Option<_>>()
                .map(Self::Map),
            _ => None,
        }
    }

    fn compile_merge(compiler: &mut Compiler, at: &Path, map: &Map, names: &Names) -> Option<Self> {
        compiler.only_keys(at, map, &["merge", "without"]);
        let without = match map.get("without") {
            Some(without) => Some(compiler.expression(&at.key("without"), without, names)?),
            None => None,
        };
        let at = at.key("merge");
        let Some(parts) = map.get("merge").and_then(Value::as_list) else {
            compiler.fault(&at, "expected a list of maps");
            return None;
        };
        let parts = parts.iter().enumerate();
        parts
            .map(|(index, part)| Self::compile(compiler, &at.index(index), part, names))
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Option<_>>()
            .map(|parts| Self::Merge { parts, without })
    }

    fn compile_escaped(compiler: &mut Compiler, at: &Path, map: &Map, names: &Names) -> Option<Self> {
        compiler.only_keys(at, map, &["escaped", "value", "keys"]);
        let language = compiler.language(&at.key("escaped"), map.get("escaped"))?;
        let Some(value) = map.get("value") else {
            compiler.fault(at, "`escaped` needs a `value`");
            return None;
        };
        let value = Box::new(Self::compile(compiler, &at.key("value"), value, names)?);
        let keys = map.get("keys").map(|keys| compiler.texts(&at.key("keys"), keys));
        Some(Self::Escaped { language, value, keys })
    }

    /// The value for this call.
    pub(super) fn eval(&self, context: &Context) -> Result<Value, Failure> {
        match self {
            Self::Value(expression) => expression.eval(context),
            Self::Map(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for (key, template) in entries {
                    map.insert(Arc::clone(key), template.eval(context)?);
                }
                Ok(map.into())
            }
            Self::List(items) => {
                items.iter().map(|item| item.eval(context)).collect::<Result<Vec<_>, _>>().map(Value::from)
            }
            Self::Merge { parts, without } => {
                let merged = merge(parts, context)?;
                let without = without.as_ref().map_or(Ok(Value::Null), |without| without.eval(context))?;
                let dropped = without.as_list().unwrap_or(std::slice::from_ref(&without));
                let kept = merged
                    .into_iter()
                    .filter(|(key, _)| !dropped.iter().any(|dropped| dropped.as_str() == Some(&**key)));
                Ok(Value::map(kept))
            }
            Self::Given(map) => match map.eval(context)? {
                Value::Map(map) => {
                    let given = map.iter().filter(|(_, value)| !value.is_nothing());
                    Ok(Value::map(given.map(|(key, value)| (Arc::clone(key), value.clone()))))
                }
                other => Ok(other),
            },
            Self::Quoted(quoted) => quoted.eval(context).map(Value::from),
            Self::Escaped { language, value, keys } => {
                let value = value.eval(context)?;
                escape(language, &value, keys.as_deref(), keys.is_none())
                    .map_err(|Unwritable(why)| Failure::permanent(why))
            }
        }
    }
}

fn merge(parts: &[Template], context: &Context) -> Result<Map, Failure> {
    let mut merged = Map::new();
    for part in parts {
        match part.eval(context)? {
            Value::Null => {}
            Value::Map(map) => merged.extend(map.iter().map(|(key, value)| (Arc::clone(key), value.clone()))),
            other => {
                return Err(Failure::permanent(format!("{} cannot be merged into a map", other.kind())));
            }
        }
    }
    Ok(merged)
}

/// `value` with its texts escaped: all of them when `here`, else those below a key of `keys`.
fn escape(
    language: &Language,
    value: &Value,
    keys: Option<&[Arc<str>]>,
    here: bool,
) -> Result<Value, Unwritable> {
    match value {
        Value::Text(text) if here => language.escaped(text).map(Value::from),
        Value::List(items) => items
            .iter()
            .map(|item| escape(language, item, keys, here))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::from),
        Value::Map(map) => map
            .iter()
            .map(|(key, value)| {
                let here = keys.is_none_or(|keys| keys.contains(key));
                Ok((Arc::clone(key), escape(language, value, keys, here)?))
            })
            .collect::<Result<Map, _>>()
            .map(Value::from),
        other => Ok(other.clone()),
    }
}

/// True when a manifest's own form stands anywhere in `written`. A literal is left as it is.
fn has_form(written: &Value) -> bool {
    match written {
        Value::List(items) => items.iter().any(has_form),
        Value::Map(map) if map.contains_key("literal") => false,
        Value::Map(map) => FORMS.iter().any(|form| map.contains_key(*form)) || map.values().any(has_form),
        _ => false,
    }
}
