//! A program that is measured, as a child process with a store of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::handwritten;
use crate::load::{API_VERSION, SECRET};
use crate::server;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Verifies and keeps, and that is all.
    GroupCommit,
    /// The whole job, written by hand for this one case.
    ByHand,
    /// `lockstep run`.
    Lockstep,
    /// `lockstep run` over PostgreSQL.
    Postgres,
    /// Three of them over one PostgreSQL.
    Replicas,
}

impl Kind {
    pub(crate) const SIDE_BY_SIDE: [Self; 4] =
        [Self::GroupCommit, Self::ByHand, Self::Lockstep, Self::Postgres];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GroupCommit => "group commit alone",
            Self::ByHand => "by hand",
            Self::Lockstep => "lockstep, SQLite",
            Self::Postgres => "lockstep, PostgreSQL",
            Self::Replicas => "three on PostgreSQL",
        }
    }

    fn is_lockstep(self) -> bool {
        matches!(self, Self::Lockstep | Self::Postgres | Self::Replicas)
    }

    fn processes(self) -> usize {
        if self == Self::Replicas { 3 } else { 1 }
    }

    /// Whether it calls the CRM.
    pub(crate) fn carries_out(self) -> bool {
        self != Self::GroupCommit
    }
}

pub(crate) struct Subject {
    /// Where webhooks are posted to.
    pub(crate) hooks: Vec<String>,
    /// How long it took until it listened.
    pub(crate) start: Duration,
    kind: Kind,
    children: Vec<Child>,
    place: Place,
}

/// Where a program finds and keeps what it has; it outlives the program.
struct Place {
    folder: tempfile::TempDir,
    crm: SocketAddr,
    /// The address of its database, when it keeps nothing in its folder.
    store: Option<String>,
}

impl Subject {
    pub(crate) fn start(kind: Kind, crm: SocketAddr) -> Self {
        Self::with_clients(kind, crm, 1, 1)
    }

    /// With so many clients of so many pipelines; those written by hand know one.
    pub(crate) fn with_clients(kind: Kind, crm: SocketAddr, clients: usize, pipelines: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if kind.is_lockstep() {
            project(folder.path(), crm, clients, pipelines);
        }
        let store = matches!(kind, Kind::Postgres | Kind::Replicas).then(server::database);
        Self::launch(kind, Place { folder, crm, store })
    }

    /// Stops it, and starts it over what it has kept.
    pub(crate) async fn again(mut self) -> Self {
        self.finish().await;
        let nowhere = Place { folder: tempfile::tempdir().unwrap(), crm: self.place.crm, store: None };
        let place = std::mem::replace(&mut self.place, nowhere);
        Self::launch(self.kind, place)
    }

    fn launch(kind: Kind, place: Place) -> Self {
        let begun = Instant::now();
        let (mut children, mut hooks) = (Vec::new(), Vec::new());
        for _ in 0..kind.processes() {
            let mut command = match kind {
                Kind::GroupCommit => by_hand(handwritten::GROUP_COMMIT, &place),
                Kind::ByHand => by_hand(handwritten::WHOLE, &place),
                Kind::Lockstep | Kind::Postgres | Kind::Replicas => lockstep(&place),
            };
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            // All say where they listen, and then nothing more.
            let mut said =
                serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
            let standing = said.next().unwrap().unwrap();
            let own = standing["hooks"].as_array().unwrap().iter();
            hooks.extend(own.map(|hook| hook.as_str().unwrap().to_owned()));
            children.push(child);
        }
        Self { hooks, start: begun.elapsed(), kind, children, place }
    }

    /// Resident memory, in megabytes.
    pub(crate) fn resident(&self) -> u64 {
        let of = |child: &Child| {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
        };
        self.children.iter().map(of).sum()
    }

    /// The processor's time that it has used so far, in ticks of a hundredth of a second (proc(5), `stat`: utime and
    /// stime). A database's is not counted.
    pub(crate) fn processor(&self) -> Duration {
        let of = |child: &Child| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            let (_, after_name) = stat.rsplit_once(')').unwrap();
            let ticks = after_name.split_whitespace().skip(11).take(2);
            Duration::from_millis(ticks.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
        };
        self.children.iter().map(of).sum()
    }

    pub(crate) async fn stop(mut self) {
        self.finish().await;
    }

    async fn finish(&mut self) {
        for child in &mut self.children {
            Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        }
        let begun = Instant::now();
        while self.kind.is_lockstep()
            && self.children.iter_mut().any(|child| child.try_wait().unwrap().is_none())
        {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not stop");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whatever happens, no child is left behind.
impl Drop for Subject {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn by_hand(argument: &str, place: &Place) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(argument).arg(place.crm.to_string()).arg(place.folder.path().join("a.db"));
    command
}

/// So many clients of so many pipelines, of which the first is the one that calls.
fn project(folder: &Path, crm: SocketAddr, clients: usize, pipelines: usize) {
    for client in 0..clients {
        let name = format!("acme-{client}");
        let client = folder.join("pipelines").join(&name);
        fs::create_dir_all(&client).unwrap();
        fs::write(client.join("client.yaml"), client_file(&name, crm)).unwrap();
        fs::write(client.join("sync.yaml"), PIPELINE).unwrap();
        for other in 1..pipelines {
            let text = PIPELINE.replace("name: sync", &format!("name: sync-{other}"));
            let text = text.replace("customer.updated", "customer.deleted");
            fs::write(client.join(format!("sync-{other}.yaml")), text).unwrap();
        }
    }
}

fn lockstep(place: &Place) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command
        .arg("run")
        .arg(place.folder.path())
        .args(place.store.iter().flat_map(|store| ["--store", store]))
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--format", "json", "--log", "warn"])
        .env("BENCH_KEY", "sk_test_bench")
        .env("BENCH_SECRET", SECRET);
    command
}

fn client_file(name: &str, crm: SocketAddr) -> String {
    format!(
        "name: {name}
connections:
  stripe:
    connector: stripe
    config:
      api_key: ${{BENCH_KEY}}
      webhook_secrets: [\"${{BENCH_SECRET}}\"]
      api_version: {API_VERSION}
  crm:
    connector: http
    config:
      base_url: http://{crm}
    concurrency: 64
"
    )
}

const PIPELINE: &str = "name: sync
trigger:
  stripe:
    events: [customer.updated]
when: object.email != ()
steps:
  - id: account
    get:
      object: crm.accounts
      record: $.object.id
  - update:
      object: crm.accounts
      record: $.steps.account.id
      fields:
        name: $.object.name
        status: Active
";
