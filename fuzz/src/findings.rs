//! What holds of every file, its tree and what is found wrong with it.

use std::sync::Arc;

use lockstep::check::{Checked, Environments, check};
use lockstep::config::{ClientDraft, Draft, DraftFile, FileType, Shared, read};
use lockstep::connector::ManifestFile;
use lockstep::diagnostic::{Color, Diagnostic, Place, Report, Severity, SourceFile, Sources, Span};
use lockstep::value::Value;
use lockstep::yaml::{Document, Node};

/// The files of a project of one client, in memory.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) sources: Sources,
    pub(crate) findings: Vec<Diagnostic>,
}

impl Files {
    /// Reads a text as one of the project's files.
    pub(crate) fn read<T: FileType>(&mut self, path: &str, stem: &str, text: &str) -> DraftFile<T> {
        let file = Arc::new(SourceFile::new(path, text));
        let (document, content, findings) = read::<T>(&file);
        let is_error = |finding: &Diagnostic| finding.severity == Severity::Error;
        assert_eq!(content.is_none(), findings.iter().any(is_error), "it is read, or an error says why not");
        match &document {
            Some(document) => self.sources.add(document.clone()),
            None => self.sources.add(Arc::clone(&file)),
        }
        self.findings.extend(findings);
        DraftFile {
            path: Arc::clone(file.path()),
            location: path.into(),
            stem: stem.into(),
            file,
            document,
            content,
        }
    }

    /// Checks the project of these files.
    pub(crate) fn check(self, client: ClientDraft, connectors: Vec<DraftFile<ManifestFile>>) -> Checked {
        let Self { sources, findings } = self;
        let shared = Shared::default();
        let draft = Draft {
            root: "/".into(),
            sources,
            findings,
            clients: vec![client],
            headless: Vec::new(),
            shared,
            connectors,
            whole: true,
        };
        check(draft, Environments::All).expect("no environment is asked for by name")
    }
}

/// The tree stands where the text does, and survives being written down.
pub(crate) fn tree(document: &Document) {
    let text = document.file.text();
    let fits = |span: Span| text.get(span.range()).is_some();
    let mut open = vec![&document.root];
    while let Some(node) = open.pop() {
        assert!(fits(node.span) && node.origin.is_none_or(fits), "{:?} of {} bytes", node.span, text.len());
        open.extend(node.as_list().into_iter().flatten());
        for entry in node.as_map().into_iter().flatten() {
            assert!(fits(entry.key.span), "{:?} of {} bytes", entry.key.span, text.len());
            open.push(&entry.value);
        }
    }
    written_and_read(&document.root);
}

/// A value written as JSON reads back as itself: as a file, and as what a system sends.
fn written_and_read(root: &Node) {
    let value = root.to_value();
    let json = value.to_json();
    let read = Value::from_json(json.as_bytes()).expect("what is written can be read");
    assert_eq!(read, value, "{json}");
}

/// Every finding stands in its file, in order, and can be drawn.
pub(crate) fn report(report: &Report, sources: &Sources) {
    let mut before = None;
    for finding in &report.findings {
        assert!(!finding.message.is_empty());
        let span = placed(&finding.place, sources);
        for related in &finding.related {
            placed(&related.place, sources);
        }
        let here = (Arc::clone(&finding.place.file), span.start);
        assert!(before.is_none_or(|before| before <= here), "sorted by file and place");
        before = Some(here);
    }
    let drawn = report.render_human(sources, Color::Plain);
    for finding in &report.findings {
        assert!(drawn.contains(finding.code.as_str()), "{}", finding.code);
    }
    report.render_human(sources, Color::Styled);
    let json = Value::from_json(report.render_json(sources).as_bytes()).expect("JSON");
    let listed = json.get("findings").and_then(Value::as_list).expect("a list");
    assert_eq!(listed.len(), report.findings.len());
}

fn placed(place: &Place, sources: &Sources) -> Span {
    let span = sources.resolve(place);
    let file = sources.file(&place.file).expect("a file that was read");
    assert!(file.text().get(span.range()).is_some(), "{span:?} of {place:?} in {} bytes", file.text().len());
    span
}

/// Checking the same files twice finds the same.
pub(crate) fn same(a: &Checked, b: &Checked) {
    assert_eq!(a.report.findings, b.report.findings);
    assert_eq!(a.broken, b.broken);
}
