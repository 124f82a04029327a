//! `lockstep schema pull` and `diff`: what an account has, and what its admin changed since.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use lockstep::sandbox::salesforce::FieldShape;
use lockstep::sandbox::{Sandbox, SandboxOptions};
use pretty_assertions::assert_eq;
use tempfile::TempDir;

use crate::world::World;

/// The connections of the example clients whose systems tell what they have.
const EXAMPLES: [(&str, &str); 5] = [
    ("acme-saas", "salesforce"),
    ("fitness-club", "bitrix24"),
    ("harbor-cloud", "salesforce"),
    ("orchard-apps", "hubspot"),
    ("web-shop", "activecampaign"),
];

/// A project of the example clients, the simulators beside it.
struct Examples {
    sandbox: Sandbox,
    folder: TempDir,
}

impl Examples {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines"), &folder.path().join("pipelines"));
        Self { sandbox, folder }
    }

    fn lockstep(&self, arguments: &[&str]) -> Output {
        let (salesforce, hubspot) = (self.sandbox.salesforce(), self.sandbox.hubspot());
        let account = self.sandbox.activecampaign();
        Command::new(env!("CARGO_BIN_EXE_lockstep"))
            .current_dir(self.folder.path())
            .env_clear()
            .env("LOCKSTEP_ENV", "sandbox")
            .env("SANDBOX_SALESFORCE_URL", salesforce.url())
            .env("ACME_SF_CLIENT_ID", salesforce.client_id())
            .env("ACME_SF_CLIENT_SECRET", salesforce.client_secret())
            .env("HARBOR_SF_URL", salesforce.url())
            .env("HARBOR_SF_CLIENT_ID", salesforce.client_id())
            .env("HARBOR_SF_CLIENT_SECRET", salesforce.client_secret())
            .env("CLUB_BITRIX24_WEBHOOK", self.sandbox.bitrix24().webhook_url())
            .env("SANDBOX_HUBSPOT_URL", hubspot.url())
            .env("ORCHARD_HUBSPOT_TOKEN", hubspot.token())
            .env("ORCHARD_HUBSPOT_SECRET", hubspot.webhook_secret())
            .env("SANDBOX_ACTIVECAMPAIGN_URL", account.url())
            .env("SHOP_ACTIVECAMPAIGN_TOKEN", account.api_token())
            .args(arguments)
            .output()
            .unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// `UPDATE_EXPECTED=1` writes them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_clients_are_checked_against_what_their_accounts_have() {
    let examples = Examples::new().await;
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    for (client, connection) in EXAMPLES {
        let path = format!("pipelines/{client}/schemas/{connection}.json");
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
        let (code, _, error) = told(&examples.lockstep(&["schema", "pull", client, connection]));
        assert_eq!(code, 0, "{client}: {error}");
        let pulled = fs::read_to_string(examples.folder.path().join(&path)).unwrap();
        if update {
            fs::create_dir_all(kept.parent().unwrap()).unwrap();
            fs::write(&kept, &pulled).unwrap();
        }
        assert_eq!(
            fs::read_to_string(&kept).unwrap_or_default(),
            pulled,
            "{path} (UPDATE_EXPECTED=1 rewrites)"
        );
        let (code, shown, _) = told(&examples.lockstep(&["schema", "diff", client, connection]));
        assert_eq!((code, &*shown), (0, "nothing was changed\n"), "{client}");
        for secret in [examples.sandbox.salesforce().client_secret(), examples.sandbox.hubspot().token()] {
            assert!(!pulled.contains(&secret), "{path}");
        }
    }
}

