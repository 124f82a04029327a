//! Deals, tasks and notes. Deals and tasks are an add-on: without it they are refused.

use serde_json::{Value as Json, json};

use super::account::{Account, Record, id_of, text, text_of};
use super::contacts::SUBSCRIBER;
use super::error::ApiError;
use super::page::{Times, fits, page};
use crate::sandbox::reply::Request;

impl Account {
    /// Refuses what the plan does not include.
    pub(super) fn has_deals(&self) -> Result<(), ApiError> {
        if self.deals { Ok(()) } else { Err(ApiError::forbidden("Your plan does not include this feature")) }
    }

    /// `GET /deals`.
    pub(super) fn deals(&self, request: &Request) -> Json {
        let known = ["title", "stage", "group", "status", "contact"];
        let times = Times::of(request, "mdate");
        let fits = |deal: &Record| fits(request, &known, deal) && times.hold(deal);
        page(request, "deals", self.all("deal").filter(|(_, deal)| fits(deal)).map(|(_, deal)| deal))
    }

    /// `POST /deals`. The value is in cents and is told as a text, the currency in lower case.
    pub(super) fn add_deal(&mut self, given: &Record) -> Result<u64, ApiError> {
        for field in ["title", "value", "currency", "group", "owner"] {
            if text_of(given, field).is_empty() {
                return Err(ApiError::missing_field(field));
            }
        }
        if text_of(given, "currency") != text_of(given, "currency").to_lowercase() {
            return Err(ApiError::invalid("Currency is not valid", "invalid", "currency"));
        }
        let mut deal = texts(given);
        let now = self.stamp();
        deal.entry("status").or_insert(json!("0"));
        deal.extend([("cdate".to_owned(), now.clone()), ("mdate".to_owned(), now)]);
        self.add("deal", deal)
    }

    /// `PUT /deals/{id}`.
    pub(super) fn change_deal(&mut self, id: u64, given: &Record) -> Result<(), ApiError> {
        let mut changes = texts(given);
        changes.insert("mdate".to_owned(), self.stamp());
        if self.change("deal", id, changes) {
            Ok(())
        } else {
            Err(ApiError::no_result("Deal", &id.to_string()))
        }
    }

    /// `POST /notes`, on a contact, a deal or an account.
    pub(super) fn add_note(&mut self, given: &Record) -> Result<u64, ApiError> {
        let on = id_of(given, "relid").unwrap_or_default();
        let known = match text_of(given, "reltype").as_str() {
            "Subscriber" => self.get("contact", on).is_some(),
            "Deal" => self.get("deal", on).is_some(),
            "Activity" | "DealTask" | "CustomerAccount" => true,
            _ => return Err(ApiError::invalid("The relation type is not valid", "invalid", "reltype")),
        };
        if !known {
            return Err(ApiError::no_result(SUBSCRIBER, &text_of(given, "relid")));
        }
        if text_of(given, "note").is_empty() {
            return Err(ApiError::missing_field("note"));
        }
        let mut note = texts(given);
        note.insert("cdate".to_owned(), self.stamp());
        self.add("note", note)
    }

    /// `POST /dealTasks`: of a deal, unless it says that it is a contact's.
    pub(super) fn add_task(&mut self, given: &Record) -> Result<u64, ApiError> {
        for field in ["relid", "duedate", "dealTasktype"] {
            if text_of(given, field).is_empty() {
                return Err(ApiError::missing_field(field));
            }
        }
        let owner = if text_of(given, "ownerType") == "contact" { "contact" } else { "deal" };
        if id_of(given, "relid").is_none_or(|id| self.get(owner, id).is_none()) {
            return Err(ApiError::no_result(owner, &text_of(given, "relid")));
        }
        let mut task = texts(given);
        task.insert("ownerType".to_owned(), json!(owner));
        self.add("dealTask", task)
    }
}

/// Fields as they come back: numbers are texts.
fn texts(given: &Record) -> Record {
    given
        .iter()
        .map(|(name, value)| {
            let value =
                if value.is_object() || value.is_array() { value.clone() } else { json!(text(value)) };
            (name.clone(), value)
        })
        .collect()
}
