//! What came of the cases, for people.

use std::fmt::Write;

use anstyle::AnsiColor;

use super::coverage::Coverage;
use super::results::{Case, Results};

/// What is not reached, at most; `--format json` has all of it.
const MISSED_MAX: usize = 100;

pub(super) fn human(results: &Results) -> String {
    let good = AnsiColor::Green.on_default();
    let mut text = String::new();
    let mut heading = String::new();
    for case in &results.cases {
        let name = format!("{}/{}", case.client, case.pipeline);
        if name != heading {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{name}");
            heading = name;
        }
        if case.passed {
            let ways = case.ways.map(|ways| format!(" ({ways} ways)")).unwrap_or_default();
            let _ = writeln!(text, "  {good}ok{good:#}    {}{ways}", case.name);
        } else {
            failed(&mut text, case);
        }
    }
    if results.cases.is_empty() {
        "no tests: write `<pipeline>.test.yaml` beside a pipeline".clone_into(&mut text);
    } else {
        let _ = write!(text, "\n{} passed, {} failed", results.passed, results.failed);
    }
    if let Some(coverage) = &results.coverage {
        covered(&mut text, coverage);
    }
    text
}

fn failed(text: &mut String, case: &Case) {
    let bad = AnsiColor::Red.on_default().bold();
    let (minus, plus) = (AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    let _ = writeln!(text, "  {bad}FAIL{bad:#}  {}\n        at {}:{}", case.name, case.file, case.line);
    for line in case.problems.iter().flat_map(|problem| problem.lines()) {
        let style = match line.chars().next() {
            Some('-') => minus,
            Some('+') => plus,
            _ => anstyle::Style::new(),
        };
        let _ = writeln!(text, "        {style}{line}{style:#}");
    }
}

fn covered(text: &mut String, coverage: &Coverage) {
    let _ = write!(
        text,
        "\n\ncoverage: {:.1} % ({} of {} steps and branches)",
        coverage.percent, coverage.reached, coverage.all
    );
    if coverage.missed.is_empty() {
        return;
    }
    let _ = write!(text, "\nno test in which");
    for missed in coverage.told().take(MISSED_MAX) {
        let _ = write!(text, "\n  {}:{}  {}: {}", missed.file, missed.line, missed.step, missed.what);
    }
    let more = coverage.told().count().saturating_sub(MISSED_MAX);
    if more > 0 {
        let _ = write!(text, "\n  and {more} more; --format json has them all");
    }
}
