//! `lockstep run`: production.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::address::address;
use super::look::StoreUrl;
use super::output::{Format, remark, say, say_json};
use super::signals::{Hangups, Signals};
use super::{ExitCode, runtime};
use crate::admin::{Access, ClientHealth};
use crate::check::Checked;
use crate::clock::SystemClock;
use crate::config::Span;
use crate::config::env::{Environment, System};
use crate::diagnostic::Color;
use crate::engine::Jitter;
use crate::runtime::{ProjectFiles, Runtime, RuntimeOptions, Watch, WatchError};
use crate::secret::Redactor;
use crate::serving::Listener;
use crate::store::{Role, StoreAddress};
use crate::telemetry::{self, LogFormat};
use crate::upkeep::RETAIN_MIN;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep run\n  lockstep run --env production --store sqlite:/var/lib/lockstep/lockstep.db\n\n\
                        The secrets that `client.yaml` names are read from the environment. LOCKSTEP_ADMIN_TOKEN is the \
                        token of the admin address; without one it listens on loopback only. Changed files are taken up \
                        by themselves, client by client; SIGHUP has all of them read again, secrets in files included. \
                        SIGTERM and Ctrl-C let what is under way finish; a second one ends at once, and what was under way goes on at the next start."
)]
pub(super) struct Run {
    /// The project [default: the nearest folder that holds `pipelines`]
    #[arg(value_name = "DIR", env = "LOCKSTEP_PROJECT")]
    dir: Option<PathBuf>,
    /// Where everything is kept: `sqlite:PATH` or `postgres://USER@HOST/DATABASE` [default: lockstep.db in the project]
    #[arg(long, value_name = "URL", env = "LOCKSTEP_STORE", hide_env_values = true)]
    store: Option<StoreUrl>,
    /// What this process does, of several that share a PostgreSQL store: take events in, carry runs out, or both. A worker
    /// has no public address
    #[arg(long, value_enum, value_name = "ROLE", env = "LOCKSTEP_ROLE", default_value_t)]
    role: RoleWord,
    /// The public address, for webhooks; port 0 takes a free one
    #[arg(long, value_name = "ADDR", env = "LOCKSTEP_LISTEN", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// The address of health, metrics and the API; port 0 takes a free one
    #[arg(long, value_name = "ADDR", env = "LOCKSTEP_ADMIN", default_value = "127.0.0.1:8081", value_parser = address)]
    admin: SocketAddr,
    /// The environment: `client.<NAME>.yaml` over `client.yaml`
    #[arg(long, value_name = "NAME", env = "LOCKSTEP_ENV")]
    env: Option<String>,
    /// Take changed files up on SIGHUP only, not by themselves
    #[arg(long, env = "LOCKSTEP_NO_WATCH")]
    no_watch: bool,
    /// How long running steps may take to finish when it is stopped
    #[arg(long, value_name = "TIME", env = "LOCKSTEP_GRACE", default_value = "20s")]
    grace: Span,
    /// How long events, and what came of them, are kept whole, at least 4d; then their content and all values are erased,
    /// and what stays says so. Dead letters are kept until they are retried or dismissed [default: for ever]
    #[arg(long, value_name = "TIME", env = "LOCKSTEP_RETAIN", value_parser = retain)]
    retain: Option<Span>,
    /// How the log is written
    #[arg(long, value_enum, value_name = "FORMAT", env = "LOCKSTEP_LOG_FORMAT", default_value_t)]
    log_format: LogWords,
    /// What is logged: `info`, `warn,lockstep::engine=debug`
    #[arg(long, value_name = "FILTER", env = "LOCKSTEP_LOG", default_value = "info")]
    log: String,
    /// How to tell where it listens
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum LogWords {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// What a process does.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum RoleWord {
    /// Take events in, and carry runs out
    #[default]
    All,
    /// Take events in; workers carry their runs out
    Ingest,
    /// Carry runs out; others take events in
    Worker,
}

impl RoleWord {
    fn role(self) -> Role {
        match self {
            Self::All => Role::All,
            Self::Ingest => Role::Ingest,
            Self::Worker => Role::Worker,
        }
    }
}

/// Where it runs.
#[derive(Debug, Serialize)]
struct Standing {
    role: &'static str,
    listen: Option<SocketAddr>,
    admin: SocketAddr,
    store: String,
    hooks: Vec<String>,
    clients: Vec<ClientHealth>,
}

impl Run {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let redactor = Redactor::default();
        let format = match self.log_format {
            LogWords::Text => LogFormat::Text,
            LogWords::Json => LogFormat::Json,
        };
        telemetry::start(format, &self.log, redactor.clone())?;
        let runtime = runtime()?;
        let code = runtime.block_on(self.carry_out(redactor));
        // Whatever still runs after the grace, or after a second signal, is not waited for.
        runtime.shutdown_background();
        code
    }

