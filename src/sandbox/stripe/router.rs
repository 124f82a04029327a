//! Which call a request is.

use serde_json::{Value as Json, json};

use super::error::{Answer, ApiError};
use super::params::{Params, Takes};
use super::state::State;
use super::{catalogue, customers, endpoints, invoices, list, payments, search, subscriptions};

/// Carries out one call.
pub(super) fn call(state: &mut State, method: &str, path: &[&str], params: &Params) -> Answer {
    let url = format!("/{}", path.join("/"));
    match (method, path) {
        ("GET", ["v1", "customers"]) => customers::list(state, params),
        ("POST", ["v1", "customers"]) => customers::create(state, params),
        ("GET", ["v1", "customers", "search"]) => search::search(state, "customer", &url, params),
        ("GET", ["v1", "customers", id]) => customers::retrieve(state, id),
        ("POST", ["v1", "customers", id]) => customers::update(state, id, params),
        ("DELETE", ["v1", "customers", id]) => customers::delete(state, id),
        ("GET", ["v1", "customers", id, "tax_ids"]) => customers::tax_ids(state, id, params),
        ("POST", ["v1", "customers", id, "tax_ids"]) => customers::add_tax_id(state, id, params),
        ("GET", ["v1", "customers", id, "tax_ids", tax_id]) => customers::tax_id(state, id, tax_id),
        ("DELETE", ["v1", "customers", id, "tax_ids", tax_id]) => customers::remove_tax_id(state, id, tax_id),
        ("GET", ["v1", "customers", id, "payment_methods"]) => payments::methods_of(state, id, params),

        ("GET", ["v1", "subscriptions"]) => subscriptions::list(state, params),
        ("POST", ["v1", "subscriptions"]) => subscriptions::create(state, params),
        ("GET", ["v1", "subscriptions", "search"]) => search::search(state, "subscription", &url, params),
        ("GET", ["v1", "subscriptions", id]) => state.get("subscription", id),
        ("POST", ["v1", "subscriptions", id]) => subscriptions::update(state, id, params),
        ("DELETE", ["v1", "subscriptions", id]) => subscriptions::cancel(state, id, params),
        ("POST", ["v1", "subscriptions", id, "pause"]) => subscriptions::pause(state, id),
        ("POST", ["v1", "subscriptions", id, "resume"]) => subscriptions::resume(state, id, params),
        ("GET", ["v1", "subscription_items"]) => subscriptions::items(state, params),
        ("POST", ["v1", "subscription_items"]) => subscriptions::add_item(state, params),
        ("GET", ["v1", "subscription_items", id]) => subscriptions::item(state, id),
        ("POST", ["v1", "subscription_items", id]) => subscriptions::update_item(state, id, params),
        ("DELETE", ["v1", "subscription_items", id]) => subscriptions::remove_item(state, id, params),

        _ => money(state, method, path, params, &url),
    }
}

