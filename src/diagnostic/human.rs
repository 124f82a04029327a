//! Findings for a terminal, drawn like rustc's: the line, the marked text, why it is wrong, what to type.

use std::fmt::Write;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Place, Report, Severity, SourceFile, Sources};

/// Whether output carries terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// ANSI colours.
    Styled,
    /// Text only.
    Plain,
}

/// Wide enough that an excerpt of our line length is never cut at its sides.
const WIDTH: usize = 140;

pub(super) fn render(report: &Report, sources: &Sources, color: Color) -> String {
    let renderer = match color {
        Color::Styled => Renderer::styled(),
        Color::Plain => Renderer::plain(),
    }
    .term_width(WIDTH);
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&renderer.render(&groups(finding, sources)));
        text.push_str("\n\n");
    }
    text.push_str(&summary(report));
    text.push('\n');
    text
}

/// `checked 3 files: 1 error, 2 warnings`.
pub(super) fn summary(report: &Report) -> String {
    let mut line = format!("checked {}: ", counted(report.files, "file"));
    match (report.errors(), report.warnings()) {
        (0, 0) => line.push_str("no findings"),
        (errors, 0) => line.push_str(&counted(errors, "error")),
        (0, warnings) => line.push_str(&counted(warnings, "warning")),
        (errors, warnings) => {
            // Writing into a String cannot fail.
            let _ = write!(line, "{}, {}", counted(errors, "error"), counted(warnings, "warning"));
        }
    }
    line
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn groups<'a>(finding: &'a Diagnostic, sources: &'a Sources) -> Vec<Group<'a>> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&*finding.message).id(finding.code.as_str()));
    let label = finding.label.as_deref();
    match sources.file(&finding.place.file) {
        Some(file) => {
            let primary = AnnotationKind::Primary.span(marked(file, &finding.place, sources)).label(label);
            let mut snippet = excerpt(file).annotation(primary);
            let (here, elsewhere): (Vec<_>, Vec<_>) =
                finding.related.iter().partition(|related| related.place.file == finding.place.file);
            for related in here {
                let span = marked(file, &related.place, sources);
                snippet = snippet.annotation(AnnotationKind::Context.span(span).label(&*related.message));
            }
            group = group.element(snippet);
            for related in elsewhere {
                if let Some(file) = sources.file(&related.place.file) {
                    let span = marked(file, &related.place, sources);
                    let context = AnnotationKind::Context.span(span).label(&*related.message);
                    group = group.element(excerpt(file).annotation(context));
                }
            }
        }
        None => group = group.element(Origin::path(&*finding.place.file)),
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(&**help));
    }
    let more = format!("lockstep rules {}", finding.code);
    vec![group.element(Level::NOTE.with_name("more").message(more))]
}

fn excerpt<T: Clone>(file: &SourceFile) -> Snippet<'_, T> {
    Snippet::source(&**file.text()).path(&**file.path())
}

/// The bytes to mark, cut to the file and to whole characters.
fn marked(file: &SourceFile, place: &Place, sources: &Sources) -> Range<usize> {
    let span = sources.resolve(place).range();
    let text = file.text();
    let inside = |offset: usize| {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    inside(span.start)..inside(span.end)
}
