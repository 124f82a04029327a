//! The fixture of tests that run lockstep as a user does: simulators in this process, a project in a folder, the
//! binary as a process beside them.

use std::fs::{self, OpenOptions};
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lockstep::sandbox::stripe::sign;
use lockstep::sandbox::{Sandbox, SandboxOptions};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::example::project;

/// What the clients' webhooks are signed with.
pub(crate) const SECRET: &str = "whsec_of_the_tests";

/// The secret that is being replaced.
pub(crate) const SECRET_OLD: &str = "whsec_of_yesterday";

/// A client that writes one task for a payment, asks a person about refunds, and fails for good on failed payments.
const ACME: &str = r#"
# file: pipelines/acme/client.yaml
name: acme
timezone: Europe/London
connections:
  stripe:
    connector: stripe
    config:
      api_key: ${ACME_KEY}
      webhook_secrets: ["${ACME_WHSEC}", "${ACME_WHSEC_OLD}"]
      api_version: 2026-10-28.endive
      base_url: ${STRIPE_URL}
  salesforce:
    connector: salesforce
    config: { login_url: "${SF_URL}", client_id: "${SF_ID}", client_secret: "${SF_SECRET}" }
# file: pipelines/acme/log-payment.yaml
name: log-payment
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - create:
      object: salesforce.Task
      key: { Stripe_Charge_Id__c: $.object.id }
      fields: { Subject: "Payment ${object.id}", Status: Completed, Priority: Normal }
# file: pipelines/acme/large-payment.yaml
name: large-payment
trigger: { stripe: { events: [charge.succeeded] } }
when: object.amount > 100000
steps:
  - set: { large: true }
# file: pipelines/acme/refund.yaml
name: refund
trigger: { stripe: { events: [charge.refunded] } }
steps:
  - check: { that: object.amount == 0, reason: "who refunded ${object.id}?" }
# file: pipelines/acme/failure.yaml
name: failure
trigger: { stripe: { events: [charge.failed] } }
steps:
  - create:
      object: salesforce.Task
      key: { Stripe_Charge_Id__c: $.object.id }
      fields: { Subject: Failed, Status: Not Started, Priority: High, Later_Field__c: "1" }
"#;

/// A client whose secrets nobody has set.
const BETA: &str = r#"
# file: pipelines/beta/client.yaml
name: beta
connections:
  stripe:
    connector: stripe
    config: { api_key: "${BETA_KEY}", webhook_secrets: ["${BETA_WHSEC}"] }
# file: pipelines/beta/log.yaml
name: log
trigger: { stripe: { events: [charge.succeeded] } }
steps:
  - set: { seen: true }
"#;

/// Simulators, a project, and lockstep running on it.
pub(crate) struct World {
    sandbox: Sandbox,
    folder: TempDir,
    http: reqwest::Client,
    running: Option<Running>,
}

/// A process of `lockstep run`.
struct Running {
    child: Child,
    hooks: String,
    admin: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is gone already in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    /// The client `acme`, and lockstep running.
    pub(crate) async fn acme() -> Self {
        let mut world = Self::with(ACME).await;
        world.start(&[]);
        world
    }

    /// Beside `acme` a client that cannot run.
    pub(crate) async fn with_a_broken_client() -> Self {
        let mut world = Self::with(&format!("{ACME}{BETA}")).await;
        world.start(&[]);
        world
    }

    /// The client `acme`, and nothing running yet.
    pub(crate) async fn at_rest() -> Self {
        Self::with(ACME).await
    }

    /// The client `acme` with these pipelines in place of its own, and nothing running yet.
    pub(crate) async fn with_pipelines(pipelines: &str) -> Self {
        let client = ACME.split("# file: pipelines/acme/log-payment.yaml").next().unwrap_or_default();
        Self::with(&format!("{client}{}", pipelines.trim_start())).await
    }

