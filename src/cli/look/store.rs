//! Which store is meant, and opening it beside a process that may be working on it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use jiff::tz::TimeZone;

use crate::config;
use crate::store::Store;
use crate::store::sqlite::{Access, SqliteStore};

/// The store's file, beside `pipelines/`, when no other is named.
const FILE: &str = "lockstep.db";

/// Where a store is: `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct StoreUrl(PathBuf);

/// The text names no store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a store is written `sqlite:PATH`, for instance `sqlite:/var/lib/lockstep/lockstep.db`")]
pub(in crate::cli) struct StoreUrlError;

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        let path = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()).ok_or(StoreUrlError)?;
        // `sqlite:///var/x` and `sqlite:/var/x` are one file; a relative path has no slashes before it.
        let path = path.strip_prefix("//").unwrap_or(path);
        Ok(Self(PathBuf::from(path)))
    }
}

impl StoreUrl {
    /// The store of the project in `root` when no other is named.
    pub(in crate::cli) fn of_project(root: &Path) -> Self {
        Self(root.join(FILE))
    }

    /// The file.
    pub(in crate::cli) fn path(&self) -> &Path {
        &self.0
    }
}

/// Which store is looked into.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct StoreArgs {
    /// The store to look into [default: lockstep.db in the project]
    #[arg(long, value_name = "URL", env = "LOCKSTEP_STORE")]
    store: Option<StoreUrl>,
    /// The project [default: the nearest folder that holds `pipelines`]
    #[arg(long, value_name = "DIR", env = "LOCKSTEP_PROJECT")]
    project: Option<PathBuf>,
}

impl StoreArgs {
    /// Opens the store, which must be there: a process that runs may go on beside it.
    pub(in crate::cli) fn open(&self) -> anyhow::Result<Arc<dyn Store>> {
        let url = match &self.store {
            Some(url) => url.clone(),
            None => StoreUrl::of_project(&self.root()?),
        };
        let path = url.path();
        anyhow::ensure!(
            path.exists(),
            "no store at {}: `lockstep run` makes one; name another with --store sqlite:PATH",
            path.display()
        );
        let store = SqliteStore::open(path, Access::Beside).context("the store could not be opened")?;
        Ok(Arc::new(store))
    }

    /// The project's folder.
    pub(in crate::cli) fn root(&self) -> anyhow::Result<PathBuf> {
        let here = std::env::current_dir().context("the working directory cannot be read")?;
        Ok(config::find_root(self.project.as_deref().unwrap_or(&here))?)
    }

    /// The zone of `client`, as its `client.yaml` says; `None` when there is no project here to ask.
    pub(in crate::cli) fn zone_of(&self, client: &str) -> Option<TimeZone> {
        let root = self.root().ok()?;
        let draft = config::load(&[root.join("pipelines").join(client)], &root).ok()?;
        let client = draft.clients.first()?.file.content.as_ref()?;
        Some(client.timezone.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_store_is_a_scheme_and_a_path() {
        for (text, path) in [
            ("sqlite:lockstep.db", "lockstep.db"),
            ("sqlite:/var/lib/lockstep.db", "/var/lib/lockstep.db"),
            ("sqlite:///var/lib/lockstep.db", "/var/lib/lockstep.db"),
        ] {
            assert_eq!(text.parse(), Ok(StoreUrl(path.into())), "{text}");
        }
        for text in ["lockstep.db", "sqlite:", "mysql:x", ""] {
            assert_eq!(text.parse::<StoreUrl>(), Err(StoreUrlError), "{text}");
        }
    }
}
