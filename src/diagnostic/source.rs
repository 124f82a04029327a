//! The files that findings point into.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::{Edit, Fix, Part, Path, Place, Span, Spot};

/// A file as it was read.
pub struct SourceFile {
    path: Arc<str>,
    text: Arc<str>,
    /// Where each line begins; made when the first position is asked for.
    lines: OnceLock<Vec<u32>>,
}

/// A place as people and editors count: lines and columns from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
}

impl SourceFile {
    /// A file of this path (as output names it) and text. A byte order mark at its beginning is dropped.
    pub fn new(path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        let text: Arc<str> = text.into();
        let text = text.strip_prefix('\u{feff}').map_or_else(|| Arc::clone(&text), Arc::from);
        Self { path: path.into(), text, lines: OnceLock::new() }
    }

    /// The path, as output names it.
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// The text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The text of `span`; empty when the span does not fit this file.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Line and column of a byte; the end of the file for one beyond it.
    pub fn position(&self, offset: u32) -> Position {
        let lines = self.lines.get_or_init(|| line_starts(&self.text));
        let line = lines.partition_point(|start| *start <= offset).max(1);
        let start = lines.get(line - 1).copied().unwrap_or(0) as usize;
        let mut end = (offset as usize).min(self.text.len()).max(start);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let column = self.text.get(start..end).map_or(0, |before| before.chars().count()) + 1;
        Position { line, column }
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceFile({})", self.path)
    }
}

fn line_starts(text: &str) -> Vec<u32> {
    let after_breaks = text.bytes().zip(1_u32..).filter(|(byte, _)| *byte == b'\n').map(|(_, after)| after);
    std::iter::once(0).chain(after_breaks).collect()
}

/// A file that can turn a path into bytes: a YAML document, or a plain file in which only bytes are known.
pub trait Source: fmt::Debug + Send + Sync {
    /// The file.
    fn file(&self) -> &Arc<SourceFile>;

    /// The bytes of the node at `path`, or of the nearest node above it that exists.
    fn locate(&self, path: &Path, part: Part, within: Option<Range<usize>>) -> Span;
}

/// A file without a tree (it could not be parsed, or is a script): all paths lead to its beginning, and a range
/// within it is a range of its text.
impl Source for Arc<SourceFile> {
    fn file(&self) -> &Arc<SourceFile> {
        self
    }

    fn locate(&self, _: &Path, _: Part, within: Option<Range<usize>>) -> Span {
        within.map_or_else(Span::default, |range| Span::new(range.start, range.end))
    }
}

/// Bytes of a file, and the text that is put for them.
#[derive(Clone, Copy, Debug)]
pub struct Replacement<'a> {
    /// The file.
    pub file: &'a Arc<SourceFile>,
    /// The bytes.
    pub span: Span,
    /// What is put there.
    pub text: &'a str,
}

/// As many asterisks as the character has bytes, so that all places stay where they are; line ends stay.
fn blots(c: char) -> impl Iterator<Item = char> {
    let (blot, count) = if c == '\n' || c == '\r' { (c, 1) } else { ('*', c.len_utf8()) };
    std::iter::repeat_n(blot, count)
}

/// All files of a check, by path.
#[derive(Debug, Default)]
pub struct Sources {
    files: BTreeMap<Arc<str>, Box<dyn Source>>,
    /// Files with secrets in them, as they may be shown.
    blotted: BTreeMap<Arc<str>, Arc<SourceFile>>,
}

