//! Where the files of a project are: on a disk, or kept as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{FileSet, LoadError};

/// A file or folder.
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) name: Arc<str>,
    pub(super) is_folder: bool,
}

/// Folders and files. Two sides: a disk, and versions that were kept.
pub(super) trait Tree {
    /// What is in a folder, by name; names that begin with a dot are nobody's business.
    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, LoadError>;

    /// True when there is a folder of this path.
    fn has_folder(&self, folder: &Path) -> bool;

    /// What a file says.
    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError>;
}

/// The machine's files.
pub(super) struct Disk;

impl Tree for Disk {
    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, LoadError> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(LoadError::read(folder))? {
            let path = entry.map_err(LoadError::read(folder))?.path();
            let name: Arc<str> = path.file_name().unwrap_or_default().to_string_lossy().into();
            if !name.starts_with('.') {
                found.push(Entry { is_folder: path.is_dir(), path, name });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn has_folder(&self, folder: &Path) -> bool {
        folder.is_dir()
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        fs::read(path).map_err(LoadError::read(path))
    }
}

/// Files that were kept, by their paths within the project.
pub(super) struct Kept(BTreeMap<PathBuf, Arc<str>>);

impl Kept {
    pub(super) fn new(set: &FileSet) -> Self {
        Self(set.files.iter().map(|file| (PathBuf::from(&*file.path), Arc::clone(&file.text))).collect())
    }
}

impl Tree for Kept {
    fn entries(&self, folder: &Path) -> Result<Vec<Entry>, LoadError> {
        let inside = self.0.keys().filter_map(|path| path.strip_prefix(folder).ok());
        let names: BTreeSet<(Arc<str>, bool)> = inside
            .filter_map(|path| {
                let mut names = path.iter();
                Some((names.next()?.to_string_lossy().into(), names.next().is_some()))
            })
            .collect();
        let entry =
            |(name, is_folder): (Arc<str>, bool)| Entry { path: folder.join(&*name), name, is_folder };
        Ok(names.into_iter().map(entry).collect())
    }

    fn has_folder(&self, folder: &Path) -> bool {
        self.0.keys().any(|path| path != folder && path.starts_with(folder))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let text = self.0.get(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
        text.map(|text| text.as_bytes().to_vec()).map_err(LoadError::read(path))
    }
}
