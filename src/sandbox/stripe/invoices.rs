//! Invoices and invoice items: drafts, finalizing, paying, and what a failed payment leaves.

use serde_json::{Value as Json, json};

use super::error::{Answer, ApiError};
use super::params::{Params, Takes};
use super::state::{Payment, State, int, text};
use super::{catalogue, list, payments, subscriptions};

/// Stripe tries a failed payment again after some days; three is a common first step.
const RETRY_AFTER: i64 = 3 * 24 * 60 * 60;

const CREATE: Takes = Takes {
    fields: &[
        "collection_method",
        "description",
        "footer",
        "metadata",
        "auto_advance",
        "currency",
        "statement_descriptor",
    ],
    own: &["customer", "subscription", "days_until_due", "due_date", "pending_invoice_items_behavior"],
};
const UPDATE: Takes = Takes {
    fields: &[
        "collection_method",
        "description",
        "footer",
        "metadata",
        "auto_advance",
        "statement_descriptor",
    ],
    own: &["days_until_due", "due_date"],
};
const ITEM: Takes = Takes {
    fields: &["description", "metadata", "discountable"],
    own: &[
        "customer",
        "invoice",
        "subscription",
        "amount",
        "currency",
        "pricing.price",
        "quantity",
        "period.start",
        "period.end",
    ],
};
const PAY: Takes =
    Takes { fields: &[], own: &["paid_out_of_band", "payment_method", "off_session", "forgive"] };

/// What a new invoice is made of.
pub(super) struct Bill {
    pub(super) customer: String,
    pub(super) subscription: Option<String>,
    pub(super) reason: &'static str,
    pub(super) collection_method: String,
    pub(super) days_until_due: Option<i64>,
    pub(super) currency: String,
}

pub(super) fn list(state: &State, params: &Params) -> Answer {
    let (customer, subscription) = (params.text("customer"), params.text("subscription"));
    let (status, collection) = (params.text("status"), params.text("collection_method"));
    let filters = &["customer", "subscription", "status", "collection_method"];
    list::page(state, "invoice", "/v1/invoices", params, filters, |invoice| {
        customer.is_none_or(|customer| invoice["customer"] == customer)
            && status.is_none_or(|status| invoice["status"] == status)
            && collection.is_none_or(|collection| invoice["collection_method"] == collection)
            && subscription.is_none_or(|id| subscription_of(invoice).as_deref() == Some(id))
    })
}

/// The subscription that an invoice is for.
pub(super) fn subscription_of(invoice: &Json) -> Option<String> {
    invoice["parent"]["subscription_details"]["subscription"].as_str().map(str::to_owned)
}

pub(super) fn create(state: &mut State, params: &Params) -> Answer {
    params.check(CREATE)?;
    let customer = params.required("customer")?;
    state.referred("customer", customer, "customer")?;
    let bill = Bill {
        customer: customer.to_owned(),
        subscription: None,
        reason: "manual",
        collection_method: params
            .word("collection_method", &["charge_automatically", "send_invoice"], "charge_automatically")?
            .to_owned(),
        days_until_due: params.int("days_until_due")?,
        currency: params.text("currency").unwrap_or("usd").to_lowercase(),
    };
    let mut invoice = draft(state, &bill)?;
    params.lay_over(&mut invoice, "invoice", CREATE)?;
    // The trap: pending items are left alone unless they are asked for.
    if params.word("pending_invoice_items_behavior", &["exclude", "include"], "exclude")? == "include" {
        take_pending(state, &mut invoice);
    }
    state.create("invoice", invoice)
}

