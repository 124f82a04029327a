//! Which events the pipelines of a client need of a connection.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::bail;

use crate::catalog::Catalog;
use crate::config::TriggerFile;
use crate::project::{Client, ConnectionConfig, Pipeline, Trigger};

/// All that there are, and all that will be.
const EVERYTHING: &str = "*";

/// The types that pipelines wait for, patterns as the types that they stand for. A pipeline that asks for its events itself, or is
/// switched off, needs none.
pub(super) fn needed(client: &Client, connection: &ConnectionConfig) -> anyhow::Result<BTreeSet<Arc<str>>> {
    let mut needed = BTreeSet::new();
    for pipeline in client.pipelines.iter().filter(|pipeline| pipeline.enabled) {
        let Trigger::Events { connection: of, patterns, polled: None } = &pipeline.trigger else { continue };
        if *of != connection.name {
            continue;
        }
        for pattern in patterns {
            if &**pattern == EVERYTHING {
                return Ok(BTreeSet::from([Arc::clone(pattern)]));
            }
            needed.extend(types(connection, pipeline, pattern)?);
        }
    }
    Ok(needed)
}

/// The types that a pattern stands for.
fn types(
    connection: &ConnectionConfig,
    pipeline: &Pipeline,
    pattern: &Arc<str>,
) -> anyhow::Result<Vec<Arc<str>>> {
    if !pattern.contains('*') {
        return Ok(vec![Arc::clone(pattern)]);
    }
    let facts = connection.manifest.abilities().events();
    let of_manifest: Vec<Arc<str>> = facts.matching(pattern).map(|(name, _)| Arc::clone(name)).collect();
    if !of_manifest.is_empty() {
        return Ok(of_manifest);
    }
    if let TriggerFile::Stripe(_) = &pipeline.written.trigger {
        let version = connection.config.get("api_version").and_then(|version| version.as_str());
        let catalog = version.and_then(Catalog::of).unwrap_or_else(Catalog::newest);
        let known = catalog.events_matching(pattern).map(|event| Arc::from(event.name.as_str()));
        let known: Vec<Arc<str>> = known.collect();
        if !known.is_empty() {
            return Ok(known);
        }
    }
    bail!(
        "which events `{pattern}` of {} stands for is not known here: name them in the pipeline's trigger",
        pipeline.name
    )
}
