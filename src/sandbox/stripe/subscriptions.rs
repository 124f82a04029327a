//! Subscriptions and their items: signing up, changing, renewing, ending.

use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::{Value as Json, json};

use super::error::{Answer, ApiError};
use super::invoices::{self, Bill};
use super::params::{Params, Takes};
use super::state::{Payment, State, int, text};
use super::{catalogue, list};

/// Stripe's own limit.
const ITEMS_MAX: usize = 20;

const DAY: i64 = 86_400;

const CREATE: Takes = Takes {
    fields: &[
        "description",
        "metadata",
        "collection_method",
        "days_until_due",
        "cancel_at_period_end",
        "cancel_at",
    ],
    own: &[
        "customer",
        "items[].price",
        "items[].price_data.*",
        "items[].quantity",
        "items[].metadata.*",
        "billing_cycle_anchor",
        "trial_end",
        "trial_period_days",
        "payment_behavior",
        "proration_behavior",
        "default_payment_method",
        "off_session",
        "currency",
        "payment_settings.*",
        "billing_mode.type",
    ],
};
const UPDATE: Takes = Takes {
    fields: &[
        "description",
        "metadata",
        "collection_method",
        "days_until_due",
        "cancel_at_period_end",
        "cancel_at",
    ],
    own: &[
        "items[].id",
        "items[].price",
        "items[].price_data.*",
        "items[].quantity",
        "items[].deleted",
        "items[].metadata.*",
        "trial_end",
        "pause_collection.behavior",
        "pause_collection.resumes_at",
        "cancellation_details.*",
        "proration_behavior",
        "payment_behavior",
        "default_payment_method",
        "off_session",
    ],
};
const ITEM: Takes = Takes {
    fields: &[],
    own: &["subscription", "price", "price_data.*", "quantity", "metadata.*", "proration_behavior", "id"],
};
const CANCEL: Takes = Takes { fields: &[], own: &["invoice_now", "prorate", "cancellation_details.*"] };

pub(super) fn list(state: &State, params: &Params) -> Answer {
    let (customer, price) = (params.text("customer"), params.text("price"));
    let (status, collection) = (params.text("status"), params.text("collection_method"));
    let filters = &["customer", "price", "status", "collection_method"];
    list::page(state, "subscription", "/v1/subscriptions", params, filters, |row| {
        let over = is_over(row);
        // The trap: without a status, canceled ones are not listed.
        let wanted = match status {
            None => row["status"] != "canceled",
            Some("all") => true,
            Some("ended") => over,
            Some(status) => row["status"] == status,
        };
        wanted
            && customer.is_none_or(|customer| row["customer"] == customer)
            && collection.is_none_or(|collection| row["collection_method"] == collection)
            && price.is_none_or(|price| items_of(row).iter().any(|item| item["price"]["id"] == price))
    })
}

/// Whether a subscription has ended for good.
pub(super) fn is_over(subscription: &Json) -> bool {
    subscription["status"] == "canceled" || subscription["status"] == "incomplete_expired"
}

