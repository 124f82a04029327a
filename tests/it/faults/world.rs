//! Simulators and a runtime in this process, in one time that the test moves.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lockstep::admin::Access;
use lockstep::clock::{Clock, FixedClock, SharedClock};
use lockstep::config::env::Environment;
use lockstep::engine::Jitter;
use lockstep::runtime::{ProjectFiles, Runtime, RuntimeOptions};
use lockstep::sandbox::stripe::sign;
use lockstep::sandbox::{Call, Sandbox, SandboxOptions};
use lockstep::secret::Redactor;
use lockstep::serving::Listener;
use lockstep::store::{Role, RunFilter, RunRow, StoreAddress};
use lockstep::value::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::example::project;

const SECRET: &str = "whsec_of_the_faults";

/// What each client does for a payment: the account's status, one task, a message.
const PIPELINE: &str = r#"
name: payment
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - id: account
    find: { object: salesforce.Account, match: { Stripe_Customer_Id__c: $.object.customer }, none: fail }
  - update:
      object: salesforce.Account
      record: $.steps.account.id
      fields: { Subscription_Status__c: Active }
  - create:
      object: salesforce.Task
      key: { Stripe_Charge_Id__c: $.object.id }
      fields: { Subject: "Payment ${object.id}", Status: Completed, Priority: Normal, WhatId: $.steps.account.id }
"#;

/// A second pipeline, which posts a message.
const MESSAGE: &str = r#"
name: message
trigger: { stripe: { events: [charge.failed] } }
steps:
  - call: { connection: slack, operation: message, params: { text: "Failed: ${object.id}" }, key: $.object.id }
"#;

/// Calls of the API, not of the login.
pub(super) const API: &str = "/services/data/*";
/// Where tasks are made.
pub(super) const TASKS: &str = "/services/data/*/sobjects/Task";

/// A client's simulators.
pub(super) struct World {
    pub(super) runtime: Runtime,
    clock: Option<Arc<FixedClock>>,
    shared: SharedClock,
    sandboxes: HashMap<&'static str, Sandbox>,
    http: reqwest::Client,
    _folder: TempDir,
}

struct Variables(HashMap<String, String>);

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn file(&self, path: &str) -> std::io::Result<String> {
        Err(std::io::Error::new(std::io::ErrorKind::NotFound, path))
    }
}

pub(super) fn start() -> Timestamp {
    "2026-11-02T12:00:00Z".parse().unwrap()
}

impl World {
    /// The client `acme`, whose Salesforce connection has these settings besides, in a time that stands still.
    pub(super) async fn new(settings: &str) -> Self {
        let clock = Arc::new(FixedClock::at(start()));
        let shared: SharedClock = Arc::clone(&clock) as Arc<dyn Clock>;
        Self { clock: Some(clock), ..Self::of(&[("acme", settings)], shared).await }
    }

