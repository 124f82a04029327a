//! Where something stands: bytes of a file, or a path into the tree that a file holds.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A half-open range of bytes of a file's text. Files are limited to far less than 4 GB, so 32 bits do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to, and without, `end`. What lies beyond 4 GB is cut to the limit.
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end.max(start)) }
    }

    /// The place between two bytes.
    pub fn empty(at: usize) -> Self {
        Self::new(at, at)
    }

    /// The span as indexes into a text.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Seg {
    /// Into the value of a key.
    Key(Arc<str>),
    /// Into an element of a list, counted from 0.
    Index(usize),
}

/// The way from the top of a file to one of its nodes. Reads as authors write it:
/// `steps[1].update.fields.Priority`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(Vec<Seg>);

impl Path {
    /// The top of a file.
    pub fn root() -> Self {
        Self::default()
    }

    /// This path, one key longer.
    #[must_use]
    pub fn key(&self, key: impl Into<Arc<str>>) -> Self {
        self.with(Seg::Key(key.into()))
    }

    /// This path, one list element longer.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Seg::Index(index))
    }

    /// This path, one step longer.
    #[must_use]
    pub fn with(&self, seg: Seg) -> Self {
        let mut segs = Vec::with_capacity(self.0.len() + 1);
        segs.extend_from_slice(&self.0);
        segs.push(seg);
        Self(segs)
    }

    /// The steps, from the top.
    pub fn segs(&self) -> &[Seg] {
        &self.0
    }

    /// The last key on the way; list indexes are passed over.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|seg| match seg {
            Seg::Key(key) => Some(&**key),
            Seg::Index(_) => None,
        })
    }
}

impl From<Vec<Seg>> for Path {
    fn from(segs: Vec<Seg>) -> Self {
        Self(segs)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, seg) in self.0.iter().enumerate() {
            match seg {
                Seg::Index(index) => write!(f, "[{index}]")?,
                Seg::Key(key) if key.is_empty() || key.contains(['.', '[', ']', ' ', '"']) => {
                    write!(f, "[{key:?}]")?;
                }
                Seg::Key(key) if at == 0 => f.write_str(key)?,
                Seg::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// Which half of an entry a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The key.
    Key,
    /// The value; of a list or map that stands on lines of its own, its first line.
    Value,
}

/// A file and a spot in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's path, as [`super::SourceFile`] holds it.
    pub file: Arc<str>,
    /// Where in the file.
    pub spot: Spot,
}

/// Where in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The file as a whole: drawn at its beginning.
    File,
    /// These bytes.
    Bytes(Span),
    /// A node, found by the file's [`super::Source`] when it is needed.
    Node {
        /// The way to the node.
        path: Path,
        /// Its key or its value.
        part: Part,
        /// A part of a scalar, in bytes of its decoded text: where in a script the error is.
        within: Option<Range<usize>>,
    },
}

impl Place {
    /// The file as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), spot: Spot::File }
    }

    /// These bytes of the file.
    pub fn bytes(file: impl Into<Arc<str>>, span: Span) -> Self {
        Self { file: file.into(), spot: Spot::Bytes(span) }
    }

    /// The value at `path`.
    pub fn value(file: impl Into<Arc<str>>, path: Path) -> Self {
        Self { file: file.into(), spot: Spot::Node { path, part: Part::Value, within: None } }
    }

    /// The last key of `path`.
    pub fn key(file: impl Into<Arc<str>>, path: Path) -> Self {
        Self { file: file.into(), spot: Spot::Node { path, part: Part::Key, within: None } }
    }

    /// Narrows a scalar to `range`, in bytes of its decoded text. Has no meaning for other spots.
    #[must_use]
    pub fn within(mut self, range: Range<usize>) -> Self {
        if let Spot::Node { within, .. } = &mut self.spot {
            *within = Some(range);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_path_reads_as_it_is_written() {
        let path = Path::root().key("steps").index(1).key("update").key("fields");
        assert_eq!(path.key("Priority").to_string(), "steps[1].update.fields.Priority");
        assert_eq!(
            path.key("salesforce.Account").to_string(),
            r#"steps[1].update.fields["salesforce.Account"]"#
        );
        assert_eq!(path.key("").to_string(), r#"steps[1].update.fields[""]"#);
        assert_eq!(Path::root().to_string(), "");
        assert_eq!(path.index(2).last_key(), Some("fields"));
    }
}
