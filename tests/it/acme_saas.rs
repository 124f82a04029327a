//! The example client `acme-saas` end to end, over real HTTP: what reaches the simulated org, counted there.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use lockstep::sandbox::stripe::{Person, Story, sign};
use lockstep::value::Value;
use pretty_assertions::assert_eq;
use serde_json::{Value as Json, json};

use crate::world::{World, now};

/// The example client, running.
struct Acme {
    world: World,
    /// What Stripe's deliveries are signed with.
    secret: String,
}

async fn acme() -> Acme {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/acme-saas");
    let mut example = String::new();
    for file in fs::read_dir(client).unwrap().map(|file| file.unwrap()) {
        let name = file.file_name().into_string().unwrap();
        if file.path().is_file() && !name.ends_with(".test.yaml") {
            let text = fs::read_to_string(file.path()).unwrap();
            let _ = writeln!(example, "# file: pipelines/acme-saas/{name}\n{text}");
        }
    }
    let mut world = World::with(&example).await;
    let (stripe, org) = (world.sandbox().stripe(), world.sandbox().salesforce());
    stripe.hold_deliveries(true);
    let secret = stripe.register_webhook("http://127.0.0.1:1/later").unwrap();
    let environment = [
        ("LOCKSTEP_ENV", "sandbox".to_owned()),
        ("SANDBOX_STRIPE_URL", stripe.url()),
        ("SANDBOX_SALESFORCE_URL", org.url()),
        ("ACME_STRIPE_KEY", stripe.api_key().to_owned()),
        ("ACME_STRIPE_WHSEC", secret.clone()),
        ("ACME_SF_CLIENT_ID", org.client_id()),
        ("ACME_SF_CLIENT_SECRET", org.client_secret()),
        ("ACME_SLACK_WEBHOOK", world.sandbox().slack().webhook_url()),
    ];
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.start(&environment);
    Acme { world, secret }
}

impl Acme {
    /// Plays a story and delivers its events, each twice; gives the customer.
    async fn play(&self, person: &Person, story: Story) -> String {
        let stripe = self.world.sandbox().stripe();
        let customer = stripe.play(story, person).unwrap().customer;
        for delivery in stripe.held() {
            for _ in 0..2 {
                let hook = self.world.hook("acme-saas/stripe");
                assert_eq!(stripe.send(&delivery.event(), &hook, &self.secret).await.unwrap(), 200);
            }
        }
        self.world.all_ended().await;
        customer
    }

    /// Delivers an event that no story has, as Stripe does.
    async fn deliver(&self, id: &str, kind: &str, object: Json) {
        let event = json!({
            "id": id, "object": "event", "api_version": "2026-10-28.endive", "created": now(), "type": kind,
            "livemode": false, "pending_webhooks": 1, "request": null, "data": { "object": object },
        });
        let body = event.to_string();
        let signature = sign(&self.secret, now(), body.as_bytes());
        let hook = self.world.http().post(self.world.hook("acme-saas/stripe"));
        let answer = hook.header("stripe-signature", signature).body(body).send().await.unwrap();
        assert!(answer.status().is_success());
        self.world.all_ended().await;
    }

    fn records(&self, object: &str) -> Vec<Value> {
        self.world.sandbox().salesforce().records(object)
    }

    fn seed(&self, object: &str, fields: &Json) -> String {
        self.world.sandbox().salesforce().seed(object, &Value::from(fields)).unwrap()
    }

    fn ended(&self, outcome: &str) -> Vec<Json> {
        self.world.json(&["runs", "--outcome", outcome])["runs"].as_array().unwrap().clone()
    }
}

fn field(record: &Value, name: &str) -> String {
    record.get(name).filter(|value| !value.is_nothing()).map(Value::to_string).unwrap_or_default()
}

