//! All findings of one check, sorted, with their count.

use super::{Diagnostic, Severity, Sources, human, json};

/// The findings of a check, in the order in which a reader meets them: by file, place and code.
#[derive(Debug)]
pub struct Report {
    /// The findings, sorted.
    pub findings: Vec<Diagnostic>,
    /// How many files were read.
    pub files: usize,
}

impl Report {
    /// Sorts `findings` by where they are.
    pub fn new(mut findings: Vec<Diagnostic>, sources: &Sources) -> Self {
        findings.sort_by_cached_key(|finding| {
            let span = sources.resolve(&finding.place);
            (finding.place.file.clone(), span.start, finding.code.as_str(), span.end, finding.message.clone())
        });
        findings.dedup();
        Self { findings, files: sources.len() }
    }

    /// How many findings are errors.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many findings are warnings.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The findings as a person reads them in a terminal, each with its excerpt, then one closing line.
    pub fn render_human(&self, sources: &Sources, color: human::Color) -> String {
        human::render(self, sources, color)
    }

    /// The findings as one JSON object for programs, with a line end.
    pub fn render_json(&self, sources: &Sources) -> String {
        json::render(self, sources)
    }
}
