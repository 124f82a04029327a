//! The command: which connections, and what is told.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Url;

use super::needed::needed;
use super::settle::{Resolve, Told, settle};
use crate::check::{self, Environments};
use crate::cli::open::{around, open};
use crate::cli::output::{Format, say, say_json};
use crate::cli::{ExitCode, runtime};
use crate::config;
use crate::connector::Wanted;
use crate::diagnostic::Color;
use crate::nearest::did_you_mean;
use crate::project::Client;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep endpoints acme-saas --url https://hooks.example.com\n  \
                        lockstep endpoints acme-saas --url https://hooks.example.com --apply --secret-file acme.whsec\n\n\
                        Shows what would change, and ends with 1 when something would; --apply does it. There is never a second \
                        endpoint for a connection: one that is there is changed. Nothing is ever removed. A signing secret goes into \
                        the file alone, which must be a new one.")]
pub(in crate::cli) struct EndpointsCommand {
    /// The client
    client: String,
    /// The address under which lockstep is reached from outside: what stands before `/hooks/...`
    #[arg(long, value_name = "URL", env = "LOCKSTEP_URL", value_parser = base)]
    url: Url,
    /// This connection alone
    #[arg(long, value_name = "NAME")]
    connection: Option<String>,
    /// Do it
    #[arg(long)]
    apply: bool,
    /// A new file for the signing secret of an endpoint that is registered
    #[arg(long, value_name = "PATH", requires = "apply")]
    secret_file: Option<PathBuf>,
    /// The environment: `client.<NAME>.yaml` over `client.yaml`
    #[arg(long, value_name = "NAME", env = "LOCKSTEP_ENV")]
    env: Option<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl EndpointsCommand {
    pub(in crate::cli) fn run(self) -> anyhow::Result<ExitCode> {
        let client = match self.client()? {
            Ok(client) => client,
            Err(code) => return Ok(code),
        };
        let mut connections = Vec::new();
        for connection in client.connections.values() {
            let named = self.connection.as_deref().is_none_or(|name| name == &*connection.name);
            if named && connection.manifest.endpoints().is_some() {
                connections.push((connection, needed(&client, connection)?));
            }
        }
        if connections.is_empty() {
            let which = self.connection.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
            bail!(
                "{} has no connection{which} whose system is told by its API where to send events",
                self.client
            );
        }
        let around = around()?;
        let resolve = if self.apply {
            Resolve::Apply { secret_file: self.secret_file.as_deref() }
        } else {
            Resolve::Show
        };
        let runtime = runtime()?;
        let mut all = Vec::new();
        for (connection, events) in connections {
            let wanted = Wanted {
                url: format!(
                    "{}/hooks/{}/{}",
                    self.url.as_str().trim_end_matches('/'),
                    client.name(),
                    connection.name
                ),
                events,
                mark: format!("{}/{}", client.name(), connection.name),
            };
            let opened = open(&client, connection, &around)?;
            let endpoints = connection.manifest.endpoints().context("it was there a moment ago")?;
            all.extend(runtime.block_on(settle(endpoints, &opened, &wanted, resolve))?);
        }
        match self.format {
            Format::Json => say_json(&all)?,
            Format::Human => say(self.told(&all))?,
        }
        Ok(if all.iter().all(Told::is_settled) { ExitCode::Fine } else { ExitCode::Found })
    }

    fn told(&self, all: &[Told]) -> String {
        let mut lines: Vec<String> = all.iter().flat_map(Told::lines).collect();
        if lines.is_empty() {
            lines.push("no pipeline waits for events that a system would have to send".into());
        }
        if !self.apply && !all.iter().all(Told::is_settled) {
            lines.push("--apply does it".into());
        }
        lines.join("\n")
    }

    /// The client, without errors; otherwise they are shown.
    fn client(&self) -> anyhow::Result<Result<Arc<Client>, ExitCode>> {
        let environments = self.env.as_deref().map_or(Environments::Base, Environments::One);
        let checked = check::check(config::load(&[], &std::env::current_dir()?)?, environments)?;
        if checked.broken.contains(self.client.as_str()) {
            say(checked.report.render_human(&checked.sources, Color::Styled).trim_end())?;
            return Ok(Err(ExitCode::Found));
        }
        let Some(client) = checked.project.client(&self.client) else {
            let help = did_you_mean(&self.client, checked.project.clients().map(|client| &**client.name()));
            bail!(
                "there is no client `{}`{}",
                self.client,
                help.map(|help| format!(": {help}")).unwrap_or_default()
            );
        };
        Ok(Ok(Arc::clone(client)))
    }
}

/// An address that `/hooks/...` can follow.
fn base(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "https" | "http") || url.query().is_some() || url.fragment().is_some() {
        return Err("expected an address such as https://hooks.example.com".into());
    }
    Ok(url)
}
