//! Which points processes have come to, and how often.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::ops::AddAssign;
use std::path::Path;

use lockstep::failpoint::FAILPOINTS;

/// Point -> hits.
#[derive(Debug, Default, Clone)]
pub(super) struct Hits(BTreeMap<String, u64>);

impl Hits {
    /// What the processes have written down; a line that a kill has cut short is none.
    pub(super) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut hits = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            *hits.0.entry(line.to_owned()).or_default() += 1;
        }
        hits
    }

    /// How often somebody came to a point.
    pub(super) fn of(&self, point: &str) -> u64 {
        self.0.get(point).copied().unwrap_or(0)
    }

    /// Those of these points that nobody came to.
    pub(super) fn missing(&self, points: &[&'static str]) -> Vec<&'static str> {
        points.iter().filter(|point| !self.0.contains_key(**point)).copied().collect()
    }

    /// Shows them, whether or not the test fails.
    pub(super) fn print(&self, of: &str) {
        note(&format!("{of}: {self}"));
    }
}

/// Says something whether or not the test fails: `eprintln` is kept by the test harness when all is well.
pub(super) fn note(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

impl AddAssign for Hits {
    fn add_assign(&mut self, other: Self) {
        for (point, count) in other.0 {
            *self.0.entry(point).or_default() += count;
        }
    }
}

impl fmt::Display for Hits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for point in FAILPOINTS {
            write!(f, "\n  {point:<18} {:>7}", self.of(point))?;
        }
        Ok(())
    }
}
