//! Which steps and branches the tests have reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::diagnostic::Sources;
use crate::project::{Client, Pipeline, Project};
use crate::rehearsal::Taken;
use crate::steps::Way;

/// What tests have taken of each pipeline's ways, by client and pipeline.
#[derive(Debug, Default)]
pub(super) struct Reached(BTreeMap<(Arc<str>, Arc<str>), BTreeSet<Taken>>);

/// How much of the steps and branches was reached.
#[derive(Debug, Serialize)]
pub(super) struct Coverage {
    /// In percent, of all.
    pub(super) percent: f64,
    /// How many were reached.
    pub(super) reached: usize,
    /// How many there are.
    pub(super) all: usize,
    /// Those that were not reached, by file and line.
    pub(super) missed: Vec<Missed>,
}

/// A step or branch that no test has reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Missed {
    pub(super) file: String,
    pub(super) line: usize,
    /// The step.
    pub(super) step: String,
    /// What no test shows: a sentence's end.
    pub(super) what: String,
    /// False for the branches of a step that is not even performed.
    #[serde(skip)]
    told: bool,
}

/// A way of the whole project: where it is written, whose it is, and which. A part is one, however often it is used.
type Spot = (String, usize, Arc<str>, Way);

impl Reached {
    pub(super) fn add(&mut self, client: &Client, pipeline: &Pipeline, taken: &BTreeSet<Taken>) {
        let key = (Arc::clone(client.name()), Arc::clone(&pipeline.name));
        self.0.entry(key).or_default().extend(taken.iter().cloned());
    }

    fn has(&self, client: &Client, pipeline: &Pipeline, taken: &Taken) -> bool {
        let key = (Arc::clone(client.name()), Arc::clone(&pipeline.name));
        self.0.get(&key).is_some_and(|all| all.contains(taken))
    }
}

impl Coverage {
    /// What was reached of all pipelines of `project` that are not switched off.
    pub(super) fn of(project: &Project, sources: &Sources, reached: &Reached) -> Self {
        let mut spots: BTreeMap<Spot, bool> = BTreeMap::new();
        for client in project.clients() {
            for pipeline in client.pipelines.iter().filter(|pipeline| pipeline.enabled) {
                for way in pipeline.program.ways() {
                    let line = sources.position(&way.place).line;
                    let taken = (way.step, way.way);
                    let is_reached = reached.has(client, pipeline, &taken);
                    let (step, way_taken) = taken;
                    *spots.entry((way.place.file.to_string(), line, step, way_taken)).or_default() |=
                        is_reached;
                }
            }
        }
        let count = spots.values().filter(|reached| **reached).count();
        let performed: BTreeSet<(&String, &Arc<str>)> = spots
            .iter()
            .filter(|((.., way), reached)| *way == Way::Performed && **reached)
            .map(|((file, _, step, _), _)| (file, step))
            .collect();
        let missed =
            spots.iter().filter(|(_, reached)| !**reached).map(|((file, line, step, way), _)| Missed {
                file: file.clone(),
                line: *line,
                step: step.to_string(),
                what: way.in_words(),
                told: *way == Way::Performed || &**step == "trigger" || performed.contains(&(file, step)),
            });
        Self {
            percent: percent(count, spots.len()),
            reached: count,
            all: spots.len(),
            missed: missed.collect(),
        }
    }

    /// True when less than so many percent were reached.
    pub(super) fn is_below(&self, percent: u8) -> bool {
        self.reached * 100 < self.all * usize::from(percent)
    }

    /// What people are told of: not the branches of a step that is not even performed.
    pub(super) fn told(&self) -> impl Iterator<Item = &Missed> {
        self.missed.iter().filter(|missed| missed.told)
    }
}

/// To one place, rounded down: what is not whole is never told as 100 %.
#[expect(clippy::cast_precision_loss, reason = "no project has 2^52 steps")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 100.0 } else { (part as f64 * 1000.0 / whole as f64).floor() / 10.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_not_told_as_whole() {
        let shown = |part, whole| format!("{:.1}", percent(part, whole));
        assert_eq!(shown(0, 0), "100.0");
        assert_eq!(shown(2, 3), "66.6");
        assert_eq!(shown(9_999, 10_000), "99.9");
        assert_eq!(shown(5, 5), "100.0");
    }
}
