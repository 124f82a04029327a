//! What a method is called with: JSON, a form or a query, all of which come to one tree.

use serde_json::{Map, Value as Json};

use super::error::ApiError;
use crate::sandbox::reply::{Request, pairs};

/// The parameters of one call.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(pub(super) Map<String, Json>);

impl Params {
    /// Of a request: its body over its query. A body that says nothing of JSON is a form.
    pub(super) fn of(request: &Request) -> Self {
        let mut all = tree(&request.query);
        let text = String::from_utf8_lossy(&request.body);
        let is_json = request.header("content-type").is_some_and(|kind| kind.contains("json"));
        if is_json {
            if let Ok(Json::Object(body)) = serde_json::from_str(&text) {
                all.extend(body);
            }
        } else {
            all.extend(tree(&text));
        }
        Self(all)
    }

    /// Of one command of a batch.
    pub(super) fn of_query(query: &str) -> Self {
        Self(tree(query))
    }

    /// A top-level parameter; its name counts without regard to case.
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    }

    pub(super) fn need(&self, name: &str) -> Result<&Json, ApiError> {
        self.get(name).ok_or_else(|| ApiError::missing_parameter(name))
    }

    /// A map; an empty PHP array is one too.
    pub(super) fn map(&self, name: &str) -> Map<String, Json> {
        self.get(name).and_then(Json::as_object).cloned().unwrap_or_default()
    }

    /// The texts of a list; one alone is a list as well.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Json::Array(items)) => items.iter().map(text).collect(),
            Some(Json::Object(items)) => items.values().map(text).collect(),
            Some(one) => vec![text(one)],
            None => Vec::new(),
        }
    }

    /// The id of a record: a whole number, however it is written.
    pub(super) fn id(&self, name: &str) -> Result<u64, ApiError> {
        number(self.need(name)?).ok_or_else(|| ApiError::plain("ID is not defined or invalid."))
    }

    /// Where a page begins: -1 for pages that are not counted.
    pub(super) fn start(&self) -> i64 {
        self.get("start").and_then(|start| text(start).parse().ok()).unwrap_or(0)
    }
}

/// A value as PHP would print it.
pub(super) fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Bool(true) => "1".to_owned(),
        Json::Null | Json::Bool(false) => String::new(),
        other => other.to_string(),
    }
}

/// A whole number above zero.
pub(super) fn number(value: &Json) -> Option<u64> {
    text(value).parse().ok().filter(|number| *number > 0)
}

/// A query or a form as a tree: `fields[EMAIL][0][VALUE]=a@b.c`.
fn tree(text: &str) -> Map<String, Json> {
    let mut root = Map::new();
    for (name, value) in pairs(text) {
        let (first, rest) =
            name.split_once('[').map_or((name.as_str(), None), |(first, rest)| (first, Some(rest)));
        let mut keys = vec![first];
        keys.extend(rest.into_iter().flat_map(|rest| rest.trim_end_matches(']').split("][")));
        put(&mut root, &keys, value);
    }
    root.into_iter().map(|(key, value)| (key, listed(value))).collect()
}

fn put(map: &mut Map<String, Json>, keys: &[&str], value: String) {
    let [key, deeper @ ..] = keys else { return };
    let key = if key.is_empty() { map.len().to_string() } else { (*key).to_owned() };
    if deeper.is_empty() {
        map.insert(key, Json::String(value));
        return;
    }
    let inner = map.entry(key).or_insert_with(|| Json::Object(Map::new()));
    if let Json::Object(inner) = inner {
        put(inner, deeper, value);
    }
}

/// A map whose keys count from 0 is a list.
fn listed(value: Json) -> Json {
    let Json::Object(map) = value else { return value };
    let counts = !map.is_empty() && map.keys().enumerate().all(|(index, key)| *key == index.to_string());
    let inner = map.into_iter().map(|(key, value)| (key, listed(value)));
    if counts { inner.map(|(_, value)| value).collect() } else { Json::Object(inner.collect()) }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[test]
    fn brackets_are_a_tree() {
        let tree =
            tree("fields[EMAIL][0][VALUE]=ann%40x.io&filter[%3EID]=5&select[]=ID&select[]=NAME&start=-1");
        assert_eq!(
            Json::Object(tree),
            json!({"fields": {"EMAIL": [{"VALUE": "ann@x.io"}]}, "filter": {">ID": "5"}, "select": ["ID", "NAME"], "start": "-1"})
        );
    }
}
