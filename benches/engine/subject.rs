//! A program that is measured, as a child process with a store of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::handwritten;
use crate::load::{API_VERSION, SECRET};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Handwritten,
    Lockstep,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Handwritten => "by hand",
            Self::Lockstep => "lockstep",
        }
    }
}

pub(crate) struct Subject {
    /// Where webhooks are posted to.
    pub(crate) hook: String,
    kind: Kind,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Subject {
    pub(crate) fn start(kind: Kind, crm: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = match kind {
            Kind::Handwritten => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.arg(handwritten::ARGUMENT).arg(crm.to_string()).arg(folder.path().join("a.db"));
                command
            }
            Kind::Lockstep => lockstep(folder.path(), crm),
        };
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        // Both say where they listen, and then nothing more.
        let mut said =
            serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
        let standing = said.next().unwrap().unwrap();
        let hook = standing["hooks"][0].as_str().unwrap().to_owned();
        Self { hook, kind, child, _folder: folder }
    }

    /// Resident memory, in megabytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    pub(crate) async fn stop(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() && self.kind == Kind::Lockstep {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not stop");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whatever happens, no child is left behind.
impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lockstep(folder: &Path, crm: SocketAddr) -> Command {
    let client = folder.join("pipelines").join("acme");
    fs::create_dir_all(&client).unwrap();
    fs::write(
        client.join("client.yaml"),
        format!(
            "name: acme\nconnections:\n  stripe:\n    connector: stripe\n    config:\n      api_key: ${{BENCH_KEY}}\n      \
             webhook_secrets: [\"${{BENCH_SECRET}}\"]\n      api_version: {API_VERSION}\n  crm:\n    connector: http\n    \
             config:\n      base_url: http://{crm}\n    concurrency: 64\n"
        ),
    )
    .unwrap();
    fs::write(
        client.join("sync.yaml"),
        "name: sync\ntrigger:\n  stripe:\n    events: [customer.updated]\nwhen: object.email != ()\nsteps:\n  \
         - id: account\n    get:\n      object: crm.accounts\n      record: $.object.id\n  \
         - update:\n      object: crm.accounts\n      record: $.steps.account.id\n      fields:\n        \
         name: $.object.name\n        status: Active\n",
    )
    .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
    command
        .arg("run")
        .arg(folder)
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--format", "json", "--log", "warn"])
        .env("BENCH_KEY", "sk_test_bench")
        .env("BENCH_SECRET", SECRET);
    command
}
