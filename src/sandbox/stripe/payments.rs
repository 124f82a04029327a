//! Payment methods, payment intents, charges and refunds.

use serde_json::{Value as Json, json};

use super::error::{Answer, ApiError};
use super::list;
use super::params::{Params, Takes};
use super::state::{Payment, State, int, text};

/// Stripe's test tokens that the simulator knows, and what becomes of a payment with them.
const TOKENS: [(&str, Payment); 4] = [
    ("pm_card_visa", Payment::Succeeds),
    ("pm_card_mastercard", Payment::Succeeds),
    ("pm_card_chargeCustomerFail", Payment::Declines),
    ("pm_card_authenticationRequired", Payment::NeedsAuthentication),
];

/// This one is declined already when it is attached.
const DECLINED_TOKEN: &str = "pm_card_chargeDeclined";

const INTENT: Takes = Takes {
    fields: &[
        "amount",
        "currency",
        "customer",
        "description",
        "metadata",
        "receipt_email",
        "statement_descriptor",
    ],
    own: &["payment_method", "confirm", "off_session", "automatic_payment_methods.*", "return_url"],
};
const REFUND: Takes = Takes { fields: &["metadata", "reason"], own: &["charge", "payment_intent", "amount"] };

pub(super) fn is_token(id: &str) -> bool {
    id == DECLINED_TOKEN || TOKENS.iter().any(|(token, _)| *token == id)
}

pub(super) fn methods_of(state: &State, customer: &str, params: &Params) -> Answer {
    state.get("customer", customer)?;
    let url = format!("/v1/customers/{customer}/payment_methods");
    list::page(state, "payment_method", &url, params, &["type"], |method| method["customer"] == customer)
}

pub(super) fn attach(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(Takes { fields: &[], own: &["customer"] })?;
    attach_to(state, id, params.required("customer")?)
}

/// Attaches a payment method, a new one for a test token. The first becomes the customer's default.
pub(super) fn attach_to(state: &mut State, id: &str, customer: &str) -> Answer {
    let mut owner = state.referred("customer", customer, "customer")?;
    if id == DECLINED_TOKEN {
        return Err(declined());
    }
    let mut method = match TOKENS.iter().find(|(token, _)| *token == id) {
        Some((_, payment)) => new_method(state, *payment)?,
        None => state.get("payment_method", id)?,
    };
    method["customer"] = json!(customer);
    let method = state.replace("payment_method", method, None);
    state.emit("payment_method.attached", &method, None);
    if owner["invoice_settings"]["default_payment_method"].is_null() {
        owner["invoice_settings"]["default_payment_method"] = method["id"].clone();
        state.replace("customer", owner, Some("customer.updated"));
    }
    Ok(method)
}

fn new_method(state: &mut State, payment: Payment) -> Answer {
    let mut method = state.blank("payment_method", "pm");
    method["type"] = json!("card");
    method["card"] = json!({"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2034, "country": "US",
        "funding": "credit", "display_brand": "visa", "fingerprint": "Sandbox", "checks": null, "networks": null,
        "generated_from": null, "regulated_status": null, "three_d_secure_usage": null, "wallet": null});
    state.payments.insert(text(&method, "id"), payment);
    state.insert("payment_method", method.clone())?;
    Ok(method)
}

pub(super) fn detach(state: &mut State, id: &str) -> Answer {
    let mut method = state.get("payment_method", id)?;
    method["customer"] = Json::Null;
    Ok(state.replace("payment_method", method, Some("payment_method.detached")))
}

fn declined() -> ApiError {
    ApiError::card("card_declined", Some("generic_decline"), "Your card was declined.")
}

/// What comes of charging a payment method.
pub(super) fn outcome(state: &State, method: &str) -> Payment {
    state.payments.get(method).copied().unwrap_or(Payment::Succeeds)
}

pub(super) fn create_intent(state: &mut State, params: &Params) -> Answer {
    params.check(INTENT)?;
    params.required("amount")?;
    params.required("currency")?;
    if let Some(customer) = params.text("customer") {
        state.referred("customer", customer, "customer")?;
    }
    let mut intent = new_intent(state);
    params.lay_over(&mut intent, "payment_intent", INTENT)?;
    let method = params.text("payment_method").map(|token| stored_method(state, token)).transpose()?;
    intent["payment_method"] = json!(method);
    if method.is_some() {
        intent["status"] = json!("requires_confirmation");
    }
    let intent = state.create("payment_intent", intent)?;
    if params.bool("confirm")? == Some(true) {
        return settle(state, intent);
    }
    Ok(intent)
}