/// Invoices, payments, products and the rest.
fn money(state: &mut State, method: &str, path: &[&str], params: &Params, url: &str) -> Answer {
    match (method, path) {
        ("GET", ["v1", "invoices"]) => invoices::list(state, params),
        ("POST", ["v1", "invoices"]) => invoices::create(state, params),
        ("GET", ["v1", "invoices", "search"]) => search::search(state, "invoice", url, params),
        ("GET", ["v1", "invoices", id]) => state.get("invoice", id),
        ("POST", ["v1", "invoices", id]) => invoices::update(state, id, params),
        ("DELETE", ["v1", "invoices", id]) => invoices::delete(state, id),
        ("GET", ["v1", "invoices", id, "lines"]) => invoices::lines(state, id, params),
        ("POST", ["v1", "invoices", id, action]) => invoices::act(state, id, action, params),
        ("GET", ["v1", "invoiceitems"]) => invoices::items(state, params),
        ("POST", ["v1", "invoiceitems"]) => invoices::add_item(state, params),
        ("GET", ["v1", "invoiceitems", id]) => state.get("invoiceitem", id),
        ("DELETE", ["v1", "invoiceitems", id]) => state.delete("invoiceitem", id),
        ("GET", ["v1", "invoice_payments"]) => payments::invoice_payments(state, params),

        ("GET", ["v1", "charges"]) => payments::charges(state, params),
        ("GET", ["v1", "charges", id]) => state.get("charge", id),
        ("POST", ["v1", "charges", id]) => {
            let takes = Takes { fields: &["description", "metadata", "customer", "receipt_email"], own: &[] };
            laid_over(state, "charge", id, params, takes)
        }
        ("GET", ["v1", "payment_intents"]) => payments::intents(state, params),
        ("POST", ["v1", "payment_intents"]) => payments::create_intent(state, params),
        ("GET", ["v1", "payment_intents", id]) => state.get("payment_intent", id),
        ("POST", ["v1", "payment_intents", id, "confirm"]) => payments::confirm(state, id, params),
        ("POST", ["v1", "payment_intents", id, "cancel"]) => payments::cancel(state, id),
        ("GET", ["v1", "refunds"]) => payments::refunds(state, params),
        ("POST", ["v1", "refunds"]) => payments::refund(state, params),
        ("GET", ["v1", "refunds", id]) => state.get("refund", id),
        ("POST", ["v1", "refunds", id]) => {
            laid_over(state, "refund", id, params, Takes { fields: &["metadata"], own: &[] })
        }
        ("GET", ["v1", "payment_methods", id]) => state.get("payment_method", id),
        ("POST", ["v1", "payment_methods", id, "attach"]) => payments::attach(state, id, params),
        ("POST", ["v1", "payment_methods", id, "detach"]) => payments::detach(state, id),

        _ => rest(state, method, path, params, url),
    }
}

fn rest(state: &mut State, method: &str, path: &[&str], params: &Params, url: &str) -> Answer {
    match (method, path) {
        ("GET", ["v1", "products"]) => catalogue::products(state, params),
        ("POST", ["v1", "products"]) => catalogue::create_product(state, params),
        ("GET", ["v1", "products", id]) => deleted_or(state, "product", id),
        ("POST", ["v1", "products", id]) => catalogue::update_product(state, id, params),
        ("DELETE", ["v1", "products", id]) => catalogue::delete_product(state, id),
        ("GET", ["v1", "prices"]) => catalogue::prices(state, params),
        ("POST", ["v1", "prices"]) => catalogue::create_price(state, params),
        ("GET", ["v1", "prices", id]) => state.get("price", id),
        ("POST", ["v1", "prices", id]) => catalogue::update_price(state, id, params),

        ("GET", ["v1", "events"]) => endpoints::events(state, params),
        ("GET", ["v1", "events", id]) => state.get("event", id),
        ("GET", ["v1", "webhook_endpoints"]) => {
            list::page(state, "webhook_endpoint", url, params, &[], |_| true)
        }
        ("POST", ["v1", "webhook_endpoints"]) => endpoints::create(state, params),
        ("GET", ["v1", "webhook_endpoints", id]) => state.get("webhook_endpoint", id),
        ("POST", ["v1", "webhook_endpoints", id]) => endpoints::update(state, id, params),
        ("DELETE", ["v1", "webhook_endpoints", id]) => state.delete("webhook_endpoint", id),
        ("GET", ["v1", "account"]) => Ok(account()),

        _ => Err(ApiError::no_route(method, url)),
    }
}

/// A deleted object answers 200 with what is left of it.
pub(super) fn deleted_or(state: &State, kind: &str, id: &str) -> Answer {
    state.stub(id).cloned().map_or_else(|| state.get(kind, id), Ok)
}

/// A plain update: fields laid over, nothing else happens.
pub(super) fn laid_over(
    state: &mut State,
    kind: &'static str,
    id: &str,
    params: &Params,
    takes: Takes,
) -> Answer {
    params.check(takes)?;
    let mut object = state.get(kind, id)?;
    params.lay_over(&mut object, kind, takes)?;
    let event = format!("{}.updated", super::state::event_name(kind));
    Ok(state.replace(kind, object, Some(&event)))
}

fn account() -> Json {
    json!({"id": "acct_Sandbox", "object": "account", "country": "US", "default_currency": "usd",
           "charges_enabled": true, "payouts_enabled": true, "details_submitted": true, "type": "standard"})
}