    /// A project of these files, and nothing running yet.
    pub(crate) async fn with(example: &str) -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { sandbox, folder: project(example), http, running: None }
    }

    /// The simulators.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The project's folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the project as an editor does: beside it, and then into its place.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let beside = path.with_extension("tmp");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, path).unwrap();
    }

    /// What a file of the project says, with `from` replaced by `to`; `from` must be in it.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.folder().join(path)).unwrap();
        assert!(text.contains(from), "{from} is not in {path}");
        self.write(path, &text.replace(from, to));
    }

    /// A command of lockstep in the project, with the secrets in its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let (stripe, salesforce) = (self.sandbox.stripe(), self.sandbox.salesforce());
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("ACME_KEY", stripe.api_key())
            .env("ACME_WHSEC", SECRET)
            .env("ACME_WHSEC_OLD", SECRET_OLD)
            .env("STRIPE_URL", stripe.url())
            .env("SF_URL", salesforce.url())
            .env("SF_ID", salesforce.client_id())
            .env("SF_SECRET", salesforce.client_secret())
            .env("BITRIX24_URL", self.sandbox.bitrix24().webhook_url())
            .args(arguments);
        command
    }

    /// What a command answered.
    pub(crate) fn lockstep(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command answered with `--format json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.lockstep(&[arguments, &["--format", "json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Starts `lockstep run` and waits until it listens.
    pub(crate) fn start(&mut self, environment: &[(&str, &str)]) {
        self.start_within(&[], environment);
    }

    /// The same, by a command that prepares something and becomes what follows it.
    pub(crate) fn start_within(&mut self, wrapper: &[&str], environment: &[(&str, &str)]) {
        let log =
            OpenOptions::new().create(true).append(true).open(self.folder().join("lockstep.log")).unwrap();
        let arguments = ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--format", "json"];
        let mut child = within(wrapper, self.command(&arguments))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stdout.take().unwrap());
        let told = serde_json::Deserializer::from_reader(told).into_iter::<Value>().next();
        // Nothing when it ended before it listened.
        let told = told.unwrap().unwrap();
        let url = |key: &str| format!("http://{}", told[key].as_str().unwrap());
        self.running = Some(Running { child, hooks: url("listen"), admin: url("admin") });
    }

    /// What a command answered, within a command that prepares something and becomes it.
    pub(crate) fn run_within(
        &self,
        wrapper: &[&str],
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Output {
        within(wrapper, self.command(arguments)).envs(environment.iter().copied()).output().unwrap()
    }

    /// The process of `lockstep run`.
    pub(crate) fn process(&mut self) -> &mut Child {
        &mut self.running.as_mut().unwrap().child
    }

    /// What all its processes have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder().join("lockstep.log")).unwrap_or_default()
    }

    /// The id of the process of `lockstep run`.
    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().child.id()
    }

    /// Kills it as a power cut does.
    pub(crate) fn kill(&mut self) {
        let mut running = self.running.take().unwrap();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// Sends SIGTERM and gives the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let mut running = self.running.take().unwrap();
        let id = running.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        running.child.wait().unwrap().code()
    }

    /// The address of a hook.
    pub(crate) fn hook(&self, path: &str) -> String {
        format!("{}/hooks/{path}", self.running.as_ref().unwrap().hooks)
    }

    /// Any request.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Posts a body with a signature header to acme's hook.
    pub(crate) async fn post(&self, body: impl Into<Vec<u8>>, signature: &str) -> (StatusCode, Value) {
        let request = self.http.post(self.hook("acme/stripe")).header("stripe-signature", signature);
        answer(request.body(body.into())).await
    }

    /// Posts an event as Stripe does, signed now.
    pub(crate) async fn deliver(&self, event: &Value) -> (StatusCode, Value) {
        self.deliver_text(event.to_string()).await
    }

    /// Delivers what is written so.
    pub(crate) async fn deliver_text(&self, body: String) -> (StatusCode, Value) {
        let signature = sign(SECRET, now(), body.as_bytes());
        self.post(body, &signature).await
    }

    /// Delivers, and says what went wrong as a sender sees it: lost when nobody answers.
    pub(crate) async fn try_deliver(&self, event: &Value) -> Option<StatusCode> {
        let body = event.to_string();
        let signature = sign(SECRET, now(), body.as_bytes());
        let request = self.http.post(self.hook("acme/stripe")).header("stripe-signature", signature);
        Some(request.body(body).send().await.ok()?.status())
    }

    /// Asks the admin address.
    pub(crate) async fn admin(&self, path: &str) -> (StatusCode, Value) {
        answer(self.http.get(self.admin_url(path))).await
    }

    /// An address of the admin listener.
    pub(crate) fn admin_url(&self, path: &str) -> String {
        format!("{}{path}", self.running.as_ref().unwrap().admin)
    }

    /// Waits until all runs have ended.
    pub(crate) async fn all_ended(&self) {
        self.until("all runs have ended", async || {
            self.admin("/readyz").await.1["unfinished_runs"] == json!(0)
        })
        .await;
    }

    /// Waits until something is so; a minute is far beyond anything that is waited for here.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let began = Instant::now();
        while !is_so().await {
            assert!(began.elapsed() < Duration::from_mins(1), "waited for this: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn within(wrapper: &[&str], command: Command) -> Command {
    let Some((program, arguments)) = wrapper.split_first() else { return command };
    let mut outer = Command::new(program);
    outer.args(arguments).arg(command.get_program()).args(command.get_args());
    outer
        .current_dir(command.get_current_dir().unwrap())
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer
}

async fn answer(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The present in unix seconds: what a signature is about.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary reads the machine's clock, so a signature must too"
)]
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// An event about a charge.
pub(crate) fn charge(kind: &str, number: u32) -> Value {
    json!({
        "id": format!("evt_{kind}_{number}"),
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": now(),
        "type": kind,
        "livemode": false,
        "pending_webhooks": 1,
        "request": null,
        "data": { "object": {
            "id": format!("ch_{number}"), "object": "charge", "amount": 4500, "currency": "gbp",
            "customer": format!("cus_{number}"), "paid": true,
        } },
    })
}
