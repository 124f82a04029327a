//! What the simulated account holds: objects, events, and the deliveries that are due.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::delivery::Delivery;
use super::error::{Answer, ApiError};
use super::idempotency::Keys;
use crate::catalog::Catalog;
use crate::clock::SharedClock;
use crate::sandbox::calls::Counts;

/// An account with more objects than this is answered 503: a runaway loop must not eat the machine.
const OBJECTS_MAX: usize = 200_000;

/// Of events the newest are kept, as Stripe keeps the last thirty days.
const EVENTS_MAX: usize = 50_000;

/// Why something changes, as events tell it in `request`.
#[derive(Debug, Clone, Default)]
pub(super) struct Cause {
    pub(super) request: Option<String>,
    pub(super) idempotency_key: Option<String>,
}

/// What a payment method does when it is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payment {
    Succeeds,
    Declines,
    NeedsAuthentication,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) clock: SharedClock,
    pub(super) keys: Keys,
    pub(super) cause: Cause,
    /// Webhook secrets by endpoint; Stripe shows one only when it is created.
    pub(super) secrets: HashMap<String, String>,
    pub(super) payments: HashMap<String, Payment>,
    pub(super) due: Vec<Delivery>,
    pub(super) counts: Counts,
    /// Seconds after which search knows of a change.
    pub(super) search_lag: i64,
    /// When an object last changed, for search.
    pub(super) touched: HashMap<String, i64>,
    objects: IndexMap<&'static str, IndexMap<String, Json>>,
    /// What is left of deleted objects.
    stubs: HashMap<String, Json>,
    counters: HashMap<&'static str, u64>,
}

impl State {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            keys: Keys::default(),
            cause: Cause::default(),
            secrets: HashMap::new(),
            payments: HashMap::new(),
            due: Vec::new(),
            counts: Counts::default(),
            search_lag: 0,
            touched: HashMap::new(),
            objects: IndexMap::new(),
            stubs: HashMap::new(),
            counters: HashMap::new(),
        }
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// The next id of a kind: counted, so that the same calls give the same ids.
    pub(super) fn id(&mut self, prefix: &'static str) -> String {
        let count = self.counters.entry(prefix).or_insert(0);
        *count += 1;
        format!("{prefix}_Sandbox{count:07}")
    }

    /// An object of this kind in which everything that may be null is.
    pub(super) fn blank(&mut self, kind: &'static str, prefix: &'static str) -> Json {
        let blank = Catalog::newest().blank_object(kind);
        let mut object =
            blank.and_then(|blank| serde_json::to_value(&blank).ok()).unwrap_or_else(|| json!({}));
        object["id"] = json!(self.id(prefix));
        object["object"] = json!(kind);
        for key in ["created", "start_date", "billing_cycle_anchor"] {
            if object.get(key).is_some() {
                object[key] = json!(self.now());
            }
        }
        object
    }

    /// Stores a new object and tells the world.
    pub(super) fn create(&mut self, kind: &'static str, object: Json) -> Answer {
        self.insert(kind, object.clone())?;
        *self.counts.creates.entry(kind.to_owned()).or_insert(0) += 1;
        if let Some(event) = created_event(kind) {
            self.emit(event, &object, None);
        }
        Ok(object)
    }

    /// Stores a new object without an event.
    pub(super) fn insert(&mut self, kind: &'static str, object: Json) -> Result<(), ApiError> {
        if self.objects.values().map(IndexMap::len).sum::<usize>() >= OBJECTS_MAX {
            return Err(ApiError::full());
        }
        self.counts.writes += 1;
        let id = text(&object, "id");
        self.touched.insert(id.clone(), self.now());
        self.objects.entry(kind).or_default().insert(id, object);
        Ok(())
    }

    /// The object, if it is there and not deleted.
    pub(super) fn find(&self, kind: &str, id: &str) -> Option<&Json> {
        self.objects.get(kind)?.get(id)
    }

    /// What is left of a deleted object.
    pub(super) fn stub(&self, id: &str) -> Option<&Json> {
        self.stubs.get(id)
    }

    /// The object that a path names; a deleted one is not found.
    pub(super) fn get(&self, kind: &str, id: &str) -> Answer {
        self.find(kind, id).cloned().ok_or_else(|| ApiError::missing(kind, id, "id"))
    }

    /// The object that a parameter names.
    pub(super) fn referred(&self, kind: &str, id: &str, param: &str) -> Answer {
        self.find(kind, id).cloned().ok_or_else(|| ApiError::bad_reference(kind, id, param))
    }

    /// All objects of a kind, oldest first.
    pub(super) fn all(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Json> {
        self.objects.get(kind).into_iter().flat_map(IndexMap::values)
    }

    /// Puts the changed object in place of the old one. When something did change, `event` tells of it.
    pub(super) fn replace(&mut self, kind: &'static str, object: Json, event: Option<&str>) -> Json {
        let id = text(&object, "id");
        let now = self.now();
        let Some(old) = self.objects.entry(kind).or_default().insert(id.clone(), object.clone()) else {
            return object;
        };
        if old != object {
            self.counts.writes += 1;
            self.touched.insert(id, now);
            if let Some(event) = event {
                self.emit(event, &object, Some(previous(&old, &object)));
            }
        }
        object
    }

    /// Takes the object away; its stub remains.
    pub(super) fn delete(&mut self, kind: &'static str, id: &str) -> Answer {
        let objects = self.objects.entry(kind).or_default();
        let old = objects.shift_remove(id).ok_or_else(|| ApiError::missing(kind, id, "id"))?;
        self.counts.writes += 1;
        let stub = json!({"id": id, "object": kind, "deleted": true});
        self.stubs.insert(id.to_owned(), stub.clone());
        let event = format!("{}.deleted", event_name(kind));
        if Catalog::newest().event(&event).is_some() {
            self.emit(&event, &old, None);
        }
        Ok(stub)
    }

    /// Writes an event down and makes its deliveries due.
    pub(super) fn emit(&mut self, event_type: &str, object: &Json, previous: Option<Json>) {
        let mut data = Map::from_iter([("object".to_owned(), object.clone())]);
        if let Some(previous) = previous {
            data.insert("previous_attributes".to_owned(), previous);
        }
        let hooks: Vec<(String, String, Json)> = self
            .all("webhook_endpoint")
            .filter(|hook| hook["status"] == "enabled" && wants(hook, event_type))
            .map(|hook| (text(hook, "id"), text(hook, "url"), hook["api_version"].clone()))
            .collect();
        let event = json!({
            "id": self.id("evt"),
            "object": "event",
            "api_version": Catalog::newest().api_version(),
            "created": self.now(),
            "data": data,
            "livemode": false,
            "pending_webhooks": hooks.len(),
            "request": {"id": self.cause.request, "idempotency_key": self.cause.idempotency_key},
            "type": event_type,
        });
        for (hook, url, version) in hooks {
            let mut event = event.clone();
            if version.is_string() {
                event["api_version"] = version;
            }
            let secret = self.secrets.get(&hook).cloned().unwrap_or_default();
            self.due.push(Delivery::new(url, secret, event));
        }
        let events = self.objects.entry("event").or_default();
        if events.len() >= EVENTS_MAX {
            events.shift_remove_index(0);
        }
        events.insert(text(&event, "id"), event);
    }

    /// Everything by kind.
    pub(super) fn everything(&self) -> Json {
        let kinds = self.objects.iter();
        Json::Object(
            kinds.map(|(kind, objects)| ((*kind).to_owned(), objects.values().cloned().collect())).collect(),
        )
    }
}

