//! `batch`: up to fifty commands in one request, and always 200.

use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::params::{Params, text};
use super::portal::Portal;
use super::router;
use crate::sandbox::reply::{decode, encode};

/// The most commands of one batch.
const COMMANDS_MAX: usize = 50;

impl Portal {
    pub(super) fn batch(&mut self, params: &Params) -> Result<Json, ApiError> {
        let commands: Vec<(String, String)> = match params.get("cmd") {
            Some(Json::Array(items)) => {
                items.iter().enumerate().map(|(key, item)| (key.to_string(), text(item))).collect()
            }
            Some(Json::Object(items)) => items.iter().map(|(key, item)| (key.clone(), text(item))).collect(),
            _ => Vec::new(),
        };
        if commands.len() > COMMANDS_MAX {
            return Err(ApiError::new("ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded"));
        }
        let halt = params.get("halt").is_some_and(|halt| !matches!(text(halt).as_str(), "" | "0" | "false"));
        let mut parts = Parts::default();
        for (key, command) in commands {
            match self.command(&command, &parts.result) {
                Ok(answer) => {
                    parts.time.insert(key.clone(), answer["time"].clone());
                    for (name, part) in [("total", &mut parts.total), ("next", &mut parts.next)] {
                        if let Some(value) = answer.get(name) {
                            part.insert(key.clone(), value.clone());
                        }
                    }
                    parts.result.insert(key, answer["result"].clone());
                }
                Err(error) => {
                    parts.error.insert(key, error.body());
                    if halt {
                        break;
                    }
                }
            }
        }
        Ok(json!({
            "result": php(parts.result),
            "result_error": php(parts.error),
            "result_total": php(parts.total),
            "result_next": php(parts.next),
            "result_time": php(parts.time),
        }))
    }

    fn command(&mut self, command: &str, results: &Map<String, Json>) -> Result<Json, ApiError> {
        // Many clients encode the brackets of what refers to an earlier answer.
        let (method, query) = command.split_once('?').unwrap_or((command, ""));
        let query = referred(query, results);
        if router::name(method) == "batch" {
            let refusal =
                ApiError::new("ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage");
            return Err(refusal.status(405));
        }
        router::call(self, method, &Params::of_query(&query))
    }
}

#[derive(Default)]
struct Parts {
    result: Map<String, Json>,
    error: Map<String, Json>,
    total: Map<String, Json>,
    next: Map<String, Json>,
    time: Map<String, Json>,
}

/// An empty PHP array is a list, and so is one whose keys count from 0.
fn php(map: Map<String, Json>) -> Json {
    let counts = map.keys().enumerate().all(|(index, key)| *key == index.to_string());
    if counts { map.into_iter().map(|(_, value)| value).collect() } else { Json::Object(map) }
}

/// A query with `$result[key][field]` replaced by what earlier commands gave; what does not resolve becomes empty.
fn referred(query: &str, results: &Map<String, Json>) -> String {
    let pairs = query.split('&').map(|pair| {
        let Some((name, value)) = pair.split_once('=') else { return pair.to_owned() };
        let decoded = decode(value);
        match decoded.strip_prefix("$result[") {
            Some(path) => {
                let mut keys = path.trim_end_matches(']').split("][");
                let first = keys.next().and_then(|key| results.get(key));
                let found = keys.fold(first, |value, key| {
                    let value = value?;
                    value.get(key).or_else(|| value.get(key.parse::<usize>().ok()?))
                });
                format!("{name}={}", encode(&found.map(text).unwrap_or_default()))
            }
            None => pair.to_owned(),
        }
    });
    pairs.collect::<Vec<_>>().join("&")
}
