//! What a rule sees: one client in one environment, and where everything in it is written.

use std::sync::Arc;

use indexmap::IndexMap;

use super::connectors::Connectors;
use super::graph::Graph;
use crate::catalog::Catalog;
use crate::config::{
    ClientDraft, ClientFile, ClientOverlay, ConnectionFile, ConnectionSchema, DraftFile, Identifier,
    PartFile, Shared,
};
use crate::connector::file::Amounts;
use crate::connector::{Abilities, Manifest};
use crate::diagnostic::{Code, Diagnostic, Path, Place};
use crate::expr::Engine;

/// One client in one environment.
pub(super) struct View<'a> {
    /// The client's files.
    pub(super) draft: &'a ClientDraft,
    /// What all clients share.
    pub(super) shared: &'a Shared,
    /// The overlay of the environment, when there is one.
    pub(super) overlay: Option<&'a DraftFile<ClientOverlay>>,
    /// `client.yaml` with the overlay over it.
    pub(super) client: &'a ClientFile,
    /// The connectors that its connections can be of.
    pub(super) connectors: &'a Connectors,
    /// The expression engine with the client's functions; nothing when those are wrong.
    pub(super) engine: Option<&'a Engine>,
    /// What its pipelines hear of and write; nothing while that is being made out.
    pub(super) graph: Option<&'a Graph<'a>>,
}

impl<'a> View<'a> {
    /// The file in which `path` of the client is written: the overlay, where that has it.
    fn written_in(&self, path: &Path, place: impl Fn(&str, Path) -> Place) -> Place {
        match self.overlay {
            Some(overlay) if overlay.has(path) => place(&overlay.path, path.clone()),
            _ => place(&self.draft.file.path, path.clone()),
        }
    }

    /// The place of a value of the client.
    pub(super) fn value(&self, path: &Path) -> Place {
        self.written_in(path, |file, path| Place::value(file, path))
    }

    /// The place of a key of the client.
    pub(super) fn key(&self, path: &Path) -> Place {
        self.written_in(path, |file, path| Place::key(file, path))
    }

    /// What is known of the events of a connection: of the API version that it names, else of the newest.
    pub(super) fn catalog(&self, connection: &Identifier) -> &'static Catalog {
        self.client
            .connections
            .get(connection)
            .and_then(|connection| Catalog::of(connection.config.get("api_version")?.as_str()?))
            .unwrap_or_else(Catalog::newest)
    }

    /// What is known of the objects of a connection; nothing of one of another system, or of a version that is not known.
    pub(super) fn catalog_of(&self, connection: &str) -> Option<&'static Catalog> {
        let (_, connection) = self.client.connections.iter().find(|(name, _)| *name.0 == *connection)?;
        if connection.connector != "stripe" {
            return None;
        }
        match connection.config.get("api_version") {
            None => Some(Catalog::newest()),
            Some(version) => Catalog::of(version.as_str()?),
        }
    }

    /// How a connection takes money; nothing when its connector is not known.
    pub(super) fn amounts(&self, connection: &str) -> Option<Amounts> {
        let (_, connection) = self.client.connections.iter().find(|(name, _)| *name.0 == *connection)?;
        Some(self.manifest(connection)?.abilities().amounts())
    }

    /// The manifest behind a connection; nothing when it has none, or a broken one.
    pub(super) fn manifest(&self, connection: &ConnectionFile) -> Option<&'a Arc<Manifest>> {
        self.connectors.get(&connection.connector)
    }

    /// What the account behind a connection has, where it was pulled. An overlay may put another system in its place, of which
    /// nothing is known then.
    pub(super) fn schema(&self, connection: &Identifier) -> Option<&'a ConnectionSchema> {
        let connector = &self.client.connections.get(connection)?.connector;
        let named = self.draft.schemas.iter().filter(|schema| schema.connection == connection.0);
        named.filter_map(|schema| schema.content.as_ref()).find(|schema| schema.connector == *connector)
    }

    /// What each connection can do, where that is known.
    pub(super) fn abilities(&self) -> IndexMap<Arc<str>, Arc<Abilities>> {
        let connections = self.client.connections.iter();
        connections
            .filter_map(|(name, connection)| {
                let abilities = self.manifest(connection)?.abilities();
                Some((Arc::clone(&name.0), abilities.with_words(&connection.fields)))
            })
            .collect()
    }

    /// The connections whose connector is unknown or broken.
    pub(super) fn broken_connections(&self) -> Vec<Arc<str>> {
        let connections = self.client.connections.iter();
        connections
            .filter(|(_, connection)| self.manifest(connection).is_none())
            .map(|(name, _)| Arc::clone(&name.0))
            .collect()
    }

    /// The parts that the client's pipelines can use: its own before shared ones.
    pub(super) fn parts(&self) -> impl Iterator<Item = &'a DraftFile<PartFile>> {
        self.draft.parts.iter().chain(&self.shared.parts)
    }
}

/// What a rule has found.
pub(super) struct Found {
    code: Code,
    findings: Vec<Diagnostic>,
}

impl Found {
    pub(super) fn new(code: Code) -> Self {
        Self { code, findings: Vec::new() }
    }

    /// A finding of the rule, for [`Self::push`].
    pub(super) fn at(&self, place: Place, fact: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.code, place, fact)
    }

    pub(super) fn push(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    pub(super) fn into_findings(self) -> Vec<Diagnostic> {
        self.findings
    }
}
