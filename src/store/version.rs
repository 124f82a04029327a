//! What clients run with, kept as text.

use std::sync::Arc;

use jiff::Timestamp;

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
}

impl GoodClient {
    /// About how many bytes this takes, in memory and on disk.
    pub fn weight(&self) -> usize {
        let sets = std::iter::once(&self.whole).chain(&self.pipelines);
        let files = sets.clone().map(|set| set.files.len() * 256).sum::<usize>();
        files + self.whole.files.iter().map(|file| file.text.len()).sum::<usize>() + sets.count() * 128
    }
}
