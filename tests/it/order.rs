//! The order of events, black-box: signed deliveries to the binary, and what Salesforce holds in the end.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::world::{World, now};

const INVOICES: &str = "
# file: invoice-status.yaml
name: invoice-status
trigger: { stripe: { events: [invoice.created, invoice.finalized, invoice.updated, invoice.paid] } }
steps:
  - upsert:
      object: salesforce.Account
      match: { Stripe_Customer_Id__c: $.object.id }
      fields: { Name: $.object.id, Subscription_Plan__c: $.object.status }
";

/// An invoice's event of one and the same second.
fn invoice(created: i64, kind: &str, status: &str) -> Value {
    json!({
        "id": format!("evt_{kind}_{status}"),
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": created,
        "type": kind,
        "livemode": false,
        "pending_webhooks": 1,
        "request": null,
        "data": { "object": { "id": "in_1", "object": "invoice", "status": status } },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_invoice_does_not_become_open_again_in_whatever_order_its_second_arrives() {
    let second = now();
    let life = [
        invoice(second, "invoice.created", "draft"),
        invoice(second, "invoice.finalized", "open"),
        invoice(second, "invoice.updated", "open"),
        invoice(second, "invoice.updated", "paid"),
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [3, 0, 2, 1], [2, 3, 0, 1]] {
        let mut world = World::with_pipelines(INVOICES).await;
        world.start(&[]);
        for event in order {
            assert_eq!(world.deliver(&life[event]).await.0, 200);
            // One after the other: what is decided here is not who stands first in a lane, but what comes too late.
            world.all_ended().await;
        }
        let accounts = world.sandbox().salesforce().records("Account");
        let states: Vec<String> =
            accounts.iter().map(|account| account.get("Subscription_Plan__c").unwrap().to_string()).collect();
        assert_eq!(states, ["paid"], "{order:?}");
    }
}
