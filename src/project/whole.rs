//! All clients that passed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Client;

/// The clients that passed `check`, and may run.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
    clients: BTreeMap<Arc<str>, Arc<Client>>,
}

impl Project {
    /// For `check`, which alone knows that these clients are right.
    pub(crate) fn of_checked(root: PathBuf, clients: impl IntoIterator<Item = Arc<Client>>) -> Self {
        let clients = clients.into_iter().map(|client| (Arc::clone(client.name()), client)).collect();
        Self { root, clients }
    }

    /// The folder that holds `pipelines/`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The client of this name.
    pub fn client(&self, name: &str) -> Option<&Arc<Client>> {
        self.clients.get(name)
    }

    /// The clients, by name.
    pub fn clients(&self) -> impl ExactSizeIterator<Item = &Arc<Client>> {
        self.clients.values()
    }
}
