//! Stories of customers, as accounts see them every day: what the demo plays and tests build upon.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::error::{Answer, ApiError};
use super::params::Params;
use super::state::{State, text};
use super::{form, payments, router, subscriptions};
use crate::sandbox::reply::{encode, pairs};

/// Something that happens to a customer. Who is not a customer yet signs up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Story {
    /// A customer is created, subscribes to five seats of the monthly plan and pays.
    SignsUp,
    /// A period ends, and the card is declined.
    RenewalFails,
    /// A period ends, and the payment succeeds; open invoices of before are paid too.
    Renews,
    /// The subscription moves to twelve seats of the bigger plan; the difference is invoiced at once.
    Upgrades,
    /// The subscription will end with its period.
    CancelsLater,
    /// The subscription ends now.
    Cancels,
    /// The latest payment is given back.
    IsRefunded,
}

/// Who a story is about. The e-mail tells customers apart.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Person {
    /// The name, of a person or a company.
    pub name: String,
    /// The e-mail, spelled as Stripe would be given it.
    pub email: String,
}

/// What a story left behind.
#[derive(Debug, Clone, Serialize)]
pub struct Played {
    /// The customer's id.
    pub customer: String,
    /// The subscription's id.
    pub subscription: String,
    /// The types of the events that it made, in order.
    pub events: Vec<String>,
}

/// Plays one story.
pub(super) fn play(state: &mut State, story: Story, person: &Person) -> Result<Played, ApiError> {
    let before = state.all("event").count();
    let customer = state.all("customer").find(|customer| customer["email"] == person.email.as_str()).cloned();
    let (customer, subscription) = match customer {
        Some(customer) => {
            let id = text(&customer, "id");
            let found = state.all("subscription").rev().find(|row| row["customer"] == id.as_str()).cloned();
            let subscription = match found {
                Some(subscription) => subscription,
                None => subscribe(state, &id)?,
            };
            (id, text(&subscription, "id"))
        }
        None => sign_up(state, person)?,
    };
    match story {
        Story::SignsUp => {}
        Story::RenewalFails => renew(state, &customer, &subscription, "pm_card_chargeCustomerFail")?,
        Story::Renews => {
            renew(state, &customer, &subscription, "pm_card_visa")?;
            pay_what_is_open(state, &subscription)?;
        }
        Story::Upgrades => upgrade(state, &subscription)?,
        Story::CancelsLater => {
            post(state, &format!("subscriptions/{subscription}"), "cancel_at_period_end=true")?;
        }
        Story::Cancels => {
            subscriptions::end(state, &subscription, "cancellation_requested")?;
        }
        Story::IsRefunded => refund(state, &customer)?,
    }
    let events = state.all("event").skip(before).map(|event| text(event, "type")).collect();
    Ok(Played { customer, subscription, events })
}

fn post(state: &mut State, path: &str, body: &str) -> Answer {
    ask(state, "POST", path, body)
}

/// One call of the API, by the account itself. `path` is what follows `/v1/`, `form` what a query or a body says.
pub(super) fn ask(state: &mut State, method: &str, path: &str, form: &str) -> Answer {
    let path = format!("v1/{path}");
    let segments: Vec<&str> = path.split('/').collect();
    router::call(state, method, &segments, &Params::new(form::tree(pairs(form))?))
}

fn sign_up(state: &mut State, person: &Person) -> Result<(String, String), ApiError> {
    let body =
        format!("name={}&email={}&payment_method=pm_card_visa", encode(&person.name), encode(&person.email));
    let customer = text(&post(state, "customers", &body)?, "id");
    let subscription = subscribe(state, &customer)?;
    Ok((customer, text(&subscription, "id")))
}

fn subscribe(state: &mut State, customer: &str) -> Answer {
    let price = plan(state, "team_monthly", "Team", 2000)?;
    let body = format!("customer={customer}&items[0][price]={price}&items[0][quantity]=5");
    post(state, "subscriptions", &body)
}

/// The price with this look-up key, made when it is first needed.
fn plan(state: &mut State, key: &str, name: &str, amount: i64) -> Result<String, ApiError> {
    if let Some(price) = state.all("price").find(|price| price["lookup_key"] == key) {
        return Ok(text(price, "id"));
    }
    let product = text(&post(state, "products", &format!("name={name}"))?, "id");
    let body = format!(
        "product={product}&currency=usd&unit_amount={amount}&recurring[interval]=month&lookup_key={key}&nickname={name}"
    );
    Ok(text(&post(state, "prices", &body)?, "id"))
}

/// Makes a test card the customer's own and lets a period end.
fn renew(state: &mut State, customer: &str, subscription: &str, card: &str) -> Result<(), ApiError> {
    let method = text(&payments::attach_to(state, card, customer)?, "id");
    post(
        state,
        &format!("customers/{customer}"),
        &format!("invoice_settings[default_payment_method]={method}"),
    )?;
    subscriptions::renew(state, subscription).map(drop)
}

fn pay_what_is_open(state: &mut State, subscription: &str) -> Result<(), ApiError> {
    let open: Vec<String> = state
        .all("invoice")
        .filter(|invoice| invoice["status"] == "open")
        .filter(|invoice| invoice["parent"]["subscription_details"]["subscription"] == subscription)
        .map(|invoice| text(invoice, "id"))
        .collect();
    open.iter().try_for_each(|id| post(state, &format!("invoices/{id}/pay"), "").map(drop))
}

fn upgrade(state: &mut State, subscription: &str) -> Result<(), ApiError> {
    let price = plan(state, "business_monthly", "Business", 4900)?;
    let item = text(&state.get("subscription", subscription)?["items"]["data"][0], "id");
    let body = format!(
        "items[0][id]={item}&items[0][price]={price}&items[0][quantity]=12&proration_behavior=always_invoice"
    );
    post(state, &format!("subscriptions/{subscription}"), &body).map(drop)
}

fn refund(state: &mut State, customer: &str) -> Result<(), ApiError> {
    let paid = |charge: &&Json| {
        charge["customer"] == customer && charge["paid"] == true && charge["refunded"] == false
    };
    let charge = state.all("charge").rev().find(paid).map(|charge| text(charge, "id"));
    let charge = charge.ok_or_else(|| ApiError::invalid("This customer has no payment to give back."))?;
    post(state, "refunds", &format!("charge={charge}&reason=requested_by_customer"))?;
    Ok(())
}

impl Person {
    /// A person by name and e-mail.
    pub fn new(name: &str, email: &str) -> Self {
        Self { name: name.to_owned(), email: email.to_owned() }
    }
}
