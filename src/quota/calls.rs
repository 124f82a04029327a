//! Calls, at the least and at the most.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::Serialize;

/// How many calls: at the least, and at the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// When all is there and nothing differs.
    pub least: u64,
    /// When everything has to be looked for and written.
    pub most: u64,
}

impl Calls {
    pub(super) fn new(least: u64, most: u64) -> Self {
        Self { least, most }
    }

    pub(super) fn times(self, factor: u64) -> Self {
        Self { least: self.least * factor, most: self.most * factor }
    }
}

impl std::ops::AddAssign for Calls {
    fn add_assign(&mut self, other: Self) {
        self.least += other.least;
        self.most += other.most;
    }
}

/// `3`, or `2-5`.
impl std::fmt::Display for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.least == self.most {
            write!(f, "{}", self.most)
        } else {
            write!(f, "{}-{}", self.least, self.most)
        }
    }
}

/// Calls by connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Counts(pub IndexMap<Arc<str>, Calls>);

impl Counts {
    pub(super) fn add(&mut self, connection: &Arc<str>, calls: Calls) {
        *self.0.entry(Arc::clone(connection)).or_default() += calls;
    }

    pub(super) fn add_all(&mut self, other: Self) {
        for (connection, calls) in other.0 {
            self.add(&connection, calls);
        }
    }

    /// Of one of several ways, none of which is sure: the least of all, and the most.
    pub(super) fn either(ways: &[Self]) -> Self {
        let mut all = Self::default();
        for connection in ways.iter().flat_map(|way| way.0.keys()) {
            let of = |way: &Self| way.0.get(connection).copied().unwrap_or_default();
            let least = ways.iter().map(|way| of(way).least).min().unwrap_or_default();
            let most = ways.iter().map(|way| of(way).most).max().unwrap_or_default();
            all.0.insert(Arc::clone(connection), Calls { least, most });
        }
        all
    }

    /// The same, when it may not happen at all.
    pub(super) fn perhaps(mut self) -> Self {
        for calls in self.0.values_mut() {
            calls.least = 0;
        }
        self
    }

    pub(super) fn times_at_most(mut self, factor: u64) -> Self {
        for calls in self.0.values_mut() {
            calls.most *= factor;
        }
        self
    }
}
