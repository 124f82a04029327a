//! Asking an account which fields it has.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use crate::check::{self, Environments, objects_named};
use crate::cli::open::{around, open};
use crate::cli::output::{remark, say};
use crate::cli::{ExitCode, runtime};
use crate::config::{self, ConnectionSchema, ObjectSchema};
use crate::connector::{Class, Connection};
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
        // An older look at the account may call wrong what is right now.
        let kept: Vec<_> =
            draft.clients.iter_mut().map(|it| (it.folder.clone(), std::mem::take(&mut it.schemas))).collect();
        draft.findings.retain(|finding| finding.code != crate::diagnostic::Code::BadSchema);
        let kept = kept.into_iter().filter(|(folder, _)| **folder == *self.client).flat_map(|(_, kept)| kept);
        let before = kept.into_iter().find(|it| *it.connection == *self.connection).and_then(|it| it.content);
        let root = draft.root.clone();
        let mut objects: BTreeSet<Arc<str>> = self.object.iter().map(|name| name.as_str().into()).collect();
        // What was asked for once stays asked for.
        objects.extend(before.iter().flat_map(|it| it.objects.keys()).map(|name| name.as_str().into()));
        let manifests = check::manifests(&draft);
        let file = draft.clients.iter().find(|it| *it.folder == *self.client);
        if let Some((client, content)) = file.and_then(|it| Some((it, it.file.content.as_ref()?))) {
            let connection = content.connections.iter().find(|(name, _)| *name.0 == *self.connection);
            let manifest =
                connection.and_then(|(_, it)| manifests.iter().find(|one| **one.name() == *it.connector));
            let named =
                manifest.map(|it| objects_named(client, &draft.shared, &self.connection, it.abilities()));
            objects.extend(named.into_iter().flatten());
        }
        let environments = self.env.as_deref().map_or(Environments::Base, Environments::One);
        let checked = check::check(draft, environments)?;
        if checked.broken.contains(self.client.as_str()) {
            say(checked.report.render_human(&checked.sources, Color::Styled).trim_end())?;
            return Ok(Err(ExitCode::Found));
        }
        let (client, connection) = self.find(&checked.project)?;
        let opened = open(client, connection, &around()?)?;
        let now = ConnectionSchema {
            schema: None,
            connector: connection.manifest.name().to_string(),
            objects: runtime()?.block_on(self.described(&opened, objects))?,
        };
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
    ) -> anyhow::Result<std::collections::BTreeMap<String, ObjectSchema>> {
        let mut described = std::collections::BTreeMap::new();
        for object in objects {
            let name = format!("{}.{object}", self.connection);
            let fields = match connection.describe(&object).await {
                Ok(Some(fields)) => fields,
                Ok(None) => {
                    remark(format_args!("{name} is left out: the system does not tell its fields"));
                    continue;
                }
                Err(failure) if failure.class == Class::Missing => {
                    remark(format_args!("{name} is left out: the account has no such object"));
                    continue;
                }
                Err(failure) => bail!("{name} could not be described: {}", failure.message),
            };
            let fields = ObjectSchema::of_described(&fields).with_context(|| name.clone())?;
            described.insert(object.to_string(), fields);
        }
        if described.is_empty() {
            bail!(
                "there is nothing to describe: no pipeline of {} names an object of {}",
                self.client,
                self.connection
            );
        }
        Ok(described)
    }
}
