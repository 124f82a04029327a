//! What happens in the demo's fitness club: nobody tells lockstep of it, a poll each second finds out.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, bail};

use super::stage::{CLUB, Stage};
use super::view::View;
use crate::value::Value;

/// How long it may take until what happened is found and done.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often is looked for it.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The workgroups of the plans, with their trainers in them.
const YOGA: u64 = 15;
const BOXING: u64 = 16;
const YOGA_TRAINER: &str = "yara@club.example";
const BOXING_TRAINER: &str = "bo@club.example";

/// Ann is new, and Ray a contact already; of whom Cy and Eve are nobody can tell, and Tom only looked around.
pub(super) fn opens(stage: &Stage) -> anyhow::Result<()> {
    let portal = stage.club().bitrix24();
    for (name, email) in
        [("Raymond", "ray@club.example"), ("Cy", "cy@club.example"), ("Cyrus", "cy@club.example")]
    {
        let address = Value::map([("VALUE", Value::from(email))]);
        let contact = Value::map([("NAME", Value::from(name)), ("EMAIL", Value::list([address]))]);
        portal.seed("contact", &contact).context("the portal could not be filled")?;
    }
    for (plan, amount) in [("yoga_monthly", "3900"), ("boxing_monthly", "4900")] {
        let form = format!(
            "currency=eur&unit_amount={amount}&recurring[interval]=month&lookup_key={plan}&product_data[name]={plan}"
        );
        ask(stage, "POST", "prices", &form)?;
    }
    for (name, email, plans) in [
        ("Ann Lee", "ann@club.example", ["yoga_monthly"].as_slice()),
        ("Ray Ash", "ray@club.example", &["boxing_monthly"]),
        ("Cy Cole", "cy@club.example", &["yoga_monthly"]),
        ("Eve Eden", "eve@club.example", &["yoga_monthly", "boxing_monthly"]),
        ("Tom Thorn", "tom@club.example", &[]),
    ] {
        let form = format!("name={name}&email={email}&payment_method=pm_card_visa");
        let customer = id(&ask(stage, "POST", "customers", &form)?)?;
        for plan in plans {
            let price = price(stage, plan)?;
            ask(stage, "POST", "subscriptions", &format!("customer={customer}&items[0][price]={price}"))?;
        }
    }
    Ok(())
}

/// When they are members, Ray changes to yoga, and Ann leaves.
pub(super) async fn goes_on(stage: &Stage, view: &mut View) -> anyhow::Result<()> {
    until_members(stage, view, [YOGA_TRAINER, "ann@club.example"], [BOXING_TRAINER, "ray@club.example"])
        .await?;
    for subscription in all(stage, "subscriptions")? {
        let customer = subscription.get("customer").and_then(Value::as_str).context("whose is it?")?;
        let customer = ask(stage, "GET", &format!("customers/{customer}"), "")?;
        let path = format!("subscriptions/{}", id(&subscription)?);
        match customer.get("email").and_then(Value::as_str) {
            Some("ray@club.example") => {
                let items = subscription.at(&["items", "data"]).and_then(Value::as_list);
                let item = id(items.and_then(<[_]>::first).context("a subscription without an item")?)?;
                let price = price(stage, "yoga_monthly")?;
                ask(stage, "POST", &path, &format!("items[0][id]={item}&items[0][price]={price}"))?;
            }
            Some("ann@club.example") => drop(ask(stage, "DELETE", &path, "")?),
            _ => {}
        }
    }
    until_members(stage, view, [YOGA_TRAINER, "ray@club.example"], [BOXING_TRAINER]).await
}

/// Waits until these are in the groups, and what was under way then is done.
async fn until_members<const Y: usize, const B: usize>(
    stage: &Stage,
    view: &mut View,
    yoga: [&str; Y],
    boxing: [&str; B],
) -> anyhow::Result<()> {
    let portal = stage.club().bitrix24();
    let is = |group: u64, wanted: &[&str]| {
        let members: BTreeSet<String> = portal.members(group).into_iter().collect();
        members == wanted.iter().map(|it| (*it).to_owned()).collect()
    };
    let waiting = async {
        while !(is(YOGA, &yoga) && is(BOXING, &boxing)) {
            view.catch_up().await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        view.until_all_ended().await
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(waited) => waited,
        Err(_) => bail!("{CLUB} has not found out who its members are"),
    }
}

/// The price with a look-up key.
fn price(stage: &Stage, plan: &str) -> anyhow::Result<String> {
    let prices = ask(stage, "GET", "prices", &format!("lookup_keys[0]={plan}"))?;
    let prices = prices.get("data").and_then(Value::as_list);
    id(prices.and_then(<[_]>::first).with_context(|| format!("no price {plan}"))?)
}

fn all(stage: &Stage, path: &str) -> anyhow::Result<Vec<Value>> {
    let listed = ask(stage, "GET", path, "limit=100")?;
    Ok(listed.get("data").and_then(Value::as_list).unwrap_or_default().to_vec())
}

fn ask(stage: &Stage, method: &str, path: &str, form: &str) -> anyhow::Result<Value> {
    stage.club().stripe().ask(method, path, form).with_context(|| format!("{method} {path}"))
}

fn id(record: &Value) -> anyhow::Result<String> {
    Ok(record.get("id").and_then(Value::as_str).context("a record without an id")?.to_owned())
}
