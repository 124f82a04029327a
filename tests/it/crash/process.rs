//! `lockstep run` as a process that can be killed.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::project::SECRET;

/// A running `lockstep run`; it is killed when this is dropped.
pub(super) struct Process {
    child: Child,
    hook: String,
    admin: String,
}

impl Process {
    /// Starts it, and waits until it listens. `None` when it was killed before it did.
    pub(super) fn start(mut command: Command, project: &Path) -> Option<Self> {
        command.arg("run").arg(project).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--format", "json", "--log", "warn"]);
        command.env("CRASH_KEY", "sk_test_crash").env("CRASH_SECRET", SECRET);
        let log = File::options().create(true).append(true).open(project.join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        // Where it listens; after that it says nothing more.
        let mut said =
            serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
        let Some(Ok(standing)) = said.next() else {
            child.wait().unwrap();
            return None;
        };
        let hook = standing["hooks"][0].as_str().unwrap().to_owned();
        Some(Self { child, hook, admin: format!("http://{}", standing["admin"].as_str().unwrap()) })
    }

    pub(super) fn binary() -> Command {
        Command::new(env!("CARGO_BIN_EXE_lockstep"))
    }

    /// Where webhooks are posted to.
    pub(super) fn hook(&self) -> &str {
        &self.hook
    }

    /// The admin address.
    pub(super) fn admin(&self) -> &str {
        &self.admin
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(super) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It is gone already when a point has killed it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
