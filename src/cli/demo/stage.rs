//! Setting the demo up: simulators, the example clients, a runtime.

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
use crate::sandbox::stripe::Delivery;
use crate::sandbox::{Sandbox, SandboxOptions};
use crate::secret::Redactor;
use crate::serving::Listener;
use crate::store::{Role, StoreAddress};

/// The client on Salesforce.
pub(super) const ACME: &str = "acme-saas";

/// The client on HubSpot.
pub(super) const ORCHARD: &str = "orchard-apps";

/// The client on ActiveCampaign.
pub(super) const SHOP: &str = "web-shop";

/// The client on Bitrix24.
pub(super) const CLUB: &str = "fitness-club";

/// The client whose sales are in Salesforce and whose billing is in Stripe, both ways.
pub(super) const HARBOR: &str = "harbor-cloud";

/// Those whom Stripe posts its events to; the club lists its customers instead.
const POSTED_TO: [&str; 3] = [ACME, ORCHARD, SHOP];

/// Whoever polls every minute does so every second here: nobody wants to wait.
const FASTER: (&str, &str) = ("every: 1m", "every: 1s");

/// A client, and its files by their names.
type Example = (&'static str, &'static [(&'static str, &'static str)]);

macro_rules! example {
    ($client:literal: $($name:literal),+ $(,)?) => {
        ($client, &[$(($name, include_str!(concat!("../../../pipelines/", $client, "/", $name)))),+])
    };
}

/// The example clients as they stand in the repository, so that the demo needs nothing but the binary.
const EXAMPLES: [Example; 5] = [
    example!("acme-saas":
        "alerts.yaml",
        "client.sandbox.yaml",
        "client.yaml",
        "collections-paid.yaml",
        "collections.yaml",
        "find-account.part.yaml",
        "payment-failed.yaml",
        "payment-received.yaml",
        "payment-refunded.yaml",
        "subscription-record.yaml",
        "subscription-status.yaml",
    ),
    example!("orchard-apps":
        "alerts.yaml",
        "client.sandbox.yaml",
        "client.yaml",
        "contact-changed.yaml",
        "contact.yaml",
        "customer.yaml",
        "deal-won.yaml",
        "find-contact.part.yaml",
        "payment-failed.yaml",
        "payment.yaml",
        "subscription.yaml",
        "trial-ends.yaml",
    ),
    example!("web-shop":
        "charges.yaml",
        "checkouts.yaml",
        "client.sandbox.yaml",
        "client.yaml",
        "contact.part.yaml",
        "customers.yaml",
        "invoices.yaml",
        "subscriptions.yaml",
    ),
    example!("fitness-club":
        "client.sandbox.yaml",
        "client.yaml",
        "conflicts.yaml",
        "leaves.part.yaml",
        "members.yaml",
        "out-of-groups.part.yaml",
    ),
    example!("harbor-cloud":
        "alerts.yaml",
        "canceled.yaml",
        "client.sandbox.yaml",
        "client.yaml",
        "closed-won.yaml",
        "find-account.part.yaml",
        "payment-failed.yaml",
        "payment.yaml",
        "seats.yaml",
        "subscription.yaml",
    ),
];

/// Everything that the demo stands on. The folder goes when it is dropped.
pub(super) struct Stage {
    sandbox: Sandbox,
    club: Sandbox,
    harbor: Sandbox,
    runtime: Runtime,
    public: SocketAddr,
    hooks: HashMap<&'static str, Hook>,
    folder: TempDir,
}

