//! Findings for programs: one JSON object, its form fixed.

use serde::Serialize;

use super::{Diagnostic, Report, Sources};

#[derive(Serialize)]
struct Output<'a> {
    findings: Vec<Finding<'a>>,
    files: usize,
    errors: usize,
    warnings: usize,
}

/// Lines and columns count from 1; the end is the position after the last character.
#[derive(Serialize)]
struct Finding<'a> {
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

pub(super) fn render(report: &Report, sources: &Sources) -> String {
    let output = Output {
        findings: report.findings.iter().map(|finding| place(finding, sources)).collect(),
        files: report.files,
        errors: report.errors(),
        warnings: report.warnings(),
    };
    // Plain structs of text and numbers have no way to fail.
    let mut text = serde_json::to_string_pretty(&output).unwrap_or_default();
    text.push('\n');
    text
}

fn place<'a>(finding: &'a Diagnostic, sources: &Sources) -> Finding<'a> {
    let span = sources.resolve(&finding.place);
    let ((line, column), (end_line, end_column)) =
        sources.file(&finding.place.file).map_or(((1, 1), (1, 1)), |file| {
            let (start, end) = (file.position(span.start), file.position(span.end));
            ((start.line, start.column), (end.line, end.column))
        });
    Finding {
        code: finding.code.as_str(),
        severity: finding.severity.as_str(),
        message: &finding.message,
        help: finding.help.as_deref(),
        file: &finding.place.file,
        line,
        column,
        end_line,
        end_column,
    }
}
