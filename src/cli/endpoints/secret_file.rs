//! The file that a signing secret goes into: new, and for nobody else's eyes.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::secret::Secret;

/// A file that is there and empty, before anything is registered: a secret that is told once must have where to go.
pub(super) struct SecretFile {
    path: PathBuf,
    file: Option<File>,
}

impl SecretFile {
    /// Makes the file. One that is there already is left alone.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).with_context(|| {
            format!(
                "--secret-file {} could not be made (one that is there is not written over)",
                path.display()
            )
        })?;
        Ok(Self { path: path.to_owned(), file: Some(file) })
    }

    /// Puts the secret in.
    pub(super) fn keep(mut self, secret: &Secret) -> anyhow::Result<()> {
        if let Some(mut file) = self.file.take() {
            let mut write = || {
                writeln!(file, "{}", secret.expose())?;
                file.sync_all()
            };
            let told = || {
                format!("the secret could not be written to {}: roll it in the system", self.path.display())
            };
            write().with_context(told)?;
        }
        Ok(())
    }
}

impl Drop for SecretFile {
    /// Without a secret there is no file.
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Whoever cannot remove it finds an empty one.
            let _ = fs::remove_file(&self.path);
        }
    }
}
