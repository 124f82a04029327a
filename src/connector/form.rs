//! Form bodies with nested brackets: `data[FIELDS][ID]=89` as the value it stands for.

use crate::value::{Map, Value};

/// No body that means something nests deeper.
const DEPTH_MAX: usize = 16;

/// Reads a form; `None` when it is none. Maps whose keys are 0, 1, 2, ... are lists. A name that comes twice keeps its last value.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    let mut root = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        let keys = keys(&name).filter(|keys| keys.len() <= DEPTH_MAX)?;
        put(&mut root, &keys, value);
    }
    Some(listed(&root))
}

/// `a[b][c]` as `a`, `b`, `c`; `None` when the brackets do not match.
fn keys(name: &str) -> Option<Vec<&str>> {
    let Some((first, rest)) = name.split_once('[') else { return Some(vec![name]) };
    let mut keys = vec![first];
    let inner = rest.strip_suffix(']')?;
    keys.extend(inner.split("]["));
    Some(keys)
}

fn put(map: &mut Map, keys: &[&str], value: String) {
    let [key, deeper @ ..] = keys else { return };
    // `a[]`: the next free number.
    let key = if key.is_empty() { map.len().to_string() } else { (*key).to_owned() };
    if deeper.is_empty() {
        map.insert(key.into(), Value::from(value));
        return;
    }
    let mut inner = match map.get(key.as_str()) {
        Some(Value::Map(inner)) => inner.as_ref().clone(),
        _ => Map::new(),
    };
    put(&mut inner, deeper, value);
    map.insert(key.into(), inner.into());
}

fn listed(map: &Map) -> Value {
    let is_list = !map.is_empty() && map.keys().enumerate().all(|(index, key)| **key == *index.to_string());
    let deeper = |value: &Value| match value {
        Value::Map(inner) => listed(inner),
        other => other.clone(),
    };
    if is_list {
        Value::list(map.values().map(deeper))
    } else {
        Value::map(map.iter().map(|(key, value)| (key.clone(), deeper(value))))
    }
}

/// Percent-decoding, `+` as a space; what is no escape stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn json(form: &str) -> Option<String> {
        read(form.as_bytes()).map(|value| value.to_json())
    }

    #[test]
    fn brackets_nest() {
        for (form, expected) in [
            (
                "event=ONCRMDEALADD&data%5BFIELDS%5D%5BID%5D=89&ts=17",
                r#"{"event":"ONCRMDEALADD","data":{"FIELDS":{"ID":"89"}},"ts":"17"}"#,
            ),
            ("a[0]=x&a[1]=y+z&b[]=1&b[]=2", r#"{"a":["x","y z"],"b":["1","2"]}"#),
            ("a[2]=x", r#"{"a":{"2":"x"}}"#),
            ("a=1&a=2&a[b]=3", r#"{"a":{"b":"3"}}"#),
            ("name=Zo%C3%AB&percent=100%&empty", r#"{"name":"Zoë","percent":"100%","empty":""}"#),
            ("", "{}"),
        ] {
            assert_eq!(json(form).as_deref(), Some(expected), "{form}");
        }
        assert_eq!(json("a[b=1"), None);
        assert_eq!(json(&format!("a{}=1", "[b]".repeat(20))), None, "nobody nests so deep");
    }

    proptest! {
        #[test]
        fn no_form_is_too_odd_to_read(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
        }
    }
}
