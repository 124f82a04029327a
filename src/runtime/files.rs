//! The files of a project: read, checked, and what is wrong with them in words.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::watch::{Watch, WatchError};
use crate::check::{CheckError, Checked, Environments, check};
use crate::config::{self, Draft, FileSet, LoadError};
use crate::diagnostic::{Diagnostic, Report, Severity, Sources};

/// Where a project's files are, and how they are read: once at the start, and again when they change.
#[derive(Debug, Clone)]
pub struct ProjectFiles {
    /// The project as it was named; empty for the nearest one.
    pub paths: Vec<PathBuf>,
    /// Where it was named: files are called as seen from here.
    pub here: PathBuf,
    /// The environment: `client.<env>.yaml` over `client.yaml`.
    pub env: Option<Arc<str>>,
}

/// Why a project's files say nothing.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// They cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// They cannot be checked.
    #[error(transparent)]
    Check(#[from] CheckError),
}

impl ProjectFiles {
    /// Watches the files from now on: begun before they are read, no change goes unseen. Blocks while folders are walked.
    pub fn watch(&self) -> Result<Watch, WatchError> {
        Ok(Watch::of(&self.root()?)?)
    }

    /// Says whether there is a project, and a client in its environment, without reading what they say.
    pub(super) fn examine(&self) -> Result<(), FilesError> {
        let clients = self.root()?.join("pipelines");
        let Some(env) = self.env.as_deref() else { return Ok(()) };
        let overlay = format!("client.{env}.yaml");
        let mut folders = std::fs::read_dir(&clients).into_iter().flatten().flatten();
        if folders.any(|folder| folder.path().join(&overlay).is_file()) {
            return Ok(());
        }
        Err(CheckError::UnknownEnvironment(env.to_owned()).into())
    }

    /// Reads and checks all of it.
    pub fn check(&self) -> Result<Checked, FilesError> {
        let environments = self.env.as_deref().map_or(Environments::Base, Environments::One);
        Ok(check(config::load(&self.paths, &self.here)?, environments)?)
    }

    /// Reads and checks some clients of the project at `root`; nothing when none of them is there any more.
    pub(super) fn check_clients(
        &self,
        root: &Path,
        clients: &BTreeSet<String>,
    ) -> Result<Option<Checked>, FilesError> {
        let folders = clients.iter().map(|name| root.join("pipelines").join(name));
        let folders: Vec<PathBuf> = folders.filter(|folder| folder.is_dir()).collect();
        if folders.is_empty() {
            return Ok(None);
        }
        match config::load(&folders, &self.here) {
            Ok(draft) => Ok(Some(check_in(draft, self.env.as_deref())?)),
            // Folders are there, and no client is in them.
            Err(LoadError::NoClients(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads and checks what the connections of one client are; its pipelines are not looked at.
    pub(super) fn check_connections(&self, client: &str) -> Result<Checked, FilesError> {
        let draft = config::load_connections(&self.root()?, client, &self.here)?;
        Ok(check_in(draft, self.env.as_deref())?)
    }

    /// The project's folder, as it is now: a deployment may have put another one into its place.
    pub fn root(&self) -> Result<PathBuf, LoadError> {
        let named = self.paths.first().map_or_else(|| self.here.clone(), |path| self.here.join(path));
        config::find_root(&named)
    }

    /// True when all clients of the project at `root` are meant, and not some of them.
    pub(super) fn is_whole(&self, root: &Path) -> bool {
        let names_it = |path: &PathBuf| {
            let path = self.here.join(path).canonicalize();
            path.is_ok_and(|path| path == root || path == root.join("pipelines"))
        };
        self.paths.is_empty() || self.paths.iter().any(names_it)
    }
}

/// Checks a version that was kept. It holds at most one overlay: that of the environment that it was kept in.
pub fn check_kept(files: &FileSet) -> Result<Checked, FilesError> {
    let draft = config::load_kept(files)?;
    let env = draft
        .clients
        .iter()
        .flat_map(|client| &client.overlays)
        .map(|overlay| Arc::clone(&overlay.stem))
        .next();
    Ok(check_in(draft, env.as_deref())?)
}

/// As [`check`], whether or not a client has an overlay for the environment: not all clients are looked at.
fn check_in(draft: Draft, env: Option<&str>) -> Result<Checked, CheckError> {
    let mut overlays = draft.clients.iter().flat_map(|client| &client.overlays);
    let env = env.filter(|env| overlays.any(|overlay| &*overlay.stem == *env));
    check(draft, env.map_or(Environments::Base, Environments::One))
}

/// What keeps a client from running, finding by finding: a line each, those of its tests last, since they often follow
/// from the others.
pub(super) fn problems(report: &Report, sources: &Sources, client: &str) -> Vec<String> {
    let folder = format!("pipelines/{client}/");
    let of_client = |file: &str| file.starts_with(&folder) || file.contains(&format!("/{folder}"));
    let errors = || report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let own = errors().filter(|finding| of_client(&finding.place.file));
    // Those that stand in no client's folder: what all clients share, and the project's connectors.
    let shared = errors().filter(|finding| !in_a_clients_folder(&finding.place.file));
    let (tests, others): (Vec<_>, Vec<_>) =
        own.chain(shared).partition(|it| it.place.file.ends_with(".test.yaml"));
    others.into_iter().chain(tests).map(|it| in_a_line(it, sources)).collect()
}

fn in_a_line(finding: &Diagnostic, sources: &Sources) -> String {
    let Diagnostic { place, code, message, .. } = finding;
    let position = sources.file(&place.file).map(|file| file.position(sources.resolve(place).start));
    let at = position.map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
    format!("{}{at} [{code}]: {message}", place.file)
}

fn in_a_clients_folder(file: &str) -> bool {
    let inside = file.rsplit_once("pipelines/").map(|(_, inside)| inside);
    inside.is_some_and(|inside| inside.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_files_are_no_clients() {
        for (file, expected) in [
            ("pipelines/acme/client.yaml", true),
            ("../project/pipelines/acme/a.yaml", true),
            ("pipelines/find.part.yaml", false),
            ("connectors/own.yaml", false),
            ("../connectors/own.yaml", false),
        ] {
            assert_eq!(in_a_clients_folder(file), expected, "{file}");
        }
    }
}
