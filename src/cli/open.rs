//! Opening a connection from a command, without a store.

use std::sync::Arc;

use super::no_vault::NoVault;
use crate::clock::SystemClock;
use crate::config::env::System;
use crate::connector::{Connection, ConnectionParts, Http, Surroundings};
use crate::project::{Client, ConnectionConfig};
use crate::secret::Redactor;

/// What the connections of a command share.
pub(super) fn around() -> anyhow::Result<Surroundings> {
    Ok(Surroundings {
        http: Http::new()?,
        clock: Arc::new(SystemClock),
        redactor: Redactor::default(),
        vault: Arc::new(NoVault),
        commons: None,
    })
}

/// Opens a connection. What its webhooks are signed with need not be known.
pub(super) fn open(
    client: &Client,
    config: &ConnectionConfig,
    around: &Surroundings,
) -> anyhow::Result<Connection> {
    let in_words = |problems: Vec<String>| anyhow::anyhow!(problems.join("; "));
    let settings = client
        .settings_at_hand(config, &System)
        .map_err(|missing| in_words(missing.iter().map(ToString::to_string).collect()))?;
    let parts = ConnectionParts {
        client: Arc::clone(client.name()),
        name: Arc::clone(&config.name),
        manifest: Arc::clone(&config.manifest),
        config: settings,
        rate_limit: config.rate_limit,
        concurrency: config.concurrency,
        timeout: config.timeout,
        read_only: config.read_only,
        fields: config.fields.clone(),
    };
    Connection::open(parts, around.clone())
        .map_err(|faults| in_words(faults.iter().map(ToString::to_string).collect()))
}
