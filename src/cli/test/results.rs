//! What came of all cases: the JSON form.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::coverage::Coverage;
use super::difference::{Difference, Line, lines};
use crate::diagnostic::Sources;
use crate::project::Pipeline;
use crate::rehearsal::{CaseResult, shown, word};
use crate::steps::Way;

/// What came of all cases.
#[derive(Debug, Default, Serialize)]
pub(super) struct Results {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) cases: Vec<Case>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) coverage: Option<Coverage>,
}

/// What came of a case.
#[derive(Debug, Default, Serialize)]
pub(super) struct Case {
    pub(super) client: String,
    pub(super) pipeline: String,
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) passed: bool,
    pub(super) seconds: f64,
    pub(super) outcome: Option<&'static str>,
    pub(super) reason: Option<String>,
    pub(super) writes: Vec<String>,
    /// What is not as expected, in words.
    pub(super) problems: Vec<String>,
    /// Where the writes are not as expected: all of them, expected and written.
    pub(super) differences: Vec<Difference>,
    /// In how many ways a case that converges was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ways: Option<usize>,
    /// The same differences, for people.
    #[serde(skip)]
    pub(super) lines: Vec<Line>,
}

/// Where each step of a pipeline stands, by its label.
pub(super) type Places = BTreeMap<Arc<str>, (String, usize)>;

pub(super) fn places(pipeline: &Pipeline, sources: &Sources) -> Places {
    let steps = pipeline.program.ways().into_iter().filter(|it| it.way == Way::Performed);
    steps.map(|it| (it.step, (it.place.file.to_string(), sources.position(&it.place).line))).collect()
}

impl Results {
    pub(super) fn add(&mut self, case: Case) {
        if case.passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        self.cases.push(case);
    }
}

impl Case {
    /// Fills in what came of it.
    pub(super) fn tell(&mut self, result: CaseResult, pipeline: &Pipeline, sources: &Sources) {
        self.passed = result.passed();
        self.outcome = Some(word(result.outcome));
        self.reason = result.reason;
        self.writes = result.made.iter().map(|made| shown(&made.write)).collect();
        self.problems = result.problems;
        if let Some(comparison) = result.comparison.filter(|comparison| !comparison.agrees()) {
            let places = places(pipeline, sources);
            self.lines = lines(&comparison, &places);
            self.differences = Difference::all(&comparison, &places);
            let text: Vec<String> = self.lines.iter().map(ToString::to_string).collect();
            self.problems.push(format!(
                "the writes are not as expected (- expected, + written):\n{}",
                text.join("\n")
            ));
        }
        let Some(tried) = result.tried else { return };
        self.ways = Some(tried.ways);
        if let Some(diverged) = tried.diverged {
            self.problems.push(format!(
                "it does not converge: {}, it ends otherwise than in the order in which it is written:\n{}",
                diverged.way,
                diverged.differences.join("\n")
            ));
        }
    }

    /// All that is not as expected, in words.
    pub(super) fn told(&self) -> String {
        self.problems.join("\n")
    }
}