/// A draft, not yet stored.
pub(super) fn draft(state: &mut State, bill: &Bill) -> Answer {
    let customer = state.referred("customer", &bill.customer, "customer")?;
    let mut invoice = state.blank("invoice", "in");
    let now = state.now();
    invoice["customer"] = json!(bill.customer);
    invoice["customer_email"] = customer["email"].clone();
    invoice["customer_name"] = customer["name"].clone();
    invoice["customer_tax_exempt"] = json!("none");
    invoice["account_country"] = json!("US");
    invoice["account_name"] = json!("Sandbox");
    invoice["status"] = json!("draft");
    invoice["currency"] = json!(bill.currency);
    invoice["billing_reason"] = json!(bill.reason);
    invoice["collection_method"] = json!(bill.collection_method);
    invoice["auto_advance"] = json!(bill.reason != "manual");
    invoice["period_start"] = json!(now);
    invoice["period_end"] = json!(now);
    invoice["due_date"] = json!(bill.days_until_due.map(|days| now + days * 86_400));
    invoice["hosted_invoice_url"] = Json::Null;
    invoice["invoice_pdf"] = Json::Null;
    invoice["issuer"] = json!({"type": "self"});
    invoice["lines"] = json!({"object": "list", "data": [], "has_more": false,
        "url": format!("/v1/invoices/{}/lines", text(&invoice, "id")), "total_count": 0});
    if let Some(id) = &bill.subscription {
        let metadata =
            state.find("subscription", id).map_or_else(|| json!({}), |found| found["metadata"].clone());
        invoice["parent"] = json!({"type": "subscription_details", "quote_details": null,
            "subscription_details": {"subscription": id, "metadata": metadata}});
    }
    Ok(invoice)
}

/// Adds a line and counts the totals anew.
pub(super) fn add_line(
    state: &mut State,
    invoice: &mut Json,
    price: Option<&Json>,
    quantity: i64,
    line: Json,
) {
    let mut row = state.blank("line_item", "il");
    for key in ["invoice", "currency", "subscription"] {
        row[key] = Json::Null;
    }
    row["invoice"] = invoice["id"].clone();
    row["currency"] = invoice["currency"].clone();
    row["discountable"] = json!(true);
    row["quantity"] = json!(quantity);
    row["quantity_decimal"] = json!(quantity.to_string());
    if let Some(price) = price {
        row["pricing"] = json!({"type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"],
            "price_details": {"price": price["id"], "product": price["product"]}});
    }
    if let Json::Object(line) = line {
        for (key, value) in line {
            row[key] = value;
        }
    }
    row["subtotal"] = row["amount"].clone();
    if let Some(lines) = invoice["lines"]["data"].as_array_mut() {
        lines.push(row);
    }
    total(invoice);
}

fn total(invoice: &mut Json) {
    let lines = invoice["lines"]["data"].as_array().map_or(&[][..], Vec::as_slice);
    let sum: i64 = lines.iter().map(|line| int(line, "amount")).sum();
    invoice["lines"]["total_count"] = json!(lines.len());
    for key in ["subtotal", "total", "subtotal_excluding_tax", "total_excluding_tax"] {
        invoice[key] = json!(sum);
    }
    // A credit does not make the customer's debt negative: it goes to the balance.
    invoice["amount_due"] = json!(sum.max(0));
    invoice["amount_remaining"] = json!(sum.max(0) - int(invoice, "amount_paid"));
}

/// Moves the customer's pending invoice items into a draft.
pub(super) fn take_pending(state: &mut State, invoice: &mut Json) {
    let pending: Vec<Json> = state
        .all("invoiceitem")
        .filter(|item| item["customer"] == invoice["customer"] && item["invoice"].is_null())
        .filter(|item| item["currency"] == invoice["currency"])
        .cloned()
        .collect();
    for item in pending {
        take_item(state, invoice, item);
    }
}

fn take_item(state: &mut State, invoice: &mut Json, mut item: Json) {
    let line = json!({"amount": item["amount"], "description": item["description"], "period": item["period"],
        "metadata": item["metadata"], "parent": {"type": "invoice_item_details", "subscription_item_details": null,
        "invoice_item_details": {"invoice_item": item["id"], "proration": item["proration"], "subscription": null,
        "proration_details": null}}});
    let price =
        state.find("price", item["pricing"]["price_details"]["price"].as_str().unwrap_or_default()).cloned();
    add_line(state, invoice, price.as_ref(), item["quantity"].as_i64().unwrap_or(1), line);
    item["invoice"] = invoice["id"].clone();
    state.replace("invoiceitem", item, None);
}

