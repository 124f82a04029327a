//! The example client `web-shop`, as it runs: signed events in, and what then stands in the simulated account.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use lockstep::sandbox::stripe::{Person, Story};
use lockstep::sandbox::{ActiveCampaign, Fault};
use lockstep::value::Value;
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::world::{SECRET, World, now};

/// The vendor's sixteen, and the one that tells of most checkouts.
const EVENTS: [&str; 17] = [
    "customer.created",
    "customer.updated",
    "charge.succeeded",
    "charge.refunded",
    "invoice.created",
    "invoice.updated",
    "invoice.payment_succeeded",
    "invoice.payment_failed",
    "invoice.upcoming",
    "customer.subscription.created",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.deleted",
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
];

const ANN: &str = "ann@shop.example";

/// The client's files, as the repository has them.
fn example() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/web-shop");
    let mut example = String::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        if file.path().is_dir() {
            continue;
        }
        let (name, text) =
            (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap());
        let _ = write!(example, "# file: pipelines/web-shop/{name}\n{text}");
    }
    example
}

/// The shop, and lockstep running on it.
async fn shop() -> World {
    let mut world = World::with(&example()).await;
    let (stripe, account) = (world.sandbox().stripe(), world.sandbox().activecampaign());
    let environment = [
        ("LOCKSTEP_ENV", "sandbox".to_owned()),
        ("SHOP_STRIPE_KEY", stripe.api_key().to_owned()),
        ("SHOP_STRIPE_WHSEC", SECRET.to_owned()),
        ("SANDBOX_STRIPE_URL", stripe.url()),
        ("SHOP_ACTIVECAMPAIGN_TOKEN", account.api_token().to_owned()),
        ("SANDBOX_ACTIVECAMPAIGN_URL", account.url()),
    ];
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.start(&environment);
    world
}

/// A customer in Stripe; gives the id.
fn sign_up(world: &World, name: &str, email: &str) -> String {
    let person = Person::new(name, email);
    world.sandbox().stripe().play(Story::SignsUp, &person).unwrap().customer
}

/// Sends an event, signed, about an object.
async fn tell(world: &World, kind: &str, created: i64, object: serde_json::Value) {
    let given = json!({"created": created, "livemode": false, "data": {"object": object}});
    let stripe = world.sandbox().stripe();
    let event = stripe.event(kind, &Value::from(&given)).unwrap();
    let status = stripe.send(&event, &world.hook("web-shop/stripe"), SECRET).await.unwrap();
    assert_eq!(status, 200, "{kind}");
}

/// What an event of each kind is about, of one customer.
fn object(kind: &str, customer: &str) -> serde_json::Value {
    match kind.split_once('.').unwrap_or_default() {
        ("customer", "created" | "updated") => json!({"id": customer, "email": ANN}),
        ("customer", change) => {
            let status = match change {
                "subscription.trial_will_end" => "trialing",
                "subscription.deleted" => "canceled",
                _ => "active",
            };
            json!({"id": "sub_1", "customer": customer, "status": status, "pause_collection": null})
        }
        ("invoice", "upcoming") => json!({"id": null, "customer": customer}),
        ("checkout", "session.completed") => {
            json!({"id": "cs_1", "customer": customer, "amount_total": 4900, "currency": "usd"})
        }
        ("checkout", _) => {
            json!({"id": "cs_2", "customer": customer, "amount_total": 5000, "currency": "jpy"})
        }
        _ => json!({"customer": customer}),
    }
}

fn outcomes(world: &World) -> Vec<String> {
    let runs = world.json(&["runs"]);
    let states = runs["runs"].as_array().unwrap_or_else(|| runs.as_array().unwrap()).iter();
    let states: BTreeSet<String> = states.map(|run| run["state"].as_str().unwrap().to_owned()).collect();
    states.into_iter().collect()
}

fn texts(account: &ActiveCampaign, kind: &str, field: &str) -> Vec<String> {
    let records = account.records(kind);
    records
        .iter()
        .map(|record| record.get(field).and_then(Value::to_text).unwrap_or_default().to_string())
        .collect()
}

