//! Lays what a test says over a full sample event.

use crate::value::{Map, Value};

/// The sample event with `given` laid over it: its key `object` over `data.object`, `previous` over
/// `data.previous_attributes`, every other key over the envelope.
///
/// Maps are merged key by key. A list replaces a list, but each map in it is laid over the sample's element of
/// that position (or its last one), so that a line of an invoice needs only what the test is about.
pub fn lay_over(sample: &Value, given: &Value) -> Value {
    let Some(given) = given.as_map() else { return sample.clone() };
    let mut event = sample.as_map().cloned().unwrap_or_default();
    let mut data = event.get("data").and_then(Value::as_map).cloned().unwrap_or_default();
    for (key, value) in given {
        match &**key {
            "object" => put(&mut data, "object", value),
            "previous" => put(&mut data, "previous_attributes", value),
            _ => put(&mut event, key, value),
        }
    }
    // `data` may itself have been given, in Stripe's own spelling.
    if let Some(spelled) = given.get("data") {
        data = merged(&Value::from(data), spelled).as_map().cloned().unwrap_or_default();
    }
    event.insert("data".into(), Value::from(data));
    Value::from(event)
}

fn put(map: &mut Map, key: &str, value: &Value) {
    let value = map.get(key).map_or_else(|| value.clone(), |old| merged(old, value));
    map.insert(key.into(), value);
}

fn merged(under: &Value, over: &Value) -> Value {
    match (under, over) {
        (Value::Map(under), Value::Map(over)) => {
            let mut map = Map::clone(under);
            for (key, value) in over.iter() {
                put(&mut map, key, value);
            }
            Value::from(map)
        }
        (Value::List(under), Value::List(over)) => {
            Value::list(over.iter().enumerate().map(
                |(at, value)| match under.get(at).or_else(|| under.last()) {
                    Some(template @ Value::Map(_)) => merged(template, value),
                    _ => value.clone(),
                },
            ))
        }
        _ => over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn lay(sample: &str, given: &str) -> String {
        let parse = |text: &str| Value::from_json(text.as_bytes()).unwrap();
        lay_over(&parse(sample), &parse(given)).to_json()
    }

    #[test]
    fn object_and_previous_go_into_the_data_and_the_rest_over_the_envelope() {
        assert_eq!(
            lay(
                r#"{"id":"evt_1","livemode":false,"data":{"object":{"id":"in_1","total":5}}}"#,
                r#"{"livemode":true,"object":{"total":7},"previous":{"total":5}}"#
            ),
            r#"{"id":"evt_1","livemode":true,"data":{"object":{"id":"in_1","total":7},"previous_attributes":{"total":5}}}"#
        );
    }

    #[test]
    fn elements_of_a_list_are_laid_over_the_samples() {
        assert_eq!(
            lay(
                r#"{"data":{"object":{"lines":[{"id":"il_1","amount":1}],"tags":["a","b"]}}}"#,
                r#"{"object":{"lines":[{"amount":2},{"amount":3}],"tags":["c"]}}"#
            ),
            r#"{"data":{"object":{"lines":[{"id":"il_1","amount":2},{"id":"il_1","amount":3}],"tags":["c"]}}}"#
        );
    }

    #[test]
    fn null_takes_a_value_away() {
        assert_eq!(
            lay(r#"{"data":{"object":{"email":"a@b.example"}}}"#, r#"{"object":{"email":null}}"#),
            r#"{"data":{"object":{"email":null}}}"#
        );
    }
}