/// Where a client's events go, and what they are signed with.
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
    /// Starts the simulators, and a runtime for the example clients over an empty store.
    pub(super) async fn set(listen: SocketAddr, admin: SocketAddr) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("lockstep-demo-").tempdir();
        let folder = folder.context("no temporary folder could be made")?;
        write_clients(folder.path()).context("the example clients could not be written")?;
        let here = folder.path().to_owned();
        let files = ProjectFiles { paths: Vec::new(), here, env: Some("sandbox".into()) };
        let access = Access::to(admin, None)?;
        let (public, admin) = (Listener::bind(listen).await?, Listener::bind(admin).await?);
        let sandbox = Sandbox::start(SandboxOptions::default()).await.context("the sandbox did not start")?;
        // Who lists customers must not find those of the others.
        let club = Sandbox::start(SandboxOptions::default()).await.context("the sandbox did not start")?;
        let harbor = Sandbox::start(SandboxOptions::default()).await.context("the sandbox did not start")?;
        // The story delivers by itself: late, twice, in another order.
        sandbox.stripe().hold_deliveries(true);
        let address = public.address();
        let mut hooks = HashMap::new();
        for client in POSTED_TO {
            let url = format!("http://{address}/hooks/{client}/stripe");
            let secret = sandbox.stripe().register_webhook(&url).context("no webhook could be registered")?;
            hooks.insert(client, Hook { url, secret });
        }
        let url = format!("http://{address}/hooks/{HARBOR}/stripe");
        let secret = harbor.stripe().register_webhook(&url).context("no webhook could be registered")?;
        hooks.insert(HARBOR, Hook { url, secret });
        let runtime = Runtime::start(RuntimeOptions {
            environment: Arc::new(Variables::of(&sandbox, &club, &harbor, &hooks)),
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
        ensure!(broken.is_empty(), "an example client cannot run: {}", broken.join("; "));
        Ok(Self { sandbox, club, harbor, runtime, public: address, hooks, folder })
    }

    /// The simulators of the club, which has a Stripe account of its own.
    pub(super) fn club(&self) -> &Sandbox {
        &self.club
    }

    /// The simulators of the harbor, whose Stripe posts its events by itself.
    pub(super) fn harbor(&self) -> &Sandbox {
        &self.harbor
    }

    /// The simulators of all others.
    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The runtime.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Where a client's events go.
    pub(super) fn hook(&self, client: &str) -> anyhow::Result<&Hook> {
        self.hooks.get(client).with_context(|| format!("{client} is no client of the demo"))
    }

    /// Where a client's CRM sends its events.
    pub(super) fn crm_hook(&self, client: &str, connection: &str) -> String {
        format!("http://{}/hooks/{client}/{connection}", self.public)
    }

    /// What Stripe has to tell a client by now. The others hear nothing of it: they have other customers.
    pub(super) fn held(&self, client: &str) -> anyhow::Result<Vec<Delivery>> {
        let hook = self.hook(client)?;
        let held = self.sandbox.stripe().held().into_iter();
        Ok(held.filter(|delivery| delivery.url() == hook.url).collect())
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
    fn of(sandbox: &Sandbox, club: &Sandbox, harbor: &Sandbox, hooks: &HashMap<&'static str, Hook>) -> Self {
        let (stripe, salesforce, hubspot) = (sandbox.stripe(), sandbox.salesforce(), sandbox.hubspot());
        let secret = |client: &str| hooks.get(client).map(|hook| hook.secret.clone()).unwrap_or_default();
        Self(HashMap::from([
            ("SANDBOX_STRIPE_URL", stripe.url()),
            ("SANDBOX_SALESFORCE_URL", salesforce.url()),
            ("ACME_STRIPE_KEY", stripe.api_key().to_owned()),
            ("ACME_STRIPE_WHSEC", secret(ACME)),
            ("ACME_SF_CLIENT_ID", salesforce.client_id()),
            ("ACME_SF_CLIENT_SECRET", salesforce.client_secret()),
            ("ACME_SLACK_WEBHOOK", sandbox.slack().webhook_url()),
            ("SANDBOX_HUBSPOT_URL", hubspot.url()),
            ("ORCHARD_STRIPE_KEY", stripe.api_key().to_owned()),
            ("ORCHARD_STRIPE_WHSEC", secret(ORCHARD)),
            ("ORCHARD_HUBSPOT_TOKEN", hubspot.token()),
            ("ORCHARD_HUBSPOT_SECRET", hubspot.webhook_secret()),
            ("ORCHARD_SLACK_WEBHOOK", sandbox.slack().webhook_url()),
            ("ORCHARD_SMTP_HOST", sandbox.smtp().host()),
            ("SANDBOX_SMTP_PORT", sandbox.smtp().port().to_string()),
            ("ORCHARD_SMTP_USER", sandbox.smtp().user().to_owned()),
            ("ORCHARD_SMTP_PASSWORD", sandbox.smtp().password().to_owned()),
            ("SANDBOX_ACTIVECAMPAIGN_URL", sandbox.activecampaign().url()),
            ("SHOP_ACTIVECAMPAIGN_TOKEN", sandbox.activecampaign().api_token().to_owned()),
            ("SHOP_STRIPE_KEY", stripe.api_key().to_owned()),
            ("SHOP_STRIPE_WHSEC", secret(SHOP)),
            ("HARBOR_STRIPE_URL", harbor.stripe().url()),
            ("HARBOR_STRIPE_KEY", harbor.stripe().api_key().to_owned()),
            ("HARBOR_STRIPE_WHSEC", secret(HARBOR)),
            ("HARBOR_SF_URL", harbor.salesforce().url()),
            ("HARBOR_SF_CLIENT_ID", harbor.salesforce().client_id()),
            ("HARBOR_SF_CLIENT_SECRET", harbor.salesforce().client_secret()),
            ("HARBOR_SLACK_WEBHOOK", harbor.slack().webhook_url()),
            ("CLUB_STRIPE_URL", club.stripe().url()),
            ("CLUB_STRIPE_KEY", club.stripe().api_key().to_owned()),
            ("CLUB_BITRIX24_WEBHOOK", club.bitrix24().webhook_url()),
        ]))
    }
}

fn store_of(folder: &Path) -> PathBuf {
    folder.join("lockstep.db")
}

fn write_clients(folder: &Path) -> std::io::Result<()> {
    EXAMPLES.iter().try_for_each(|(client, files)| {
        let client = folder.join("pipelines").join(client);
        std::fs::create_dir_all(&client)?;
        files
            .iter()
            .try_for_each(|(name, text)| std::fs::write(client.join(name), text.replace(FASTER.0, FASTER.1)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn the_demo_has_every_file_that_runs_of_the_examples() {
        for (client, files) in EXAMPLES {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(client);
            let names =
                std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
            let runs = |name: &String| {
                name.strip_suffix(".yaml").is_some_and(|stem| stem.rsplit('.').next() != Some("test"))
            };
            let there: BTreeSet<String> = names.filter(runs).collect();
            let here: BTreeSet<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(here, there);
        }
    }
}
