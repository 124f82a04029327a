//! Findings for programs: one JSON object, its form fixed. Keys may be added to it, and none is taken away.

use serde::Serialize;

use super::{Diagnostic, Fix, Place, Related, Report, Sources, Span};

#[derive(Serialize)]
struct Output<'a> {
    findings: Vec<Finding<'a>>,
    files: usize,
    errors: usize,
    warnings: usize,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: &'static str,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    #[serde(flatten)]
    region: Region<'a>,
    label: Option<&'a str>,
    related: Vec<OtherPlace<'a>>,
    fix: Option<Change<'a>>,
}

/// Lines and columns count from 1; the end is the position after the last character.
#[derive(Serialize)]
struct Region<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
struct OtherPlace<'a> {
    message: &'a str,
    #[serde(flatten)]
    region: Region<'a>,
}

/// All of the edits put the finding right together. A safe one is what `--fix` does.
#[derive(Serialize)]
struct Change<'a> {
    safe: bool,
    edits: Vec<Replaced<'a>>,
}

/// The bytes from `start` up to, and without, `end` become `text`; bytes count from 0, a byte order mark aside.
#[derive(Serialize)]
struct Replaced<'a> {
    #[serde(flatten)]
    region: Region<'a>,
    start: u32,
    end: u32,
    text: &'a str,
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

fn place<'a>(finding: &'a Diagnostic, sources: &'a Sources) -> Finding<'a> {
    let related = |related: &'a Related| OtherPlace {
        message: &related.message,
        region: region(&related.place, sources),
    };
    Finding {
        code: finding.code.as_str(),
        severity: finding.severity.as_str(),
        message: &finding.message,
        help: finding.help.as_deref(),
        region: region(&finding.place, sources),
        label: finding.label.as_deref(),
        related: finding.related.iter().map(related).collect(),
        fix: finding.fix.as_ref().and_then(|fix| change(fix, sources)),
    }
}

fn change<'a>(fix: &'a Fix, sources: &'a Sources) -> Option<Change<'a>> {
    let edits = sources.replacements(fix)?.into_iter().map(|it| Replaced {
        region: of_span(it.file.path(), it.span, sources),
        start: it.span.start,
        end: it.span.end,
        text: it.text,
    });
    Some(Change { safe: fix.safe, edits: edits.collect() })
}

fn region<'a>(place: &'a Place, sources: &Sources) -> Region<'a> {
    of_span(&place.file, sources.resolve(place), sources)
}

fn of_span<'a>(file: &'a str, span: Span, sources: &Sources) -> Region<'a> {
    let ((line, column), (end_line, end_column)) = sources.file(file).map_or(((1, 1), (1, 1)), |file| {
        let (start, end) = (file.position(span.start), file.position(span.end));
        ((start.line, start.column), (end.line, end.column))
    });
    Region { file, line, column, end_line, end_column }
}