    /// These clients, each with simulators of its own, in the time of `clock`.
    pub(super) async fn of(clients: &[(&'static str, &str)], clock: SharedClock) -> Self {
        let (mut example, mut variables, mut sandboxes) = (String::new(), HashMap::new(), HashMap::new());
        for (name, settings) in clients {
            let options = SandboxOptions { clock: Arc::clone(&clock), ..SandboxOptions::default() };
            let sandbox = Sandbox::start(options).await.unwrap();
            write!(example, "{}", files(name, settings)).unwrap();
            let (stripe, salesforce) = (sandbox.stripe(), sandbox.salesforce());
            for (key, value) in [
                ("KEY", stripe.api_key().to_owned()),
                ("WHSEC", SECRET.to_owned()),
                ("STRIPE", stripe.url()),
                ("SF", salesforce.url()),
                ("SF_ID", salesforce.client_id()),
                ("SF_SECRET", salesforce.client_secret()),
                ("SLACK", sandbox.slack().webhook_url()),
            ] {
                variables.insert(format!("{}_{key}", name.to_uppercase()), value);
            }
            sandboxes.insert(*name, sandbox);
        }
        let folder = project(&example);
        let files = ProjectFiles { paths: Vec::new(), here: folder.path().into(), env: None };
        let loopback = "127.0.0.1:0".parse().unwrap();
        let admin = Listener::bind(loopback).await.unwrap();
        let runtime = Runtime::start(RuntimeOptions {
            files,
            found: Box::new(|_| ()),
            watch: None,
            environment: Arc::new(Variables(variables)),
            retain: None,
            store: StoreAddress::of_project(folder.path()),
            role: Role::All,
            public: Some(Listener::bind(loopback).await.unwrap()),
            access: Access::to(admin.address(), None).unwrap(),
            admin,
            clock: Arc::clone(&clock),
            jitter: Jitter::None,
            redactor: Redactor::default(),
        })
        .await
        .unwrap();
        let problems: Vec<String> =
            runtime.clients().iter().flat_map(|client| client.problems.clone()).collect();
        assert_eq!(problems, Vec::<String>::new());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { runtime, clock: None, shared: clock, sandboxes, http, _folder: folder }
    }

    /// The simulators of `acme`.
    pub(super) fn sandbox(&self) -> &Sandbox {
        self.sandbox_of("acme")
    }

    pub(super) fn sandbox_of(&self, client: &str) -> &Sandbox {
        &self.sandboxes[client]
    }

    /// Events about so many payments, each of a customer whose account is there.
    pub(super) async fn payments(&self, client: &str, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let fields = Value::map([
                ("Name", Value::from(format!("Account {number}"))),
                ("Stripe_Customer_Id__c", Value::from(format!("cus_{number}"))),
            ]);
            self.sandbox_of(client).salesforce().seed("Account", &fields).unwrap();
            self.deliver(client, "charge.succeeded", number).await;
        }
    }

    pub(super) async fn deliver(&self, client: &str, kind: &str, number: u32) {
        let now = self.shared.now().as_second();
        let body = json!({
            "id": format!("evt_{kind}_{number}"), "object": "event", "api_version": "2026-10-28.endive",
            "created": now, "type": kind, "livemode": false, "pending_webhooks": 1, "request": null,
            "data": { "object": {
                "id": format!("ch_{number}"), "object": "charge", "amount": 4500, "currency": "gbp",
                "customer": format!("cus_{number}"), "paid": true,
            } },
        })
        .to_string();
        let url = format!("http://{}/hooks/{client}/stripe", self.runtime.addresses().public.unwrap());
        let signature = sign(SECRET, now, body.as_bytes());
        let request = self.http.post(url).header("stripe-signature", signature).body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
    }

    /// Lets time pass, a second at a time and never while a call is under way, until every run has ended.
    pub(super) async fn settle(&self) {
        let clock = self.clock.as_ref().unwrap();
        for _ in 0..4 * 3600 {
            self.quiet().await;
            if self.unfinished("acme").await == 0 {
                return;
            }
            clock.set(clock.now().checked_add(Duration::from_secs(1)).unwrap());
            self.runtime.wake();
        }
        panic!("runs are still unfinished after four hours: {:#?}", self.runs().await);
    }

    /// Waits until nothing is being carried out, and nothing is about to be.
    async fn quiet(&self) {
        let mut still = 0;
        while still < 3 {
            tokio::time::sleep(Duration::from_millis(4)).await;
            still = if self.running().await == 0 { still + 1 } else { 0 };
        }
    }

    async fn running(&self) -> u32 {
        let url = format!("http://{}/metrics", self.runtime.addresses().admin);
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with("lockstep_runs_running ")).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub(super) async fn unfinished(&self, client: &str) -> u64 {
        let counts = self.runtime.store().counts().await.unwrap();
        counts.unfinished.get(client).copied().unwrap_or_default()
    }

    pub(super) async fn runs(&self) -> Vec<RunRow> {
        self.runtime.store().runs(RunFilter::default()).await.unwrap()
    }

    /// The outcomes, and why, of the runs that did not simply succeed.
    pub(super) async fn others(&self) -> Vec<String> {
        let runs = self.runs().await.into_iter().filter(|run| run.state.word() != "succeeded");
        runs.map(|run| format!("{}: {}", run.state.word(), run.reason)).collect()
    }

    /// What acme's CRM holds in the end: accounts with their status, tasks with their payment.
    pub(super) fn holds(&self) -> Vec<String> {
        let salesforce = self.sandbox().salesforce();
        let text =
            |record: &Value, field: &str| record.get(field).map(ToString::to_string).unwrap_or_default();
        let accounts = salesforce.records("Account");
        let status = |account: &Value| {
            format!(
                "{} is {}",
                text(account, "Stripe_Customer_Id__c"),
                text(account, "Subscription_Status__c")
            )
        };
        let tasks = salesforce.records("Task");
        let task = |task: &Value| {
            let of = accounts.iter().find(|account| account.get("Id") == task.get("WhatId"));
            let of = of.map(|account| text(account, "Stripe_Customer_Id__c")).unwrap_or_default();
            format!("{} ({}) of {of}", text(task, "Subject"), text(task, "Stripe_Charge_Id__c"))
        };
        let mut all: Vec<String> = accounts.iter().map(status).chain(tasks.iter().map(task)).collect();
        all.sort();
        all
    }

    /// The calls of acme's CRM whose path holds `part`.
    pub(super) fn calls(&self, method: &str, part: &str) -> Vec<Call> {
        let calls = self.sandbox().salesforce().calls().into_iter();
        let mut calls: Vec<Call> =
            calls.filter(|call| call.method == method && call.path.contains(part)).collect();
        calls.sort_by_key(|call| call.at);
        calls
    }
}

/// The seconds between one call and the next.
pub(super) fn pauses(calls: &[Call]) -> Vec<i64> {
    calls.windows(2).map(|pair| pair[1].at.as_second() - pair[0].at.as_second()).collect()
}

fn files(name: &str, settings: &str) -> String {
    let at = name.to_uppercase();
    format!(
        r#"
# file: pipelines/{name}/client.yaml
name: {name}
connections:
  stripe:
    connector: stripe
    config: {{ api_key: "${{{at}_KEY}}", webhook_secrets: ["${{{at}_WHSEC}}"], api_version: 2026-10-28.endive, base_url: "${{{at}_STRIPE}}" }}
  salesforce:
    connector: salesforce
    config: {{ login_url: "${{{at}_SF}}", client_id: "${{{at}_SF_ID}}", client_secret: "${{{at}_SF_SECRET}}" }}
    {settings}
  slack: {{ connector: slack, config: {{ url: "${{{at}_SLACK}}" }}, timeout: 2s }}
# file: pipelines/{name}/payment.yaml{PIPELINE}# file: pipelines/{name}/message.yaml{MESSAGE}"#
    )
}
