//! Opening clients: settings from the environment, connections, pipelines that can run.

use std::sync::Arc;

use indexmap::IndexMap;

use super::jobs::jobs;
use super::pipeline::ClientPipeline;
use crate::config::env::Environment;
use crate::connector::{Connection, ConnectionParts, Connections, Surroundings};
use crate::engine::Runnable;
use crate::poll::Job;
use crate::project::{Client, ConnectionConfig, MissingSetting, Pipeline, Resolved};
use crate::steps::ClientFacts;
use crate::value::Value;

/// A client that runs.
pub(super) struct Running {
    /// What it is made of.
    pub(super) version: Arc<str>,
    /// What its placeholders stand for.
    resolved: Resolved,
    configs: IndexMap<Arc<str>, ConnectionConfig>,
    pub(super) connections: Vec<Arc<Connection>>,
    pub(super) pipelines: Vec<Arc<dyn Runnable>>,
    /// What is polled for it.
    pub(super) polls: Vec<Arc<Job>>,
}

/// What clients are opened with. Reads secrets from files: not for the async runtime's threads.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) environment: Arc<dyn Environment>,
    pub(super) around: Surroundings,
    pub(super) connections: Arc<Connections>,
}

impl Opener {
    /// Opens a client, or tells all that keeps it from running. Connections that are as they were before stay the
    /// same ones, with their tokens, limits and what they know of quotas. `None` when all of it is as before.
    pub(super) fn open(
        &self,
        client: &Client,
        before: Option<&Running>,
    ) -> Result<Option<Running>, Vec<String>> {
        let resolved = client.resolve(&*self.environment).map_err(in_words)?;
        // What a variable takes from outside the files may be a secret.
        self.around.redactor.learn_all(resolved.secrets.iter().map(String::as_str));
        if before.is_some_and(|before| before.version == client.version && before.resolved == resolved) {
            return Ok(None);
        }
        let (mut connections, mut problems) = (Vec::new(), Vec::new());
        for (name, config) in &client.connections {
            if let Some(same) = before.and_then(|before| before.same(config, &resolved)) {
                connections.push(same);
                continue;
            }
            match self.connection(client, config, &resolved) {
                Ok(connection) => connections.push(Arc::new(connection)),
                Err(faults) => {
                    problems.extend(faults.into_iter().map(|fault| format!("connections.{name}: {fault}")));
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // Those that are switched off are checked, and stay out.
        let enabled = client.pipelines.iter().filter(|pipeline| pipeline.enabled);
        let facts = facts(client, resolved.vars.clone());
        let pipelines = enabled.map(|pipeline| self.runnable(pipeline, &facts)).collect();
        let polls = jobs(client, &facts, &connections);
        Ok(Some(Running {
            version: Arc::clone(&client.version),
            resolved,
            configs: client.connections.clone(),
            connections,
            pipelines,
            polls,
        }))
    }

    /// One pipeline of an earlier version of a client; `None` when that has no such pipeline. Its calls go over the
    /// connections as they are configured now; one that is not configured any more is opened as it was.
    pub(super) fn open_earlier(
        &self,
        client: &Client,
        pipeline: &str,
    ) -> Result<Option<Arc<dyn Runnable>>, Vec<String>> {
        let Some(pipeline) = client.pipeline(pipeline) else { return Ok(None) };
        let vars = client.resolve_vars(&*self.environment).map_err(in_words)?;
        // Settings that are gone may be those of a connection that the pipeline does not use: a call over one that
        // could not be opened says so.
        if let Ok(resolved) = client.resolve(&*self.environment) {
            let missing = client
                .connections
                .iter()
                .filter(|(name, _)| self.connections.get(client.name(), name).is_none());
            let opened = missing.filter_map(|(_, config)| self.connection(client, config, &resolved).ok());
            let opened: Vec<_> = opened.map(Arc::new).collect();
            self.connections.replace([(Arc::clone(client.name()), opened)]);
        }
        Ok(Some(self.runnable(pipeline, &facts(client, vars))))
    }

    fn runnable(&self, pipeline: &Arc<Pipeline>, facts: &Arc<ClientFacts>) -> Arc<dyn Runnable> {
        let (connections, clock) = (Arc::clone(&self.connections), Arc::clone(&self.around.clock));
        Arc::new(ClientPipeline::new(Arc::clone(pipeline), Arc::clone(facts), connections, clock))
    }

    fn connection(
        &self,
        client: &Client,
        config: &ConnectionConfig,
        resolved: &Resolved,
    ) -> Result<Connection, Vec<String>> {
        let settings = resolved.configs.get(&config.name).and_then(|settings| settings.as_map()).cloned();
        let parts = ConnectionParts {
            client: Arc::clone(client.name()),
            name: Arc::clone(&config.name),
            manifest: Arc::clone(&config.manifest),
            config: settings.unwrap_or_default(),
            rate_limit: config.rate_limit,
            concurrency: config.concurrency,
            timeout: config.timeout,
            read_only: config.read_only,
            fields: config.fields.clone(),
        };
        let redactor = &self.around.redactor;
        Connection::open(parts, self.around.clone())
            .map_err(|faults| faults.iter().map(|fault| redactor.redact(&fault.to_string())).collect())
    }
}

impl Running {
    /// The connection that is configured just so.
    fn same(&self, config: &ConnectionConfig, resolved: &Resolved) -> Option<Arc<Connection>> {
        let before = self.configs.get(&config.name)?;
        // A project's own connector is compiled anew whenever it is read.
        let is_same = Arc::ptr_eq(&before.manifest, &config.manifest)
            && before.rate_limit == config.rate_limit
            && before.concurrency == config.concurrency
            && before.timeout == config.timeout
            && before.read_only == config.read_only
            && before.fields == config.fields
            && self.resolved.configs.get(&config.name) == resolved.configs.get(&config.name);
        let found = self.connections.iter().find(|connection| *connection.name() == config.name);
        found.filter(|_| is_same).cloned()
    }
}

fn facts(client: &Client, vars: Value) -> Arc<ClientFacts> {
    Arc::new(ClientFacts { name: Arc::clone(client.name()), zone: client.zone.clone(), vars })
}

fn in_words(missing: Vec<MissingSetting>) -> Vec<String> {
    missing.into_iter().map(|it| format!("{}: {}", it.path, it.missing)).collect()
}