fn invoice(attempt: u32, next: Option<i64>) -> Json {
    json!({
        "id": "in_9", "object": "invoice", "number": "A-9", "customer": "cus_9", "customer_email": "ann@x.example",
        "amount_due": 4500, "amount_remaining": 4500, "currency": "gbp", "attempt_count": attempt,
        "next_payment_attempt": next, "hosted_invoice_url": "https://pay.example/in_9", "parent": null, "status": "open",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stripe_gives_up_on_is_one_case_of_the_queue_until_it_is_paid() {
    let acme = acme().await;
    acme.seed("Account", &json!({ "Name": "Acme", "Stripe_Customer_Id__c": "cus_9" }));
    acme.deliver("evt_1", "invoice.payment_failed", invoice(1, Some(now() + 86_400))).await;
    assert_eq!((acme.records("Task").len(), acme.records("Case").len()), (1, 0), "the owner's matter first");

    for (id, kind) in [
        ("evt_2", "invoice.payment_failed"),
        ("evt_2", "invoice.payment_failed"),
        ("evt_3", "invoice.marked_uncollectible"),
    ] {
        acme.deliver(id, kind, invoice(4, None)).await;
    }
    let (tasks, cases) = (acme.records("Task"), acme.records("Case"));
    assert_eq!((tasks.len(), cases.len()), (1, 1));
    assert!(field(&cases[0], "OwnerId").starts_with("00G000000000001"), "{cases:?}");
    assert_eq!((field(&cases[0], "Priority"), field(&cases[0], "Status")), ("High".into(), "New".into()));
    assert_eq!(field(&cases[0], "Amount_Due__c").parse(), Ok(45.0));

    acme.deliver("evt_4", "invoice.paid", invoice(4, None)).await;
    assert_eq!(field(&acme.records("Case")[0], "Status"), "Closed");
    assert_eq!((acme.ended("dead"), acme.ended("conflict")), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_and_subscriptions_are_records_of_the_orgs_own_objects_once() {
    let acme = acme().await;
    let ann = Person::new("Ann Lee", "ann@x.example");
    let cus = acme.play(&ann, Story::SignsUp).await;
    acme.play(&ann, Story::Upgrades).await;
    acme.play(&ann, Story::IsRefunded).await;
    acme.play(&ann, Story::Cancels).await;
    let (accounts, payments) = (acme.records("Account"), acme.records("Payment__c"));
    let subscriptions = acme.records("Subscription__c");
    let account = field(accounts.iter().find(|it| field(it, "Stripe_Customer_Id__c") == cus).unwrap(), "Id");
    let charges = acme.world.sandbox().stripe().records("charge");
    let paid = charges.iter().filter(|charge| charge.get("paid") == Some(&Value::from(true))).count();
    assert_eq!((payments.len(), subscriptions.len()), (paid, 1));
    assert!(payments.iter().chain(&subscriptions).all(|record| field(record, "Account__c") == account));
    assert_eq!(payments.iter().filter(|it| field(it, "Status__c") == "Refunded").count(), 1);
    assert_eq!(field(&subscriptions[0], "Status__c"), "Canceled");
    assert_eq!((acme.ended("dead"), acme.ended("conflict")), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_duplicate_rule_takes_for_the_same_is_a_conflict_that_names_the_record() {
    let acme = acme().await;
    acme.world.sandbox().salesforce().duplicate_rule("Contact", "LastName", false);
    let other = acme.seed("Contact", &json!({ "LastName": "Lee", "Email": "ann@elsewhere.example" }));
    acme.play(&Person::new("Ann Lee", "ann@x.example"), Story::SignsUp).await;
    let conflicts = acme.ended("conflict");
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    let reason = conflicts[0]["reason"].as_str().unwrap();
    assert!(reason.contains("salesforce.Contact exists already, though not with this key"), "{reason}");
    let run = conflicts[0]["id"].to_string();
    let shown = acme.world.json(&["conflicts", "show", &run]).to_string();
    assert!(shown.contains(&other[..15]), "{shown}");
    assert_eq!(acme.records("Contact").len(), 1, "nothing but what was there");
}
