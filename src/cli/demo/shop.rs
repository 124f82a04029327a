//! What happens in the demo's shop: somebody subscribes and buys something besides. Few events, because the shop's CRM takes five
//! calls a second.

use anyhow::{Context, ensure};

use super::stage::{SHOP, Stage};
use super::view::View;
use crate::sandbox::stripe::{Person, Story};
use crate::value::Value;

/// What the shop's endpoint is told of a new subscriber.
const TOLD: [&str; 2] = ["charge.succeeded", "customer.subscription.created"];

/// One customer of the shop.
pub(super) async fn sells(stage: &Stage, view: &mut View) -> anyhow::Result<()> {
    let stripe = stage.sandbox().stripe();
    let person = Person::new("Gus Grove", "gus@grove.example");
    let customer = stripe.play(Story::SignsUp, &person).context("the story could not be played")?.customer;
    for delivery in stage.held(SHOP)?.iter().filter(|it| TOLD.contains(&it.event_type())) {
        tell(stage, view, &delivery.event()).await?;
    }
    let session = [
        ("id", Value::from("cs_demo_1")),
        ("customer", Value::from(customer)),
        ("mode", Value::from("payment")),
        ("amount_total", Value::from(5300_i64)),
        ("currency", Value::from("usd")),
    ];
    let data = Value::map([("object", Value::map(session))]);
    let given = Value::map([("livemode", Value::from(false)), ("data", data)]);
    let event = stripe.event("checkout.session.completed", &given);
    tell(stage, view, &event.context("the catalogue lacks an event of the demo")?).await
}

async fn tell(stage: &Stage, view: &mut View, event: &Value) -> anyhow::Result<()> {
    let hook = stage.hook(SHOP)?;
    let status = stage.sandbox().stripe().send(event, &hook.url, &hook.secret).await?;
    ensure!(status == 200, "an event of the shop was answered {status}");
    view.catch_up().await
}
