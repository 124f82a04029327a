//! What a run has used up of what its steps allow: attempts of a step with a `retry` of its own, and time that a step
//! waits for something or for somebody.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::journal::CallId;
use crate::value::{Map, Value};

/// What a run has used up, call by call; kept with it from one attempt to the next. Empty for nearly all runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    failed: BTreeMap<CallId, u32>,
    missed: BTreeMap<CallId, Timestamp>,
    held: Option<(CallId, Timestamp)>,
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

    /// This call needs at `now` what another run holds: gives since when it has, without a break, been so.
    pub fn hold(&mut self, call: &CallId, now: Timestamp) -> Timestamp {
        match &self.held {
            Some((held, since)) if held == call => *since,
            _ => {
                self.held = Some((call.clone(), now));
                now
            }
        }
    }

    /// Nobody holds what it needs, as far as it came: another time is waited for anew.
    pub fn go_on(&mut self) {
        self.held = None;
    }

    /// The text in which a store keeps it; `None` when there is nothing to keep.
    pub fn to_json(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        let failed = self.failed.iter().map(|(call, count)| (call.0.clone(), i64::from(*count).into()));
        let missed = self.missed.iter().map(|(call, at)| (call.0.clone(), at.as_microsecond().into()));
        let held = self.held.iter().map(|(call, at)| (call.0.clone(), at.as_microsecond().into()));
        let parts = [
            ("failed", Value::map::<Arc<str>>(failed)),
            ("missed", Value::map::<Arc<str>>(missed)),
            ("held", Value::map::<Arc<str>>(held)),
        ];
        Some(Value::map(parts).to_json())
    }

    /// Reads what [`to_json`](Self::to_json) wrote; nothing for anything else.
    pub fn from_json(text: &str) -> Option<Self> {
        let whole = Value::from_json(text.as_bytes()).ok()?;
        let part = |name: &str| whole.get(name).and_then(Value::as_map).into_iter().flat_map(Map::iter);
        let number = |value: &Value| if let Value::Int(number) = value { Some(*number) } else { None };
        let failed = part("failed")
            .map(|(call, count)| Some((CallId(call.clone()), u32::try_from(number(count)?).ok()?)));
        let times = |name| {
            let times = part(name);
            times.map(|(call, at)| {
                Some((CallId(call.clone()), Timestamp::from_microsecond(number(at)?).ok()?))
            })
        };
        Some(Self {
            failed: failed.collect::<Option<_>>()?,
            missed: times("missed").collect::<Option<_>>()?,
            held: times("held").next().flatten(),
        })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn who_is_held_again_waits_anew() {
        let (first, second) = (CallId("0".into()), CallId("1".into()));
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut spent = Spent::default();
        assert_eq!(spent.hold(&first, at(1)), at(1));
        assert_eq!(spent.hold(&second, at(5)), at(5));
        spent.go_on();
        assert_eq!(spent, Spent::default());
        assert_eq!(spent.hold(&second, at(9)), at(9));
    }

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
        assert_eq!(spent.hold(&first, began), began);
        assert_eq!(spent.hold(&first, Timestamp::MAX), began, "as long as it is the same call");
        assert_eq!(Spent::from_json(&spent.to_json().unwrap()), Some(spent));
        assert_eq!(Spent::from_json("[]").as_ref(), Some(&Spent::default()));
        assert_eq!(Spent::from_json(r#"{"failed":{"0":"x"}}"#), None);
    }
}