const ACME: &str = "# file: client.yaml
name: acme
connections:
  stripe: { connector: stripe, config: { api_key: \"${ACME_KEY}\", webhook_secrets: [\"${ACME_WHSEC}\"], base_url: \"${STRIPE_URL}\" } }
  crm: { connector: salesforce, config: { login_url: \"${SF_URL}\", client_id: \"${SF_ID}\", client_secret: \"${SF_SECRET}\" } }
# file: paid.yaml
name: paid
trigger: { stripe: { events: [invoice.paid] } }
steps:
  - id: account
    find: { object: crm.Account, match: { Stripe_Customer_Id__c: $.object.customer }, none: skip }
  - update: { object: crm.Account, record: $.steps.account.id, fields: { Subscription_Status__c: Active } }
  - script: |
      crm.find(\"Lead\", #{ Email: object.customer_email });
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_admin_changed_is_told_and_found_in_the_mappings() {
    let world = World::with(ACME).await;
    let (code, shown, error) = told(&world.lockstep(&["schema", "pull", "acme", "crm"]));
    assert_eq!(code, 0, "{error}");
    assert!(shown.contains("schemas/crm.json: 2 objects, "), "the script's object too: {shown}");
    assert_eq!(told(&world.lockstep(&["validate"])).0, 0);
    let org = world.sandbox().salesforce();
    let status = FieldShape {
        picklist_values: vec!["Trialing".to_owned(), "In Good Standing".to_owned()],
        restricted_picklist: true,
        ..FieldShape::of("picklist")
    };
    org.declare("Account", "Subscription_Status__c", status);
    org.declare("Account", "Industry_Code__c", FieldShape { length: Some(10), ..FieldShape::of("string") });
    let (code, shown, _) = told(&world.lockstep(&["schema", "diff", "acme", "crm"]));
    insta::assert_snapshot!(shown.trim_end(), @r#"
    + Account.Industry_Code__c is new
    ~ Account.Subscription_Status__c: options - "Trial", - "Active", - "Past Due", - "Payment Overdue", - "Unpaid", - "Paused", - "Incomplete", - "Canceled", - "Cancelled", - "Other", + "In Good Standing"
    "#);
    assert_eq!(code, 1);
    let (code, shown, _) = told(&world.lockstep(&["schema", "diff", "acme", "crm", "--format", "json"]));
    let differences: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(differences[0]["field"], "Industry_Code__c");
    assert_eq!(differences[0]["change"], "new");
    assert_eq!(code, 1);
    let (code, ..) = told(&world.lockstep(&["schema", "pull", "acme", "crm"]));
    assert_eq!(code, 0);
    let (code, shown, _) = told(&world.lockstep(&["validate"]));
    assert!(shown.contains("error[unknown-option]: \"Active\" is not among the options"), "{shown}");
    assert_eq!(code, 1);
    // What it was found wrong by does not keep it from being pulled.
    assert_eq!(told(&world.lockstep(&["schema", "diff", "acme", "crm"])).0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_pulled_says_why() {
    let world = World::with(ACME).await;
    for (arguments, message) in [
        (
            &["schema", "pull", "acme", "cmr"][..],
            "error: acme has no connection `cmr`: did you mean `crm`?\n",
        ),
        (&["schema", "pull", "amce", "crm"], "error: there is no client `amce`: did you mean `acme`?\n"),
        (
            &["schema", "pull", "acme", "stripe"],
            "error: the connector `stripe` cannot tell which fields an account has\n",
        ),
    ] {
        let (code, _, error) = told(&world.lockstep(arguments));
        assert_eq!((code, &*error), (2, message));
    }
    let (code, _, error) = told(&world.lockstep(&["schema", "diff", "acme", "crm"]));
    assert!(error.contains("`lockstep schema pull` writes it"), "{error}");
    assert_eq!(code, 2);
    let (code, _, error) =
        told(&world.lockstep(&["schema", "pull", "acme", "crm", "--object", "Nothing__c"]));
    assert!(error.contains("crm.Nothing__c is left out: the account has no such object"), "{error}");
    assert_eq!(code, 0, "the others are pulled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn online_the_accounts_themselves_are_asked() {
    let world = World::with(ACME).await;
    let (code, shown, error) = told(&world.lockstep(&["validate", "--online"]));
    assert_eq!((code, &*error), (0, ""), "{shown}");
    let org = world.sandbox().salesforce();
    org.declare(
        "Account",
        "Subscription_Status__c",
        FieldShape { updateable: false, ..FieldShape::of("string") },
    );
    assert_eq!(told(&world.lockstep(&["validate"])).0, 0, "nothing was pulled");
    let (code, shown, _) = told(&world.lockstep(&["validate", "--online"]));
    assert!(shown.contains("error[read-only-field]"), "{shown}");
    assert!(shown.contains("pipelines/acme/paid.yaml:6:"), "{shown}");
    assert_eq!(code, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_changed_since_it_was_pulled_is_told_of() {
    let world = World::with(ACME).await;
    assert_eq!(told(&world.lockstep(&["schema", "pull", "acme", "crm"])).0, 0);
    world.sandbox().salesforce().declare("Account", "Industry_Code__c", FieldShape::of("string"));
    let (code, _, error) = told(&world.lockstep(&["validate", "--online"]));
    assert_eq!(
        (code, &*error),
        (
            0,
            "acme.crm: the account has changed since it was pulled; `lockstep schema diff acme crm` tells how\n"
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn online_an_account_that_lets_nobody_in_is_found() {
    let world = World::with(&ACME.replace("\"Lead\"", "\"Leed\"")).await;
    let (code, shown, _) = told(&world.lockstep(&["validate", "--online"]));
    assert!(
        shown.contains("error[unknown-object]: the account behind `crm` has no object `Leed`"),
        "{shown}"
    );
    assert!(shown.contains("pipelines/acme/client.yaml:4:3"), "{shown}");
    assert_eq!(code, 1);
    let wrong = [("SF_SECRET", "not-the-secret"), ("ACME_KEY", "sk_test_of_nobody")];
    let output = world.command(&["validate", "--online"]).envs(wrong).output().unwrap();
    let (code, shown, error) = told(&output);
    for connection in ["stripe", "crm"] {
        let fact =
            format!("error[connection-config]: the account behind `{connection}` could not be asked: ");
        assert!(shown.contains(&fact), "{shown}");
    }
    assert!(!format!("{shown}{error}").contains("not-the-secret"), "{shown}{error}");
    assert_eq!(code, 1);
    let output = world.command(&["validate", "--online"]).env_remove("SF_ID").output().unwrap();
    let (code, shown, _) = told(&output);
    assert!(shown.contains("could not be asked: ") && shown.contains("SF_ID"), "{shown}");
    assert_eq!(code, 1);
    let both = world.lockstep(&["validate", "--online", "--fix"]);
    assert_eq!(both.status.code(), Some(2));
}
