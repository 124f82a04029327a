//! The clients as they run now, and the step to what their files say next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::clients::{Opener, Running};
use super::files::{FilesError, ProjectFiles, problems};
use super::kept::KeptVersions;
use crate::admin::ClientHealth;
use crate::check::{Checked, MadeOf};
use crate::clock::SharedClock;
use crate::engine::Runnables;
use crate::failpoint::failpoint;
use crate::ingest::Hooks;
use crate::store::{GoodClient, Store, StoreError, Version};

/// Whose files may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everybody's.
    All,
    /// Those of these clients.
    Clients(BTreeSet<String>),
}

/// Why nothing was taken up. Everything goes on as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    /// The files say nothing.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// What is new could not be kept, and what is not kept does not run.
    #[error("the new versions could not be kept")]
    Store(#[from] StoreError),
    /// A bug of ours.
    #[error("the files could not be checked: {0}")]
    Bug(#[from] tokio::task::JoinError),
}

/// The clients, each as it runs. A change of one leaves the others as they are (invariant 6).
pub(super) struct Roster {
    files: ProjectFiles,
    /// The folder that was read last.
    root: PathBuf,
    store: Arc<dyn Store>,
    opener: Opener,
    kept: KeptVersions,
    clock: SharedClock,
    standing: BTreeMap<Arc<str>, Standing>,
    hooks: Hooks,
    runnables: Runnables,
}

/// Where a client stands.
#[derive(Default)]
struct Standing {
    /// What runs of it: what its files say or, when there are problems, the last that was good.
    running: Option<Arc<Running>>,
    /// What keeps it from running as its files are.
    problems: Vec<String>,
}

/// What a look at the files found.
struct Seen {
    root: PathBuf,
    clients: Vec<(Arc<str>, Next)>,
}

/// What becomes of a client.
enum Next {
    /// It runs as its files are, from now on.
    Changed(Box<Running>, MadeOf),
    /// It runs as its files are, and did before.
    Same,
    /// It cannot run as its files are.
    Broken(Vec<String>),
    /// There is no such client any more.
    Gone,
}

type Before = BTreeMap<Arc<str>, Option<Arc<Running>>>;

impl Roster {
    /// Opens the clients of a project that was checked just now.
    pub(super) async fn begin(
        files: ProjectFiles,
        checked: Checked,
        kept: KeptVersions,
        clock: SharedClock,
    ) -> Result<Self, StoreError> {
        let mut roster = Self {
            root: checked.project.root().to_owned(),
            store: Arc::clone(&kept.store),
            opener: kept.opener.clone(),
            files,
            kept,
            clock,
            standing: BTreeMap::new(),
            hooks: Hooks::default(),
            runnables: Runnables::default(),
        };
        let opener = roster.opener.clone();
        let seen = tokio::task::spawn_blocking(move || look(checked, &opener, &Before::new())).await;
        // Nothing runs yet that a bug of ours could be kept from.
        let seen = seen.unwrap_or_else(|failure| std::panic::resume_unwind(failure.into_panic()));
        roster.take(seen).await?;
        Ok(roster)
    }

    /// Reads files again and takes up what they say. An error leaves everything as it was.
    pub(super) async fn reload(&mut self, scope: Scope) -> Result<(), ReloadError> {
        let (files, root, opener) = (self.files.clone(), self.root.clone(), self.opener.clone());
        let before: Before = self
            .standing
            .iter()
            .map(|(client, standing)| (Arc::clone(client), standing.running.clone()))
            .collect();
        let seen = tokio::task::spawn_blocking(move || match scope {
            Scope::Clients(names) if files.is_whole(&root) => look_at(&files, root, &names, &opener, &before),
            Scope::Clients(_) | Scope::All => look_at_all(&files, &opener, &before),
        });
        let seen = seen.await??;
        self.take(seen).await?;
        Ok(())
    }

    /// The project's files.
    pub(super) fn files(&self) -> &ProjectFiles {
        &self.files
    }

    /// The folder that was read last.
    pub(super) fn root(&self) -> &PathBuf {
        &self.root
    }

    /// The addresses to serve.
    pub(super) fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// The pipelines that can run.
    pub(super) fn runnables(&self) -> &Runnables {
        &self.runnables
    }

    /// Which clients run, and what is wrong with the others.
    pub(super) fn health(&self) -> Vec<ClientHealth> {
        let health = |(client, standing): (&Arc<str>, &Standing)| ClientHealth {
            client: Arc::clone(client),
            runs: standing.running.is_some(),
            version: standing.running.as_ref().map(|running| Arc::clone(&running.version)),
            last_good: standing.running.is_some() && !standing.problems.is_empty(),
            problems: standing.problems.clone(),
        };
        self.standing.iter().map(health).collect()
    }

    /// Takes up what was seen: first what can fail, then each client as a whole.
    async fn take(&mut self, seen: Seen) -> Result<(), StoreError> {
        let last_good = self.store.last_good().await?;
        let mut clients = Vec::with_capacity(seen.clients.len());
        let mut keeping = Vec::new();
        for (client, next) in seen.clients {
            let standing = match next {
                Next::Gone => None,
                Next::Same => {
                    let running = self.standing.get(&client).and_then(|standing| standing.running.clone());
                    Some(Standing { running, problems: Vec::new() })
                }
                Next::Changed(running, made_of) => {
                    if last_good.get(&client).is_none_or(|version| version.0 != made_of.whole.version) {
                        keeping.push(self.store.keep_good(self.good(&client, made_of)));
                    }
                    Some(Standing { running: Some(Arc::from(running)), problems: Vec::new() })
                }
                Next::Broken(problems) => Some(self.broken(&client, problems, last_good.get(&client)).await?),
            };
            clients.push((client, standing));
        }
        // A run may name a version only when that is kept.
        failpoint!("before-kept");
        try_join_all(keeping).await?;
        failpoint!("after-kept");
        self.root = seen.root;
        self.put(clients);
        Ok(())
    }

    fn good(&self, client: &Arc<str>, made_of: MadeOf) -> GoodClient {
        let MadeOf { whole, pipelines } = made_of;
        GoodClient { client: Arc::clone(client), at: self.clock.now(), whole, pipelines }
    }

    /// A client that cannot run as its files are: it goes on as it is, or begins with its last good version.
    async fn broken(
        &self,
        client: &Arc<str>,
        mut problems: Vec<String>,
        last_good: Option<&Version>,
    ) -> Result<Standing, StoreError> {
        let running = self.standing.get(client).and_then(|standing| standing.running.clone());
        if let (None, Some(version)) = (&running, last_good) {
            match self.kept.last_good(client, version).await? {
                Ok(running) => return Ok(Standing { running: Some(Arc::new(running)), problems }),
                Err(why) => problems.push(format!("its last good version {why}")),
            }
        }
        Ok(Standing { running, problems })
    }

    fn put(&mut self, clients: Vec<(Arc<str>, Option<Standing>)>) {
        let running = clients.iter().filter_map(|(client, standing)| {
            let running = standing.as_ref()?.running.as_ref()?;
            Some((Arc::clone(client), running.connections.clone()))
        });
        self.opener.connections.replace(running);
        for (client, standing) in clients {
            let Some(standing) = standing else {
                self.hooks.remove(&client);
                self.runnables.remove(&client);
                if self.standing.remove(&client).is_some() {
                    tracing::info!(%client, "client is gone");
                }
                continue;
            };
            tell(&client, self.standing.get(&client), &standing);
            match &standing.running {
                Some(running) => {
                    self.hooks.serve(&client, running.connections.iter().cloned());
                    self.runnables.insert(Arc::clone(&client), running.pipelines.iter().cloned());
                }
                None => self.hooks.serve_broken(&client),
            }
            self.standing.insert(client, standing);
        }
    }
}

/// Tells the operator what has changed.
fn tell(client: &Arc<str>, before: Option<&Standing>, now: &Standing) {
    let first = now.problems.first().map_or("", String::as_str);
    let (count, told) = (now.problems.len(), before.is_some_and(|before| before.problems == now.problems));
    match &now.running {
        _ if count > 0 && told => {}
        None => tracing::error!(%client, problem = first, problems = count, "client does not run"),
        Some(running) if count > 0 => tracing::warn!(
            %client, version = %running.version, problem = first, problems = count,
            "client keeps its last good version"
        ),
        Some(running) => {
            let version =
                |standing: &Standing| standing.running.as_ref().map(|running| Arc::clone(&running.version));
            if before.is_some_and(|before| {
                version(before).as_ref() != Some(&running.version) || !before.problems.is_empty()
            }) {
                tracing::info!(%client, version = %running.version, "client runs as its files are");
            }
        }
    }
}

/// What a checked project comes to, client by client.
fn look(checked: Checked, opener: &Opener, before: &Before) -> Seen {
    let Checked { project, mut made_of, broken, report, sources } = checked;
    let mut clients: Vec<(Arc<str>, Next)> = Vec::new();
    for client in project.clients() {
        let running = before.get(client.name()).and_then(Option::as_deref);
        let next = match (opener.open(client, running), made_of.remove(client.name())) {
            (Ok(Some(running)), Some(made_of)) => Next::Changed(Box::new(running), made_of),
            (Ok(_), _) => Next::Same,
            (Err(problems), _) => Next::Broken(problems),
        };
        clients.push((Arc::clone(client.name()), next));
    }
    for client in broken {
        let problems = problems(&report, &sources, &client);
        clients.push((client, Next::Broken(problems)));
    }
    Seen { root: project.root().to_owned(), clients }
}

/// All clients; those that ran and are not there any more are gone.
fn look_at_all(files: &ProjectFiles, opener: &Opener, before: &Before) -> Result<Seen, FilesError> {
    let seen = look(files.check()?, opener, before);
    Ok(seen.without(before.keys()))
}

/// These clients.
fn look_at(
    files: &ProjectFiles,
    root: PathBuf,
    wanted: &BTreeSet<String>,
    opener: &Opener,
    before: &Before,
) -> Result<Seen, FilesError> {
    let seen = match files.check_clients(&root, wanted)? {
        Some(checked) => look(checked, opener, before),
        None => Seen { root, clients: Vec::new() },
    };
    Ok(seen.without(before.keys().filter(|client| wanted.contains(&***client))))
}

impl Seen {
    /// Of these clients, those that were not seen are gone.
    fn without<'a>(mut self, expected: impl Iterator<Item = &'a Arc<str>>) -> Self {
        let there: BTreeSet<Arc<str>> = self.clients.iter().map(|(client, _)| Arc::clone(client)).collect();
        let gone = expected.filter(|client| !there.contains(*client));
        self.clients.extend(gone.map(|client| (Arc::clone(client), Next::Gone)));
        self
    }
}
