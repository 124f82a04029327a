//! The one document that JSONPath and Rhai read.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::value::{Map, Value};

/// What stays the same for all expressions of a run.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The time, frozen: `now` and `today()` are the same however often a run is retried or replayed.
    pub now: Timestamp,
    /// The client's time zone: what `today()` and dates without a `zone:` mean.
    pub zone: TimeZone,
}

/// A document and the frame in which it is read. Cheap to clone; `with` shares all but the top level.
#[derive(Debug, Clone)]
pub struct Context {
    root: Value,
    frame: Arc<Frame>,
}

impl Frame {
    /// A frame at `now` in `zone`.
    pub fn new(now: Timestamp, zone: TimeZone) -> Self {
        Self { now, zone }
    }
}

impl Context {
    /// A context over the top-level names of `root`, a map. Adds `now`: the frame's time in Unix seconds,
    /// comparable with a Stripe timestamp.
    pub fn new(root: Value, frame: Frame) -> Self {
        let mut root = root;
        top(&mut root).insert("now".into(), Value::Int(frame.now.as_second()));
        Self { root, frame: Arc::new(frame) }
    }

    /// The same context in which `name` is `value`: a loop variable, `found`, an argument of a part.
    #[must_use]
    pub fn with(&self, name: &str, value: Value) -> Self {
        let mut map = self.root.as_map().cloned().unwrap_or_default();
        map.insert(name.into(), value);
        Self { root: map.into(), frame: Arc::clone(&self.frame) }
    }

    /// Sets what the step `id` gave, as `steps.<id>`.
    pub fn set_step(&mut self, id: &str, value: Value) {
        self.set_in("steps", id, value);
    }

    /// Sets `name` inside the map under the top-level name `map`, as `set.<name>` and `steps.<id>` need it.
    pub fn set_in(&mut self, map: &str, name: &str, value: Value) {
        let root = top(&mut self.root);
        let inner = root.entry(map.into()).or_default();
        top(inner).insert(name.into(), value);
    }

    /// The whole document.
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// What is frozen for the run.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// The map of `value`, which becomes an empty one if it is not a map; copied only when it is shared.
fn top(value: &mut Value) -> &mut Map {
    if !matches!(value, Value::Map(_)) {
        *value = Map::new().into();
    }
    match value {
        Value::Map(map) => Arc::make_mut(map),
        _ => unreachable!("made a map above"),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn context(json: &str) -> Context {
        let root = Value::from_json(json.as_bytes()).unwrap();
        Context::new(root, Frame::new("2026-03-02T10:00:00Z".parse().unwrap(), TimeZone::UTC))
    }

    #[test]
    fn with_adds_a_name_and_leaves_the_other_context_alone() {
        let outer = context(r#"{"object":{"id":1}}"#);
        let inner = outer.with("line", Value::from(7));
        assert_eq!(inner.root().at(&["line"]), Some(&Value::from(7)));
        assert_eq!(inner.root().at(&["object", "id"]), Some(&Value::from(1)));
        assert_eq!(outer.root().get("line"), None);
    }

    #[test]
    fn steps_and_sets_are_filled_one_by_one() {
        let mut context = context("{}");
        context.set_step("account", Value::from("a"));
        context.set_step("task", Value::from("t"));
        context.set_in("set", "plan", Value::from("gold"));
        assert_eq!(context.root().at(&["steps", "account"]), Some(&Value::from("a")));
        assert_eq!(context.root().at(&["steps", "task"]), Some(&Value::from("t")));
        assert_eq!(context.root().at(&["set", "plan"]), Some(&Value::from("gold")));
    }

    #[test]
    fn now_is_in_seconds() {
        assert_eq!(context("{}").root().get("now"), Some(&Value::from(1_772_445_600)));
    }
}