pub(super) fn update(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(UPDATE)?;
    let mut invoice = state.get("invoice", id)?;
    let only_metadata = !UPDATE.fields.iter().any(|name| *name != "metadata" && params.has(name));
    if invoice["status"] != "draft" && !only_metadata {
        return Err(
            ApiError::invalid("Finalized invoices can't be updated in this way").code("invoice_not_editable")
        );
    }
    params.lay_over(&mut invoice, "invoice", UPDATE)?;
    if let Some(days) = params.int("days_until_due")? {
        invoice["due_date"] = json!(state.now() + days * 86_400);
    }
    Ok(state.replace("invoice", invoice, Some("invoice.updated")))
}

pub(super) fn delete(state: &mut State, id: &str) -> Answer {
    if state.get("invoice", id)?["status"] != "draft" {
        return Err(ApiError::invalid("You can only delete draft invoices.").code("invoice_not_editable"));
    }
    state.delete("invoice", id)
}

pub(super) fn lines(state: &State, id: &str, params: &Params) -> Answer {
    let invoice = state.get("invoice", id)?;
    let rows: Vec<&Json> = invoice["lines"]["data"].as_array().into_iter().flatten().collect();
    list::cut(state, "line_item", &rows, &format!("/v1/invoices/{id}/lines"), params)
}

pub(super) fn act(state: &mut State, id: &str, action: &str, params: &Params) -> Answer {
    let takes = match action {
        "finalize" => Takes { fields: &["auto_advance"], own: &[] },
        "pay" => PAY,
        "send" | "void" | "mark_uncollectible" => Takes { fields: &[], own: &[] },
        _ => return Err(ApiError::no_route("POST", &format!("/v1/invoices/{id}/{action}"))),
    };
    params.check(takes)?;
    let invoice = state.get("invoice", id)?;
    match action {
        "finalize" if invoice["status"] == "draft" => finalize(state, invoice),
        "finalize" => Err(ApiError::invalid(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
        )
        .code("invoice_not_editable")),
        "pay" => pay(state, invoice, params),
        "send" => {
            let invoice = if invoice["status"] == "draft" { finalize(state, invoice)? } else { invoice };
            state.emit("invoice.sent", &invoice, None);
            Ok(invoice)
        }
        "void" => closed(state, invoice, "void", "voided_at", "invoice.voided"),
        _ => {
            closed(state, invoice, "uncollectible", "marked_uncollectible_at", "invoice.marked_uncollectible")
        }
    }
}

fn closed(state: &mut State, mut invoice: Json, status: &str, moment: &str, event: &str) -> Answer {
    if invoice["status"] != "open" {
        return Err(ApiError::invalid(format!(
            "You can only do this to open invoices; this one is {}.",
            invoice["status"]
        )));
    }
    invoice["status"] = json!(status);
    invoice["status_transitions"][moment] = json!(state.now());
    invoice["auto_advance"] = json!(false);
    Ok(state.replace("invoice", invoice, Some(event)))
}

/// Gives a draft its number and opens it.
pub(super) fn finalize(state: &mut State, mut invoice: Json) -> Answer {
    let mut customer = state.referred("customer", &text(&invoice, "customer"), "customer")?;
    let next = int(&customer, "next_invoice_sequence").max(1);
    let (id, now) = (text(&invoice, "id"), state.now());
    invoice["number"] = json!(format!("{}-{next:04}", text(&customer, "invoice_prefix")));
    invoice["status"] = json!("open");
    invoice["status_transitions"]["finalized_at"] = json!(now);
    invoice["effective_at"] = json!(now);
    invoice["hosted_invoice_url"] = json!(format!("https://invoice.example.com/i/{id}"));
    invoice["invoice_pdf"] = json!(format!("https://invoice.example.com/i/{id}.pdf"));
    invoice["ending_balance"] = json!(0);
    customer["next_invoice_sequence"] = json!(next + 1);
    // Only the first invoice's currency is news about a customer.
    let event = customer["currency"].is_null().then_some("customer.updated");
    customer["currency"] = invoice["currency"].clone();
    state.replace("customer", customer, event);
    let invoice = state.replace("invoice", invoice, None);
    state.emit("invoice.finalized", &invoice, None);
    if int(&invoice, "amount_due") == 0 {
        return Ok(paid(state, invoice, None));
    }
    Ok(invoice)
}

