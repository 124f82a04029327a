//! The clients as they run now, and the step to what their files say next.
//!
//! In a large project only those are open that are needed: see [`Survey`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::clients::{Opener, Running};
use super::files::{FilesError, ProjectFiles, problems};
use super::kept::KeptVersions;
use super::survey::{OPEN_AT_START, Survey};
use crate::admin::ClientHealth;
use crate::check::{Checked, MadeOf};
use crate::clock::SharedClock;
use crate::engine::Runnables;
use crate::failpoint::failpoint;
use crate::ingest::Hooks;
use crate::poll::Job;
use crate::store::{GoodClient, LastGood, Store, StoreError, Version};

/// So many clients of a large project are read and checked at a time: the memory holds the texts of no more.
const PIECE: usize = 64;

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

/// Told what the first look at the files finds.
pub type Finder = Box<dyn FnMut(&Checked) + Send>;

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
    /// What will run of it when it is called, if it is dormant.
    dormant: Option<Version>,
    /// What keeps it from running as its files are.
    problems: Vec<String>,
}

/// What a look at the files found.
struct Seen {
    root: PathBuf,
    clients: Vec<(Arc<str>, Next)>,
}

/// What is known of clients before they are looked at, in a large project.
#[derive(Default)]
struct Known {
    /// Names the check of each.
    checks: BTreeMap<Arc<str>, Arc<str>>,
    /// Those that are opened whatever is known of them: they have something to do.
    needed: BTreeSet<Arc<str>>,
}

/// What becomes of a client.
enum Next {
    /// It runs as its files are, from now on. True when nobody has to be there before its events come.
    Changed(Box<Running>, MadeOf, bool),
    /// It runs as its files are, and did before.
    Same,
    /// It cannot run as its files are.
    Broken(Vec<String>),
    /// There is no such client any more.
    Gone,
}

type Before = BTreeMap<Arc<str>, Option<Arc<Running>>>;

impl Roster {
    /// Opens the clients of a project: all of them, or in a large one those that have something to do.
    pub(super) async fn begin(
        files: ProjectFiles,
        kept: KeptVersions,
        clock: SharedClock,
        mut found: Finder,
    ) -> Result<Self, ReloadError> {
        let mut roster = Self {
            root: PathBuf::new(),
            store: Arc::clone(&kept.store),
            opener: kept.opener.clone(),
            files,
            kept,
            clock,
            standing: BTreeMap::new(),
            hooks: Hooks::default(),
            runnables: Runnables::default(),
        };
        roster.look_at_all(&mut found).await?;
        Ok(roster)
    }

    /// Reads files again and takes up what they say. An error leaves everything as it was; in a large project, all that
    /// was not reached.
    pub(super) async fn reload(&mut self, scope: Scope) -> Result<(), ReloadError> {
        let mut found: Finder = Box::new(|_| ());
        match scope {
            Scope::Clients(names) if self.files.is_whole(&self.root) => {
                self.look_at(names, &Known::default(), &mut found).await
            }
            Scope::Clients(_) | Scope::All => self.look_at_all(&mut found).await,
        }
    }

    async fn look_at_all(&mut self, found: &mut Finder) -> Result<(), ReloadError> {
        let (files, environment) = (self.files.clone(), Arc::clone(&self.opener.environment));
        let surveyed = tokio::task::spawn_blocking(move || Survey::of(&files, &*environment)).await??;
        if let Some(survey) = surveyed {
            return self.look_by_pieces(survey, found).await;
        }
        let (files, opener, before) = (self.files.clone(), self.opener.clone(), self.before());
        let looked = tokio::task::spawn_blocking(move || {
            let checked = files.check()?;
            Ok::<_, FilesError>((look(&checked, &opener, &before).without(before.keys()), checked))
        });
        let (seen, checked) = looked.await??;
        found(&checked);
        Ok(self.take(seen, &Known::default()).await?)
    }

    /// A large project: what has passed the same check before stays dormant, or as it is.
    async fn look_by_pieces(&mut self, survey: Survey, found: &mut Finder) -> Result<(), ReloadError> {
        let last_good = self.store.last_good().await?;
        let needed = if self.standing.is_empty() { self.with_work().await? } else { BTreeSet::new() };
        let gone = self.standing.keys().filter(|client| !survey.checks.contains_key(*client));
        let mut at_once: Vec<_> = gone.map(|client| (Arc::clone(client), None)).collect();
        let mut others = Vec::new();
        for (client, check) in &survey.checks {
            let passed = last_good.get(client).filter(|good| check.is_some() && good.check == *check);
            let is_open = self.standing.get(client).is_some_and(|standing| standing.running.is_some());
            match passed {
                Some(good) if !is_open && !needed.contains(client) => {
                    at_once.push((Arc::clone(client), Some(Standing::dormant(good.version.clone()))));
                }
                _ => others.push(client.to_string()),
            }
        }
        tracing::debug!(dormant = at_once.len(), to_check = others.len(), "a large project");
        self.root = survey.root;
        self.put(at_once);
        let checks = survey.checks.into_iter().filter_map(|(client, check)| Some((client, check?))).collect();
        let known = Known { checks, needed };
        for piece in others.chunks(PIECE) {
            self.look_at(piece.iter().cloned().collect(), &known, found).await?;
        }
        Ok(())
    }

