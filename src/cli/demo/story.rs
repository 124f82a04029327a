//! What happens in the demo: a month of six customers, with what goes wrong in one.

use std::collections::HashMap;
use std::fmt;

use anyhow::{Context, ensure};

use super::stage::{ACME, Stage};
use super::view::View;
use crate::sandbox::stripe::{Delivery, Person, Story};
use crate::sandbox::{Fault, Salesforce};
use crate::value::Value;

/// What was done to make things interesting, for the end of the show.
#[derive(Debug, Default)]
pub(super) struct Played {
    duplicates: usize,
    out_of_order: usize,
    faults: u32,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} deliveries came twice and ran once, {} came out of order, {} calls met an outage and were tried again",
            self.duplicates, self.out_of_order, self.faults
        )
    }
}

/// A customer of the example, and what the CRM knows of it beforehand.
struct Customer {
    name: &'static str,
    email: &'static str,
    known: Known,
}

/// What the CRM knows of a customer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// An account with the Stripe id.
    ById,
    /// A contact with the e-mail, and its account.
    ByMail,
    /// Two contacts with one e-mail: nobody can tell which is meant.
    Twice,
    /// Nothing.
    Unknown,
}

const ALDWYCH: Customer = Customer { name: "Ada Aldwych", email: "ada@aldwych.example", known: Known::ById };
const BRIGHT: Customer =
    Customer { name: "Ben Bright", email: "ben@brightwater.example", known: Known::ById };
const COBALT: Customer = Customer { name: "Cleo Cobalt", email: "cleo@cobalt.example", known: Known::ById };
const DUNMORE: Customer =
    Customer { name: "Dana Dunmore", email: "dana@dunmore.example", known: Known::ByMail };
const ELM: Customer = Customer { name: "Eli Elm", email: "office@elm.example", known: Known::Twice };
const FERNHILL: Customer =
    Customer { name: "Fay Fernhill", email: "fay@fernhill.example", known: Known::Unknown };

const CUSTOMERS: [&Customer; 6] = [&ALDWYCH, &BRIGHT, &COBALT, &DUNMORE, &ELM, &FERNHILL];

/// How many calls the outage refuses.
const OUTAGE: u32 = 2;

/// Plays it all; deliveries are shown as they are answered.
pub(super) async fn play(stage: &Stage, view: &mut View) -> anyhow::Result<Played> {
    let mut played = Played::default();
    let late = sign_up(stage, view).await?;
    a_month_passes(stage, view, &mut played).await?;
    // Older than what was applied by now: it must not overwrite it.
    played.out_of_order += late.len();
    for delivery in &late {
        deliver(stage, view, delivery).await?;
    }
    a_stranger_calls(stage, view).await?;
    view.until_all_ended().await?;
    Ok(played)
}

/// All six subscribe. Payments are told first: they tell the CRM who is who. Gives what is delivered late.
async fn sign_up(stage: &Stage, view: &mut View) -> anyhow::Result<Vec<Delivery>> {
    let mut customers = HashMap::new();
    for customer in CUSTOMERS {
        let id = tell(stage, customer, Story::SignsUp)?;
        know(stage.sandbox().salesforce(), customer, &id)?;
        customers.insert(id, customer);
    }
    let (payments, others): (Vec<_>, Vec<_>) =
        stage.held(ACME)?.into_iter().partition(|it| it.event_type() == "charge.succeeded");
    for delivery in &payments {
        deliver(stage, view, delivery).await?;
    }
    view.until_all_ended().await?;
    let of = |delivery: &Delivery| customer_of(delivery).and_then(|id| customers.get(&id).copied());
    let mut late = Vec::new();
    for delivery in others {
        let about_subscription = delivery.event_type().starts_with("customer.subscription.");
        match of(&delivery) {
            // Until a person has decided who is meant, these would wait for it.
            Some(customer) if about_subscription && customer.known == Known::Twice => {}
            Some(customer) if about_subscription && customer.email == COBALT.email => late.push(delivery),
            _ => deliver(stage, view, &delivery).await?,
        }
    }
    view.until_all_ended().await?;
    Ok(late)
}

