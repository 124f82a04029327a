//! A parsed file: the tree, and how a path in it becomes bytes.

use std::ops::Range;
use std::sync::Arc;

use super::{Data, Node, Part, Path, Seg, SourceFile, Span, within};
use crate::diagnostic::Source;

/// One file and its tree. Cloning shares both.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Its value.
    pub root: Node,
}

/// How far a path leads into a tree.
struct Found<'a> {
    node: &'a Node,
    /// The key that the last existing step went through; none for the top and for list elements.
    key: Option<Span>,
    /// True when the whole path exists.
    whole: bool,
}

impl Document {
    /// The node at `path`, when it exists.
    pub fn node(&self, path: &Path) -> Option<&Node> {
        let found = self.walk(path);
        found.whole.then_some(found.node)
    }

    fn walk(&self, path: &Path) -> Found<'_> {
        let mut found = Found { node: &self.root, key: None, whole: true };
        for seg in path.segs() {
            let next = match (seg, &found.node.data) {
                (Seg::Key(key), Data::Map(entries)) => entries
                    .iter()
                    .find(|entry| entry.key.name == *key)
                    .map(|entry| (&entry.value, Some(entry.key.span))),
                (Seg::Index(index), Data::List(items)) => items.get(*index).map(|item| (item, None)),
                _ => None,
            };
            let Some((node, key)) = next else { return Found { whole: false, ..found } };
            found = Found { node, key, whole: true };
        }
        found
    }

    /// What is marked for a value: a scalar or flow collection whole, of anything longer than a line its first
    /// line, and where there is no text at all (`key:` and nothing) the key.
    fn value_span(&self, found: &Found) -> Span {
        let span = found.node.span;
        let text = self.file.slice(span);
        let first = text.lines().next().unwrap_or_default().trim_end();
        match found.key {
            Some(key) if first.is_empty() => key,
            _ => Span::new(span.start as usize, span.start as usize + first.len()),
        }
    }
}

impl Source for Document {
    fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }

    fn locate(&self, path: &Path, part: Part, within: Option<Range<usize>>) -> Span {
        let found = self.walk(path);
        let inner = within.filter(|_| found.whole && part == Part::Value);
        if let Some(span) = inner.and_then(|range| within::source_span(&self.file, found.node, range)) {
            return span;
        }
        match found.key {
            // A path that leads nowhere is best explained at the last key that exists.
            Some(key) if part == Part::Key || !found.whole => key,
            _ => self.value_span(&found),
        }
    }
}
