//! What a run has used up of what its steps allow: attempts of a step with a `retry` of its own, and time that a step
//! waits for something.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::journal::CallId;
use crate::value::{Map, Value};

/// What a run has used up, call by call; kept with it from one attempt to the next. Empty for nearly all runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    failed: BTreeMap<CallId, u32>,
    missed: BTreeMap<CallId, Timestamp>,
}

impl Spent {
    /// How often this call has failed, if its step counts for itself.
    pub fn failures(&self, call: &CallId) -> u32 {
        self.failed.get(call).copied().unwrap_or(0)
    }

    /// The failures of all calls whose steps count for themselves: the run's own rule does not count them.
    pub fn all_failures(&self) -> u32 {
        self.failed.values().sum()
    }

    /// This call has failed once more.
    pub fn fail(&mut self, call: &CallId) {
        *self.failed.entry(call.clone()).or_default() += 1;
    }

    /// This call has not found at `now` what it waits for: gives when that was so for the first time.
    pub fn miss(&mut self, call: &CallId, now: Timestamp) -> Timestamp {
        *self.missed.entry(call.clone()).or_insert(now)
    }

    /// The text in which a store keeps it; `None` when there is nothing to keep.
    pub fn to_json(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        let failed = self.failed.iter().map(|(call, count)| (call.0.clone(), i64::from(*count).into()));
        let missed = self.missed.iter().map(|(call, at)| (call.0.clone(), at.as_microsecond().into()));
        let whole = Value::map([
            ("failed", Value::map(failed)),
            ("missed", Value::map::<std::sync::Arc<str>>(missed)),
        ]);
        Some(whole.to_json())
    }

    /// Reads what [`to_json`](Self::to_json) wrote; nothing for anything else.
    pub fn from_json(text: &str) -> Option<Self> {
        let whole = Value::from_json(text.as_bytes()).ok()?;
        let part = |name: &str| whole.get(name).and_then(Value::as_map).into_iter().flat_map(Map::iter);
        let number = |value: &Value| if let Value::Int(number) = value { Some(*number) } else { None };
        let failed = part("failed")
            .map(|(call, count)| Some((CallId(call.clone()), u32::try_from(number(count)?).ok()?)));
        let missed = part("missed")
            .map(|(call, at)| Some((CallId(call.clone()), Timestamp::from_microsecond(number(at)?).ok()?)));
        Some(Self { failed: failed.collect::<Option<_>>()?, missed: missed.collect::<Option<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn it_outlives_its_text() {
        let (first, second) = (CallId("0".into()), CallId("4[3].1#2".into()));
        let mut spent = Spent::default();
        assert_eq!(spent.to_json(), None);
        spent.fail(&first);
        spent.fail(&first);
        spent.fail(&second);
        let began = Timestamp::from_microsecond(1_700_000_000_000_001).unwrap();
        assert_eq!(spent.miss(&second, began), began);
        assert_eq!(spent.miss(&second, Timestamp::MAX), began, "the first miss counts");
        assert_eq!((spent.failures(&first), spent.all_failures()), (2, 3));
        assert_eq!(Spent::from_json(&spent.to_json().unwrap()), Some(spent));
        assert_eq!(Spent::from_json("[]").as_ref(), Some(&Spent::default()));
        assert_eq!(Spent::from_json(r#"{"failed":{"0":"x"}}"#), None);
    }
}
