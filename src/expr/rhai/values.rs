//! Values inside Rhai, and back.
//!
//! A map stays a shared node that is read key by key; a list becomes a Rhai array of its items when it is reached,
//! so that Rhai's own methods (`filter`, `some`, `map`, ...) work on it.

use std::sync::Arc;

use rhai::{Array, Dynamic, ImmutableString};
use rust_decimal::Decimal;

use crate::value::{Map, Value};

/// A map of the context inside Rhai.
#[derive(Clone)]
pub(super) struct Node(pub(super) Arc<Map>);

/// A value for Rhai; one step deep.
pub(super) fn to_dynamic(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(bool) => (*bool).into(),
        Value::Int(int) => (*int).into(),
        Value::Decimal(decimal) => (*decimal).into(),
        Value::Text(text) => ImmutableString::from(&**text).into(),
        Value::List(items) => Dynamic::from_array(items.iter().map(to_dynamic).collect::<Array>()),
        Value::Map(map) => Dynamic::from(Node(Arc::clone(map))),
    }
}

/// How deep a value that a script built may nest.
const DEPTH_MAX: usize = 64;

/// A value from Rhai; what is no data (a function, a connection, a range) is told by its name.
pub(super) fn from_dynamic(dynamic: &Dynamic) -> Result<Value, String> {
    nested(dynamic, DEPTH_MAX)
}

fn nested(dynamic: &Dynamic, depth: usize) -> Result<Value, String> {
    if dynamic.is_shared() {
        return nested(&dynamic.flatten_clone(), depth);
    }
    let deeper = depth.checked_sub(1).ok_or("a value nests too deeply")?;
    if dynamic.is_unit() {
        Ok(Value::Null)
    } else if let Ok(int) = dynamic.as_int() {
        Ok(Value::Int(int))
    } else if let Ok(bool) = dynamic.as_bool() {
        Ok(Value::Bool(bool))
    } else if let Ok(text) = dynamic.as_immutable_string_ref() {
        Ok(Value::from(text.as_str()))
    } else if let Ok(decimal) = dynamic.as_decimal() {
        Ok(Value::Decimal(decimal))
    } else if let Some(node) = dynamic.read_lock::<Node>() {
        Ok(Value::Map(Arc::clone(&node.0)))
    } else if let Ok(items) = dynamic.as_array_ref() {
        items.iter().map(|item| nested(item, deeper)).collect::<Result<Vec<_>, _>>().map(Value::from)
    } else if let Ok(map) = dynamic.as_map_ref() {
        let entries = map.iter().map(|(key, value)| Ok((Arc::from(key.as_str()), nested(value, deeper)?)));
        entries.collect::<Result<Map, String>>().map(Value::from)
    } else if let Ok(char) = dynamic.as_char() {
        Ok(Value::from(char.to_string()))
    } else {
        Err(format!("{} is not a value", kind(dynamic)))
    }
}

/// What kind of thing it is, in the words that messages use.
pub(super) fn kind(dynamic: &Dynamic) -> &'static str {
    kind_of_name(dynamic.type_name())
}

/// The word for one of Rhai's type names.
pub(super) fn kind_of_name(name: &str) -> &'static str {
    match name {
        "()" => "nothing",
        "i64" | "int" => "an integer",
        "bool" => "a boolean",
        "string" | "char" | "rhai::types::immutable_string::ImmutableString" => "text",
        "decimal" | "rust_decimal::decimal::Decimal" => "a number",
        "array" | "alloc::vec::Vec<rhai::types::dynamic::Dynamic>" => "a list",
        "Fn" | "rhai::types::fn_ptr::FnPtr" => "a function",
        name if name.contains("ange") => "a range",
        name if name.contains("Connection") => "a connection",
        _ => "a map",
    }
}

/// A number of either kind as a decimal.
pub(super) fn decimal(dynamic: &Dynamic) -> Option<Decimal> {
    dynamic.as_int().map(Decimal::from).or_else(|_| dynamic.as_decimal()).ok()
}
