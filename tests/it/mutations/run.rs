//! Checks files with a mistake in them, and judges what was found.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lockstep::check::{Checked, Environments, check};
use lockstep::config::{self, FileSet};

use super::Tried;
use super::client::{Client, Mistake};

/// What came of a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was found where it is.
    Placed,
    /// It was found, elsewhere: there.
    Elsewhere(Vec<String>),
    /// Nothing was found.
    Missed,
}

/// What is found in these files.
pub(super) fn findings(files: &FileSet) -> Vec<String> {
    let checked = checked(files, Environments::All);
    told(&checked).into_iter().collect()
}

fn checked(files: &FileSet, environments: Environments) -> Checked {
    check(config::load_kept(files).unwrap(), environments).unwrap()
}

/// Every finding, as file, code and message: it has no line, for lines move.
fn told(checked: &Checked) -> BTreeSet<String> {
    let findings = checked.report.findings.iter();
    findings.map(|it| format!("{} {} {}", it.place.file, it.code, it.message)).collect()
}

/// The verdict on each mistake, in their order.
pub(super) fn tried(mistakes: &[(&Client, Mistake)]) -> Vec<Tried> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((client, mistake)) = mistakes.get(next.fetch_add(1, Ordering::Relaxed)) {
            let tried = Tried { shown: mistake.shown.clone(), verdict: verdict(client, mistake) };
            done.push(tried);
        }
        done
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<Tried> = thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    });
    all.sort_by(|a, b| a.shown.cmp(&b.shown));
    all
}

fn verdict(client: &Client, mistake: &Mistake) -> Verdict {
    let mut files = client.files_about(&mistake.file);
    let before = told(&checked(&files, Environments::Base));
    for file in files.files.iter_mut().filter(|file| file.path == mistake.file) {
        file.text = Arc::from(&*mistake.text);
    }
    // Overlays are read in their own environments.
    let environments = if mistake.file.contains("/client.") { Environments::All } else { Environments::Base };
    let after = checked(&files, environments);
    let mut new = Vec::new();
    for finding in &after.report.findings {
        if before.contains(&format!("{} {} {}", finding.place.file, finding.code, finding.message)) {
            continue;
        }
        let places =
            std::iter::once(&finding.place).chain(finding.related.iter().map(|related| &related.place));
        for place in places {
            let [line, _] = after.sources.lines(place);
            if place.file == mistake.file && mistake.lines.contains(&line) {
                return Verdict::Placed;
            }
        }
        let [line, _] = after.sources.lines(&finding.place);
        new.push(format!("{}:{line} {} {}", finding.place.file, finding.code, finding.message));
    }
    if new.is_empty() { Verdict::Missed } else { Verdict::Elsewhere(new) }
}
