//! Which store is meant, and opening it beside a process that may be working on it.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use jiff::tz::TimeZone;
use tokio::runtime::Runtime;

use crate::config;
use crate::store::{self, Access, Store, StoreAddress};

/// A store as it was typed. Read when it is opened: an argument that cannot be read is shown by the argument parser,
/// and this one may hold a password.
#[derive(Clone)]
pub(in crate::cli) struct StoreUrl(String);

impl FromStr for StoreUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUrl(..)")
    }
}

impl StoreUrl {
    /// The store that is meant, or that of the project in `root` when none is named.
    pub(in crate::cli) fn address(url: Option<&Self>, root: &Path) -> anyhow::Result<StoreAddress> {
        match url {
            Some(Self(text)) => text.parse().context("--store"),
            None => Ok(StoreAddress::of_project(root)),
        }
    }
}

/// Which store is looked into.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct StoreArgs {
    /// The store to look into, `sqlite:PATH` or `postgres://USER@HOST/DATABASE` [default: lockstep.db in the project]
    #[arg(long, value_name = "URL", env = "LOCKSTEP_STORE", hide_env_values = true)]
    store: Option<StoreUrl>,
    /// The project [default: the nearest folder that holds `pipelines`]
    #[arg(long, value_name = "DIR", env = "LOCKSTEP_PROJECT")]
    project: Option<PathBuf>,
}

impl StoreArgs {
    /// Opens the store, which must be there: a process that runs may go on beside it.
    pub(in crate::cli) fn open(&self, runtime: &Runtime) -> anyhow::Result<Arc<dyn Store>> {
        match &self.store {
            Some(_) => self.open_of(runtime, Path::new("")),
            None => self.open_of(runtime, &self.root()?),
        }
    }

    /// The same, where the project is in `root`.
    pub(in crate::cli) fn open_of(&self, runtime: &Runtime, root: &Path) -> anyhow::Result<Arc<dyn Store>> {
        let address = StoreUrl::address(self.store.as_ref(), root)?;
        if let StoreAddress::Sqlite(path) = &address {
            anyhow::ensure!(
                path.exists(),
                "no store at {}: `lockstep run` makes one; name another with --store sqlite:PATH",
                path.display()
            );
        }
        runtime.block_on(store::open(&address, Access::Beside)).context("the store could not be opened")
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
