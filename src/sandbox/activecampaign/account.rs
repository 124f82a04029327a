//! What the simulated account holds.

use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::graphql::Pending;
use crate::clock::SharedClock;
use crate::sandbox::calls::Counts;

/// An account with more records than this is answered 503: a runaway loop must not eat the machine.
const RECORDS_MAX: usize = 200_000;

/// The account's own zone, which all its times are told in.
const OFFSET: Offset = jiff::tz::offset(-6);

/// A record: its fields by name.
pub(super) type Record = Map<String, Json>;

#[derive(Debug)]
pub(super) struct Account {
    pub(super) clock: SharedClock,
    /// Records by kind and id, oldest first.
    records: IndexMap<&'static str, IndexMap<u64, Record>>,
    last_id: IndexMap<&'static str, u64>,
    pub(super) counts: Counts,
    /// What the GraphQL has taken and does not show yet, in the order in which it came.
    pub(super) pending: Vec<Pending>,
    /// How long it takes until it does.
    pub(super) lag: Duration,
    pub(super) receipts: u64,
    /// Orders that counted as bought now, and so started automations.
    pub(super) purchases: Vec<String>,
    /// Whether the plan includes deals and tasks.
    pub(super) deals: bool,
}

impl Account {
    pub(super) fn new(clock: SharedClock, lag: Duration) -> Self {
        let mut account = Self {
            clock,
            records: IndexMap::new(),
            last_id: IndexMap::new(),
            counts: Counts::default(),
            pending: Vec::new(),
            lag,
            receipts: 0,
            purchases: Vec::new(),
            deals: true,
        };
        account.furnish();
        account
    }

    /// What the examples expect of an account. Ids do not begin at 1, as in an account that has lived.
    fn furnish(&mut self) {
        for (title, perstag, kind) in [
            ("Stripe ID", "STRIPE_ID", "text"),
            ("Plan", "PLAN", "text"),
            ("Subscription status", "SUBSCRIPTION_STATUS", "dropdown"),
            ("Paid until", "PAID_UNTIL", "date"),
        ] {
            self.declare(title, perstag, kind);
        }
        self.furnish_with("list", &json!({"name": "Newsletter", "stringid": "newsletter"}));
        self.furnish_with("automation", &json!({"name": "Welcome", "status": "1"}));
        self.furnish_with("dealGroup", &json!({"title": "Sales", "currency": "usd"}));
        self.furnish_with("dealStage", &json!({"title": "To contact", "group": "1"}));
        self.furnish_with("dealTasktype", &json!({"title": "Call"}));
    }

    /// Adds a custom field; gives its id.
    pub(super) fn declare(&mut self, title: &str, perstag: &str, kind: &str) -> u64 {
        let options: Json = if kind == "dropdown" {
            ["Trial", "Active", "Overdue", "Paused", "Ended"].iter().map(|it| json!(it)).collect()
        } else {
            json!([])
        };
        self.furnish_with(
            "field",
            &json!({"title": title, "perstag": perstag, "type": kind, "isrequired": "0", "options": options}),
        )
    }

    /// A record that was there before: no write.
    fn furnish_with(&mut self, kind: &'static str, fields: &Json) -> u64 {
        let id = self.next(kind);
        let mut record = fields.as_object().cloned().unwrap_or_default();
        record.insert("id".to_owned(), json!(id.to_string()));
        self.records.entry(kind).or_default().insert(id, record);
        id
    }

    fn next(&mut self, kind: &'static str) -> u64 {
        // Nothing of an account may be taken for something else because their numbers happen to be equal.
        let first = match kind {
            "field" => 6,
            "tag" => 20,
            "contactTag" => 300,
            "ecomOrder" => 5_354,
            "dealGroup" | "dealStage" | "dealTasktype" | "list" | "automation" | "connection" => 0,
            _ => 9,
        };
        let last = self.last_id.entry(kind).or_insert(first);
        *last += 1;
        *last
    }

    /// The present moment as records bear it: to the second, in the account's zone.
    pub(super) fn stamp(&self) -> Json {
        stamp(self.clock.now())
    }

    /// Writes a new record; gives its id.
    pub(super) fn add(&mut self, kind: &'static str, mut record: Record) -> Result<u64, ApiError> {
        if self.records.values().map(IndexMap::len).sum::<usize>() >= RECORDS_MAX {
            return Err(ApiError::of_status(503));
        }
        let id = self.next(kind);
        record.insert("id".to_owned(), json!(id.to_string()));
        self.records.entry(kind).or_default().insert(id, record);
        self.counts.writes += 1;
        *self.counts.creates.entry(kind.to_owned()).or_default() += 1;
        Ok(id)
    }

    /// Lays fields over a record; false when there is none.
    pub(super) fn change(&mut self, kind: &str, id: u64, fields: Record) -> bool {
        let Some(record) = self.records.get_mut(kind).and_then(|records| records.get_mut(&id)) else {
            return false;
        };
        record.extend(fields);
        self.counts.writes += 1;
        true
    }

    /// Takes a record away; false when there is none.
    pub(super) fn remove(&mut self, kind: &str, id: u64) -> bool {
        let removed = self.records.get_mut(kind).and_then(|records| records.shift_remove(&id)).is_some();
        self.counts.writes += u64::from(removed);
        removed
    }

    pub(super) fn get(&self, kind: &str, id: u64) -> Option<&Record> {
        self.records.get(kind)?.get(&id)
    }

    /// The records of a kind, oldest first.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = (u64, &Record)> {
        self.records.get(kind).into_iter().flatten().map(|(id, record)| (*id, record))
    }

    /// The first record of a kind that fits.
    pub(super) fn first(&self, kind: &str, fits: impl Fn(&Record) -> bool) -> Option<u64> {
        self.all(kind).find(|(_, record)| fits(record)).map(|(id, _)| id)
    }

    /// All records, by kind.
    pub(super) fn everything(&self) -> Json {
        let kinds = self.records.iter().map(|(kind, records)| {
            ((*kind).to_owned(), records.values().cloned().map(Json::Object).collect())
        });
        Json::Object(kinds.collect())
    }
}

/// A moment as the account tells it.
pub(super) fn stamp(at: Timestamp) -> Json {
    json!(at.to_zoned(TimeZone::fixed(OFFSET)).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

/// A value as text: numbers and texts are one to ActiveCampaign.
pub(super) fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

/// A field of a record as text; empty when it is not there.
pub(super) fn text_of(record: &Record, name: &str) -> String {
    record.get(name).map(text).unwrap_or_default()
}

/// An id, written as a number or as a text.
pub(super) fn id_of(record: &Record, name: &str) -> Option<u64> {
    text_of(record, name).parse().ok()
}