fn pay(state: &mut State, invoice: Json, params: &Params) -> Answer {
    let invoice = if invoice["status"] == "draft" { finalize(state, invoice)? } else { invoice };
    match invoice["status"].as_str() {
        Some("paid") => return Err(ApiError::invalid("Invoice is already paid").code("invoice_already_paid")),
        Some("void") => return Err(ApiError::invalid("You can't pay an invoice that is void.")),
        _ => {}
    }
    if params.bool("paid_out_of_band")? == Some(true) {
        return Ok(paid(state, invoice, None));
    }
    let method = match params.text("payment_method") {
        Some(method) => text(&state.referred("payment_method", method, "payment_method")?, "id"),
        None => default_method(state, &invoice).ok_or_else(no_method)?,
    };
    let (invoice, payment) = attempt(state, invoice, &method)?;
    match payment {
        Payment::Succeeds => Ok(invoice),
        Payment::Declines => {
            Err(ApiError::card("card_declined", Some("generic_decline"), "Your card was declined."))
        }
        Payment::NeedsAuthentication => Err(ApiError::card(
            "invoice_payment_intent_requires_action",
            None,
            "Payment for this invoice requires additional user action before it can be completed successfully.",
        )),
    }
}

/// Nothing to charge: Stripe's words for it.
pub(super) fn no_method() -> ApiError {
    ApiError::invalid(
        "This customer has no attached payment source or default payment method. Please consider adding a default \
         payment method.",
    )
    .code("resource_missing")
}

/// The subscription's own payment method, else the customer's.
pub(super) fn default_method(state: &State, invoice: &Json) -> Option<String> {
    let subscription = subscription_of(invoice).and_then(|id| state.find("subscription", &id));
    let own = subscription.and_then(|found| found["default_payment_method"].as_str());
    let customer = state.find("customer", &text(invoice, "customer"));
    let customers = customer.and_then(|found| found["invoice_settings"]["default_payment_method"].as_str());
    own.or(customers).map(str::to_owned)
}

/// Tries to collect an open invoice. A decline is an outcome, not an error: it leaves events behind.
pub(super) fn attempt(
    state: &mut State,
    mut invoice: Json,
    method: &str,
) -> Result<(Json, Payment), ApiError> {
    let payment = payments::outcome(state, method);
    let intent = payments::intent_for(state, &invoice, method)?;
    let intent = payments::charge(state, intent, payment)?;
    invoice["attempted"] = json!(true);
    invoice["attempt_count"] = json!(int(&invoice, "attempt_count") + 1);
    if payment == Payment::Succeeds {
        return Ok((paid(state, invoice, Some(&intent)), payment));
    }
    let subscription = subscription_of(&invoice);
    if subscription.is_some() && invoice["billing_reason"] != "subscription_create" {
        invoice["next_payment_attempt"] = json!(state.now() + RETRY_AFTER);
    }
    let invoice = state.replace("invoice", invoice, Some("invoice.updated"));
    let event = if payment == Payment::Declines {
        "invoice.payment_failed"
    } else {
        "invoice.payment_action_required"
    };
    state.emit(event, &invoice, None);
    if let Some(id) = subscription {
        subscriptions::unpaid(state, &id);
    }
    Ok((invoice, payment))
}