fn items_of(subscription: &Json) -> &[Json] {
    subscription["items"]["data"].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn create(state: &mut State, params: &Params) -> Answer {
    params.check(CREATE)?;
    let customer = params.required("customer")?;
    state.referred("customer", customer, "customer")?;
    let behaviors =
        ["allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"];
    let behavior = params.word("payment_behavior", &behaviors, "allow_incomplete")?;
    let rows = params.rows("items");
    if rows.is_empty() {
        return Err(ApiError::required("items"));
    }
    let mut subscription = blank(state, customer);
    params.lay_over(&mut subscription, "subscription", CREATE)?;
    if subscription["collection_method"] == "send_invoice" && !params.has("days_until_due") {
        return Err(ApiError::required("days_until_due"));
    }
    default_method(state, params, &mut subscription)?;
    trial(state, params, &mut subscription)?;
    anchor(state, params, &mut subscription)?;
    for (at, row) in rows.iter().enumerate() {
        add(state, &mut subscription, row, &format!("items[{at}]"))?;
    }
    subscription["currency"] = items_of(&subscription)[0]["price"]["currency"].clone();
    if subscription["cancel_at_period_end"] == true {
        cancel_later(state, &mut subscription);
    }
    begin(state, subscription, behavior)
}

fn blank(state: &mut State, customer: &str) -> Json {
    let mut subscription = state.blank("subscription", "sub");
    subscription["customer"] = json!(customer);
    subscription["status"] = json!("active");
    subscription["collection_method"] = json!("charge_automatically");
    subscription["billing_mode"] = json!({"type": "flexible", "flexible": null});
    subscription["items"] = json!({"object": "list", "data": [], "has_more": false, "total_count": 0,
        "url": format!("/v1/subscription_items?subscription={}", text(&subscription, "id"))});
    subscription
}

fn default_method(state: &State, params: &Params, subscription: &mut Json) -> Result<(), ApiError> {
    if let Some(method) = params.text("default_payment_method") {
        state.referred("payment_method", method, "default_payment_method")?;
        subscription["default_payment_method"] = json!(method);
    }
    Ok(())
}

fn trial(state: &State, params: &Params, subscription: &mut Json) -> Result<(), ApiError> {
    let now = state.now();
    let end = match (params.text("trial_end"), params.int("trial_period_days")?) {
        (Some("now"), _) => return Ok(()),
        (Some(_), _) => params.int("trial_end")?,
        (None, days) => days.map(|days| now + days * DAY),
    };
    if let Some(end) = end.filter(|end| *end > now) {
        subscription["trial_start"] = json!(now);
        subscription["trial_end"] = json!(end);
        subscription["status"] = json!("trialing");
    }
    Ok(())
}

/// All periods end at the anchor first, which must not be behind the natural end of any.
fn anchor(state: &State, params: &Params, subscription: &mut Json) -> Result<(), ApiError> {
    if let Some(anchor) = params.int("billing_cycle_anchor")? {
        if anchor <= state.now() {
            let message = "billing_cycle_anchor cannot be in the past";
            return Err(ApiError::invalid(message).param("billing_cycle_anchor"));
        }
        subscription["billing_cycle_anchor"] = json!(anchor);
    }
    Ok(())
}

/// Adds an item. Its period begins now and ends with those of the others: with the trial while there is one, else at the anchor.
fn add(state: &mut State, subscription: &mut Json, row: &Params, param: &str) -> Result<String, ApiError> {
    let price = price_of(state, row, param)?.ok_or_else(|| ApiError::required(&format!("{param}[price]")))?;
    if items_of(subscription).len() >= ITEMS_MAX {
        return Err(ApiError::invalid(format!("A subscription can have up to {ITEMS_MAX} items.")));
    }
    let currency = items_of(subscription).first().map(|item| item["price"]["currency"].clone());
    if currency.is_some_and(|currency| currency != price["currency"]) {
        return Err(
            ApiError::invalid("All prices of a subscription must have the same currency.").param(param)
        );
    }
    let now = state.now();
    let natural = period_end(now, &price);
    let others = items_of(subscription).first().map(|item| int(item, "current_period_end"));
    let anchor = Some(int(subscription, "billing_cycle_anchor")).filter(|anchor| *anchor > now);
    if let Some(anchor) = anchor.filter(|anchor| *anchor > natural) {
        let message = format!(
            "billing_cycle_anchor cannot be later than next natural billing date ({natural}): {anchor}"
        );
        return Err(ApiError::invalid(message).param("billing_cycle_anchor"));
    }
    let mut item = state.blank("subscription_item", "si");
    item["subscription"] = subscription["id"].clone();
    item["current_period_start"] = json!(now);
    item["current_period_end"] = match subscription["trial_end"].as_i64() {
        Some(end) if subscription["status"] == "trialing" => json!(end),
        _ => json!(others.or(anchor).unwrap_or(natural)),
    };
    item["metadata"] = row.get("metadata").cloned().unwrap_or_else(|| json!({}));
    set_price(&mut item, &price);
    if price["recurring"]["usage_type"] != "metered" {
        item["quantity"] = json!(row.int("quantity")?.unwrap_or(1));
    }
    let id = text(&item, "id");
    if let Some(items) = subscription["items"]["data"].as_array_mut() {
        items.push(item);
        subscription["items"]["total_count"] = json!(items_of(subscription).len());
    }
    Ok(id)
}

/// The price that a row names, or the one that it makes in place.
fn price_of(state: &mut State, row: &Params, param: &str) -> Result<Option<Json>, ApiError> {
    match (row.text("price"), row.has("price_data")) {
        (Some(_), true) => {
            Err(ApiError::invalid("You may only specify one of these parameters: price, price_data."))
        }
        (Some(id), false) => recurring_price(state, id, &format!("{param}[price]")).map(Some),
        (None, true) => {
            let price = catalogue::inline_price(state, &row.below("price_data"))?;
            recurring_price(state, &text(&price, "id"), &format!("{param}[price_data]")).map(Some)
        }
        (None, false) => Ok(None),
    }
}

fn recurring_price(state: &State, id: &str, param: &str) -> Answer {
    let price = state.referred("price", id, param)?;
    if price["type"] != "recurring" {
        let message = format!(
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`: {id}"
        );
        return Err(ApiError::invalid(message).param(param));
    }
    Ok(price)
}

/// A price and its deprecated twin.
fn set_price(item: &mut Json, price: &Json) {
    let recurring = &price["recurring"];
    item["plan"] = json!({"id": price["id"], "object": "plan", "active": price["active"],
        "amount": price["unit_amount"], "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"], "created": price["created"], "currency": price["currency"],
        "interval": recurring["interval"], "interval_count": recurring["interval_count"], "livemode": false,
        "metadata": price["metadata"], "meter": recurring["meter"], "nickname": price["nickname"],
        "product": price["product"], "tiers_mode": price["tiers_mode"], "transform_usage": null,
        "trial_period_days": recurring["trial_period_days"], "usage_type": recurring["usage_type"]});
    item["price"] = price.clone();
}

/// The end of a period that starts at `start`: calendar months and years, in UTC.
fn period_end(start: i64, price: &Json) -> i64 {
    let count = price["recurring"]["interval_count"].as_i64().unwrap_or(1);
    let span = match price["recurring"]["interval"].as_str() {
        Some("year") => Span::new().try_years(count),
        Some("week") => Span::new().try_weeks(count),
        Some("day") => Span::new().try_days(count),
        _ => Span::new().try_months(count),
    };
    let end = span.and_then(|span| Timestamp::from_second(start)?.to_zoned(TimeZone::UTC).checked_add(span));
    end.map_or(start, |end| end.timestamp().as_second())
}

/// Stores a new subscription and bills its first period.
fn begin(state: &mut State, mut subscription: Json, behavior: &str) -> Answer {
    let id = text(&subscription, "id");
    let trialing = subscription["status"] == "trialing";
    let automatic = subscription["collection_method"] == "charge_automatically";
    let due: i64 = items_of(&subscription).iter().map(|item| period_cost(&subscription, item)).sum();
    let method = invoices::default_method(state, &subscription)
        .or_else(|| subscription["default_payment_method"].as_str().map(str::to_owned));
    let charges = automatic && !trialing && due > 0;
    if charges && method.is_none() && behavior != "default_incomplete" {
        return Err(invoices::no_method());
    }
    if charges && behavior == "error_if_incomplete" {
        let declines = method
            .as_ref()
            .is_some_and(|method| super::payments::outcome(state, method) != Payment::Succeeds);
        if declines {
            return Err(ApiError::card("card_declined", Some("generic_decline"), "Your card was declined."));
        }
    }
    if charges {
        subscription["status"] = json!("incomplete");
    }
    let subscription = state.create("subscription", subscription)?;
    let invoice = bill(state, &subscription, "subscription_create", trialing)?;
    if let Some(method) = method.filter(|_| charges && behavior != "default_incomplete") {
        invoices::attempt(state, invoice, &method)?;
    }
    state.get("subscription", &id)
}

fn cost(item: &Json) -> i64 {
    // Metered items have no quantity: they are billed for what was used, which nobody reports here.
    catalogue::cost(&item["price"], int(item, "quantity"))
}

/// What an item's present period costs: a part of the price when an anchor cuts it short.
fn period_cost(subscription: &Json, item: &Json) -> i64 {
    let (start, ends) = (int(item, "current_period_start"), int(item, "current_period_end"));
    let whole = period_end(start, &item["price"]);
    if subscription["status"] == "trialing" || ends >= whole {
        return cost(item);
    }
    cost(item) * (ends - start) / (whole - start).max(1)
}

/// Makes the invoice of the current period and opens it.
fn bill(state: &mut State, subscription: &Json, reason: &'static str, free: bool) -> Answer {
    let id = text(subscription, "id");
    let bill = Bill {
        customer: text(subscription, "customer"),
        subscription: Some(id.clone()),
        reason,
        collection_method: text(subscription, "collection_method"),
        days_until_due: subscription["days_until_due"].as_i64(),
        currency: text(subscription, "currency"),
    };
    let mut invoice = invoices::draft(state, &bill)?;
    for item in items_of(subscription) {
        let amount = if free { 0 } else { period_cost(subscription, item) };
        let quantity = item["quantity"].as_i64().unwrap_or(0);
        let name = item["price"]["nickname"].as_str().unwrap_or("Subscription");
        let line = json!({"amount": amount, "description": format!("{quantity} × {name}"), "subscription": id,
            "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
            "parent": {"type": "subscription_item_details", "invoice_item_details": null,
                "subscription_item_details": {"subscription": id, "subscription_item": item["id"],
                    "invoice_item": null, "proration": false, "proration_details": null}}});
        invoices::add_line(state, &mut invoice, Some(&item["price"]), quantity, line);
    }
    invoices::take_pending(state, &mut invoice);
    let invoice = state.create("invoice", invoice)?;
    let mut subscription = state.get("subscription", &id)?;
    subscription["latest_invoice"] = invoice["id"].clone();
    state.replace("subscription", subscription, None);
    invoices::finalize(state, invoice)
}

/// An invoice was paid: what waited for it goes on.
pub(super) fn paid(state: &mut State, id: &str) {
    status(state, id, &["incomplete", "past_due", "unpaid"], "active");
}

/// A payment failed: an active subscription is now past due.
pub(super) fn unpaid(state: &mut State, id: &str) {
    status(state, id, &["active", "trialing"], "past_due");
}

fn status(state: &mut State, id: &str, from: &[&str], to: &str) {
    let Some(mut subscription) = state.find("subscription", id).cloned() else { return };
    if subscription["status"].as_str().is_some_and(|status| from.contains(&status)) {
        subscription["status"] = json!(to);
        state.replace("subscription", subscription, Some("customer.subscription.updated"));
    }
}

/// A period ends: the next one begins and is billed.
pub(super) fn renew(state: &mut State, id: &str) -> Answer {
    let mut subscription = state.get("subscription", id)?;
    if is_over(&subscription) {
        return Err(ApiError::invalid("A canceled subscription does not renew."));
    }
    if subscription["cancel_at_period_end"] == true {
        return end(state, id, "cancellation_requested");
    }
    for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
        let start = int(item, "current_period_end");
        item["current_period_start"] = json!(start);
        item["current_period_end"] = json!(period_end(start, &item["price"]));
    }
    if subscription["status"] == "trialing" {
        subscription["status"] = json!("active");
    }
    let subscription = state.replace("subscription", subscription, Some("customer.subscription.updated"));
    let invoice = bill(state, &subscription, "subscription_cycle", false)?;
    match invoices::default_method(state, &invoice) {
        Some(method)
            if invoice["status"] == "open" && invoice["collection_method"] == "charge_automatically" =>
        {
            Ok(invoices::attempt(state, invoice, &method)?.0)
        }
        _ => Ok(invoice),
    }
}

pub(super) fn update(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(UPDATE)?;
    let mut subscription = state.get("subscription", id)?;
    if is_over(&subscription) && UPDATE.fields.iter().any(|name| *name != "metadata" && params.has(name)) {
        let message = "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(ApiError::invalid(message));
    }
    let before: i64 = items_of(&subscription).iter().map(cost).sum();
    params.lay_over(&mut subscription, "subscription", UPDATE)?;
    default_method(state, params, &mut subscription)?;
    for (at, row) in params.rows("items").iter().enumerate() {
        change(state, &mut subscription, row, &format!("items[{at}]"))?;
    }
    if params.text("trial_end") == Some("now") && subscription["status"] == "trialing" {
        subscription["trial_end"] = json!(state.now());
        subscription["status"] = json!("active");
    }
    if params.has("pause_collection") {
        let pause = params.below("pause_collection");
        let behaviors = ["keep_as_draft", "mark_uncollectible", "void"];
        subscription["pause_collection"] = match pause.text("behavior") {
            None => Json::Null,
            Some(_) => json!({"behavior": pause.word("behavior", &behaviors, "void")?,
                              "resumes_at": pause.int("resumes_at")?}),
        };
    }
    match params.bool("cancel_at_period_end")? {
        Some(true) => cancel_later(state, &mut subscription),
        Some(false) => {
            subscription["cancel_at"] = Json::Null;
            subscription["canceled_at"] = Json::Null;
            subscription["cancellation_details"] = json!({"comment": null, "feedback": null, "reason": null});
        }
        None => {}
    }
    prorate(state, &mut subscription, before, params)
}

/// `canceled_at` is when it was asked for; it ends later.
fn cancel_later(state: &State, subscription: &mut Json) {
    let ends = items_of(subscription).iter().map(|item| int(item, "current_period_end")).min();
    subscription["cancel_at"] = json!(ends);
    subscription["canceled_at"] = json!(state.now());
    subscription["cancellation_details"] =
        json!({"comment": null, "feedback": null, "reason": "cancellation_requested"});
}

/// One row of `items`: changes, removes, or, without an id, adds.
fn change(state: &mut State, subscription: &mut Json, row: &Params, param: &str) -> Result<(), ApiError> {
    let Some(id) = row.text("id") else { return add(state, subscription, row, param).map(drop) };
    let at = items_of(subscription).iter().position(|item| item["id"] == id);
    let at = at.ok_or_else(|| ApiError::bad_reference("subscription_item", id, &format!("{param}[id]")))?;
    if row.bool("deleted")? == Some(true) {
        if let Some(items) = subscription["items"]["data"].as_array_mut() {
            items.remove(at);
        }
        return Ok(());
    }
    let price = price_of(state, row, param)?;
    let item = &mut subscription["items"]["data"][at];
    if let Some(price) = price.filter(|price| item["price"]["id"] != price["id"]) {
        set_price(item, &price);
        // The trap: another price takes the quantity back to one unless it is sent along.
        item["quantity"] = json!(1);
    }
    if let Some(quantity) = row.int("quantity")? {
        item["quantity"] = json!(quantity);
    }
    if let Some(metadata) = row.get("metadata").and_then(Json::as_object) {
        for (key, value) in metadata {
            item["metadata"][key] = value.clone();
        }
    }
    Ok(())
}

/// Stores the change. What is left of the period at the new price, less that at the old one, becomes an item of the next
/// invoice, or of one made at once.
fn prorate(state: &mut State, subscription: &mut Json, before: i64, params: &Params) -> Answer {
    let behaviors = ["create_prorations", "always_invoice", "none"];
    let behavior = params.word("proration_behavior", &behaviors, "create_prorations")?;
    let id = text(subscription, "id");
    let after: i64 = items_of(subscription).iter().map(cost).sum();
    let stored = state.replace("subscription", subscription.clone(), Some("customer.subscription.updated"));
    if before == after || behavior == "none" || stored["status"] != "active" {
        return Ok(stored);
    }
    let Some(item) = items_of(&stored).first() else { return Ok(stored) };
    let (start, ends, now) =
        (int(item, "current_period_start"), int(item, "current_period_end"), state.now());
    let left = (ends - now).clamp(0, ends - start);
    let mut pending = invoices::pending_item(state, &text(&stored, "customer"));
    pending["amount"] = json!((after - before) * left / (ends - start).max(1));
    pending["currency"] = stored["currency"].clone();
    pending["description"] = json!("Remaining time after a change");
    pending["proration"] = json!(true);
    pending["period"] = json!({"start": now, "end": ends});
    pending["quantity"] = json!(1);
    state.create("invoiceitem", pending)?;
    if behavior == "always_invoice" {
        let bill = Bill {
            customer: text(&stored, "customer"),
            subscription: Some(id.clone()),
            reason: "subscription_update",
            collection_method: text(&stored, "collection_method"),
            days_until_due: stored["days_until_due"].as_i64(),
            currency: text(&stored, "currency"),
        };
        let mut invoice = invoices::draft(state, &bill)?;
        invoices::take_pending(state, &mut invoice);
        let invoice = state.create("invoice", invoice)?;
        let mut stored = stored;
        stored["latest_invoice"] = invoice["id"].clone();
        state.replace("subscription", stored, None);
        let invoice = invoices::finalize(state, invoice)?;
        if let Some(method) =
            invoices::default_method(state, &invoice).filter(|_| invoice["status"] == "open")
        {
            invoices::attempt(state, invoice, &method)?;
        }
    }
    state.get("subscription", &id)
}

pub(super) fn cancel(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(CANCEL)?;
    if is_over(&state.get("subscription", id)?) {
        return Err(ApiError::missing("subscription", id, "id"));
    }
    end(state, id, "cancellation_requested")
}

/// Ends a subscription now.
pub(super) fn end(state: &mut State, id: &str, reason: &str) -> Answer {
    let mut subscription = state.get("subscription", id)?;
    let now = state.now();
    subscription["status"] = json!("canceled");
    subscription["ended_at"] = json!(now);
    if subscription["canceled_at"].is_null() {
        subscription["canceled_at"] = json!(now);
    }
    subscription["cancellation_details"] = json!({"comment": null, "feedback": null, "reason": reason});
    let subscription = state.replace("subscription", subscription, None);
    state.emit("customer.subscription.deleted", &subscription, None);
    Ok(subscription)
}

pub(super) fn pause(state: &mut State, id: &str) -> Answer {
    let mut subscription = state.get("subscription", id)?;
    subscription["status"] = json!("paused");
    Ok(state.replace("subscription", subscription, Some("customer.subscription.paused")))
}

pub(super) fn resume(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(Takes { fields: &[], own: &["billing_cycle_anchor", "proration_behavior"] })?;
    let mut subscription = state.get("subscription", id)?;
    if subscription["status"] != "paused" {
        return Err(ApiError::invalid("Only paused subscriptions can be resumed."));
    }
    subscription["status"] = json!("active");
    Ok(state.replace("subscription", subscription, Some("customer.subscription.resumed")))
}

pub(super) fn items(state: &State, params: &Params) -> Answer {
    params.check(Takes { fields: &["limit", "starting_after", "ending_before"], own: &["subscription"] })?;
    let id = params.required("subscription")?;
    let subscription = state.referred("subscription", id, "subscription")?;
    let rows: Vec<&Json> = items_of(&subscription).iter().collect();
    list::cut(state, "subscription_item", &rows, "/v1/subscription_items", params)
}

/// The subscription that has this item.
fn owner(state: &State, id: &str) -> Answer {
    let holds = |row: &&Json| items_of(row).iter().any(|item| item["id"] == id);
    state
        .all("subscription")
        .find(holds)
        .cloned()
        .ok_or_else(|| ApiError::missing("subscription_item", id, "id"))
}

pub(super) fn item(state: &State, id: &str) -> Answer {
    let owner = owner(state, id)?;
    let found = items_of(&owner).iter().find(|item| item["id"] == id).cloned();
    found.ok_or_else(|| ApiError::missing("subscription_item", id, "id"))
}

pub(super) fn add_item(state: &mut State, params: &Params) -> Answer {
    params.check(ITEM)?;
    let mut subscription =
        state.referred("subscription", params.required("subscription")?, "subscription")?;
    let before = items_of(&subscription).iter().map(cost).sum();
    let id = add(state, &mut subscription, params, "")?;
    prorate(state, &mut subscription, before, params)?;
    item(state, &id)
}

pub(super) fn update_item(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(ITEM)?;
    let mut subscription = owner(state, id)?;
    let before = items_of(&subscription).iter().map(cost).sum();
    change(state, &mut subscription, &params.with("id", id), "")?;
    prorate(state, &mut subscription, before, params)?;
    item(state, id)
}

pub(super) fn remove_item(state: &mut State, id: &str, params: &Params) -> Answer {
    params.check(ITEM)?;
    let mut subscription = owner(state, id)?;
    let before = items_of(&subscription).iter().map(cost).sum();
    if items_of(&subscription).len() == 1 {
        return Err(ApiError::invalid("A subscription must have at least one active item."));
    }
    change(state, &mut subscription, &params.with("id", id).with("deleted", "true"), "")?;
    prorate(state, &mut subscription, before, params)?;
    Ok(json!({"id": id, "object": "subscription_item", "deleted": true}))
}
