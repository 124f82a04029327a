//! One store, and the processes that work on it until each is killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::crm::Crm;
use super::hits::Hits;
use super::process::Process;
use super::project::{Event, project};
use super::sender::{Sender, http};
use super::truth::Truth;

/// How a process dies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kill {
    /// When it comes to a named point for the nth time.
    At(&'static str, u64),
    /// When its nth write from now was done by the CRM, and is not answered.
    Unanswered(u64),
    /// After so long.
    After(Duration),
    /// When it comes to a named point for the nth time, if it does so soon.
    Perhaps(&'static str, u64),
}

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Store {
    /// A file in the project's folder.
    Sqlite,
    /// A database, by its address.
    Postgres(String),
}

/// How long a kill that must come may take, on a machine that has much else to do.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// How long a kill that may come is waited for.
pub(super) const SHORT: Duration = Duration::from_secs(2);

/// What is to happen.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) store: Store,
    /// The deaths, one after the other.
    pub(super) kills: Vec<Kill>,
    /// Events in one lane, sent at once at the beginning.
    pub(super) invoices: usize,
    /// At least so many other events.
    pub(super) customers: usize,
    /// Whether a pipeline's file changes before the first death.
    pub(super) edit: bool,
}

/// A life under way.
struct Life {
    store: Store,
    folder: TempDir,
    hits: PathBuf,
    crm_address: SocketAddr,
    crm: Crm,
    sender: Sender,
    /// Nobody between a death and the next start.
    process: Option<Process>,
}

/// Lives it, and says what is not as it must be.
pub(super) async fn live(plan: Plan) -> (Hits, Result<(), String>) {
    let (crm, crm_address) = Crm::start().await;
    let folder = project();
    let hits = folder.path().join("hits");
    let sender = Sender::new();
    let mut life = Life { store: plan.store.clone(), folder, hits, crm_address, crm, sender, process: None };
    let told = life.live(&plan).await;
    let hits = Hits::read(&life.hits);
    let told = told.map_err(|wrong| format!("{plan:?}: {wrong}\n{}", life.log()));
    (hits, told)
}

impl Life {
    async fn live(&mut self, plan: &Plan) -> Result<(), String> {
        let sending = self.sender.clone().send(self.crm.clone(), plan.invoices, plan.customers);
        let sending = tokio::spawn(sending);
        self.start(plan.kills.first().copied()).await;
        for (number, kill) in plan.kills.iter().enumerate() {
            if plan.edit && number == 0 {
                self.edit().await;
            }
            self.death(*kill).await?;
            self.start(plan.kills.get(number + 1).copied()).await;
        }
        self.sender.enough();
        let sent = tokio::time::timeout(PATIENCE, sending).await;
        let sent = sent.map_err(|_| "not everything was acknowledged".to_owned())?.unwrap();
        self.settled().await?;
        self.judge(&sent).await
    }

    async fn start(&mut self, kill: Option<Kill>) {
        let mut command = Process::binary();
        command.env("CRASH_CRM", format!("http://{}", self.crm_address));
        command.env("LOCKSTEP_FAILPOINT_HITS", &self.hits);
        if let Some(Kill::At(point, nth) | Kill::Perhaps(point, nth)) = kill {
            command.env("LOCKSTEP_FAILPOINT", format!("{point}:{nth}"));
        }
        if let Store::Postgres(url) = &self.store {
            command.env("LOCKSTEP_STORE", url);
        }
        let folder = self.folder.path().to_owned();
        let starting = tokio::task::spawn_blocking(move || Process::start(command, &folder));
        self.process = starting.await.unwrap();
        self.sender.send_to(self.process.as_ref().map(|process| process.hook().to_owned()));
    }

    /// Changes a pipeline's file, once runs have begun with it as it was.
    async fn edit(&self) {
        until(PATIENCE, async || self.crm.counted().messages.len() > 2).await;
        let file = self.folder.path().join("pipelines/acme/task.yaml");
        let mut text = std::fs::read_to_string(&file).unwrap();
        text.push_str("description: Changed while it ran.\n");
        let beside = self.folder.path().join("changed");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, file).unwrap();
    }

    /// Waits for the death of the process, or brings it about.
    async fn death(&mut self, kill: Kill) -> Result<(), String> {
        let Some(mut process) = self.process.take() else {
            // It died before it listened.
            return Ok(());
        };
        if let Kill::Unanswered(nth) = kill {
            self.crm.kill_at(nth, process.id());
        }
        let patience = match kill {
            Kill::At(..) | Kill::Unanswered(_) => PATIENCE,
            Kill::After(time) => time,
            Kill::Perhaps(..) => SHORT,
        };
        let ended = until(patience, async || process.has_ended()).await;
        process.kill();
        if !ended && matches!(kill, Kill::At(..) | Kill::Unanswered(_)) {
            return Err("it was not killed: nothing came there".into());
        }
        Ok(())
    }

    /// Waits until no run is unfinished.
    async fn settled(&mut self) -> Result<(), String> {
        let ready = format!("{}/readyz", self.admin()?);
        let http = http();
        let unfinished = async || {
            let answer = http.get(&ready).send().await.ok()?;
            answer.json::<serde_json::Value>().await.ok()?["unfinished_runs"].as_u64()
        };
        if !until(PATIENCE, async || self.crm.has_welcomed_all()).await {
            return Err("not all that a poll lists was found".into());
        }
        // What would be found twice is found again by the next poll.
        let polls = || Hits::read(&self.hits).of("after-report");
        let before = polls();
        if !until(PATIENCE, async || polls() >= before + 2).await {
            return Err("nothing is polled any more".into());
        }
        if until(PATIENCE, async || unfinished().await == Some(0)).await {
            return Ok(());
        }
        Err(format!("unfinished runs: {:?}", unfinished().await))
    }

    async fn judge(&mut self, sent: &[Event]) -> Result<(), String> {
        let truth = Truth::ask(&self.admin()?).await;
        truth.judge(sent, &self.crm.counted())
    }

    fn admin(&self) -> Result<String, String> {
        let process = self.process.as_ref().map(|process| process.admin().to_owned());
        process.ok_or_else(|| "nobody lives any more".into())
    }

    /// What the processes said last.
    fn log(&self) -> String {
        tail(&self.folder.path().join("log"))
    }
}

pub(super) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Waits until something is so; false when the time is up.
pub(super) async fn until(patience: Duration, mut is_so: impl AsyncFnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if is_so().await {
            return true;
        }
        if began.elapsed() >= patience {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
