//! Asking an account which fields it has.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;

use crate::check::{self, Environments};
use crate::cli::account::{Described, Wanted, describe};
use crate::cli::open::{around, open};
use crate::cli::output::{remark, say};
use crate::cli::{ExitCode, runtime};
use crate::config::{self, ConnectionSchema};
use crate::connector::Connection;
use crate::diagnostic::Color;
use crate::nearest::{Hint, did_you_mean};
use crate::project::{Client, ConnectionConfig};

/// Which account is looked at.
#[derive(Debug, Args)]
pub(super) struct Look {
    /// The client
    client: String,
    /// Its connection
    connection: String,
    /// An object besides those that the client's pipelines name; may be given several times
    #[arg(long, value_name = "NAME")]
    object: Vec<String>,
    /// The environment: `client.<NAME>.yaml` over `client.yaml`
    #[arg(long, value_name = "NAME", env = "LOCKSTEP_ENV")]
    env: Option<String>,
}

/// What was known of an account, and what it says now.
pub(super) struct Seen {
    /// The file of `schemas/`, whether it is there or not.
    pub(super) path: PathBuf,
    /// What it says; nothing when there is none, or none that can be read.
    pub(super) before: Option<ConnectionSchema>,
    /// What the account says.
    pub(super) now: ConnectionSchema,
}

impl Look {
    /// Asks the account. The other way out is for errors of the client's files, which are shown.
    pub(super) fn look(&self) -> anyhow::Result<Result<Seen, ExitCode>> {
        let mut draft = config::load(&[], &std::env::current_dir()?)?;
        let root = draft.root.clone();
        let wanted = Wanted::of(&mut draft);
        let of = (self.client.as_str().into(), self.connection.as_str().into());
        let mut objects = wanted.objects(&of);
        objects.extend(self.object.iter().map(|name| Arc::from(name.as_str())));
        let environments = self.env.as_deref().map_or(Environments::Base, Environments::One);
        let checked = check::check(draft, environments)?;
        if checked.broken.contains(self.client.as_str()) {
            say(checked.report.render_human(&checked.sources, Color::Styled).trim_end())?;
            return Ok(Err(ExitCode::Found));
        }
        let (client, connection) = self.find(&checked.project)?;
        let opened = open(client, connection, &around()?)?;
        let now = runtime()?.block_on(self.described(&opened, objects))?;
        let before = wanted.pulled(&of).cloned();
        let path = root
            .join("pipelines")
            .join(&self.client)
            .join("schemas")
            .join(format!("{}.json", self.connection));
        Ok(Ok(Seen { path, before, now }))
    }

    fn find<'a>(
        &self,
        project: &'a crate::project::Project,
    ) -> anyhow::Result<(&'a Arc<Client>, &'a ConnectionConfig)> {
        let in_words = |help: Option<Hint>| help.map(|help| format!(": {help}")).unwrap_or_default();
        let Some(client) = project.client(&self.client) else {
            let help = did_you_mean(&self.client, project.clients().map(|client| &**client.name()));
            bail!("there is no client `{}`{}", self.client, in_words(help));
        };
        let Some(connection) = client.connections.get(self.connection.as_str()) else {
            let help = did_you_mean(&self.connection, client.connections.keys().map(|name| &**name));
            bail!("{} has no connection `{}`{}", self.client, self.connection, in_words(help));
        };
        if !connection.manifest.describes() {
            bail!("the connector `{}` cannot tell which fields an account has", connection.manifest.name());
        }
        Ok((client, connection))
    }

    async fn described(
        &self,
        connection: &Connection,
        objects: BTreeSet<Arc<str>>,
    ) -> anyhow::Result<ConnectionSchema> {
        let Described { schema, untold, missing } = describe(connection, objects).await?;
        for (objects, why) in
            [(untold, "the system does not tell its fields"), (missing, "the account has no such object")]
        {
            for object in objects {
                remark(format_args!("{}.{object} is left out: {why}", self.connection));
            }
        }
        if schema.objects.is_empty() {
            bail!(
                "there is nothing to describe: no pipeline of {} names an object of {}",
                self.client,
                self.connection
            );
        }
        Ok(schema)
    }
}
