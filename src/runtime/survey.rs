//! Which clients of a large project need not be checked before they run: those that passed the same check before.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::files::{FilesError, ProjectFiles};
use crate::config::env::Environment;
use crate::config::scan;

/// A project of more clients than this has no more of them open than are needed: one that passed its check before, and
/// has nothing to do, is dormant until it is called.
pub(super) const OPEN_AT_START: usize = 100;

/// A look at a large project that takes no file apart.
pub(super) struct Survey {
    /// The project's folder.
    pub(super) root: PathBuf,
    /// The client folders, and what names the check of each: equal names, equal findings. `None`: not to be told.
    pub(super) checks: BTreeMap<Arc<str>, Option<Arc<str>>>,
}

impl Survey {
    /// Looks at the project; nothing when it is small, or named only in part. Reads files: not for the async
    /// runtime's threads.
    pub(super) fn of(
        files: &ProjectFiles,
        environment: &dyn Environment,
    ) -> Result<Option<Self>, FilesError> {
        let root = files.root()?;
        let Some(build) = build().filter(|_| files.is_whole(&root)) else { return Ok(None) };
        let salt = format!("{build} {}", files.env.as_deref().unwrap_or_default());
        let folders = std::fs::read_dir(root.join("pipelines")).map_or(0, Iterator::count);
        if folders <= OPEN_AT_START {
            return Ok(None);
        }
        let checks = scan(&root, environment, &salt)?;
        Ok((checks.len() > OPEN_AT_START).then_some(Self { root, checks }))
    }
}

/// Names this build of lockstep, as another one may check otherwise; nothing when the system does not tell.
fn build() -> Option<String> {
    let file = std::env::current_exe().ok()?.metadata().ok()?;
    let built = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{} {} {}", env!("CARGO_PKG_VERSION"), file.len(), built.as_nanos()))
}