#[tokio::test]
async fn all_events_of_one_customer_are_one_contact_with_its_tags_orders_and_recurring_payment() {
    let world = shop().await;
    let account = world.sandbox().activecampaign();
    let customer = sign_up(&world, "Ann van Lee", ANN);
    // An outage in the middle of it: what was done is not done again.
    account.faults().add(Fault::answer(503).on("POST", "/api/3/contactTags").times(2));
    account.faults().add(Fault::reset().after_the_work().on("POST", "/api/3/ecomCustomers"));
    let began = now() - 60;
    for (number, kind) in EVENTS.into_iter().enumerate() {
        let created = began + i64::try_from(number).unwrap();
        tell(&world, kind, created, object(kind, &customer)).await;
        if number % 6 == 5 {
            world.all_ended().await;
        }
    }
    world.all_ended().await;
    assert_eq!(outcomes(&world), ["succeeded"]);

    assert_eq!(texts(account, "contact", "email"), [ANN]);
    assert_eq!(
        (texts(account, "contact", "firstName"), texts(account, "contact", "lastName")),
        (vec!["Ann".to_owned()], vec!["van Lee".to_owned()])
    );
    assert_eq!(account.value(ANN, "STRIPE_ID"), Some(customer.clone()));
    assert_eq!(account.value(ANN, "SUBSCRIPTION_STATUS").as_deref(), Some("Ended"));
    let mut tags: BTreeSet<String> = BTreeSet::from(["stripe-integration".to_owned()]);
    for kind in EVENTS {
        let ending =
            if kind.starts_with("customer.subscription.") { "Billing_Subscription_Events" } else { kind };
        tags.insert(format!("stripe-integration-{ending}"));
    }
    let there = account.tags(ANN);
    assert_eq!(there.len(), tags.len(), "none twice: {there:?}");
    assert_eq!(there.into_iter().collect::<BTreeSet<_>>(), tags);
    assert_eq!(texts(account, "ecomCustomer", "externalid"), [customer]);
    assert_eq!(texts(account, "recurringPayment", "normalizedStatus"), ["CANCELLED"]);
    assert_eq!(texts(account, "order", "storeOrderId"), ["cs_1", "cs_2"]);
    assert_eq!(texts(account, "order", "finalAmount"), ["49.00", "5000"]);
    assert_eq!(account.purchases(), ["cs_1", "cs_2"]);
    assert_eq!(account.records("connection").len(), 1);
    assert_eq!(account.records("contactList").len(), 0, "paying is no consent");
}

#[tokio::test]
async fn a_new_address_moves_the_contact_and_a_taken_one_is_for_a_person() {
    let world = shop().await;
    let (stripe, account) = (world.sandbox().stripe(), world.sandbox().activecampaign());
    let customer = sign_up(&world, "Ann Lee", ANN);
    tell(&world, "customer.created", now(), json!({"id": customer})).await;
    world.all_ended().await;
    let change = world.http().post(format!("{}/v1/customers/{customer}", stripe.url()));
    let change =
        change.bearer_auth(stripe.api_key()).header("content-type", "application/x-www-form-urlencoded");
    assert!(change.body("email=ann@new.example").send().await.unwrap().status().is_success());
    tell(&world, "customer.updated", now(), json!({"id": customer})).await;
    world.all_ended().await;
    assert_eq!(texts(account, "contact", "email"), ["ann@new.example"], "one contact, moved");

    let other = sign_up(&world, "Bob Lee", "bob@shop.example");
    let same = world.http().post(format!("{}/v1/customers/{other}", stripe.url()));
    let same = same.bearer_auth(stripe.api_key()).header("content-type", "application/x-www-form-urlencoded");
    assert!(same.body("email=ann@new.example").send().await.unwrap().status().is_success());
    let writes = account.counts().writes;
    tell(&world, "customer.created", now(), json!({"id": other})).await;
    world.all_ended().await;
    assert_eq!(outcomes(&world), ["conflict", "succeeded"]);
    assert_eq!(account.counts().writes, writes, "nothing was guessed");
}
