//! How bodies and queries are written.

use std::sync::Arc;

use super::address::push_escaped;
use super::failure::Failure;
use super::file::Encoding;
use crate::value::Value;

/// An encoded body and its content type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) content_type: &'static str,
    pub(super) text: String,
}

/// What a key without a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nothing {
    /// It is written as an empty value: how forms clear a field.
    Empty,
    /// It is left out.
    Omit,
}

/// Writes a body.
pub(super) fn body(encoding: Encoding, value: &Value) -> Result<Body, Failure> {
    let json = "application/json";
    Ok(match encoding {
        Encoding::Json => Body { content_type: json, text: value.to_json() },
        Encoding::Form => {
            Body { content_type: "application/x-www-form-urlencoded", text: pairs(value, Nothing::Empty)? }
        }
        Encoding::Graphql => Body { content_type: json, text: graphql(value)?.to_json() },
        Encoding::Jsonrpc => Body { content_type: json, text: jsonrpc(value)?.to_json() },
        Encoding::Text => Body { content_type: "text/plain; charset=utf-8", text: value.to_string() },
    })
}

/// Writes query parameters; nothing leaves one out.
pub(super) fn query(value: &Value) -> Result<String, Failure> {
    pairs(value, Nothing::Omit)
}

fn graphql(value: &Value) -> Result<Value, Failure> {
    let query = value.get("query").filter(|query| !query.is_blank());
    let query = query.ok_or_else(|| Failure::permanent("a GraphQL body needs a `query`"))?;
    let variables = value.get("variables").cloned().unwrap_or_default();
    Ok(Value::map([("query", query.clone()), ("variables", variables)]))
}

fn jsonrpc(value: &Value) -> Result<Value, Failure> {
    let method = value.get("method").filter(|method| !method.is_blank());
    let method = method.ok_or_else(|| Failure::permanent("a JSON-RPC body needs a `method`"))?;
    let params = value.get("params").cloned().unwrap_or_default();
    // One call a request, so that the id need tell nothing apart.
    Ok(Value::map([
        ("jsonrpc", Value::from("2.0")),
        ("method", method.clone()),
        ("params", params),
        ("id", Value::Int(1)),
    ]))
}

/// `a=1&b[c]=2&d[0]=x`, with everything but unreserved characters and the brackets of the structure escaped.
fn pairs(value: &Value, nothing: Nothing) -> Result<String, Failure> {
    let mut out = String::new();
    match value {
        Value::Null => {}
        Value::Map(map) => {
            for (key, value) in map.iter() {
                push_pairs(&mut out, &escaped(key), value, nothing);
            }
        }
        other => return Err(Failure::permanent(format!("a form is a map, not {}", other.kind()))),
    }
    Ok(out)
}

fn push_pairs(out: &mut String, key: &str, value: &Value, nothing: Nothing) {
    match value {
        Value::Null if nothing == Nothing::Omit => {}
        Value::Map(map) => {
            for (inner, value) in map.iter() {
                push_pairs(out, &format!("{key}[{}]", escaped(inner)), value, nothing);
            }
        }
        Value::List(items) => {
            for (index, value) in items.iter().enumerate() {
                push_pairs(out, &format!("{key}[{index}]"), value, nothing);
            }
        }
        scalar => {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(key);
            out.push('=');
            push_escaped(out, &scalar.to_text().unwrap_or_else(|| Arc::from("")));
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(&mut out, text);
    out
}
