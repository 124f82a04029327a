//! `lockstep validate --fix`: what can have been meant in one way only is put right in the files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use tempfile::NamedTempFile;

use crate::diagnostic::{Diagnostic, Fix, Replacement, Report, Sources};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Puts safe fixes into files, round by round: what was in the way of reading a file may hide more of them. No byte is
/// written twice, so it comes to an end.
pub(super) struct Fixer {
    /// The folder as seen from which files are named.
    here: PathBuf,
    /// The bytes of each file that are written by us.
    written: BTreeMap<Arc<str>, Vec<Range<usize>>>,
    /// What was done, a line each.
    pub(super) done: Vec<String>,
}

/// The replacements of one file.
type Edits<'a> = Vec<Replacement<'a>>;

/// The findings that `--fix` would put right.
pub(super) fn fixable<'a>(
    report: &'a Report,
    sources: &'a Sources,
) -> impl Iterator<Item = (&'a Diagnostic, Edits<'a>)> {
    report.findings.iter().filter_map(|finding| {
        let fix = finding.fix.as_ref().filter(|fix: &&Fix| fix.safe)?;
        Some((finding, sources.replacements(fix)?))
    })
}

impl Fixer {
    pub(super) fn new(here: PathBuf) -> Self {
        Self { here, written: BTreeMap::new(), done: Vec::new() }
    }

    /// Puts into the files what can be; false when there was nothing to do.
    pub(super) fn round(&mut self, report: &Report, sources: &Sources) -> anyhow::Result<bool> {
        let mut files: BTreeMap<Arc<str>, Edits<'_>> = BTreeMap::new();
        for (finding, edits) in fixable(report, sources) {
            let is_free = edits.iter().all(|edit| {
                let taken = files.get(edit.file.path()).into_iter().flatten().map(|other| other.span.range());
                let written = self.written.get(edit.file.path()).into_iter().flatten().cloned();
                taken.chain(written).all(|other| !meet(&edit.span.range(), &other))
            });
            if !is_free {
                continue;
            }
            for edit in edits {
                self.done.push(told(finding, &edit));
                files.entry(Arc::clone(edit.file.path())).or_default().push(edit);
            }
        }
        for (file, edits) in &mut files {
            edits.sort_by_key(|edit| edit.span.start);
            replace(&self.here.join(&**file), edits)?;
            self.keep(file, edits);
        }
        Ok(!files.is_empty())
    }

    /// Remembers where in the file, as it is now, our texts are.
    fn keep(&mut self, file: &Arc<str>, edits: &[Replacement<'_>]) {
        let before = self.written.remove(file).unwrap_or_default();
        let moved = |at: usize| {
            let earlier = edits.iter().filter(|edit| edit.span.range().end <= at);
            earlier.fold(at, |at, edit| at + edit.text.len() - edit.span.range().len())
        };
        let ours = edits.iter().map(|edit| {
            let start = moved(edit.span.start as usize);
            start..start + edit.text.len()
        });
        let kept = before.into_iter().map(|range| moved(range.start)..moved(range.end));
        self.written.insert(Arc::clone(file), kept.chain(ours).collect());
    }
}

/// True when two ranges have a byte in common, or touch.
fn meet(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start <= b.end && b.start <= a.end
}

fn told(finding: &Diagnostic, edit: &Replacement<'_>) -> String {
    let line = edit.file.position(edit.span.start).line;
    let (old, new) = (edit.file.slice(edit.span), edit.text);
    format!("fixed {}:{line}: `{old}` is now `{new}` ({})", edit.file.path(), finding.code)
}

/// Writes a file anew, all of it or nothing: whoever reads it meanwhile sees the old text or the new one.
fn replace(path: &Path, edits: &[Replacement<'_>]) -> anyhow::Result<()> {
    let shown = path.display();
    // A link stays one.
    let path = path.canonicalize().with_context(|| format!("{shown} could not be fixed"))?;
    let text = fs::read_to_string(&path).with_context(|| format!("{shown} could not be fixed"))?;
    let mark = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK } else { "" };
    let before = &text[mark.len()..];
    let same = edits.first().is_none_or(|edit| **edit.file.text() == *before);
    ensure!(same, "{shown} was changed by somebody else while it was checked; nothing was written to it");
    let mut after = String::with_capacity(text.len());
    after.push_str(mark);
    let mut from = 0;
    for edit in edits {
        let range = edit.span.range();
        after.push_str(before.get(from..range.start).unwrap_or_default());
        after.push_str(edit.text);
        from = range.end;
    }
    after.push_str(before.get(from..).unwrap_or_default());
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).with_context(|| format!("{shown} could not be fixed"))?;
    let written = file
        .write_all(after.as_bytes())
        .and_then(|()| fs::metadata(&path))
        .and_then(|metadata| file.as_file().set_permissions(metadata.permissions()))
        .and_then(|()| file.as_file().sync_all());
    written.with_context(|| format!("{shown} could not be fixed"))?;
    file.persist(&path).with_context(|| format!("{shown} could not be fixed"))?;
    Ok(())
}