    async fn carry_out(self, redactor: Redactor) -> anyhow::Result<ExitCode> {
        let (mut signals, mut hangups) = (Signals::listen()?, Hangups::listen()?);
        // Ports and access are settled before anything runs, so that a mistake in them runs nothing.
        let token = System.variable("LOCKSTEP_ADMIN_TOKEN");
        redactor.learn_all(token.as_deref());
        let access = Access::to(self.admin, token.as_deref())?;
        let files = self.files()?;
        let watch = if self.no_watch { None } else { watch(&files) };
        let store = StoreUrl::address(self.store.as_ref(), &files.root()?)?;
        redactor.learn_all(store.secret().as_deref());
        let role = self.role.role();
        alone_has_all_roles(&store, role)?;
        let public = if role.ingests() { Some(bind(self.listen, "--listen").await?) } else { None };
        let admin = bind(self.admin, "--admin").await?;
        let runtime = Runtime::start(RuntimeOptions {
            files,
            found: Box::new(show),
            watch,
            environment: Arc::new(System),
            store: store.clone(),
            role,
            retain: self.retain.map(|retain| retain.0),
            public,
            admin,
            access,
            clock: Arc::new(SystemClock),
            jitter: Jitter::full(),
            redactor,
        })
        .await?;
        self.tell(&runtime, store.to_string())?;
        loop {
            tokio::select! {
                () = signals.next() => break,
                () = hangups.next() => runtime.reload(),
            }
        }
        tracing::info!("stopping");
        tokio::select! {
            stopped = runtime.shutdown(self.grace.0) => stopped.context("the store could not be closed")?,
            () = signals.next() => {
                tracing::warn!("ended at once: what was under way goes on at the next start");
                return Ok(ExitCode::CouldNot);
            }
        }
        tracing::info!("stopped");
        Ok(ExitCode::Fine)
    }

    fn files(&self) -> anyhow::Result<ProjectFiles> {
        let here = std::env::current_dir().context("the working directory cannot be read")?;
        let paths = self.dir.iter().cloned().collect();
        Ok(ProjectFiles { paths, here, env: self.env.as_deref().map(Arc::from) })
    }

    fn tell(&self, runtime: &Runtime, store: String) -> anyhow::Result<()> {
        let addresses = runtime.addresses();
        let standing = Standing {
            role: self.role.role().word(),
            listen: addresses.public,
            admin: addresses.admin,
            store,
            hooks: runtime.hooks(),
            clients: runtime.clients().to_vec(),
        };
        tracing::info!(
            role = standing.role, listen = standing.listen.map(tracing::field::display), admin = %standing.admin, store = %standing.store,
            clients = standing.clients.iter().filter(|client| client.runs).count(), "started"
        );
        match self.format {
            Format::Json => say_json(&standing),
            Format::Human => Ok(say(standing.page())?),
        }
    }
}

impl Standing {
    fn page(&self) -> String {
        let running: Vec<&str> =
            self.clients.iter().filter(|client| client.runs).map(|client| &*client.client).collect();
        let does = match self.role {
            "ingest" => "takes events in for",
            "worker" => "carries runs out for",
            _ => "runs",
        };
        let mut lines = vec![format!("lockstep {} {does} {}", env!("CARGO_PKG_VERSION"), named(&running))];
        lines.push(format!("  admin  http://{}", self.admin));
        lines.push(format!("  store  {}", self.store));
        lines.extend(self.hooks.iter().map(|hook| format!("  hook   {hook}")));
        let dormant = self.clients.iter().filter(|client| client.dormant).count();
        if dormant > 0 {
            lines.push(format!(
                "  {dormant} clients have passed their checks before: each is opened when its first event comes"
            ));
        }
        for client in self.clients.iter().filter(|client| !client.problems.is_empty()) {
            lines.push(if client.runs {
                format!("  {} runs with its last good version:", client.client)
            } else {
                format!("  {} does not run, and its hooks answer 503:", client.client)
            });
            lines.extend(client.problems.iter().map(|problem| format!("    {problem}")));
        }
        lines.join("\n")
    }
}

/// An SQLite store has one process: with half a role, nobody would do the other half.
fn alone_has_all_roles(store: &StoreAddress, role: Role) -> anyhow::Result<()> {
    match store {
        StoreAddress::Sqlite(_) if role != Role::All => anyhow::bail!(
            "--role {} is for processes that share a store, and an SQLite store has one process: leave it out, or name a \
             PostgreSQL store with --store postgres://USER@HOST/DATABASE",
            role.word()
        ),
        _ => Ok(()),
    }
}

/// So many clients are named in the line that tells of the start.
const NAMED_MAX: usize = 20;

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<Listener> {
    Listener::bind(address).await.map_err(|error| match error.source.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "could not listen on {address}: another process does; end it, or name another address with {flag}"
        ),
        _ => error.into(),
    })
}

/// How long things are kept: less than the minimum would take from a person what they look into.
fn retain(text: &str) -> Result<Span, String> {
    let days = || format!("`{text}` says no unit: {text} days are written `{text}d`");
    let is_number = text.parse::<u32>().is_ok();
    let span: Span = text.parse().map_err(|error| if is_number { days() } else { format!("{error}") })?;
    if span.0 < RETAIN_MIN {
        return Err("events are kept for at least 4d: a system delivers one again for up to three days, and who looks \
                    into it needs to see it; `lockstep purge` erases by hand"
            .to_owned());
    }
    Ok(span)
}

fn named(clients: &[&str]) -> String {
    match clients {
        [] => "no client".to_owned(),
        [first @ .., _, _] if clients.len() > NAMED_MAX => {
            format!(
                "{} and {} more clients",
                first[..NAMED_MAX - 1].join(", "),
                clients.len() + 1 - NAMED_MAX
            )
        }
        _ => clients.join(", "),
    }
}

/// Watches the files, where the system can tell of changes.
fn watch(files: &ProjectFiles) -> Option<Watch> {
    match files.watch() {
        Ok(watch) => Some(watch),
        // Reading them says it.
        Err(WatchError::Files(_)) => None,
        Err(error) => {
            tracing::warn!(%error, "the files are not watched: SIGHUP takes changes up");
            None
        }
    }
}

/// Shows what was found in the project's files.
fn show(checked: &Checked) {
    if checked.report.errors() > 0 {
        remark(checked.report.render_human(&checked.sources, Color::Styled).trim_end());
    }
}
