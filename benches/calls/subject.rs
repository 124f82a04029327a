//! A client of the repository under `lockstep run`, a child process, and the simulators beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lockstep::sandbox::{Call, Sandbox, SandboxOptions};
use serde_json::Value;

/// What Stripe's events are signed with.
pub(crate) const SECRET: &str = "whsec_bench";

pub(crate) struct Subject {
    pub(crate) client: &'static str,
    pub(crate) sandbox: Sandbox,
    _folder: tempfile::TempDir,
    http: reqwest::Client,
    child: Child,
    hooks: String,
    admin: String,
}

impl Subject {
    /// Starts the client, with `from` replaced by `to` in its files.
    pub(crate) async fn start(client: &'static str, edits: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        Self::beside(sandbox, client, edits)
    }

    /// The same, beside simulators that hold something already.
    pub(crate) fn beside(sandbox: Sandbox, client: &'static str, edits: &[(&str, &str)]) -> Self {
        sandbox.stripe().hold_deliveries(true);
        sandbox.stripe().register_webhook("http://127.0.0.1:1/").unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy(client, folder.path(), edits);
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockstep"));
        command
            .args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--format", "json"])
            .args(["--log", "warn", "--env", "sandbox"])
            .current_dir(folder.path())
            .envs(environment(&sandbox))
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It says where it listens, and then nothing more.
        let told = serde_json::Deserializer::from_reader(child.stdout.take().unwrap());
        let told = told.into_iter::<Value>().next().unwrap().unwrap();
        let url = |key: &str| format!("http://{}", told[key].as_str().unwrap());
        let (hooks, admin) = (url("listen"), url("admin"));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, sandbox, _folder: folder, http, child, hooks, admin }
    }

    /// Where events of a connection are posted to.
    pub(crate) fn hook(&self, connection: &str) -> String {
        format!("{}/hooks/{}/{connection}", self.hooks, self.client)
    }

    /// What the admin address answers.
    pub(crate) async fn admin(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.admin)).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Waits until no run is under way.
    pub(crate) async fn all_ended(&self) {
        self.until(async || self.admin("/readyz").await["unfinished_runs"] == 0).await;
    }

    pub(crate) async fn until(&self, mut is_so: impl AsyncFnMut() -> bool) {
        let began = Instant::now();
        while !is_so().await {
            assert!(began.elapsed() < Duration::from_mins(10), "waited for too long");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The calls that lockstep has made so far, of each system.
    pub(crate) fn calls(&self) -> BTreeMap<&'static str, Vec<Call>> {
        let sandbox = &self.sandbox;
        let all = [
            ("Stripe", sandbox.stripe().calls()),
            ("Salesforce", sandbox.salesforce().calls()),
            ("Bitrix24", sandbox.bitrix24().calls()),
            ("HubSpot", sandbox.hubspot().calls()),
            ("ActiveCampaign", sandbox.activecampaign().calls()),
            ("Slack", sandbox.slack().calls()),
        ];
        let ours = |call: &Call| call.header("user-agent").is_some_and(|it| it.starts_with("lockstep/"));
        all.into_iter().map(|(system, calls)| (system, calls.into_iter().filter(ours).collect())).collect()
    }

    /// What it has written to the disk so far, in bytes (proc(5), `io`).
    pub(crate) fn written(&self) -> u64 {
        let io = fs::read_to_string(format!("/proc/{}/io", self.child.id())).unwrap();
        let line = io.lines().find(|line| line.starts_with("write_bytes:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Resident memory, in megabytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

/// Whatever happens, no child is left behind.
impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn copy(client: &str, folder: &Path, edits: &[(&str, &str)]) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(client);
    let to = folder.join("pipelines").join(client);
    fs::create_dir_all(&to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.path().is_dir() {
            continue;
        }
        let mut text = fs::read_to_string(file.path()).unwrap();
        for (from, to) in edits {
            text = text.replace(from, to);
        }
        fs::write(to.join(file.file_name()), text).unwrap();
    }
}

/// All that the clients ask for; each takes what it knows.
fn environment(sandbox: &Sandbox) -> Vec<(&'static str, String)> {
    let (stripe, salesforce, hubspot) = (sandbox.stripe(), sandbox.salesforce(), sandbox.hubspot());
    let (shop, slack) = (sandbox.activecampaign(), sandbox.slack().webhook_url());
    let key = stripe.api_key().to_owned();
    let of_stripe = ["ACME_STRIPE_KEY", "ORCHARD_STRIPE_KEY", "SHOP_STRIPE_KEY", "CLUB_STRIPE_KEY"];
    let secrets = ["ACME_STRIPE_WHSEC", "ORCHARD_STRIPE_WHSEC", "SHOP_STRIPE_WHSEC"];
    let mut all = vec![
        ("SANDBOX_STRIPE_URL", stripe.url()),
        ("CLUB_STRIPE_URL", stripe.url()),
        ("CLUB_BITRIX24_WEBHOOK", sandbox.bitrix24().webhook_url()),
        ("SANDBOX_SALESFORCE_URL", salesforce.url()),
        ("ACME_SF_CLIENT_ID", salesforce.client_id()),
        ("ACME_SF_CLIENT_SECRET", salesforce.client_secret()),
        ("ACME_SLACK_WEBHOOK", slack.clone()),
        ("SANDBOX_HUBSPOT_URL", hubspot.url()),
        ("ORCHARD_HUBSPOT_TOKEN", hubspot.token()),
        ("ORCHARD_HUBSPOT_SECRET", hubspot.webhook_secret()),
        ("ORCHARD_SLACK_WEBHOOK", slack),
        ("SANDBOX_ACTIVECAMPAIGN_URL", shop.url()),
        ("SHOP_ACTIVECAMPAIGN_TOKEN", shop.api_token().to_owned()),
    ];
    all.extend(of_stripe.map(|name| (name, key.clone())));
    all.extend(secrets.map(|name| (name, SECRET.to_owned())));
    all
}
