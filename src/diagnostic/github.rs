//! Findings as commands in the log of a GitHub workflow: each is shown beside its line in the changed files.

use std::borrow::Cow;
use std::fmt::Write;

use super::human::summary;
use super::{Diagnostic, Report, Severity, Sources};

pub(super) fn render(report: &Report, sources: &Sources) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        command(finding, sources, &mut text);
    }
    text.push_str(&summary(report));
    text.push('\n');
    text
}

fn command(finding: &Diagnostic, sources: &Sources, text: &mut String) {
    let name = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    // Writing into a String cannot fail.
    let _ = write!(text, "::{name} file={}", property(&finding.place.file));
    if let Some(file) = sources.file(&finding.place.file) {
        let span = sources.resolve(&finding.place);
        let (start, end) = (file.position(span.start), file.position(span.end));
        let _ = write!(text, ",line={},endLine={},col={}", start.line, end.line, start.column);
        // Columns mean something on one line only.
        if start.line == end.line && end.column > start.column {
            let _ = write!(text, ",endColumn={}", end.column);
        }
    }
    let _ = writeln!(text, ",title={}::{}", property(finding.code.as_str()), data(&told(finding, sources)));
}

/// The fact, why, what else explains it, and what to type.
fn told(finding: &Diagnostic, sources: &Sources) -> String {
    let mut text = finding.message.clone();
    if let Some(label) = &finding.label {
        let _ = write!(text, ": {label}");
    }
    for related in &finding.related {
        let line = sources.lines(&related.place)[0];
        let _ = write!(text, "\n{}:{line}: {}", related.place.file, related.message);
    }
    if let Some(help) = &finding.help {
        let _ = write!(text, "\nhelp: {help}");
    }
    text
}

/// The text of a command: what would end it is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property: what separates properties is escaped, too.
fn property(text: &str) -> Cow<'_, str> {
    if text.contains(['%', '\r', '\n', ':', ',']) {
        Cow::Owned(data(text).replace(':', "%3A").replace(',', "%2C"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use insta::assert_snapshot;

    use super::super::{Code, Place, SourceFile, Span};
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        let mut sources = Sources::new();
        sources.add(Arc::new(SourceFile::new("pipelines/a,b:c/100%.yaml", "name: é x\nother: 1\n")));
        let at = |start, end| Place::bytes("pipelines/a,b:c/100%.yaml", Span::new(start, end));
        let findings = vec![
            Diagnostic::new(Code::UnknownKey, at(6, 10), "50% off\r\n::error::forged")
                .label("why")
                .related(at(11, 16), "the other one")
                .help("did you mean `x`?"),
            Diagnostic::new(Code::PlusNumber, at(0, 16), "over two lines"),
            Diagnostic::new(Code::StrayFile, Place::file("gone.yml"), "`gone.yml` is not read"),
        ];
        assert_snapshot!(render(&Report::new(findings, &sources), &sources), @r"
        ::warning file=gone.yml,title=stray-file::`gone.yml` is not read
        ::warning file=pipelines/a%2Cb%3Ac/100%25.yaml,line=1,endLine=2,col=1,title=plus-number::over two lines
        ::error file=pipelines/a%2Cb%3Ac/100%25.yaml,line=1,endLine=1,col=7,endColumn=10,title=unknown-key::50%25 off%0D%0A::error::forged: why%0Apipelines/a,b:c/100%25.yaml:2: the other one%0Ahelp: did you mean `x`?
        checked 1 file: 1 error, 2 warnings
        ");
    }
}
