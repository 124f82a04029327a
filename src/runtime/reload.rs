//! Taking up changed files while everything runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::roster::{ReloadError, Roster, Scope};
use super::rouse::Call;
use super::watch::Watch;
use crate::admin::Health;
use crate::clock::SharedClock;
use crate::engine::Engine;
use crate::failpoint::failpoint;
use crate::ingest::Ingest;
use crate::metrics::Metrics;
use crate::poll::Poller;
use crate::store::Store;

/// After a failure, the files are looked at again after so long: a folder that is being replaced, a store that is busy.
const AGAIN: Duration = Duration::from_secs(5);

/// How often versions that nobody needs are forgotten.
const FORGETTING: Duration = Duration::from_hours(1);

/// How long a version that its client has left is kept all the same: another replica may still begin runs with it
/// while a deployment goes on.
const KEPT_LONGER: Duration = Duration::from_hours(24);

/// Where what is new has to arrive.
pub(super) struct Receivers {
    pub(super) store: Arc<dyn Store>,
    pub(super) engine: Arc<Engine>,
    pub(super) ingest: Arc<Ingest>,
    pub(super) poller: Arc<Poller>,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: SharedClock,
}

/// The task that takes changes up, one look at the files at a time.
pub(super) struct Reloader {
    roster: Roster,
    to: Receivers,
    /// Nothing when changes are taken up only when that is asked for.
    watch: Option<Watch>,
    /// Those who need clients that are dormant.
    calls: mpsc::Receiver<Call>,
    /// When to look again after a failure.
    again: Option<Instant>,
}

impl Reloader {
    pub(super) fn new(
        roster: Roster,
        to: Receivers,
        watch: Option<Watch>,
        calls: mpsc::Receiver<Call>,
    ) -> Self {
        Self { roster, to, watch, calls, again: None }
    }

    /// Goes on until it is stopped. `asked` asks for a look at all files.
    pub(super) async fn run(mut self, asked: Arc<Notify>, stop: CancellationToken) {
        let mut forgetting = interval(FORGETTING);
        forgetting.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let scope = tokio::select! {
                () = stop.cancelled() => return,
                () = asked.notified() => {
                    tracing::info!("reloading: asked to");
                    Scope::All
                }
                scope = quiet(self.watch.as_ref()) => scope,
                () = at(self.again) => Scope::All,
                Some(call) = self.calls.recv() => {
                    self.rouse(call).await;
                    continue;
                }
                _ = forgetting.tick() => {
                    self.forget().await;
                    continue;
                }
            };
            self.reload(scope).await;
        }
    }

    /// Opens those that were called, all at once.
    async fn rouse(&mut self, call: Call) {
        let mut calls = vec![call];
        while let Ok(call) = self.calls.try_recv() {
            calls.push(call);
        }
        let dormant = calls.iter().filter(|call| self.roster.is_dormant(&call.client));
        let clients: BTreeSet<String> = dormant.map(|call| call.client.to_string()).collect();
        if !clients.is_empty() {
            self.reload(Scope::Clients(clients)).await;
        }
    }

    async fn reload(&mut self, scope: Scope) {
        if scope == Scope::All {
            // Before the files are read: what changes meanwhile is heard of.
            self.watch_anew().await;
        }
        let root = self.roster.root().clone();
        match self.roster.reload(scope).await {
            Ok(()) => {
                self.publish();
                let moved = *self.roster.root() != root;
                self.again = None;
                if moved {
                    self.watch_anew().await;
                }
            }
            Err(error) => {
                // Once in a row: it is tried every few seconds.
                if self.again.is_none() {
                    tracing::error!(error = %words(&error), "nothing was reloaded; everything goes on as it was");
                }
                self.again = Some(Instant::now() + AGAIN);
            }
        }
    }

    /// Hands on what runs now. What a run needs comes before what begins one.
    fn publish(&self) {
        self.to.engine.replace(self.roster.runnables());
        failpoint!("in-reload");
        self.to.ingest.serve(self.roster.hooks().clone());
        self.to.poller.serve(self.roster.polls());
        publish_health(&self.roster, &self.to.health, &self.to.metrics);
    }

    /// Folders that were replaced are others, although they are called the same.
    async fn watch_anew(&mut self) {
        if self.watch.is_none() {
            return;
        }
        let files = self.roster.files().clone();
        let watch = tokio::task::spawn_blocking(move || files.watch().map_err(|error| error.to_string()));
        match watch.await.unwrap_or_else(|failure| Err(failure.to_string())) {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => tracing::warn!(%error, "the files are not watched: SIGHUP takes changes up"),
        }
    }

    async fn forget(&self) {
        let Ok(before) = self.to.clock.now().checked_sub(KEPT_LONGER) else { return };
        match self.to.store.forget_versions(before).await {
            Ok(0) => {}
            Ok(versions) => tracing::debug!(versions, "versions that nobody needs were forgotten"),
            Err(error) => tracing::warn!(%error, "versions that nobody needs could not be forgotten"),
        }
    }
}

/// Says how the clients stand.
pub(super) fn publish_health(roster: &Roster, health: &Health, metrics: &Metrics) {
    let clients = roster.health();
    let broken = clients.iter().filter(|client| !client.problems.is_empty());
    metrics.broken(broken.map(|it| (&it.client, if it.last_good { "last_good" } else { "nothing" })));
    health.set(clients);
}

fn words(error: &ReloadError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

async fn quiet(watch: Option<&Watch>) -> Scope {
    match watch {
        Some(watch) => watch.quiet().await,
        None => std::future::pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