/// A token's payment method, or the one that is named.
fn stored_method(state: &mut State, id: &str) -> Result<String, ApiError> {
    match TOKENS.iter().find(|(token, _)| *token == id) {
        Some((_, payment)) => Ok(text(&new_method(state, *payment)?, "id")),
        None if id == DECLINED_TOKEN => Ok(text(&new_method(state, Payment::Declines)?, "id")),
        None => Ok(text(&state.referred("payment_method", id, "payment_method")?, "id")),
    }
}

fn new_intent(state: &mut State) -> Json {
    let mut intent = state.blank("payment_intent", "pi");
    intent["status"] = json!("requires_payment_method");
    intent["capture_method"] = json!("automatic");
    intent["confirmation_method"] = json!("automatic");
    intent["payment_method_types"] = json!(["card"]);
    intent["client_secret"] = json!(format!("{}_secret_sandbox", text(&intent, "id")));
    intent
}

pub(super) fn confirm(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(Takes { fields: &[], own: &["payment_method", "return_url", "off_session"] })?;
    let mut intent = state.get("payment_intent", id)?;
    if let Some(token) = params.text("payment_method") {
        intent["payment_method"] = json!(stored_method(state, token)?);
    }
    settle(state, intent)
}

pub(super) fn cancel(state: &mut State, id: &str) -> Answer {
    let mut intent = state.get("payment_intent", id)?;
    if intent["status"] == "succeeded" || intent["status"] == "canceled" {
        let message =
            format!("You cannot cancel this PaymentIntent because it has a status of {}.", intent["status"]);
        return Err(ApiError::invalid(message).code("payment_intent_unexpected_state"));
    }
    intent["status"] = json!("canceled");
    intent["canceled_at"] = json!(state.now());
    Ok(state.replace("payment_intent", intent, Some("payment_intent.canceled")))
}

/// Charges an intent's payment method; a decline is an error of the call, and is remembered in the intent.
fn settle(state: &mut State, intent: Json) -> Answer {
    let method = text(&intent, "payment_method");
    if method.is_empty() {
        return Err(ApiError::invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
        ));
    }
    let payment = outcome(state, &method);
    let intent = charge(state, intent, payment)?;
    match payment {
        Payment::Succeeds | Payment::NeedsAuthentication => Ok(intent),
        Payment::Declines => Err(declined()
            .with("payment_intent", intent.clone())
            .with("charge", intent["latest_charge"].clone())),
    }
}

/// Carries out a payment: the charge, the intent's new status, and the events of both.
pub(super) fn charge(state: &mut State, mut intent: Json, payment: Payment) -> Answer {
    if payment == Payment::NeedsAuthentication {
        intent["status"] = json!("requires_action");
        return Ok(state.replace("payment_intent", intent, Some("payment_intent.requires_action")));
    }
    let paid = payment == Payment::Succeeds;
    let mut charge = state.blank("charge", "ch");
    for key in ["amount", "currency", "customer", "description", "payment_method", "metadata"] {
        charge[key] = intent[key].clone();
    }
    charge["payment_intent"] = intent["id"].clone();
    charge["status"] = json!(if paid { "succeeded" } else { "failed" });
    charge["paid"] = json!(paid);
    charge["captured"] = json!(paid);
    charge["payment_method_details"] = json!({"type": "card", "card": {"brand": "visa", "last4": "4242",
        "exp_month": 12, "exp_year": 2034, "country": "US", "funding": "credit"}});
    if let Some(customer) = state.find("customer", &text(&intent, "customer")) {
        for (key, from) in [("email", "email"), ("name", "name"), ("phone", "phone")] {
            charge["billing_details"][key] = customer[from].clone();
        }
    }
    let id = text(&charge, "id");
    intent["latest_charge"] = json!(id);
    if paid {
        charge["amount_captured"] = intent["amount"].clone();
        charge["balance_transaction"] = json!(state.id("txn"));
        charge["receipt_url"] = json!(format!("https://pay.example.com/receipts/{id}"));
        intent["amount_received"] = intent["amount"].clone();
        intent["status"] = json!("succeeded");
        intent["last_payment_error"] = Json::Null;
    } else {
        charge["failure_code"] = json!("card_declined");
        charge["failure_message"] = json!("Your card was declined.");
        intent["status"] = json!("requires_payment_method");
        intent["last_payment_error"] = json!({"type": "card_error", "code": "card_declined",
            "decline_code": "generic_decline", "message": "Your card was declined.", "charge": id});
    }
    // Charges have no `created` event: `charge.succeeded` or `charge.failed` is the first that is heard of one.
    state.insert("charge", charge.clone())?;
    *state.counts.creates.entry("charge".to_owned()).or_insert(0) += 1;
    state.emit(if paid { "charge.succeeded" } else { "charge.failed" }, &charge, None);
    let event = if paid { "payment_intent.succeeded" } else { "payment_intent.payment_failed" };
    // Such an event tells an occurrence, not a change: it has no previous attributes.
    let intent = state.replace("payment_intent", intent, None);
    state.emit(event, &intent, None);
    Ok(intent)
}

