//! Customers and their tax ids.

use serde_json::{Value as Json, json};

use super::error::{Answer, ApiError};
use super::list;
use super::params::{Params, Takes};
use super::router::deleted_or;
use super::state::{State, text};
use super::{payments, subscriptions};

const FIELDS: [&str; 14] = [
    "email",
    "name",
    "phone",
    "description",
    "address",
    "shipping",
    "balance",
    "metadata",
    "invoice_settings",
    "invoice_prefix",
    "next_invoice_sequence",
    "preferred_locales",
    "tax_exempt",
    "business_name",
];

const CREATE: Takes =
    Takes { fields: &FIELDS, own: &["tax_id_data[].type", "tax_id_data[].value", "payment_method"] };
const UPDATE: Takes = Takes { fields: &FIELDS, own: &[] };
const TAX_ID: Takes = Takes { fields: &["type", "value"], own: &[] };

pub(super) fn list(state: &State, params: &Params) -> Answer {
    // Exact and case-sensitive, as sent: the trap of every look-up by e-mail.
    let email = params.text("email");
    list::page(state, "customer", "/v1/customers", params, &["email"], |customer| {
        email.is_none_or(|email| customer["email"] == email)
    })
}

pub(super) fn create(state: &mut State, params: &Params) -> Answer {
    params.check(CREATE)?;
    let mut customer = state.blank("customer", "cus");
    for key in ["address", "name", "phone", "currency", "discount"] {
        customer[key] = Json::Null;
    }
    customer["delinquent"] = json!(false);
    customer["preferred_locales"] = json!([]);
    customer["tax_exempt"] = json!("none");
    customer["next_invoice_sequence"] = json!(1);
    let id = text(&customer, "id");
    // Stripe gives eight letters and digits at random; the last of the id are as unlike.
    customer["invoice_prefix"] = json!(id[id.len() - 7..].to_owned());
    lay_over(state, params, &mut customer, CREATE)?;
    let methods = params.text("payment_method").map(str::to_owned);
    let customer = state.create("customer", customer)?;
    for row in params.rows("tax_id_data") {
        add_tax_id(state, &id, &row)?;
    }
    match methods {
        Some(method) => {
            payments::attach_to(state, &method, &id)?;
            state.get("customer", &id)
        }
        None => Ok(customer),
    }
}

pub(super) fn retrieve(state: &State, id: &str) -> Answer {
    deleted_or(state, "customer", id)
}

pub(super) fn update(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(UPDATE)?;
    let mut customer = state.get("customer", id)?;
    lay_over(state, params, &mut customer, UPDATE)?;
    Ok(state.replace("customer", customer, Some("customer.updated")))
}

/// Deleting a customer ends its subscriptions first.
pub(super) fn delete(state: &mut State, id: &str) -> Answer {
    state.get("customer", id)?;
    let running: Vec<String> = state
        .all("subscription")
        .filter(|subscription| subscription["customer"] == id && !subscriptions::is_over(subscription))
        .map(|subscription| text(subscription, "id"))
        .collect();
    for subscription in running {
        subscriptions::end(state, &subscription, "cancellation_requested")?;
    }
    state.delete("customer", id)
}

fn lay_over(state: &mut State, params: &Params, customer: &mut Json, takes: Takes) -> Result<(), ApiError> {
    if let Some(email) = params.text("email")
        && !email.contains('@')
    {
        return Err(ApiError::invalid(format!("Invalid email address: {email}"))
            .code("email_invalid")
            .param("email"));
    }
    if let Some(method) = params.below("invoice_settings").text("default_payment_method") {
        // A test token stands for a new payment method, which attaching has already made.
        if state.find("payment_method", method).is_none() && !payments::is_token(method) {
            let param = "invoice_settings[default_payment_method]";
            return Err(ApiError::bad_reference("PaymentMethod", method, param));
        }
    }
    params.lay_over(customer, "customer", takes)
}

pub(super) fn tax_ids(state: &State, id: &str, params: &Params) -> Answer {
    state.get("customer", id)?;
    list::page(state, "tax_id", &format!("/v1/customers/{id}/tax_ids"), params, &[], |row| {
        row["customer"] == id
    })
}

pub(super) fn tax_id(state: &State, customer: &str, id: &str) -> Answer {
    let found = state.find("tax_id", id).filter(|tax_id| tax_id["customer"] == customer);
    found.cloned().ok_or_else(|| ApiError::missing("tax_id", id, "id"))
}

/// Tax ids cannot be changed, and one value is kept once.
pub(super) fn add_tax_id(state: &mut State, customer: &str, params: &Params) -> Answer {
    params.check(TAX_ID)?;
    state.get("customer", customer)?;
    let (kind, value) = (params.required("type")?, params.required("value")?);
    let known = |row: &Json| row["customer"] == customer && row["type"] == kind && row["value"] == value;
    if state.all("tax_id").any(known) {
        let message = format!("A tax ID of type {kind} and value {value} already exists for this customer.");
        return Err(ApiError::invalid(message).param("value"));
    }
    if kind == "eu_vat" && !value.starts_with(|letter: char| letter.is_ascii_uppercase()) {
        return Err(ApiError::invalid("Invalid value for eu_vat.").code("tax_id_invalid").param("value"));
    }
    let mut tax_id = state.blank("tax_id", "txi");
    params.lay_over(&mut tax_id, "tax_id", TAX_ID)?;
    tax_id["customer"] = json!(customer);
    tax_id["country"] = json!(value.get(..2).filter(|_| kind == "eu_vat"));
    tax_id["verification"] = json!({"status": "pending", "verified_address": null, "verified_name": null});
    state.create("tax_id", tax_id)
}

pub(super) fn remove_tax_id(state: &mut State, customer: &str, id: &str) -> Answer {
    tax_id(state, customer, id)?;
    state.delete("tax_id", id)
}