/// The invoice is paid: by a payment, out of band, or because nothing was due.
fn paid(state: &mut State, mut invoice: Json, intent: Option<&Json>) -> Json {
    let now = state.now();
    invoice["status"] = json!("paid");
    invoice["amount_paid"] = invoice["amount_due"].clone();
    invoice["amount_remaining"] = json!(0);
    invoice["status_transitions"]["paid_at"] = json!(now);
    invoice["next_payment_attempt"] = Json::Null;
    invoice["auto_advance"] = json!(false);
    invoice["attempted"] = json!(true);
    let invoice = state.replace("invoice", invoice, Some("invoice.updated"));
    if let Some(intent) = intent {
        let mut payment = state.blank("invoice_payment", "inpay");
        payment["invoice"] = invoice["id"].clone();
        payment["currency"] = invoice["currency"].clone();
        payment["amount_paid"] = invoice["amount_paid"].clone();
        payment["amount_requested"] = invoice["amount_paid"].clone();
        payment["is_default"] = json!(true);
        payment["status"] = json!("paid");
        payment["status_transitions"] = json!({"canceled_at": null, "paid_at": now});
        payment["payment"] = json!({"type": "payment_intent", "payment_intent": intent["id"]});
        // A full account is reported by the call that created the payment's charge.
        if state.insert("invoice_payment", payment.clone()).is_ok() {
            state.emit("invoice_payment.paid", &payment, None);
        }
    }
    state.emit("invoice.paid", &invoice, None);
    if intent.is_some() {
        state.emit("invoice.payment_succeeded", &invoice, None);
    }
    if let Some(id) = subscription_of(&invoice) {
        subscriptions::paid(state, &id);
    }
    invoice
}

pub(super) fn items(state: &State, params: &Params) -> Answer {
    let (customer, invoice, pending) =
        (params.text("customer"), params.text("invoice"), params.bool("pending")?);
    let filters = &["customer", "invoice", "pending"];
    list::page(state, "invoiceitem", "/v1/invoiceitems", params, filters, |item| {
        customer.is_none_or(|customer| item["customer"] == customer)
            && invoice.is_none_or(|invoice| item["invoice"] == invoice)
            && pending.is_none_or(|pending| item["invoice"].is_null() == pending)
    })
}

pub(super) fn add_item(state: &mut State, params: &Params) -> Answer {
    params.check(ITEM)?;
    let customer = params.required("customer")?;
    state.referred("customer", customer, "customer")?;
    let mut item = pending_item(state, customer);
    params.lay_over(&mut item, "invoiceitem", ITEM)?;
    let quantity = params.int("quantity")?.unwrap_or(1);
    item["quantity"] = json!(quantity);
    match (params.int("amount")?, params.below("pricing").text("price")) {
        (Some(amount), None) => {
            item["amount"] = json!(amount);
            item["currency"] = json!(params.required("currency")?.to_lowercase());
        }
        (None, Some(price)) => {
            let price = state.referred("price", price, "pricing[price]")?;
            item["amount"] = json!(catalogue::cost(&price, quantity));
            item["currency"] = price["currency"].clone();
            item["pricing"] = json!({"type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"],
                "price_details": {"price": price["id"], "product": price["product"]}});
        }
        _ => return Err(ApiError::required("amount")),
    }
    let item = state.create("invoiceitem", item)?;
    let Some(id) = params.text("invoice") else { return Ok(item) };
    let mut invoice = state.referred("invoice", id, "invoice")?;
    if invoice["status"] != "draft" {
        return Err(
            ApiError::invalid("Items can only be added to draft invoices.").code("invoice_not_editable")
        );
    }
    take_item(state, &mut invoice, item.clone());
    state.replace("invoice", invoice, Some("invoice.updated"));
    state.get("invoiceitem", &text(&item, "id"))
}

/// An item that waits for the next invoice.
pub(super) fn pending_item(state: &mut State, customer: &str) -> Json {
    let now = state.now();
    let mut item = state.blank("invoiceitem", "ii");
    item["customer"] = json!(customer);
    item["date"] = json!(now);
    item["discountable"] = json!(true);
    item["period"] = json!({"start": now, "end": now});
    item
}
