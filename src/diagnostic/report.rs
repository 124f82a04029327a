//! All findings of one check, sorted, with their count.

use super::{Diagnostic, Severity, Sources, github, human, json, sarif};

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

    /// The findings as a SARIF 2.1.0 log, which code scanning reads, with a line end.
    pub fn render_sarif(&self, sources: &Sources) -> String {
        sarif::render(self, sources)
    }

    /// The findings as commands of a GitHub workflow, which shows each beside its line, then one closing line.
    pub fn render_github(&self, sources: &Sources) -> String {
        github::render(self, sources)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use insta::assert_snapshot;
    use pretty_assertions::assert_eq;

    use super::super::{Code, Color, Place, SourceFile, Span};
    use super::*;

    /// Two files, and findings in no order.
    fn report() -> (Report, Sources) {
        let mut sources = Sources::new();
        sources.add(Arc::new(SourceFile::new(
            "pipelines/acme/b.yaml",
            "name: b\r\nfields:\r\n  Größe: OwnrId x\r\n",
        )));
        sources.add(Arc::new(SourceFile::new("pipelines/acme/a.yaml", "name: a\nother: 1\nname: c\n")));
        let at =
            |file: &str, start, end| Place::bytes(format!("pipelines/acme/{file}"), Span::new(start, end));
        let findings = vec![
            Diagnostic::new(Code::UnknownKey, at("b.yaml", 29, 35), "`OwnrId` is not a field")
                .label("the fields do not have it")
                .related(at("a.yaml", 0, 4), "the other file says so")
                .help("did you mean `OwnerId`?"),
            Diagnostic::new(Code::PlusNumber, at("a.yaml", 15, 16), "a warning"),
            Diagnostic::new(Code::DuplicateKey, at("a.yaml", 17, 21), "the key `name` is written twice")
                .label("again")
                .related(at("a.yaml", 0, 4), "first written here"),
            Diagnostic::new(Code::StrayFile, Place::file("pipelines/gone.yml"), "`gone.yml` is not read"),
        ];
        (Report::new(findings, &sources), sources)
    }

    #[test]
    fn a_person_sees_the_lines_and_the_way_out() {
        let (report, sources) = report();
        assert_snapshot!(report.render_human(&sources, Color::Plain), @r#"
        warning[plus-number]: a warning
         --> pipelines/acme/a.yaml:2:8
          |
        2 | other: 1
          |        ^
          |
          = more: lockstep rules plus-number

        error[duplicate-key]: the key `name` is written twice
         --> pipelines/acme/a.yaml:3:1
          |
        1 | name: a
          | ---- first written here
        2 | other: 1
        3 | name: c
          | ^^^^ again
          |
          = more: lockstep rules duplicate-key

        error[unknown-key]: `OwnrId` is not a field
         --> pipelines/acme/b.yaml:3:10
          |
        3 |   Größe: OwnrId x
          |          ^^^^^^ the fields do not have it
          |
         ::: pipelines/acme/a.yaml:1:1
          |
        1 | name: a
          | ---- the other file says so
          |
          = help: did you mean `OwnerId`?
          = more: lockstep rules unknown-key

        warning[stray-file]: `gone.yml` is not read
        --> pipelines/gone.yml
         = more: lockstep rules stray-file

        checked 2 files: 2 errors, 2 warnings
        "#);
    }

    #[test]
    fn a_program_gets_positions_from_one() {
        let (report, sources) = report();
        assert_snapshot!(report.render_json(&sources), @r#"
        {
          "findings": [
            {
              "code": "plus-number",
              "severity": "warning",
              "message": "a warning",
              "help": null,
              "file": "pipelines/acme/a.yaml",
              "line": 2,
              "column": 8,
              "end_line": 2,
              "end_column": 9,
              "label": null,
              "related": [],
              "fix": null
            },
            {
              "code": "duplicate-key",
              "severity": "error",
              "message": "the key `name` is written twice",
              "help": null,
              "file": "pipelines/acme/a.yaml",
              "line": 3,
              "column": 1,
              "end_line": 3,
              "end_column": 5,
              "label": "again",
              "related": [
                {
                  "message": "first written here",
                  "file": "pipelines/acme/a.yaml",
                  "line": 1,
                  "column": 1,
                  "end_line": 1,
                  "end_column": 5
                }
              ],
              "fix": null
            },
            {
              "code": "unknown-key",
              "severity": "error",
              "message": "`OwnrId` is not a field",
              "help": "did you mean `OwnerId`?",
              "file": "pipelines/acme/b.yaml",
              "line": 3,
              "column": 10,
              "end_line": 3,
              "end_column": 16,
              "label": "the fields do not have it",
              "related": [
                {
                  "message": "the other file says so",
                  "file": "pipelines/acme/a.yaml",
                  "line": 1,
                  "column": 1,
                  "end_line": 1,
                  "end_column": 5
                }
              ],
              "fix": null
            },
            {
              "code": "stray-file",
              "severity": "warning",
              "message": "`gone.yml` is not read",
              "help": null,
              "file": "pipelines/gone.yml",
              "line": 1,
              "column": 1,
              "end_line": 1,
              "end_column": 1,
              "label": null,
              "related": [],
              "fix": null
            }
          ],
          "files": 2,
          "errors": 2,
          "warnings": 2
        }
        "#);
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        let (report, sources) = report();
        assert!(report.render_human(&sources, Color::Styled).contains("\u{1b}["));
        assert!(!report.render_human(&sources, Color::Plain).contains('\u{1b}'));
    }

    #[test]
    fn one_finding_told_twice_is_one_and_none_is_a_line() {
        let (mut report, sources) = report();
        let twice = report.findings.iter().chain(&report.findings).cloned().collect();
        let once = Report::new(twice, &sources);
        assert_eq!(once.findings, report.findings);
        assert_eq!((once.errors(), once.warnings(), once.files), (2, 2, 2));
        report.findings.clear();
        assert_eq!(report.render_human(&sources, Color::Plain), "checked 2 files: no findings\n");
    }
}
