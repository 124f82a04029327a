//! Three processes on one store, of which one after another is killed: what it was at is taken over by the others while it
//! is started again, and nothing is lost or doubled.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::crm::Crm;
use super::hits::{Hits, note};
use super::kill::{Chance, number_of};
use super::life::{Kill, PATIENCE, SHORT, tail, until};
use super::process::Process;
use super::project::project;
use super::sender::{Sender, http};
use super::truth::Truth;
use crate::postgres::server::database;

/// How many there are.
const PROCESSES: usize = 3;

/// The store, the processes, and what they write to.
struct Trio {
    store: String,
    folder: TempDir,
    hits: PathBuf,
    crm: Crm,
    crm_address: SocketAddr,
    sender: Sender,
    processes: [Option<Process>; PROCESSES],
}

impl Trio {
    async fn at_rest() -> Self {
        let (crm, crm_address) = Crm::start().await;
        let folder = project();
        let hits = folder.path().join("hits");
        let (store, sender) = (database(), Sender::new());
        Self { store, folder, hits, crm, crm_address, sender, processes: [None, None, None] }
    }

    /// Starts one of them, that it dies at a point or does not.
    async fn start(&mut self, which: usize, kill: Option<Kill>) {
        let mut command = Process::binary();
        command.env("CRASH_CRM", format!("http://{}", self.crm_address));
        command.env("LOCKSTEP_FAILPOINT_HITS", &self.hits).env("LOCKSTEP_STORE", &self.store);
        if let Some(Kill::At(point, nth) | Kill::Perhaps(point, nth)) = kill {
            command.env("LOCKSTEP_FAILPOINT", format!("{point}:{nth}"));
        }
        let folder = self.folder.path().to_owned();
        let starting = tokio::task::spawn_blocking(move || Process::start(command, &folder));
        self.processes[which] = starting.await.unwrap();
        self.send_to_somebody(which);
    }

    /// Webhooks go to whoever listens, another one each time.
    fn send_to_somebody(&self, first: usize) {
        let mut turns = (0..PROCESSES).map(|turn| (first + turn) % PROCESSES);
        let hook = turns.find_map(|which| self.processes[which].as_ref());
        self.sender.send_to(hook.map(|process| process.hook().to_owned()));
    }

    /// Waits for the death of one of them, or brings it about.
    async fn death(&mut self, which: usize, kill: Kill) {
        // It may have died before it listened.
        let Some(mut process) = self.processes[which].take() else { return };
        self.send_to_somebody(which + 1);
        if let Kill::Unanswered(nth) = kill {
            self.crm.kill_at(nth, process.id());
        }
        let patience = match kill {
            Kill::At(..) => PATIENCE,
            Kill::After(time) => time,
            Kill::Unanswered(_) | Kill::Perhaps(..) => SHORT,
        };
        let ended = until(patience, async || process.has_ended()).await;
        process.kill();
        assert!(ended || !matches!(kill, Kill::At(..)), "{kill:?}: nothing came there");
    }

    /// Waits until no run is unfinished, and holds the accounts against each other.
    async fn settle(&mut self, sending: tokio::task::JoinHandle<Vec<super::project::Event>>) -> Hits {
        self.sender.enough();
        let sent = tokio::time::timeout(PATIENCE, sending).await;
        let sent =
            sent.unwrap_or_else(|_| panic!("not everything was acknowledged: {}", self.log())).unwrap();
        let admin = self.processes.iter().flatten().next().unwrap().admin().to_owned();
        let http = http();
        let unfinished = async || {
            let answer = http.get(format!("{admin}/readyz")).send().await.ok()?;
            answer.json::<serde_json::Value>().await.ok()?["unfinished_runs"].as_u64()
        };
        let welcomed = until(PATIENCE, async || self.crm.has_welcomed_all()).await;
        assert!(welcomed, "not all that a poll lists was found\n{}", self.log());
        // What would be found twice is found again by the next poll.
        let polls = || Hits::read(&self.hits).of("after-report");
        let before = polls();
        let polled = until(PATIENCE, async || polls() >= before + 2).await;
        assert!(polled, "nothing is polled any more\n{}", self.log());
        let settled = until(PATIENCE, async || unfinished().await == Some(0)).await;
        assert!(settled, "unfinished runs: {:?}\n{}", unfinished().await, self.log());
        let judged = Truth::ask(&admin).await.judge(&sent, &self.crm.counted());
        assert!(judged.is_ok(), "{}\n{}", judged.unwrap_err(), self.log());
        Hits::read(&self.hits)
    }

    fn log(&self) -> String {
        tail(&self.folder.path().join("log"))
    }

    fn begin_sending(&self) -> tokio::task::JoinHandle<Vec<super::project::Event>> {
        tokio::spawn(self.sender.clone().send(self.crm.clone(), 6, 20))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_processes_any_may_be_killed_at_random_moments_and_none_is_lost_or_doubled() {
    let kills = number_of("LOCKSTEP_KILLS").unwrap_or(4);
    let seed = number_of("LOCKSTEP_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let (mut chance, began) = (Chance(seed), Instant::now());
    let mut trio = Trio::at_rest().await;
    let sending = trio.begin_sending();
    let mut next = [(); PROCESSES].map(|()| chance.kill());
    for (which, kill) in next.iter().enumerate() {
        trio.start(which, Some(*kill)).await;
    }
    for _ in 0..kills {
        let which = usize::try_from(chance.below(PROCESSES as u64)).unwrap();
        trio.death(which, next[which]).await;
        // Sometimes the others have taken over before it is there again, and hand back what is its share then.
        if chance.below(3) == 0 {
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
        next[which] = chance.kill();
        trio.start(which, Some(next[which])).await;
    }
    // Whoever has a death before it yet is replaced by one that has none.
    for which in 0..PROCESSES {
        trio.death(which, Kill::After(Duration::ZERO)).await;
        trio.start(which, None).await;
    }
    let hits = trio.settle(sending).await;
    hits.print(&format!("three processes, killed {kills} times at random, LOCKSTEP_SEED={seed}; hits"));
    note(&format!("three processes: {kills} kills in {} s", began.elapsed().as_secs()));
}

/// One process has everything, and dies when it hands a part over to those that join.
async fn killed_while_it_hands_over(point: &'static str) {
    let mut trio = Trio::at_rest().await;
    let sending = trio.begin_sending();
    trio.start(0, Some(Kill::At(point, 1))).await;
    let began = until(PATIENCE, async || trio.crm.counted().messages.len() > 2).await;
    assert!(began, "nothing was done");
    trio.start(1, None).await;
    trio.start(2, None).await;
    trio.death(0, Kill::At(point, 1)).await;
    trio.start(0, None).await;
    let hits = trio.settle(sending).await;
    assert_eq!(hits.missing(&[point]), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_before_it_hands_partitions_over_loses_none_and_doubles_none() {
    killed_while_it_hands_over("before-hand-over").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_after_it_has_handed_partitions_over_loses_none_and_doubles_none() {
    killed_while_it_hands_over("after-handed-over").await;
}