    /// Looks at some clients.
    async fn look_at(
        &mut self,
        wanted: BTreeSet<String>,
        known: &Known,
        found: &mut Finder,
    ) -> Result<(), ReloadError> {
        let (files, root, opener) = (self.files.clone(), self.root.clone(), self.opener.clone());
        let before = self.before();
        let looked = tokio::task::spawn_blocking(move || {
            let checked = files.check_clients(&root, &wanted)?;
            let seen = match &checked {
                Some(checked) => look(checked, &opener, &before),
                None => Seen { root, clients: Vec::new() },
            };
            let expected = before.keys().filter(|client| wanted.contains(&***client));
            Ok::<_, FilesError>((seen.without(expected), checked))
        });
        let (seen, checked) = looked.await??;
        if let Some(checked) = &checked {
            found(checked);
        }
        Ok(self.take(seen, known).await?)
    }

    fn before(&self) -> Before {
        let running =
            |(client, standing): (&Arc<str>, &Standing)| (Arc::clone(client), standing.running.clone());
        self.standing.iter().map(running).collect()
    }

    /// The clients of which something waits in the store: runs, connections that are tried again, alerts.
    async fn with_work(&self) -> Result<BTreeSet<Arc<str>>, StoreError> {
        let (runs, connections, alerts) = tokio::try_join!(
            self.store.outlook(self.clock.now()),
            self.store.connections(),
            self.store.alert_windows()
        )?;
        let runs = runs.into_iter().map(|outlook| outlook.client);
        let connections = connections.into_iter().map(|connection| connection.client);
        Ok(runs.chain(connections).chain(alerts.into_iter().map(|alert| alert.client)).collect())
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

    /// What is polled.
    pub(super) fn polls(&self) -> Vec<Arc<Job>> {
        let running = self.standing.values().filter_map(|standing| standing.running.as_ref());
        running.flat_map(|running| running.polls.iter().cloned()).collect()
    }

    /// The pipelines that can run.
    pub(super) fn runnables(&self) -> &Runnables {
        &self.runnables
    }

    /// True when a client has to be called before it runs.
    pub(super) fn is_dormant(&self, client: &str) -> bool {
        self.standing.get(client).is_some_and(|standing| standing.dormant.is_some())
    }

    /// Which clients run, and what is wrong with the others.
    pub(super) fn health(&self) -> Vec<ClientHealth> {
        let health = |(client, standing): (&Arc<str>, &Standing)| ClientHealth {
            client: Arc::clone(client),
            runs: standing.running.is_some() || standing.dormant.is_some(),
            dormant: standing.dormant.is_some(),
            version: standing.version(),
            last_good: standing.running.is_some() && !standing.problems.is_empty(),
            problems: standing.problems.clone(),
        };
        self.standing.iter().map(health).collect()
    }

    /// Takes up what was seen: first what can fail, then each client as a whole.
    async fn take(&mut self, seen: Seen, known: &Known) -> Result<(), StoreError> {
        let roused = |(client, next): &(Arc<str>, Next)| match next {
            Next::Changed(running, ..) => {
                let dormant = self.standing.get(client).and_then(|standing| standing.dormant.as_ref());
                dormant.is_some_and(|version| version.0 == running.version) && known.checks.is_empty()
            }
            Next::Same | Next::Gone => true,
            Next::Broken(_) => false,
        };
        // Nothing to be kept, when some are only called: large projects have many to ask for.
        let is_known = seen.clients.iter().all(roused);
        let last_good = if is_known { None } else { Some(self.store.last_good().await?) };
        let of = |client: &Arc<str>| last_good.as_ref().and_then(|all| all.get(client));
        let mut open = self.standing.values().filter(|standing| standing.running.is_some()).count();
        let mut clients = Vec::with_capacity(seen.clients.len());
        let mut keeping = Vec::new();
        for (client, next) in seen.clients {
            let standing = match next {
                Next::Gone => None,
                Next::Same => {
                    let running = self.standing.get(&client).and_then(|standing| standing.running.clone());
                    Some(Standing { running, ..Standing::default() })
                }
                Next::Changed(running, made_of, waits) => {
                    let check = known.checks.get(&client).filter(|_| waits).cloned();
                    let good = self.good(&client, made_of, check);
                    let may_rest = good.check.is_some() && !known.needed.contains(&client);
                    let is_open = self.standing.get(&client).is_some_and(|it| it.running.is_some());
                    open += usize::from(!is_open);
                    let standing = if may_rest && !is_open && open > OPEN_AT_START {
                        Standing::dormant(Version(Arc::clone(&good.whole.version)))
                    } else {
                        Standing { running: Some(Arc::from(running)), ..Standing::default() }
                    };
                    if !is_known && is_news(&good, of(&client)) {
                        keeping.push(self.store.keep_good(good));
                    }
                    Some(standing)
                }
                Next::Broken(problems) => Some(self.broken(&client, problems, of(&client)).await?),
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

    fn good(&self, client: &Arc<str>, made_of: MadeOf, check: Option<Arc<str>>) -> GoodClient {
        let MadeOf { whole, pipelines } = made_of;
        GoodClient { client: Arc::clone(client), at: self.clock.now(), whole, pipelines, check }
    }

    /// A client that cannot run as its files are: it goes on as it is, or begins with its last good version.
    async fn broken(
        &self,
        client: &Arc<str>,
        mut problems: Vec<String>,
        last_good: Option<&LastGood>,
    ) -> Result<Standing, StoreError> {
        let running = self.standing.get(client).and_then(|standing| standing.running.clone());
        if let (None, Some(good)) = (&running, last_good) {
            match self.kept.last_good(client, &good.version).await? {
                Ok(running) => {
                    return Ok(Standing { running: Some(Arc::new(running)), dormant: None, problems });
                }
                Err(why) => problems.push(format!("its last good version {why}")),
            }
        }
        Ok(Standing { running, dormant: None, problems })
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
                None if standing.dormant.is_some() => {
                    self.hooks.serve_dormant(&client);
                    self.runnables.insert_dormant(Arc::clone(&client));
                }
                None => {
                    self.hooks.serve_broken(&client);
                    self.runnables.remove(&client);
                }
            }
            self.standing.insert(client, standing);
        }
    }
}

impl Standing {
    fn dormant(version: Version) -> Self {
        Self { dormant: Some(version), ..Self::default() }
    }

    /// Names what runs of it, or will when it is called.
    fn version(&self) -> Option<Arc<str>> {
        let running = self.running.as_ref().map(|running| &running.version);
        running.or(self.dormant.as_ref().map(|version| &version.0)).cloned()
    }
}

/// True when it has to be kept: other files, or another check that they have passed.
fn is_news(good: &GoodClient, last: Option<&LastGood>) -> bool {
    last.is_none_or(|last| {
        last.version.0 != good.whole.version || good.check.is_some() && good.check != last.check
    })
}

/// Tells the operator what has changed.
fn tell(client: &Arc<str>, before: Option<&Standing>, now: &Standing) {
    let first = now.problems.first().map_or("", String::as_str);
    let (count, told) = (now.problems.len(), before.is_some_and(|before| before.problems == now.problems));
    match &now.running {
        _ if count > 0 && told || now.dormant.is_some() => {}
        None => tracing::error!(%client, problem = first, problems = count, "client does not run"),
        Some(running) if count > 0 => tracing::warn!(
            %client, version = %running.version, problem = first, problems = count,
            "client keeps its last good version"
        ),
        Some(running) => {
            if before.is_some_and(|before| {
                before.version().as_ref() != Some(&running.version) || !before.problems.is_empty()
            }) {
                tracing::info!(%client, version = %running.version, "client runs as its files are");
            }
        }
    }
}

/// What a checked project comes to, client by client.
fn look(checked: &Checked, opener: &Opener, before: &Before) -> Seen {
    let mut clients: Vec<(Arc<str>, Next)> = Vec::new();
    for client in checked.project.clients() {
        let running = before.get(client.name()).and_then(Option::as_deref);
        let next = match (opener.open(client, running), checked.made_of.get(client.name())) {
            (Ok(Some(running)), Some(made_of)) => {
                let waits = client.pipelines.iter().all(|pipeline| pipeline.waits_for_events());
                Next::Changed(Box::new(running), made_of.clone(), waits)
            }
            (Ok(_), _) => Next::Same,
            (Err(problems), _) => Next::Broken(problems),
        };
        clients.push((Arc::clone(client.name()), next));
    }
    for client in &checked.broken {
        let problems = problems(&checked.report, &checked.sources, client);
        clients.push((Arc::clone(client), Next::Broken(problems)));
    }
    Seen { root: checked.project.root().to_owned(), clients }
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
