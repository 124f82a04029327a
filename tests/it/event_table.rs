//! The event table end to end: the example client of `pipelines/orchard-apps` between the simulated Stripe and the simulated HubSpot,
//! over real HTTP, counted on the CRM's side.

use std::fmt::Write;
use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use lockstep::sandbox::smtp::{Refusal, Stage};
use lockstep::sandbox::stripe::{Person, Story};
use lockstep::sandbox::{Fault, HubSpot, Stripe};
use lockstep::value::Value;
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::world::World;

/// What the example's app has subscribed to.
const EVENTS: [&str; 5] = [
    "contact.creation",
    "contact.propertyChange:email",
    "contact.propertyChange:lifecyclestage",
    "deal.creation",
    "deal.propertyChange:dealstage",
];

/// The example client, running.
struct Table {
    world: World,
    /// What Stripe's deliveries are signed with.
    secret: String,
}

impl Deref for Table {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

async fn table() -> Table {
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/orchard-apps");
    let mut example = String::new();
    for file in fs::read_dir(client).unwrap().map(|file| file.unwrap()) {
        let name = file.file_name().into_string().unwrap();
        if file.path().is_file() && !name.ends_with(".test.yaml") {
            let text = fs::read_to_string(file.path()).unwrap();
            let _ = writeln!(example, "# file: pipelines/orchard-apps/{name}\n{text}");
        }
    }
    let mut world = World::with(&example).await;
    let (stripe, hubspot) = (world.sandbox().stripe(), world.sandbox().hubspot());
    stripe.hold_deliveries(true);
    let secret = stripe.register_webhook("http://127.0.0.1:1/later").unwrap();
    let environment = [
        ("LOCKSTEP_ENV", "sandbox".to_owned()),
        ("SANDBOX_STRIPE_URL", stripe.url()),
        ("SANDBOX_HUBSPOT_URL", hubspot.url()),
        ("ORCHARD_STRIPE_KEY", stripe.api_key().to_owned()),
        ("ORCHARD_STRIPE_WHSEC", secret.clone()),
        ("ORCHARD_HUBSPOT_TOKEN", hubspot.token()),
        ("ORCHARD_HUBSPOT_SECRET", hubspot.webhook_secret()),
        ("ORCHARD_SLACK_WEBHOOK", world.sandbox().slack().webhook_url()),
        ("ORCHARD_SMTP_HOST", world.sandbox().smtp().host()),
        ("SANDBOX_SMTP_PORT", world.sandbox().smtp().port().to_string()),
        ("ORCHARD_SMTP_USER", world.sandbox().smtp().user().to_owned()),
        ("ORCHARD_SMTP_PASSWORD", world.sandbox().smtp().password().to_owned()),
    ];
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.start(&environment);
    Table { world, secret }
}

/// Plays stories and delivers their events, each twice, until all is done.
async fn play(world: &Table, person: &Person, stories: &[Story]) -> String {
    let (stripe, hook) = (world.sandbox().stripe(), world.hook("orchard-apps/stripe"));
    let mut customer = String::new();
    for story in stories {
        customer = stripe.play(*story, person).unwrap().customer;
        for delivery in stripe.held() {
            for _ in 0..2 {
                let status = stripe.send(&delivery.event(), &hook, &world.secret).await.unwrap();
                assert_eq!(status, 200, "{}", delivery.event_type());
            }
        }
        world.all_ended().await;
    }
    customer
}

fn ended(world: &World, outcome: &str) -> Vec<serde_json::Value> {
    world.json(&["runs", "--outcome", outcome])["runs"].as_array().unwrap().clone()
}

fn field<'a>(record: &'a Value, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn contact(crm: &HubSpot, email: &str) -> Value {
    crm.records("contacts").into_iter().find(|contact| field(contact, "email") == email).unwrap()
}

fn metadata(stripe: &Stripe, customer: &str, name: &str) -> Option<String> {
    let customers = stripe.records("customer");
    let customer = customers.iter().find(|record| field(record, "id") == customer)?;
    Some(customer.at(&["metadata", name])?.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_life_in_stripe_is_told_in_hubspot_once() {
    let world = table().await;
    let (stripe, crm) = (world.sandbox().stripe(), world.sandbox().hubspot());
    // The index never catches up: nothing may depend on it.
    crm.search_lag(Duration::from_hours(24));
    let ann = Person::new("Ann van Dam", "Ann@Example.com");
    let cus = play(&world, &ann, &[Story::SignsUp, Story::RenewalFails]).await;

    let told = contact(crm, "ann@example.com");
    assert_eq!((field(&told, "stripe_customer_id"), field(&told, "firstname")), (cus.as_str(), "Ann"));
    assert_eq!((field(&told, "stripe_status"), field(&told, "stripe_plan")), ("overdue", "Team"));
    assert_eq!(field(&told, "lifetime_value").parse(), Ok(100.0));
    assert_eq!(metadata(stripe, &cus, "hubspot_contact_id").as_deref(), Some(field(&told, "hs_object_id")));
    assert_eq!(crm.records("tasks").len(), 1, "one task for the failed invoice");
    assert_eq!(field(&crm.records("tasks")[0], "hs_task_priority"), "HIGH");
    assert_eq!(world.sandbox().slack().messages().len(), 1);
    let mails = world.sandbox().smtp().mails();
    assert_eq!(mails.len(), 1, "however often the event comes");
    assert_eq!(
        (mails[0].to.as_slice(), mails[0].header("From").as_str()),
        (["Ann@Example.com".to_owned()].as_slice(), "\"Orchard Apps\" <billing@orchard-apps.example>")
    );
    assert!(mails[0].header("Subject").starts_with("Your payment of "), "{}", mails[0].data);
    assert!(mails[0].text().starts_with("Hello Ann,"), "{}", mails[0].data);

    play(&world, &ann, &[Story::Renews, Story::Upgrades, Story::IsRefunded, Story::Cancels]).await;
    let told = contact(crm, "ann@example.com");
    assert_eq!((field(&told, "stripe_status"), field(&told, "stripe_plan")), ("canceled", ""));
    assert_eq!(field(&told, "stripe_mrr").parse(), Ok(0.0));
    let paid: i64 = stripe
        .records("charge")
        .iter()
        .filter(|charge| charge.get("paid") == Some(&Value::from(true)))
        .map(|charge| {
            let of = |name: &str| charge.get(name).and_then(Value::as_i64).unwrap();
            of("amount_captured") - of("amount_refunded")
        })
        .sum();
    let told_paid: f64 = field(&told, "lifetime_value").parse().unwrap();
    assert_eq!((told_paid * 100.0).round().to_string(), paid.to_string(), "computed anew, not added up");

    let id = field(&told, "hs_object_id").parse().unwrap();
    let counts = crm.counts().creates;
    assert_eq!((counts["contacts"], counts["deals"], counts["tasks"]), (1, 1, 2), "the other task: win back");
    assert_eq!(crm.associated("contacts", id, "deals").len(), 1);
    assert_eq!(crm.associated("contacts", id, "tasks").len(), 2);
    assert_eq!(crm.associated("contacts", id, "notes").len() as u64, counts["notes"]);
    assert_eq!(field(&crm.records("deals")[0], "dealstage"), "closedlost");
    assert_eq!(ended(&world, "dead"), Vec::<serde_json::Value>::new());
    assert_eq!(ended(&world, "conflict"), Vec::<serde_json::Value>::new());
}

// Invariant 2: a create whose answer was lost is looked for before anything is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_and_refusals_make_nothing_twice() {
    let world = table().await;
    let crm = world.sandbox().hubspot();
    for kind in ["contacts", "deals", "notes"] {
        let path = format!("*/objects/{kind}");
        crm.faults().add(Fault::reset().after_the_work().on("POST", &path));
    }
    crm.faults().add(Fault::answer(502).on("PATCH", "*/contacts/*").times(2));
    play(&world, &Person::new("Bo Bell", "bo@example.com"), &[Story::SignsUp]).await;
    assert_eq!(crm.faults().left(), 0, "all of them were met");
    let counts = crm.counts().creates;
    assert_eq!((counts["contacts"], counts["deals"], counts["notes"]), (1, 1, 1));
    assert_eq!(field(&contact(crm, "bo@example.com"), "stripe_status"), "active");
    assert_eq!(ended(&world, "dead"), Vec::<serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_mailed_is_to_be_called() {
    let world = table().await;
    world.sandbox().smtp().refuse(Refusal::at(Stage::Recipient, "550 5.1.1 no such mailbox"));
    play(&world, &Person::new("Ida", "ida@example.com"), &[Story::SignsUp, Story::RenewalFails]).await;
    assert_eq!(world.sandbox().smtp().mails(), []);
    let tasks = world.sandbox().hubspot().records("tasks");
    assert_eq!(tasks.len(), 1);
    assert!(field(&tasks[0], "hs_task_body").contains("No mail reaches the customer: call."));
    assert_eq!(ended(&world, "dead"), Vec::<serde_json::Value>::new());
}

// Invariant 2: a message that cannot be looked up follows its manifest, and is marked.
#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_answer_was_lost_goes_again_under_the_same_message_id_and_is_marked() {
    let world = table().await;
    let smtp = world.sandbox().smtp();
    smtp.refuse(Refusal::silent(Stage::Content));
    play(&world, &Person::new("Ida", "ida@example.com"), &[Story::SignsUp, Story::RenewalFails]).await;
    let mails = smtp.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    let audit = world.json(&["audit", "list", "--client", "orchard-apps"]).to_string();
    assert!(audit.contains("possibly repeated"), "{audit}");
    assert_eq!(ended(&world, "dead"), Vec::<serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_tell_is_a_conflict_that_names_the_contact() {
    let world = table().await;
    let crm = world.sandbox().hubspot();
    let taken = Value::from(&json!({"email": "eve@example.com", "stripe_customer_id": "cus_other"}));
    crm.seed("contacts", &taken).unwrap();
    let stripe = world.sandbox().stripe();
    stripe.play(Story::SignsUp, &Person::new("Eve", "eve@example.com")).unwrap();
    let hook = world.hook("orchard-apps/stripe");
    for delivery in stripe.held().iter().filter(|it| it.event_type() == "customer.created") {
        assert_eq!(stripe.send(&delivery.event(), &hook, &world.secret).await.unwrap(), 200);
    }
    world.all_ended().await;
    let conflicts = ended(&world, "conflict");
    assert_eq!(conflicts.len(), 1);
    assert!(conflicts[0]["reason"].as_str().unwrap().contains("belongs to another Stripe customer"));
    assert_eq!(crm.counts().creates["contacts"], 1, "nothing but what was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_becomes_a_customer_and_a_deal_that_is_won_one_invoice() {
    let world = table().await;
    let (stripe, crm) = (world.sandbox().stripe(), world.sandbox().hubspot());
    crm.register_webhook(&world.hook("orchard-apps/hubspot"), &EVENTS);
    let person = Value::from(&json!({"email": "rosa@example.com", "firstname": "Rosa", "lastname": "Rees"}));
    let id = crm.seed("contacts", &person).unwrap();
    let known = || !field(&contact(crm, "rosa@example.com"), "stripe_customer_id").is_empty();
    world.until("the contact has a customer", async || known()).await;
    let cus = field(&contact(crm, "rosa@example.com"), "stripe_customer_id").to_owned();
    assert_eq!(metadata(stripe, &cus, "hubspot_contact_id"), Some(id.to_string()));

    crm.change("contacts", id, &Value::from(&json!({"lifecyclestage": "opportunity"}))).unwrap();
    let noted = || metadata(stripe, &cus, "lifecyclestage").as_deref() == Some("opportunity");
    world.until("the customer's metadata tells the stage", async || noted()).await;

    let deal = json!({"dealname": "Workshop", "amount": "450.00", "deal_currency_code": "USD", "dealstage": "contractsent"});
    let deal = crm.seed("deals", &Value::from(&deal)).unwrap();
    crm.associate("deals", deal, "contacts", id).unwrap();
    for stage in ["closedwon", "contractsent", "closedwon"] {
        crm.change("deals", deal, &Value::from(&json!({ "dealstage": stage }))).unwrap();
    }
    let billed = || !field(&crm.records("deals")[0], "stripe_invoice_id").is_empty();
    world.until("the deal knows its invoice", async || billed()).await;
    world.all_ended().await;
    let invoices = stripe.records("invoice");
    assert_eq!(invoices.len(), 1, "however often it is won");
    assert_eq!((field(&invoices[0], "customer"), field(&invoices[0], "status")), (cus.as_str(), "open"));
    assert_eq!(invoices[0].get("total"), Some(&Value::from(45_000)));
    assert_eq!(stripe.records("customer").len(), 1);
    assert_eq!(ended(&world, "dead"), Vec::<serde_json::Value>::new());
}
