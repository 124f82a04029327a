//! A mistake in a manifest, or in a connection's `config`, with its place.

use std::fmt;
use std::ops::Range;

use crate::diagnostic::Path;
use crate::expr;
use crate::nearest::Meant;

/// A mistake in a manifest, or in a connection's `config`. `check` turns it into a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place, from the top of the file (of the `config`, for a connection).
    pub path: Path,
    /// The bytes inside the scalar at that place, when a part of a text is meant.
    pub within: Option<Range<usize>>,
    /// What was found, as a lower-case fragment.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The name that was most likely meant by one at that place.
    pub meant: Option<Meant>,
}

impl Fault {
    pub(super) fn new(path: Path, message: impl Into<String>) -> Self {
        Self { path, within: None, message: message.into(), help: None, meant: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self.meant = None;
        self
    }

    /// Adds the nearest of the names that would have been right.
    #[must_use]
    pub(super) fn nearest<'a>(mut self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(meant) = Meant::among(name, known) {
            self.help = Some(meant.clone().asked().text);
            self.meant = Some(meant);
        }
        self
    }

    /// A mistake in the expression at `path`.
    pub(super) fn of_expression(path: &Path, fault: expr::Fault) -> Self {
        let path = fault.path.into_iter().fold(path.clone(), |path, seg| match seg {
            expr::FaultSeg::Key(key) => path.key(key),
            expr::FaultSeg::Index(index) => path.index(index),
        });
        Self { path, within: fault.within, message: fault.message, help: fault.help, meant: fault.meant }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}
