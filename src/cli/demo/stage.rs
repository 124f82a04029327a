//! Setting the demo up: simulators, the example client, a runtime.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::admin::Access;
use crate::clock::SystemClock;
use crate::config::env::Environment;
use crate::engine::Jitter;
use crate::runtime::{ProjectFiles, Runtime, RuntimeOptions};
use crate::sandbox::{Sandbox, SandboxOptions};
use crate::secret::Redactor;
use crate::serving::Listener;
use crate::store::{Role, StoreAddress};

/// The client of the demo, and its connection of the events.
pub(super) const CLIENT: &str = "acme-saas";

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../pipelines/acme-saas/", $name)))),+]
    };
}

/// The example client as it stands in the repository, so that the demo needs nothing but the binary.
const FILES: &[(&str, &str)] = files![
    "alerts.yaml",
    "client.sandbox.yaml",
    "client.yaml",
    "find-account.part.yaml",
    "payment-failed.yaml",
    "payment-received.yaml",
    "subscription-status.yaml",
];

/// Everything that the demo stands on. The folder goes when it is dropped.
pub(super) struct Stage {
    sandbox: Sandbox,
    runtime: Runtime,
    hook: Hook,
    folder: TempDir,
}

/// Where the example's events go, and what they are signed with.
pub(super) struct Hook {
    pub(super) url: String,
    pub(super) secret: String,
}

/// What the client's placeholders stand for: the demo brings its own secrets.
struct Variables(HashMap<&'static str, String>);

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn file(&self, path: &str) -> std::io::Result<String> {
        Err(std::io::Error::new(std::io::ErrorKind::NotFound, format!("the demo has no file {path}")))
    }
}

impl Stage {
    /// Starts the simulators, and a runtime for the example client over an empty store.
    pub(super) async fn set(listen: SocketAddr, admin: SocketAddr) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("lockstep-demo-").tempdir();
        let folder = folder.context("no temporary folder could be made")?;
        write_client(folder.path()).context("the example client could not be written")?;
        let here = folder.path().to_owned();
        let files = ProjectFiles { paths: Vec::new(), here, env: Some("sandbox".into()) };
        let access = Access::to(admin, None)?;
        let (public, admin) = (Listener::bind(listen).await?, Listener::bind(admin).await?);
        let sandbox = Sandbox::start(SandboxOptions::default()).await.context("the sandbox did not start")?;
        let url = format!("http://{}/hooks/{CLIENT}/stripe", public.address());
        // The story delivers by itself: late, twice, in another order.
        sandbox.stripe().hold_deliveries(true);
        let secret = sandbox.stripe().register_webhook(&url).context("no webhook could be registered")?;
        let runtime = Runtime::start(RuntimeOptions {
            environment: Arc::new(Variables::of(&sandbox, &secret)),
            files,
            // What is found is among the clients' problems, too.
            found: Box::new(|_| ()),
            watch: None,
            retain: None,
            store: StoreAddress::Sqlite(store_of(folder.path())),
            role: Role::All,
            public: Some(public),
            admin,
            access,
            clock: Arc::new(SystemClock),
            jitter: Jitter::full(),
            redactor: Redactor::default(),
        })
        .await?;
        let clients = runtime.clients();
        let broken: Vec<&str> =
            clients.iter().flat_map(|it| it.problems.iter().map(String::as_str)).collect();
        ensure!(broken.is_empty(), "the example client cannot run: {}", broken.join("; "));
        Ok(Self { sandbox, runtime, hook: Hook { url, secret }, folder })
    }

    /// The simulators.
    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The runtime.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Where events go.
    pub(super) fn hook(&self) -> &Hook {
        &self.hook
    }

    /// The store's file.
    pub(super) fn store(&self) -> PathBuf {
        store_of(self.folder.path())
    }

    /// Stops everything and removes the folder.
    pub(super) async fn clear(self, grace: Duration) -> anyhow::Result<()> {
        self.runtime.shutdown(grace).await.context("the store could not be closed")?;
        self.folder.close().context("the temporary folder could not be removed")
    }
}

impl Variables {
    fn of(sandbox: &Sandbox, webhook_secret: &str) -> Self {
        let (stripe, salesforce) = (sandbox.stripe(), sandbox.salesforce());
        Self(HashMap::from([
            ("SANDBOX_STRIPE_URL", stripe.url()),
            ("SANDBOX_SALESFORCE_URL", salesforce.url()),
            ("ACME_STRIPE_KEY", stripe.api_key().to_owned()),
            ("ACME_STRIPE_WHSEC", webhook_secret.to_owned()),
            ("ACME_SF_CLIENT_ID", salesforce.client_id()),
            ("ACME_SF_CLIENT_SECRET", salesforce.client_secret()),
            ("ACME_SLACK_WEBHOOK", sandbox.slack().webhook_url()),
        ]))
    }
}

fn store_of(folder: &Path) -> PathBuf {
    folder.join("lockstep.db")
}

fn write_client(folder: &Path) -> std::io::Result<()> {
    let client = folder.join("pipelines").join(CLIENT);
    std::fs::create_dir_all(&client)?;
    FILES.iter().try_for_each(|(name, text)| std::fs::write(client.join(name), text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn the_demo_has_every_file_of_the_example_but_its_tests() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(CLIENT);
        let names =
            std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<String> = names.filter(|name| !name.ends_with(".test.yaml")).collect();
        let here: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(here, there);
    }
}
