//! Form encoding with nested brackets: `items[0][price]=price_1` becomes a tree of text.

use serde_json::{Map, Value as Json};

use super::error::ApiError;

/// Deeper brackets than any parameter of Stripe's has.
const DEPTH_MAX: usize = 8;

/// The tree of a form's pairs. Leaves are text; keys that count (`0`, `1`, empty) make a list.
pub(super) fn tree(pairs: Vec<(String, String)>) -> Result<Map<String, Json>, ApiError> {
    let mut top = Map::new();
    for (key, value) in pairs {
        let path =
            segments(&key).ok_or_else(|| ApiError::invalid(format!("Invalid parameter name: {key}")))?;
        insert(&mut top, &path, value);
    }
    Ok(top.into_iter().map(|(key, value)| (key.clone(), listed(&key, value))).collect())
}

/// `a[b][0]` is `a`, `b`, `0`; `None` when the brackets do not fit.
fn segments(key: &str) -> Option<Vec<&str>> {
    let (head, mut rest) = key.split_at(key.find('[').unwrap_or(key.len()));
    let mut path = vec![head];
    while !rest.is_empty() {
        let end = rest.find(']')?;
        path.push(rest.get(1..end)?);
        rest = &rest[end + 1..];
        if !(rest.is_empty() || rest.starts_with('[')) || path.len() > DEPTH_MAX {
            return None;
        }
    }
    (!head.is_empty()).then_some(path)
}

fn insert(map: &mut Map<String, Json>, path: &[&str], value: String) {
    let Some((head, rest)) = path.split_first() else { return };
    // `a[]=x&a[]=y` counts by itself.
    let name = if head.is_empty() { map.len().to_string() } else { (*head).to_owned() };
    if rest.is_empty() {
        map.insert(name, Json::String(value));
        return;
    }
    let inner = map.entry(name).or_insert_with(|| Json::Object(Map::new()));
    if !inner.is_object() {
        *inner = Json::Object(Map::new());
    }
    if let Json::Object(inner) = inner {
        insert(inner, rest, value);
    }
}

/// Maps whose keys count become lists. Metadata never does: its keys are the user's.
fn listed(key: &str, value: Json) -> Json {
    let Json::Object(map) = value else { return value };
    if key == "metadata" {
        return Json::Object(map);
    }
    let counts = !map.is_empty() && map.keys().all(|key| key.bytes().all(|byte| byte.is_ascii_digit()));
    if !counts {
        return Json::Object(
            map.into_iter().map(|(key, value)| (key.clone(), listed(&key, value))).collect(),
        );
    }
    let mut items: Vec<(usize, Json)> = map
        .into_iter()
        .map(|(index, value)| (index.parse().unwrap_or(usize::MAX), listed("", value)))
        .collect();
    items.sort_by_key(|(index, _)| *index);
    Json::Array(items.into_iter().map(|(_, value)| value).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pretty_assertions::assert_eq;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::clock::SystemClock;
    use crate::connector::{
        Action, Call, Connection, ConnectionParts, Http, MemoryVault, Surroundings, builtin,
    };
    use crate::secret::Redactor;
    use crate::value::Value;

    thread_local!(static CONNECTION: Connection = connection());

    fn connection() -> Connection {
        let parts = ConnectionParts {
            client: "acme".into(),
            name: "stripe".into(),
            manifest: builtin("stripe").unwrap(),
            config: [("api_key".into(), Value::from("sk_test_form"))].into_iter().collect(),
            rate_limit: None,
            concurrency: None,
            timeout: None,
            read_only: false,
            fields: [].into(),
        };
        let around = Surroundings {
            http: Http::new().unwrap(),
            clock: Arc::new(SystemClock),
            redactor: Redactor::default(),
            vault: Arc::new(MemoryVault::default()),
            commons: None,
        };
        Connection::open(parts, around).unwrap()
    }

    /// Trees as parameters have them: texts, maps with names of any kind, lists without gaps.
    fn trees() -> impl Strategy<Value = Json> {
        let leaf = r#"[a-z&=+%\[\]#?"'é😀 \n]{1,8}"#.prop_map(Json::String);
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..3).prop_map(Json::Array),
                proptest::collection::btree_map("[a-z&=+%#é ]{1,5}", inner, 1..3)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        /// What the manifest's encoding writes, the simulator reads back: no value becomes another parameter.
        #[test]
        fn parameters_are_read_back_as_they_were_given(metadata in "[a-z=&\\+]{0,6}", tree in trees()) {
            let given = json!({ "description": "x", "metadata": { "note": metadata }, "custom": tree });
            let fields = Value::from(&given).as_map().cloned().unwrap();
            let action = Action::Create { object: "customer".into(), fields };
            let request = CONNECTION.with(|connection| connection.preview(&Call::new("stripe", action))).unwrap();
            let read = tree_of(&request.body.unwrap());
            prop_assert_eq!(read, given);
        }
    }

    fn tree_of(form: &str) -> Json {
        Json::Object(tree(pairs(form)).unwrap())
    }
    use crate::sandbox::reply::pairs;

    #[test]
    fn brackets_make_maps_and_lists() {
        for (form, expected) in [
            (
                "items[0][price]=p1&items[0][quantity]=2&items[1][price]=p2",
                json!({"items": [{"price": "p1", "quantity": "2"}, {"price": "p2"}]}),
            ),
            ("metadata[crm_id]=001&metadata[old]=", json!({"metadata": {"crm_id": "001", "old": ""}})),
            ("metadata[1]=x", json!({"metadata": {"1": "x"}})),
            ("types[]=a&types[]=b", json!({"types": ["a", "b"]})),
            ("created[gte]=1&trial_end=now", json!({"created": {"gte": "1"}, "trial_end": "now"})),
        ] {
            assert_eq!(Json::Object(tree(pairs(form)).unwrap()), expected, "{form}");
        }
    }

    #[test]
    fn broken_brackets_are_refused() {
        for form in ["a[b=1", "a[b]c=1", "[a]=1", "a[1][2][3][4][5][6][7][8][9]=1"] {
            assert!(tree(pairs(form)).is_err(), "{form}");
        }
    }
}
