//! The process is killed at each named point of a run, and started again: what it has acknowledged is not lost, and
//! nothing is created twice (invariants 1, 2 and 9). `crash.rs` kills it at moments that nobody chose.
//!
//! Needs a binary with the feature `failpoints`: `cargo test --features failpoints --test it kill`.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::StreamExt;
use futures_util::stream;
use hmac::{Hmac, KeyInit, Mac};
use lockstep::clock::{Clock, SystemClock};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "whsec_kill";

/// The tasks of a CRM that knows no idempotency: what is posted twice is there twice.
#[derive(Clone, Default)]
struct Crm(Arc<Mutex<Vec<Value>>>);

impl Crm {
    async fn start(&self) -> SocketAddr {
        let app = Router::new().route("/tasks", get(find).post(create)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        address
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

async fn find(State(crm): State<Crm>, Query(identity): Query<BTreeMap<String, String>>) -> Json<Value> {
    let tasks = crm.0.lock().unwrap();
    let fits = |task: &&Value| identity.iter().all(|(name, value)| task[name] == *value);
    Json(tasks.iter().filter(fits).cloned().collect())
}

async fn create(State(crm): State<Crm>, Json(mut task): Json<Value>) -> Json<Value> {
    let mut tasks = crm.0.lock().unwrap();
    task["id"] = json!(format!("task_{}", tasks.len()));
    tasks.push(task.clone());
    Json(task)
}

/// `lockstep run` as a child.
struct Process {
    child: Child,
    hook: String,
}

impl Process {
    fn start(project: &Path, failpoint: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command.arg("run").arg(project).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--format", "json", "--log", "error"]);
        command.env("KILL_KEY", "sk_test_kill").env("KILL_SECRET", SECRET);
        if let Some(failpoint) = failpoint {
            command.env("LOCKSTEP_FAILPOINT", failpoint);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        // Where it listens; after that it says nothing more.
        let mut said =
            serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
        let standing = said.next().unwrap().unwrap();
        Self { child, hook: standing["hooks"][0].as_str().unwrap().to_owned() }
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

/// SIGKILL: it learns nothing of it.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn project(crm: SocketAddr) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let client = folder.path().join("pipelines").join("acme");
    fs::create_dir_all(&client).unwrap();
    let connections = format!(
        "name: acme\nconnections:\n  stripe:\n    connector: stripe\n    config:\n      api_key: ${{KILL_KEY}}\n      \
         webhook_secrets: [\"${{KILL_SECRET}}\"]\n      api_version: 2026-10-28.endive\n  crm:\n    connector: http\n    \
         config:\n      base_url: http://{crm}\n"
    );
    fs::write(client.join("client.yaml"), connections).unwrap();
    let pipeline = "name: task\ntrigger:\n  stripe:\n    events: [customer.updated]\nsteps:\n  - create:\n      \
                    object: crm.tasks\n      key:\n        ref: $.object.id\n      fields:\n        status: open\n";
    fs::write(client.join("task.yaml"), pipeline).unwrap();
    folder
}

fn event(number: usize) -> String {
    json!({
        "id": format!("evt_{number}"), "object": "event", "api_version": "2026-10-28.endive",
        "created": 1_793_000_000, "livemode": false, "type": "customer.updated",
        "data": { "object": { "id": format!("cus_{number}"), "object": "customer", "name": "Jane" } },
    })
    .to_string()
}

fn signature(body: &str) -> String {
    let time = SystemClock.now().as_second();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={digest}")
}

/// Posts what is not acknowledged yet, as a sender does that hears nothing; gives what still is not.
async fn post(hook: &str, events: Vec<usize>) -> Vec<usize> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "a sender of webhooks, not a connection of lockstep's")]
    let client = reqwest::Client::new();
    let posts = stream::iter(events).map(|number| {
        let (client, body) = (client.clone(), event(number));
        async move {
            let request = client.post(hook).header("stripe-signature", signature(&body)).body(body);
            let taken = request.send().await.is_ok_and(|answer| answer.status().is_success());
            (!taken).then_some(number)
        }
    });
    posts.buffer_unordered(16).filter_map(std::future::ready).collect().await
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited for {what}"));
}

/// Every event has its task, once.
fn assert_each_once(crm: &Crm, events: usize) {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for task in crm.0.lock().unwrap().iter() {
        *times.entry(task["ref"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let wanted: BTreeMap<String, usize> = (0..events).map(|number| (format!("cus_{number}"), 1)).collect();
    assert_eq!(times, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_any_named_point_loses_none_and_doubles_none() {
    const EVENTS: usize = 40;
    for point in lockstep::engine::FAILPOINTS {
        let crm = Crm::default();
        let folder = project(crm.start().await);
        let mut process = Process::start(folder.path(), Some(&format!("{point}:5")));
        let mut open = post(&process.hook, (0..EVENTS).collect()).await;
        until(point, || process.has_ended()).await;
        drop(process);
        let process = Process::start(folder.path(), None);
        while !open.is_empty() {
            open = post(&process.hook, open).await;
        }
        until("all tasks", || crm.count() >= EVENTS).await;
        assert_each_once(&crm, EVENTS);
    }
}