fn wants(hook: &Json, event_type: &str) -> bool {
    let wanted = hook["enabled_events"].as_array();
    wanted.is_some_and(|types| types.iter().any(|name| name == "*" || name == event_type))
}

/// What events call an object: `customer.subscription.created` carries a subscription.
pub(super) fn event_name(kind: &str) -> &str {
    match kind {
        "subscription" => "customer.subscription",
        "tax_id" => "customer.tax_id",
        other => other,
    }
}

fn created_event(kind: &str) -> Option<&'static str> {
    let name = format!("{}.created", event_name(kind));
    Catalog::newest().event(&name).map(|event| event.name.as_str())
}

/// The old values of what changed: nested objects with their changed keys only, lists whole, null for new keys.
fn previous(old: &Json, new: &Json) -> Json {
    let (Json::Object(old), Json::Object(new)) = (old, new) else { return old.clone() };
    let mut changed = Map::new();
    for (key, new) in new {
        let before = old.get(key).unwrap_or(&Json::Null);
        if before != new {
            let nested = before.is_object() && new.is_object();
            changed.insert(key.clone(), if nested { previous(before, new) } else { before.clone() });
        }
    }
    for (key, gone) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
        changed.insert(key.clone(), gone.clone());
    }
    Json::Object(changed)
}

/// A field's text; empty when it is none.
pub(super) fn text(object: &Json, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

/// A field's whole number; zero when it is none.
pub(super) fn int(object: &Json, key: &str) -> i64 {
    object[key].as_i64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn previous_attributes_hold_changed_keys_only_and_lists_whole() {
        let old = json!({"a": 1, "b": {"x": 1, "y": 2}, "c": [1, 2], "gone": 5});
        let new = json!({"a": 1, "b": {"x": 1, "y": 3}, "c": [1, 3], "new": 6});
        assert_eq!(previous(&old, &new), json!({"b": {"y": 2}, "c": [1, 2], "new": null, "gone": 5}));
    }
}
