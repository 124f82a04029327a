//! What clients run with, kept as text.

use std::sync::Arc;

use jiff::Timestamp;

use super::run::Version;
use crate::config::FileSet;

/// What a client runs with from now on, all of which has passed its checks.
#[derive(Debug, Clone)]
pub struct GoodClient {
    /// The client.
    pub client: Arc<str>,
    /// Since when.
    pub at: Timestamp,
    /// All files that it runs from: what it falls back to when the next ones are broken.
    pub whole: FileSet,
    /// What each of its pipelines is made of: what a run finishes with that has begun with it.
    pub pipelines: Vec<FileSet>,
    /// Names the check that it has passed: while a look at its files gives this name, it need not be checked again.
    /// `None` when that is not to be relied on.
    pub check: Option<Arc<str>>,
}

/// What a client has run with last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastGood {
    /// All files that it ran from.
    pub version: Version,
    /// Names the check that those have passed last.
    pub check: Option<Arc<str>>,
}

impl GoodClient {
    /// About how many bytes this takes, in memory and on disk.
    pub fn weight(&self) -> usize {
        let sets = std::iter::once(&self.whole).chain(&self.pipelines);
        let files = sets.clone().map(|set| set.files.len() * 256).sum::<usize>();
        files + self.whole.files.iter().map(|file| file.text.len()).sum::<usize>() + sets.count() * 128
    }
}
