//! Several processes of `lockstep run` on one store.

use std::fs::File;
use std::io::BufReader;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use lockstep::sandbox::stripe::sign;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::crm::Crm;
use crate::example::project;
use crate::postgres::server::database;
use crate::world::now;

const SECRET: &str = "whsec_of_the_replicas";

const PROJECT: &str = r#"
# file: connectors/ledger.yaml
name: ledger
title: A CRM that keeps a ledger
description: It knows no idempotency; what is posted twice is there twice.
config:
  base_url: { type: url, required: true, description: Where it is. }
base_url: $.config.base_url
auth: none
objects:
  "*":
    find:
      - request: { method: GET, path: [{ segments: $.object }], query: $.identity }
        response: { records: $.response.body.items, exact: true }
    create:
      request: { method: POST, path: [{ segments: $.object }], body: $.fields }
      response: { id: $.response.body.id, record: $.response.body }
# file: pipelines/acme/client.yaml
name: acme
connections:
  stripe:
    connector: stripe
    config:
      api_key: ${FLEET_KEY}
      webhook_secrets: ["${FLEET_SECRET}"]
      api_version: 2026-10-28.endive
  crm: { connector: ledger, config: { base_url: "${FLEET_CRM}" }, LIMITS }
  desk: { connector: ledger, config: { base_url: "${FLEET_DESK}" } }
# file: pipelines/acme/record.yaml
name: record
trigger: { stripe: { events: [customer.updated] } }
order: { key: $.object.id, stale: apply }
retry: { attempts: 50, backoff: 20ms..200ms }
steps:
  - create:
      object: crm.entries
      key: { ref: $.event.id }
      fields: { customer: $.object.id, number: $.object.name }
# file: pipelines/acme/outage.yaml
name: outage
trigger: { lockstep: { events: [connection.down] } }
steps:
  - create: { object: desk.outages, key: { ref: $.event.id }, fields: { connection: $.object.connection } }
# file: pipelines/acme/refund.yaml
name: refund
trigger: { stripe: { events: [customer.deleted] } }
steps:
  - check: { that: "false", reason: "who deleted ${object.id}?" }
# file: pipelines/acme/doubt.yaml
name: doubt
trigger: { lockstep: { events: [run.conflict], at_most: 1/5s } }
steps:
  - create: { object: desk.doubts, key: { ref: $.event.id }, fields: { grouped: "${object.grouped.to_string()}" } }
"#;

/// Processes, the store that they share, and what they write to.
pub(super) struct Fleet {
    pub(super) crm: Crm,
    pub(super) desk: Crm,
    addresses: [String; 2],
    folder: TempDir,
    store: String,
    http: reqwest::Client,
    pub(super) replicas: Vec<Replica>,
    /// What is set for those that are started from now on.
    pub(super) environment: Vec<(&'static str, &'static str)>,
}

/// One process.
pub(super) struct Replica {
    child: Child,
    hook: Option<String>,
    admin: String,
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It is gone already in some tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An event about a customer, the `number`th one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) customer: usize,
    pub(super) number: usize,
}

impl Fleet {
    /// A store and a project, and nobody at work yet.
    pub(super) async fn at_rest() -> Self {
        Self::on(database(), "").await
    }

    /// The same, with limits of the connection to the CRM.
    pub(super) async fn limited(limits: &str) -> Self {
        Self::on(database(), limits).await
    }

