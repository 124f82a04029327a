//! What happens at the demo's harbor: a deal is won in its Salesforce, billed and paid in its Stripe, and gets more seats.

use std::time::Duration;

use anyhow::{Context, bail};

use super::stage::{HARBOR, Stage};
use super::view::View;
use crate::sandbox::Salesforce;
use crate::store::PollName;
use crate::value::Value;

/// How long it may take until both sides know of what happened.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often is looked for it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The pipelines that ask for deals.
const POLLS: [&str; 2] = ["closed-won", "seats"];

/// The deal: twelve seats at a price of its own, for a customer who has left a card.
struct Deal {
    account: String,
    opportunity: String,
    line: String,
}

/// A deal is won and paid; then three people more want to work with it.
pub(super) async fn sells(stage: &Stage, view: &mut View) -> anyhow::Result<()> {
    let org = stage.harbor().salesforce();
    until(view, "its polls have looked for the first time", async || polls_have_looked(stage).await).await?;
    let card = "name=Pier Ltd&email=ap@pier.example&payment_method=pm_card_visa";
    stage.harbor().stripe().ask("POST", "customers", card).context("no customer could be made")?;
    let deal = negotiated(org).context("the org could not be filled")?;
    org.change("Opportunity", &deal.opportunity, &fields([("StageName", Value::from("Closed Won"))]))?;
    let paid = || has(org, "Opportunity", &deal.opportunity, "Billing_Status__c", "Activated");
    until(view, "the deal is billed and paid", async || Ok(paid())).await?;
    view.until_all_ended().await?;
    org.change("OpportunityLineItem", &deal.line, &fields([("Quantity", Value::from(15))]))?;
    let grown = || has(org, "Account", &deal.account, "Plan_Change__c", "Upgrade");
    until(view, "more seats are billed", async || Ok(grown())).await
}

fn negotiated(org: &Salesforce) -> anyhow::Result<Deal> {
    let text = |text: &str| Value::from(text);
    let product = [("Name", text("Berth")), ("ProductCode", text("BERTH")), ("IsActive", Value::from(true))];
    let product = org.seed("Product2", &fields(product))?;
    let book =
        org.seed("Pricebook2", &fields([("Name", text("Standard")), ("IsActive", Value::from(true))]))?;
    let entry = [
        ("Pricebook2Id", text(&book)),
        ("Product2Id", text(&product)),
        ("UnitPrice", Value::from(500)),
        ("IsActive", Value::from(true)),
    ];
    let entry = org.seed("PricebookEntry", &fields(entry))?;
    let account = [
        ("Name", text("Pier Ltd")),
        ("Billing_Email__c", text("ap@pier.example")),
        ("Tax_Id__c", text("DE123456789")),
        ("Tax_Id_Type__c", text("eu_vat")),
    ];
    let account = org.seed("Account", &fields(account))?;
    let opportunity = [
        ("Name", text("Pier, twelve berths")),
        ("AccountId", text(&account)),
        ("StageName", text("Negotiation/Review")),
        ("CloseDate", text("2026-12-31")),
        ("Pricebook2Id", text(&book)),
    ];
    let opportunity = org.seed("Opportunity", &fields(opportunity))?;
    let line = [
        ("OpportunityId", text(&opportunity)),
        ("PricebookEntryId", text(&entry)),
        ("Quantity", Value::from(12)),
        ("UnitPrice", Value::from(450)),
    ];
    let line = org.seed("OpportunityLineItem", &fields(line))?;
    Ok(Deal { account, opportunity, line })
}

fn fields<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::map(fields)
}

/// What there is when a poll first looks is history to it.
async fn polls_have_looked(stage: &Stage) -> anyhow::Result<bool> {
    for poll in POLLS {
        let name = PollName { client: HARBOR.into(), poll: poll.into() };
        if !stage.runtime().store().poll(&name).await?.is_some_and(|poll| poll.primed) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has(org: &Salesforce, object: &str, id: &str, field: &str, wanted: &str) -> bool {
    let records = org.records(object);
    let record = records.iter().find(|record| record.get("Id").and_then(Value::as_str) == Some(id));
    record.and_then(|record| record.get(field)).and_then(Value::as_str) == Some(wanted)
}

/// Shows what happens until something is so.
async fn until(
    view: &mut View,
    what: &str,
    mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let waiting = async {
        while !is_so().await? {
            view.catch_up().await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(waited) => waited,
        Err(_) => bail!("{HARBOR} waited in vain for this: {what}"),
    }
}
