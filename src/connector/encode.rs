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

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn form(json: &str) -> String {
        body(Encoding::Form, &Value::from_json(json.as_bytes()).unwrap()).unwrap().text
    }

    #[test]
    fn forms_have_brackets_and_indexes() {
        let json = r#"{"items": [{"price": "p_1", "quantity": 2}, {"price": "p_2"}], "metadata": {"crm_id": "001", "old": ""},
            "expand": ["a.b"], "trial_end": "now", "cancel": false, "name": null, "none": [], "no": {}, "e": "a+b @"}"#;
        assert_eq!(
            form(json),
            "items[0][price]=p_1&items[0][quantity]=2&items[1][price]=p_2&metadata[crm_id]=001&metadata[old]=\
             &expand[0]=a.b&trial_end=now&cancel=false&name=&e=a%2Bb%20%40"
        );
    }

    #[test]
    fn a_query_leaves_out_what_is_nothing() {
        let value =
            Value::from_json(br#"{"a": null, "created": {"gte": 1, "lt": null}, "b": "x&y=z"}"#).unwrap();
        assert_eq!(query(&value).unwrap(), "created[gte]=1&b=x%26y%3Dz");
        assert!(query(&Value::from("a=1")).is_err());
    }

    proptest! {
        #[test]
        fn no_value_adds_a_pair(key in ".{1,20}", value in ".*") {
            let text = body(Encoding::Form, &Value::map([(key.as_str(), Value::from(value.as_str()))])).unwrap().text;
            prop_assert_eq!(text.matches('=').count(), 1);
            prop_assert!(!text.contains(['&', '#', '?', ' ', '\n', '[']));
        }
    }
}