    pub(super) async fn on(store: String, limits: &str) -> Self {
        // Somebody else may have been faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ((crm, crm_address), (desk, desk_address)) = (Crm::start().await, Crm::start().await);
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self {
            crm,
            desk,
            addresses: [crm_address, desk_address].map(|address| format!("http://{address}")),
            folder: project(&PROJECT.replace(", LIMITS", if limits.is_empty() { "" } else { limits })),
            store,
            http,
            replicas: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// So many processes that do everything.
    pub(super) async fn of(count: usize) -> Self {
        let mut fleet = Self::at_rest().await;
        fleet.start_all(count).await;
        fleet
    }

    /// Starts processes, and waits until each has its share.
    pub(super) async fn start_all(&mut self, count: usize) {
        for _ in 0..count {
            self.start("all").await;
        }
        self.is_shared_out(count).await;
    }

    /// Waits until so many processes have about the same share each.
    pub(super) async fn is_shared_out(&self, count: usize) {
        until("all have their shares", async || {
            let mut shares = Vec::new();
            for replica in &self.replicas {
                shares.push(self.ready(replica).await["partitions"].as_u64().unwrap_or(0));
            }
            let most = shares.iter().max().copied().unwrap_or(0);
            shares.iter().sum::<u64>() == 256
                && shares.iter().filter(|share| **share > 0).count() == count
                && shares.iter().all(|share| *share == 0 || most - share <= 1)
        })
        .await;
    }

    /// Starts one more process, and waits until it listens.
    pub(super) async fn start(&mut self, role: &str) -> &Replica {
        let mut command = self.command(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(["--format", "json", "--log", "info", "--role", role]);
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let starting = tokio::task::spawn_blocking(move || {
            let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
            let said = BufReader::new(child.stdout.take().unwrap());
            let standing = serde_json::Deserializer::from_reader(said).into_iter::<Value>().next();
            (child, standing)
        });
        let (child, standing) = starting.await.unwrap();
        let standing = standing.unwrap_or_else(|| panic!("it did not start: {}", self.log())).unwrap();
        assert_eq!(standing["role"], role);
        let hook = standing["hooks"].as_array().unwrap().first();
        let hook = hook.map(|hook| hook.as_str().unwrap().to_owned());
        let admin = format!("http://{}", standing["admin"].as_str().unwrap());
        self.replicas.push(Replica { child, hook, admin });
        self.replicas.last().unwrap()
    }

    /// A command on the project and the store.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env("FLEET_KEY", "sk_test_fleet")
            .env("FLEET_SECRET", SECRET)
            .env("FLEET_CRM", &self.addresses[0])
            .env("FLEET_DESK", &self.addresses[1])
            .env("LOCKSTEP_STORE", &self.store)
            .envs(self.environment.iter().copied());
        command
    }

    /// What all processes have logged.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(super) fn store(&self) -> &str {
        &self.store
    }

    /// What the admin address of a process says of itself.
    pub(super) async fn ready(&self, replica: &Replica) -> Value {
        let answer = self.http.get(format!("{}/readyz", replica.admin)).send().await;
        let Ok(answer) = answer else { return Value::Null };
        answer.json().await.unwrap_or_default()
    }

    /// A counter of a process, all its series together.
    pub(super) async fn counted(&self, replica: &Replica, name: &str) -> f64 {
        let answer = self.http.get(format!("{}/metrics", replica.admin)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Runs that a process has brought to an end.
    pub(super) async fn ended(&self, replica: &Replica) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let ended = self.counted(replica, "lockstep_runs_ended_total").await as u64;
        ended
    }

    /// Sends events to the processes that listen, by turns, until each is acknowledged: those of one customer one after
    /// another, those of several at once.
    pub(super) async fn send(&self, customers: std::ops::Range<usize>, numbers: std::ops::Range<usize>) {
        let hooks: Vec<&str> = self.replicas.iter().filter_map(|replica| replica.hook.as_deref()).collect();
        let each = customers.map(|customer| {
            let (hooks, numbers) = (hooks.clone(), numbers.clone());
            async move {
                for number in numbers {
                    let told = Told { customer, number };
                    let mut turn = customer + number;
                    while !self.deliver(hooks[turn % hooks.len()], "customer.updated", told).await {
                        turn += 1;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            }
        });
        stream::iter(each).buffer_unordered(12).collect::<Vec<()>>().await;
    }

    /// Sends an event to a process; true when it is acknowledged.
    pub(super) async fn deliver(&self, hook: &str, kind: &str, told: Told) -> bool {
        let Told { customer, number } = told;
        let body = json!({
            "id": format!("evt_{kind}_{customer}_{number}"), "object": "event", "api_version": "2026-10-28.endive",
            "created": now() - 1_000 + i64::try_from(number).unwrap(), "livemode": false, "type": kind,
            "data": { "object": { "id": format!("cus_{customer}"), "object": "customer", "name": number.to_string() } },
        });
        let body = body.to_string();
        let signature = sign(SECRET, now(), body.as_bytes());
        let request = self.http.post(hook).header("stripe-signature", signature).body(body);
        request.timeout(Duration::from_secs(3)).send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Waits until no run is unfinished, as some process that answers says.
    pub(super) async fn all_ended(&self) {
        until("all runs have ended", async || {
            for replica in &self.replicas {
                if self.ready(replica).await["unfinished_runs"] == json!(0) {
                    return true;
                }
            }
            false
        })
        .await;
    }

    /// Every event of these customers has had its effect, once, and those of one customer in their order.
    pub(super) fn judge(&self, customers: std::ops::Range<usize>, numbers: std::ops::Range<usize>) {
        let wanted: Vec<u64> = numbers.map(|number| number as u64).collect();
        let entries = self.crm.by_customer();
        for customer in customers.clone() {
            let told = entries.get(&format!("cus_{customer}")).cloned().unwrap_or_default();
            assert_eq!(told, wanted, "customer {customer}; {}", tail(&self.log()));
        }
        assert_eq!(entries.len(), customers.len());
    }
}

impl Replica {
    pub(super) fn hook(&self) -> Option<&str> {
        self.hook.as_deref()
    }

    /// Kills it as a power cut does.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for its end, and gives its exit code.
    pub(super) fn end(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Waits until something is so; two minutes are far beyond anything that is waited for here.
pub(super) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_mins(2), "waited for this: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
