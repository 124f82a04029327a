//! What the files of a project say, before anything of it is judged.

use std::path::PathBuf;
use std::sync::Arc;

use super::{ClientFile, ClientOverlay, ConnectionSchema, PartFile, PipelineFile, RulesFile, TestFile};
use crate::connector::ManifestFile;
use crate::diagnostic::{Diagnostic, Path, Place, SourceFile, Sources};
use crate::yaml::Document;

/// A project as its files say it, and where they say it. Only `check` turns it into something that can run.
#[derive(Debug)]
pub struct Draft {
    /// The folder that holds `pipelines/`.
    pub root: PathBuf,
    /// Every file that was read, so that findings can be drawn.
    pub sources: Sources,
    /// What was found while reading.
    pub findings: Vec<Diagnostic>,
    /// The clients, by folder name.
    pub clients: Vec<ClientDraft>,
    /// Folders in which files of a client stand, and no client.yaml: broken clients.
    pub headless: Vec<Arc<str>>,
    /// What all clients share.
    pub shared: Shared,
    /// The project's own connectors: `connectors/*.yaml`.
    pub connectors: Vec<DraftFile<ManifestFile>>,
    /// False when only some of the clients were asked for: what the others use of what is shared cannot be told then.
    pub whole: bool,
}

/// What stands beside the clients and belongs to all of them.
#[derive(Debug, Default)]
pub struct Shared {
    /// `pipelines/*.part.yaml`.
    pub parts: Vec<DraftFile<PartFile>>,
    /// `pipelines/lib.rhai`.
    pub library: Option<Arc<SourceFile>>,
    /// `pipelines/rules.yaml`.
    pub rules: Option<DraftFile<RulesFile>>,
}

/// One client's folder.
#[derive(Debug)]
pub struct ClientDraft {
    /// The folder's name.
    pub folder: Arc<str>,
    /// `client.yaml`; a folder without one is a finding and not a client.
    pub file: DraftFile<ClientFile>,
    /// `client.<env>.yaml`; each file's stem is its environment.
    pub overlays: Vec<DraftFile<ClientOverlay>>,
    /// The pipelines, by file name.
    pub pipelines: Vec<DraftFile<PipelineFile>>,
    /// The client's own parts, by file name.
    pub parts: Vec<DraftFile<PartFile>>,
    /// The tests, by file name.
    pub tests: Vec<DraftFile<TestFile>>,
    /// `lib.rhai`.
    pub library: Option<Arc<SourceFile>>,
    /// `schemas/<connection>.json`: what the accounts behind its connections have. Nothing that runs depends on them.
    pub schemas: Vec<SchemaDraft>,
    /// False when only some of the pipelines were asked for: what the others use cannot be told then.
    pub whole: bool,
}

/// A file and what it says.
#[derive(Debug, Clone)]
pub struct DraftFile<T> {
    /// The path, as output names it: relative to the working directory.
    pub path: Arc<str>,
    /// Where it is.
    pub location: PathBuf,
    /// The file's name without its endings: `payment-failed`.
    pub stem: Arc<str>,
    /// The file's text.
    pub file: Arc<SourceFile>,
    /// The tree; nothing when the text is not YAML.
    pub document: Option<Document>,
    /// What it says; nothing when it is not what such a file may hold. There is a finding then.
    pub content: Option<T>,
}

impl<T> DraftFile<T> {
    /// The place of the value at `path`.
    pub fn value(&self, path: Path) -> Place {
        Place::value(Arc::clone(&self.path), path)
    }

    /// The place of the last key of `path`.
    pub fn key(&self, path: Path) -> Place {
        Place::key(Arc::clone(&self.path), path)
    }

    /// The file as a whole.
    pub fn whole(&self) -> Place {
        Place::file(Arc::clone(&self.path))
    }

    /// True when the file has a value at `path`.
    pub fn has(&self, path: &Path) -> bool {
        self.document.as_ref().is_some_and(|document| document.node(path).is_some())
    }
}

/// A file of `schemas/`.
#[derive(Debug, Clone)]
pub struct SchemaDraft {
    /// The path, as output names it.
    pub path: Arc<str>,
    /// The connection that it is about: the file's name.
    pub connection: Arc<str>,
    /// What it says; nothing when it is not what `lockstep schema pull` writes. There is a finding then.
    pub content: Option<ConnectionSchema>,
}
