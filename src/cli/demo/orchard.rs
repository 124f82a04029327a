//! What happens to the client on HubSpot: customers come and go in Stripe, and sales goes on in the CRM.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::stage::{ORCHARD, Stage};
use super::view::View;
use crate::sandbox::stripe::{Person, Story};
use crate::value::Value;

/// How long a webhook of the CRM and what it sets off may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often the CRM is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the client's app is subscribed to in the CRM.
const CRM_EVENTS: [&str; 4] =
    ["contact.creation", "contact.propertyChange:email", "deal.creation", "deal.propertyChange:dealstage"];

/// Plays it all; deliveries are shown as they are answered.
pub(super) async fn play(stage: &Stage, view: &mut View) -> anyhow::Result<()> {
    let crm = stage.sandbox().hubspot();
    // Entered by hand, before there was a customer; and one who is another Stripe customer's contact already.
    for fields in [
        [("email", "pia@park.example"), ("firstname", "Pia"), ("jobtitle", "Founder")],
        [("email", "quin@quay.example"), ("firstname", "Quin"), ("stripe_customer_id", "cus_of_before")],
    ] {
        seed(stage, "contacts", &fields)?;
    }
    let olive = Person::new("Olive Orr", "Olive@orr.example");
    let pia = Person::new("Pia Park", "pia@park.example");
    for (person, story) in [
        (&olive, Story::SignsUp),
        (&pia, Story::SignsUp),
        (&olive, Story::Upgrades),
        (&pia, Story::RenewalFails),
        (&pia, Story::Cancels),
    ] {
        tell(stage, view, person, story, is_subscribed).await?;
    }
    // Until a person has decided who is meant, all else of this customer would wait for it.
    let quin = Person::new("Quin Quay", "quin@quay.example");
    tell(stage, view, &quin, Story::SignsUp, |kind| kind == "customer.created").await?;
    crm.register_webhook(&stage.crm_hook(ORCHARD, "hubspot"), &CRM_EVENTS);
    sales_goes_on(stage, view).await
}

/// Somebody new becomes a customer of Stripe, and buys something.
async fn sales_goes_on(stage: &Stage, view: &mut View) -> anyhow::Result<()> {
    let crm = stage.sandbox().hubspot();
    let sam = seed(stage, "contacts", &[("email", "sam@stone.example"), ("firstname", "Sam")])?;
    until(view, || has(&crm.records("contacts"), sam, "stripe_customer_id")).await?;
    let deal = [("dealname", "Workshop"), ("amount", "450.00"), ("deal_currency_code", "USD")];
    let deal = seed(stage, "deals", &deal)?;
    let refused = |why: String| anyhow::anyhow!("the CRM refused it: {why}");
    crm.associate("deals", deal, "contacts", sam).map_err(refused)?;
    let won = Value::map([("dealstage", Value::from("closedwon"))]);
    crm.change("deals", deal, &won).map_err(refused)?;
    until(view, || has(&crm.records("deals"), deal, "stripe_invoice_id")).await?;
    view.until_all_ended().await
}

/// What the endpoint is subscribed to: what the pipelines listen for.
fn is_subscribed(kind: &str) -> bool {
    kind.starts_with("customer.subscription.")
        || matches!(
            kind,
            "customer.created"
                | "customer.updated"
                | "invoice.paid"
                | "invoice.payment_failed"
                | "charge.refunded"
        )
}

async fn tell(
    stage: &Stage,
    view: &mut View,
    person: &Person,
    story: Story,
    wanted: fn(&str) -> bool,
) -> anyhow::Result<()> {
    let stripe = stage.sandbox().stripe();
    stripe.play(story, person).context("the story could not be played")?;
    for delivery in stage.held(ORCHARD)?.iter().filter(|it| wanted(it.event_type())) {
        let status = stripe.deliver(delivery).await?;
        ensure!(status == 200, "{} was answered {status}", delivery.event_type());
        view.catch_up().await?;
    }
    view.until_all_ended().await
}

fn seed(stage: &Stage, kind: &str, properties: &[(&str, &str)]) -> anyhow::Result<u64> {
    let properties = Value::map(properties.iter().map(|(name, value)| (*name, Value::from(*value))));
    let id = stage.sandbox().hubspot().seed(kind, &properties);
    id.map_err(|why| anyhow::anyhow!("the CRM could not be filled: {why}"))
}

/// Whether the record of this id has a value there.
fn has(records: &[Value], id: u64, property: &str) -> bool {
    let text = |record: &Value, name: &str| record.get(name).and_then(Value::to_text);
    let mut own = records.iter().filter(|it| text(it, "hs_object_id").as_deref() == Some(&id.to_string()));
    own.any(|record| text(record, property).is_some())
}

async fn until(view: &mut View, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    let waiting = async {
        while !is_so() {
            view.catch_up().await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, waiting).await.context("nothing came of what the CRM told")?
}