/// A new intent for an invoice.
pub(super) fn intent_for(state: &mut State, invoice: &Json, method: &str) -> Answer {
    let mut intent = new_intent(state);
    intent["amount"] = invoice["amount_remaining"].clone();
    intent["currency"] = invoice["currency"].clone();
    intent["customer"] = invoice["customer"].clone();
    intent["payment_method"] = json!(method);
    intent["description"] = json!(match invoice["billing_reason"].as_str() {
        Some("subscription_create") => "Subscription creation",
        Some("subscription_cycle" | "subscription_update") => "Subscription update",
        _ => "Payment for Invoice",
    });
    state.create("payment_intent", intent)
}

pub(super) fn intents(state: &State, params: &Params) -> Answer {
    let customer = params.text("customer");
    list::page(state, "payment_intent", "/v1/payment_intents", params, &["customer"], |intent| {
        customer.is_none_or(|customer| intent["customer"] == customer)
    })
}

pub(super) fn charges(state: &State, params: &Params) -> Answer {
    let (customer, intent) = (params.text("customer"), params.text("payment_intent"));
    list::page(state, "charge", "/v1/charges", params, &["customer", "payment_intent"], |charge| {
        customer.is_none_or(|customer| charge["customer"] == customer)
            && intent.is_none_or(|intent| charge["payment_intent"] == intent)
    })
}

pub(super) fn refunds(state: &State, params: &Params) -> Answer {
    let (charge, intent) = (params.text("charge"), params.text("payment_intent"));
    list::page(state, "refund", "/v1/refunds", params, &["charge", "payment_intent"], |refund| {
        charge.is_none_or(|charge| refund["charge"] == charge)
            && intent.is_none_or(|intent| refund["payment_intent"] == intent)
    })
}

pub(super) fn invoice_payments(state: &State, params: &Params) -> Answer {
    let (invoice, status) = (params.text("invoice"), params.text("status"));
    let intent = params.below("payment").text("payment_intent").map(str::to_owned);
    let filters = &["invoice", "status", "payment.type", "payment.payment_intent"];
    list::page(state, "invoice_payment", "/v1/invoice_payments", params, filters, |row| {
        invoice.is_none_or(|invoice| row["invoice"] == invoice)
            && status.is_none_or(|status| row["status"] == status)
            && intent.as_ref().is_none_or(|intent| row["payment"]["payment_intent"] == **intent)
    })
}

/// Refunds part of a charge or all of it. `charge.refunded` carries the charge, not the refund.
pub(super) fn refund(state: &mut State, params: &Params) -> Answer {
    params.check(REFUND)?;
    let charge = match (params.text("charge"), params.text("payment_intent")) {
        (Some(charge), None) => charge.to_owned(),
        (None, Some(intent)) => {
            text(&state.referred("payment_intent", intent, "payment_intent")?, "latest_charge")
        }
        _ => {
            let message =
                "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(ApiError::invalid(message));
        }
    };
    let mut charge = state.referred("charge", &charge, "charge")?;
    let left = int(&charge, "amount_captured") - int(&charge, "amount_refunded");
    if left == 0 {
        let message = format!("Charge {} has already been refunded.", text(&charge, "id"));
        return Err(ApiError::invalid(message).code("charge_already_refunded"));
    }
    let amount = params.int("amount")?.unwrap_or(left);
    if !(1..=left).contains(&amount) {
        let message =
            format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
        return Err(ApiError::invalid(message).param("amount"));
    }
    let mut refund = state.blank("refund", "re");
    params.lay_over(&mut refund, "refund", REFUND)?;
    for key in ["currency", "payment_intent"] {
        refund[key] = charge[key].clone();
    }
    refund["charge"] = charge["id"].clone();
    refund["amount"] = json!(amount);
    refund["status"] = json!("succeeded");
    refund["balance_transaction"] = json!(state.id("txn"));
    charge["amount_refunded"] = json!(int(&charge, "amount_refunded") + amount);
    charge["refunded"] = json!(left == amount);
    let refund = state.create("refund", refund)?;
    state.replace("charge", charge, Some("charge.refunded"));
    Ok(refund)
}