impl Sources {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; one of the same path is replaced.
    pub fn add(&mut self, source: impl Source + 'static) {
        self.files.insert(Arc::clone(source.file().path()), Box::new(source));
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The file of a path, as it may be shown.
    pub fn file(&self, path: &str) -> Option<&Arc<SourceFile>> {
        self.blotted.get(path).or_else(|| self.files.get(path).map(|source| source.file()))
    }

    /// Blots out the text of a place wherever the file is shown: a secret that was written out must not go on into
    /// a build's log (invariant 5).
    pub fn blot(&mut self, place: &Place) {
        let span = self.resolve(place);
        let Some(file) = self.file(&place.file) else { return };
        let (before, after) = (file.text().get(..span.range().start), file.text().get(span.range().end..));
        if let (Some(before), Some(after)) = (before, after) {
            let hidden: String = file.slice(span).chars().flat_map(blots).collect();
            let shown = Arc::new(SourceFile::new(Arc::clone(file.path()), [before, &hidden, after].concat()));
            self.blotted.insert(Arc::clone(shown.path()), shown);
        }
    }

    /// All files, by path, as they were read.
    pub fn files(&self) -> impl Iterator<Item = &Arc<SourceFile>> {
        self.files.values().map(|source| source.file())
    }

    /// The lines on which a place can be talked about: the first of its text, and that of the key which leads to it.
    pub fn lines(&self, place: &Place) -> [usize; 2] {
        let Some(source) = self.files.get(&place.file) else { return [1, 1] };
        let span = self.resolve(place);
        let key = match &place.spot {
            Spot::Node { path, .. } => source.locate(path, Part::Key, None),
            Spot::File | Spot::Bytes(_) => span,
        };
        [span, key].map(|span| source.file().position(span.start).line)
    }

    /// The bytes that a fix replaces; nothing when one of its texts is not where it should be, or is secret.
    pub fn replacements<'a>(&'a self, fix: &'a Fix) -> Option<Vec<Replacement<'a>>> {
        fix.edits.iter().map(|edit| self.replacement(edit)).collect()
    }

    fn replacement<'a>(&'a self, edit: &'a Edit) -> Option<Replacement<'a>> {
        let file = self.files.get(&edit.place.file)?.file();
        let around = self.resolve(&edit.place);
        let mut found = file.slice(around).match_indices(edit.old.as_str());
        let (offset, old) = found.next().filter(|(_, old)| !old.is_empty())?;
        if found.next().is_some() {
            return None;
        }
        let start = around.start as usize + offset;
        let span = Span::new(start, start + old.len());
        let is_shown = self.blotted.get(&edit.place.file).is_none_or(|shown| shown.slice(span) == old);
        is_shown.then_some(Replacement { file, span, text: &edit.new })
    }

    /// Line and column of a place; the first of an unknown file.
    pub fn position(&self, place: &Place) -> Position {
        let start = self.resolve(place).start;
        self.files
            .get(&place.file)
            .map_or(Position { line: 1, column: 1 }, |source| source.file().position(start))
    }

    /// The bytes of a place. An unknown file has none.
    pub fn resolve(&self, place: &Place) -> Span {
        match &place.spot {
            Spot::File => Span::default(),
            Spot::Bytes(span) => *span,
            Spot::Node { path, part, within } => self
                .files
                .get(&place.file)
                .map_or_else(Span::default, |source| source.locate(path, *part, within.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn columns_count_characters_and_lines_end_with_either_line_end() {
        let file = SourceFile::new("a.yaml", "\u{feff}é: ü\r\nb: 1\n");
        let at = |offset| {
            let Position { line, column } = file.position(offset);
            (line, column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (1, 2), "é is two bytes and one column");
        assert_eq!(at(4), (1, 4));
        assert_eq!(at(8), (2, 1));
        assert_eq!(at(11), (2, 4));
        assert_eq!(at(13), (3, 1));
        assert_eq!(at(u32::MAX), (3, 1), "beyond the end is the end");
        assert_eq!(at(1), (1, 1), "inside a character is its beginning");
    }

    #[test]
    fn a_fix_is_made_where_its_text_stands_once_and_is_no_secret() {
        let mut sources = Sources::new();
        sources.add(Arc::new(SourceFile::new("a.yaml", "object: crm.Acount\nkey: sk_1 Acount Acount\n")));
        let at = |start, end| Place::bytes("a.yaml", Span::new(start, end));
        let edit = |place, old: &str| Edit { place, old: old.into(), new: "Account".into() };
        let replaced = |sources: &Sources, edits: &[Edit]| {
            let fix = Fix { safe: true, edits: edits.to_vec() };
            sources.replacements(&fix).map(|all| all.iter().map(|it| it.span).collect::<Vec<_>>())
        };
        let object = edit(at(8, 18), "Acount");
        assert_eq!(replaced(&sources, std::slice::from_ref(&object)), Some(vec![Span::new(12, 18)]));
        assert_eq!(
            replaced(&sources, &[object.clone(), edit(at(24, 42), "Acount")]),
            None,
            "it is there twice"
        );
        assert_eq!(replaced(&sources, &[edit(at(8, 18), "Contact")]), None, "it is not there");
        assert_eq!(replaced(&sources, &[edit(at(8, 18), "")]), None, "nothing is everywhere");
        sources.blot(&at(24, 28));
        assert_eq!(replaced(&sources, &[edit(at(24, 28), "sk_1")]), None, "a secret");
    }

    #[test]
    fn an_unknown_file_resolves_to_nothing() {
        assert_eq!(Sources::new().resolve(&Place::value("x", Path::root())), Span::default());
    }
}
