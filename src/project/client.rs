//! One client that passed, and how its placeholders become values.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::tz::TimeZone;

use super::Pipeline;
use crate::config::env::{self, Environment, Missing};
use crate::config::{DraftFile, ObjectRef, Owner, Rate, TestFile};
use crate::connector::Manifest;
use crate::diagnostic::Path;
use crate::expr::Engine;
use crate::value::{Map, Value};

/// What makes a [`Client`]. Only `check` can turn it into one.
#[derive(Debug)]
pub struct ClientParts {
    /// The client's name; the same as its folder's.
    pub name: Arc<str>,
    /// A sentence about it, for people.
    pub description: Option<String>,
    /// The zone of schedules and dates.
    pub zone: TimeZone,
    /// Its variables, placeholders and all; a map.
    pub vars: Value,
    /// Its connections, in the order of the file.
    pub connections: IndexMap<Arc<str>, ConnectionConfig>,
    /// Who may write a field.
    pub ownership: IndexMap<ObjectRef, IndexMap<String, Owner>>,
    /// Its pipelines, those that are switched off included, by file name.
    pub pipelines: Vec<Arc<Pipeline>>,
    /// The tests of its pipelines, by file name.
    pub tests: Vec<DraftFile<TestFile>>,
    /// The expression engine with its functions.
    pub engine: Engine,
    /// A hash of all that it is made of: equal versions behave the same.
    pub version: Arc<str>,
}

/// A client that passed `check`: it reads like its [`ClientParts`].
#[derive(Debug)]
pub struct Client(ClientParts);

/// One configured account of a connector.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// The name that pipelines use.
    pub name: Arc<str>,
    /// What it is a connection of.
    pub manifest: Arc<Manifest>,
    /// What the connector asks for, placeholders and all; a map.
    pub config: Value,
    /// Tighter than the connector's own rate limit.
    pub rate_limit: Option<Rate>,
    /// How many calls may be under way at once; tighter than the connector's own.
    pub concurrency: Option<u32>,
    /// How long to wait for an answer, in place of the connector's own time.
    pub timeout: Option<Duration>,
    /// True when nothing may be written there.
    pub read_only: bool,
    /// This account's field names behind words of ours: object -> word -> field.
    pub fields: IndexMap<String, IndexMap<String, String>>,
}

/// What a client's placeholders stand for, with secrets in clear: never logged, never stored.
#[derive(PartialEq)]
pub struct Resolved {
    /// The variables; a map.
    pub vars: Value,
    /// What placeholders in the variables stand for: nobody may read it anywhere.
    pub secrets: Vec<String>,
    /// The configuration of each connection; maps.
    pub configs: IndexMap<Arc<str>, Value>,
}

/// Names only: the values may be secret (invariant 5).
impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resolved({:?})", self.configs.keys().collect::<Vec<_>>())
    }
}

/// Something a client needs from its surroundings, and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("client `{client}`, {path}: {missing}")]
pub struct MissingSetting {
    /// The client.
    pub client: Arc<str>,
    /// Where in `client.yaml` it is asked for.
    pub path: Path,
    /// What is missing.
    pub missing: Missing,
}

impl std::ops::Deref for Client {
    type Target = ClientParts;

    fn deref(&self) -> &ClientParts {
        &self.0
    }
}

impl Client {
    /// For `check`, which alone knows that the parts are right.
    pub(crate) fn of_checked(parts: ClientParts) -> Self {
        Self(parts)
    }

    /// The client's name.
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// The pipeline of this name.
    pub fn pipeline(&self, name: &str) -> Option<&Arc<Pipeline>> {
        self.pipelines.iter().find(|pipeline| &*pipeline.name == name)
    }

    /// Replaces the placeholders of the variables alone, or tells all that is missing.
    pub fn resolve_vars(&self, environment: &dyn Environment) -> Result<Value, Vec<MissingSetting>> {
        let mut missing = Vec::new();
        let vars = env::fill(&self.vars, &Path::root().key("vars"), environment, &mut missing);
        if missing.is_empty() { Ok(vars) } else { Err(self.missing(missing)) }
    }

    /// The settings of one connection, without those that are missing and that its connector can do without; or all that it
    /// cannot do without.
    pub fn settings_at_hand(
        &self,
        connection: &ConnectionConfig,
        environment: &dyn Environment,
    ) -> Result<Map, Vec<MissingSetting>> {
        let at = Path::root().key("connections").key(Arc::clone(&connection.name)).key("config");
        let (mut settings, mut missing) = (Map::new(), Vec::new());
        for (name, written) in connection.config.as_map().into_iter().flatten() {
            let mut lacking = Vec::new();
            let value = env::fill(written, &at.key(Arc::clone(name)), environment, &mut lacking);
            let required = connection.manifest.settings().get(name).is_some_and(|setting| setting.required);
            if lacking.is_empty() {
                settings.insert(Arc::clone(name), value);
            } else if required {
                missing.extend(lacking);
            }
        }
        if missing.is_empty() { Ok(settings) } else { Err(self.missing(missing)) }
    }

    /// Replaces every placeholder, or tells all that is missing.
    pub fn resolve(&self, environment: &dyn Environment) -> Result<Resolved, Vec<MissingSetting>> {
        let mut missing = Vec::new();
        let noting = env::Noting::new(environment);
        let vars = env::fill(&self.vars, &Path::root().key("vars"), &noting, &mut missing);
        let secrets = noting.given();
        let connections = Path::root().key("connections");
        let configs = self
            .connections
            .iter()
            .map(|(name, connection)| {
                let path = connections.key(Arc::clone(name)).key("config");
                (Arc::clone(name), env::fill(&connection.config, &path, environment, &mut missing))
            })
            .collect();
        if missing.is_empty() {
            return Ok(Resolved { vars, secrets, configs });
        }
        Err(self.missing(missing))
    }

    fn missing(&self, missing: Vec<env::MissingAt>) -> Vec<MissingSetting> {
        let at = |it: env::MissingAt| MissingSetting {
            client: Arc::clone(&self.name),
            path: it.path,
            missing: it.missing,
        };
        missing.into_iter().map(at).collect()
    }
}

/// Written entries as one value.
pub(crate) fn map_of<'a>(entries: impl Iterator<Item = (&'a str, &'a Value)>) -> Value {
    let map: Map = entries.map(|(key, value)| (Arc::from(key), value.clone())).collect();
    Value::from(map)
}
