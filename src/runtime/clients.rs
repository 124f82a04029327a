//! Opening clients: settings from the environment, connections, pipelines that can run.

use std::sync::Arc;

use super::pipeline::ClientPipeline;
use crate::admin::ClientHealth;
use crate::config::env::Environment;
use crate::connector::{Connection, ConnectionParts, Connections, Surroundings};
use crate::engine::{Runnable, Runnables};
use crate::ingest::Hooks;
use crate::project::{Client, ConnectionConfig, Project, Resolved};
use crate::steps::ClientFacts;

/// What came of all clients.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) runnables: Runnables,
    pub(super) hooks: Hooks,
    pub(super) health: Vec<ClientHealth>,
}

/// Opens every client that passed its checks; `broken` are those that did not, and why.
pub(super) fn open(
    project: &Project,
    broken: Vec<ClientHealth>,
    environment: &dyn Environment,
    around: &Surroundings,
    connections: &Arc<Connections>,
) -> Opened {
    let mut opened = Opened::default();
    for client in project.clients() {
        let problems = match connect(client, environment, around) {
            Ok((resolved, list)) => {
                connections.replace(client.name(), list);
                let names = client.connections.keys();
                opened
                    .hooks
                    .serve(client.name(), names.filter_map(|name| connections.get(client.name(), name)));
                let pipelines = pipelines(client, resolved, connections, around);
                opened.runnables.insert(Arc::clone(client.name()), pipelines);
                Vec::new()
            }
            Err(problems) => {
                opened.hooks.serve_broken(client.name());
                problems
            }
        };
        let runs = problems.is_empty();
        opened.health.push(ClientHealth { client: Arc::clone(client.name()), runs, problems });
    }
    for client in broken {
        opened.hooks.serve_broken(&client.client);
        opened.health.push(client);
    }
    opened.health.sort_by(|a, b| a.client.cmp(&b.client));
    opened
}

/// A client's settings and connections, or all that keeps it from having them.
fn connect(
    client: &Client,
    environment: &dyn Environment,
    around: &Surroundings,
) -> Result<(Resolved, Vec<Connection>), Vec<String>> {
    let resolved = client.resolve(environment).map_err(|missing| {
        missing.iter().map(|it| format!("{}: {}", it.path, it.missing)).collect::<Vec<_>>()
    })?;
    let (mut open, mut problems) = (Vec::new(), Vec::new());
    for (name, config) in &client.connections {
        match connection(client, config, &resolved, around) {
            Ok(connection) => open.push(connection),
            Err(faults) => {
                problems.extend(faults.into_iter().map(|fault| format!("connections.{name}: {fault}")));
            }
        }
    }
    if problems.is_empty() { Ok((resolved, open)) } else { Err(problems) }
}

fn connection(
    client: &Client,
    config: &ConnectionConfig,
    resolved: &Resolved,
    around: &Surroundings,
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
        fields: config.fields.clone(),
    };
    Connection::open(parts, around.clone())
        .map_err(|faults| faults.iter().map(|fault| around.redactor.redact(&fault.to_string())).collect())
}

/// The pipelines that may run; those that are switched off are checked and stay out.
fn pipelines(
    client: &Client,
    resolved: Resolved,
    connections: &Arc<Connections>,
    around: &Surroundings,
) -> Vec<Arc<dyn Runnable>> {
    let facts =
        ClientFacts { name: Arc::clone(client.name()), zone: client.zone.clone(), vars: resolved.vars };
    let facts = Arc::new(facts);
    let enabled = client.pipelines.iter().filter(|pipeline| pipeline.enabled);
    enabled
        .map(|pipeline| {
            let (facts, connections) = (Arc::clone(&facts), Arc::clone(connections));
            let runnable =
                ClientPipeline::new(Arc::clone(pipeline), facts, connections, Arc::clone(&around.clock));
            Arc::new(runnable) as Arc<dyn Runnable>
        })
        .collect()
}