/// Some renew, one fails and pays later, one upgrades, one leaves; the CRM has an outage, and Stripe repeats itself.
async fn a_month_passes(stage: &Stage, view: &mut View, played: &mut Played) -> anyhow::Result<()> {
    let outage = Fault::answer(503).on("PATCH", "/services/data/*/sobjects/Account/*").times(OUTAGE);
    stage.sandbox().salesforce().faults().add(outage);
    for (customer, story) in [
        (&ALDWYCH, Story::Renews),
        (&BRIGHT, Story::RenewalFails),
        (&COBALT, Story::Upgrades),
        (&DUNMORE, Story::CancelsLater),
        (&FERNHILL, Story::Cancels),
    ] {
        tell(stage, customer, story)?;
    }
    let month = stage.held(ACME)?;
    for delivery in &month {
        deliver(stage, view, delivery).await?;
    }
    let repeated = month.iter().filter(|it| {
        matches!(
            it.event_type(),
            "charge.succeeded" | "invoice.payment_failed" | "customer.subscription.deleted"
        )
    });
    for delivery in repeated {
        played.duplicates += 1;
        deliver(stage, view, delivery).await?;
    }
    view.until_all_ended().await?;
    played.faults += OUTAGE - stage.sandbox().salesforce().faults().left();
    tell(stage, &BRIGHT, Story::Renews)?;
    for delivery in &stage.held(ACME)? {
        deliver(stage, view, delivery).await?;
    }
    view.until_all_ended().await
}

/// An event of the other mode: kept and told, and not answered with a refusal that would be repeated for days; and a
/// payment that belongs to no customer.
async fn a_stranger_calls(stage: &Stage, view: &mut View) -> anyhow::Result<()> {
    let object = |entries: Vec<(&'static str, Value)>| Value::map([("object", Value::map(entries))]);
    let nobody = object(vec![("customer", Value::Null)]);
    let events = [
        ("invoice.paid", Value::map([("livemode", Value::from(true))])),
        ("charge.succeeded", Value::map([("livemode", Value::from(false)), ("data", nobody)])),
    ];
    let stripe = stage.sandbox().stripe();
    for (kind, given) in events {
        let event = stripe.event(kind, &given).context("the catalogue lacks an event of the demo")?;
        let hook = stage.hook(ACME)?;
        let status = stripe.send(&event, &hook.url, &hook.secret).await?;
        ensure!(status == 200, "a delivery was answered {status}");
        view.catch_up().await?;
    }
    Ok(())
}

/// Plays a story of one customer; gives the customer's id. Its deliveries are held.
fn tell(stage: &Stage, customer: &Customer, story: Story) -> anyhow::Result<String> {
    let person = Person::new(customer.name, customer.email);
    Ok(stage.sandbox().stripe().play(story, &person).context("the story could not be played")?.customer)
}

/// What the endpoint is subscribed to: what the pipelines listen for, and new customers besides.
fn is_subscribed(kind: &str) -> bool {
    kind.starts_with("customer.subscription.")
        || matches!(kind, "customer.created" | "charge.succeeded" | "invoice.payment_failed")
}

async fn deliver(stage: &Stage, view: &mut View, delivery: &Delivery) -> anyhow::Result<()> {
    if !is_subscribed(delivery.event_type()) {
        return Ok(());
    }
    let status = stage.sandbox().stripe().deliver(delivery).await?;
    ensure!(status == 200, "{} was answered {status}", delivery.event_type());
    view.catch_up().await
}

/// The id of the customer whom a delivery is about.
fn customer_of(delivery: &Delivery) -> Option<String> {
    let event = delivery.event();
    let object = event.at(&["data", "object"])?;
    let id = object.get("customer").filter(|id| !id.is_nothing()).or_else(|| object.get("id"))?;
    Some(id.as_str()?.to_owned())
}

/// Puts into the CRM what it knows of a customer beforehand.
fn know(crm: &Salesforce, customer: &Customer, id: &str) -> anyhow::Result<()> {
    let company = format!("{} Ltd", customer.name.split(' ').next_back().unwrap_or(customer.name));
    let seed = |object: &str, fields: &[(&str, &str)]| {
        let fields = Value::map(fields.iter().map(|(name, value)| (*name, Value::from(*value))));
        crm.seed(object, &fields).context("the CRM could not be filled")
    };
    match customer.known {
        Known::ById => {
            seed("Account", &[("Name", &company), ("Stripe_Customer_Id__c", id)])?;
        }
        Known::ByMail => {
            let account = seed("Account", &[("Name", &company)])?;
            seed("Contact", &[("LastName", "Dunmore"), ("Email", customer.email), ("AccountId", &account)])?;
        }
        Known::Twice => {
            seed("Contact", &[("LastName", "Elm"), ("Email", customer.email)])?;
            seed("Contact", &[("LastName", "Office"), ("Email", customer.email)])?;
        }
        Known::Unknown => {}
    }
    Ok(())
}
