//! The account: its records, owners and what is kept of changes.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json, json};

use super::associations::Links;
use super::error::ApiError;
use super::events::Outbox;
use super::limits::Limits;
use super::schema::{Kind, Schema};
use crate::clock::SharedClock;
use crate::sandbox::calls::Counts;

/// A sandbox that runs for days stays small: further records are refused.
const RECORDS_MAX: usize = 200_000;

/// So many states of a record are remembered, for a search that lags.
const STATES_MAX: usize = 32;

/// Property -> value; HubSpot keeps all of them as text.
pub(super) type Properties = IndexMap<String, String>;

#[derive(Debug)]
pub(super) struct Account {
    pub(super) clock: SharedClock,
    pub(super) schema: Schema,
    pub(super) records: IndexMap<String, BTreeMap<u64, Record>>,
    pub(super) links: Links,
    pub(super) owners: Vec<Owner>,
    pub(super) limits: Limits,
    pub(super) outbox: Outbox,
    /// By how much the search is behind.
    pub(super) lag: SignedDuration,
    /// Where a search ends.
    pub(super) search_end: usize,
    pub(super) counts: Counts,
    /// Ids of contacts that were merged into others.
    pub(super) merged: BTreeMap<u64, u64>,
    last_id: u64,
}

/// A user to whom records belong.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) id: u64,
    pub(super) user: u64,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
}

#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) properties: Properties,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) archived: bool,
    /// What it was like, and since when; nothing: archived.
    states: Vec<(Timestamp, Option<Properties>)>,
}

impl Record {
    pub(super) fn new(id: u64, properties: Properties, now: Timestamp) -> Self {
        let states = vec![(now, Some(properties.clone()))];
        Self { id, properties, created: now, updated: now, archived: false, states }
    }

    /// Something was changed.
    pub(super) fn touch(&mut self, now: Timestamp) {
        self.updated = now;
        self.states.push((now, (!self.archived).then(|| self.properties.clone())));
        if self.states.len() > STATES_MAX {
            self.states.remove(0);
        }
    }

    /// What an index of that time knows of it.
    pub(super) fn as_of(&self, at: Timestamp) -> Option<&Properties> {
        self.states.iter().rev().find(|(since, _)| *since <= at)?.1.as_ref()
    }
}

impl Account {
    pub(super) fn new(clock: SharedClock, outbox: Outbox) -> Self {
        let mut account = Self {
            clock,
            schema: Schema::standard(),
            records: IndexMap::new(),
            links: Links::default(),
            owners: Vec::new(),
            limits: Limits::default(),
            outbox,
            lag: SignedDuration::ZERO,
            search_end: 10_000,
            counts: Counts::default(),
            merged: BTreeMap::new(),
            last_id: 500,
        };
        account.employ("Olga", "Owner", "olga@sandbox.example");
        account
    }

    pub(super) fn employ(&mut self, first_name: &str, last_name: &str, email: &str) -> u64 {
        let number = u64::try_from(self.owners.len()).unwrap_or_default();
        // A user's number is another one than the owner's: whoever takes one for the other is refused.
        let (id, user) = (77 + number, 4711 + number);
        let (first_name, last_name, email) = (first_name.into(), last_name.into(), email.into());
        self.owners.push(Owner { id, user, email, first_name, last_name });
        id
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.values().map(BTreeMap::len).sum::<usize>() >= RECORDS_MAX
    }

    pub(super) fn all(&self, kind: &str) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.get(kind).into_iter().flat_map(BTreeMap::values)
    }

    /// A record that is there and not archived.
    pub(super) fn living(&self, kind: &str, id: u64) -> Option<&Record> {
        let id = if kind == "contacts" { self.merged.get(&id).copied().unwrap_or(id) } else { id };
        self.records.get(kind)?.get(&id).filter(|record| !record.archived)
    }

    /// The record that an id, or a value of a unique property, means.
    pub(super) fn resolve(&self, kind: &str, id: &str, property: Option<&str>) -> Result<&Record, ApiError> {
        let Some(property) = property.filter(|property| *property != "hs_object_id") else {
            let number = id.parse().map_err(|_| ApiError::not_found())?;
            return self.living(kind, number).ok_or_else(ApiError::not_found);
        };
        let shape = self.schema.kind(kind)?.properties.get(property);
        if !shape.is_some_and(|shape| shape.has_unique_value) {
            return Err(ApiError::invalid(format!("Property \"{property}\" is not a unique property.")));
        }
        self.holder(kind, property, id).ok_or_else(ApiError::not_found)
    }

    /// Who has this value of a unique property. An e-mail address may be a further one of a contact.
    pub(super) fn holder(&self, kind: &str, property: &str, value: &str) -> Option<&Record> {
        let wanted = value.to_lowercase();
        let has = |record: &&Record, name: &str| {
            record.properties.get(name).is_some_and(|value| value.to_lowercase() == wanted)
        };
        let further = |record: &&Record| {
            let further = record.properties.get("hs_additional_emails");
            property == "email" && further.is_some_and(|all| all.split(';').any(|one| one == wanted))
        };
        let mut living = self.all(kind).filter(|record| !record.archived);
        living.find(|record| has(record, property) || further(record))
    }

    /// A record as it is told, with those of the `wanted` properties that there are and those that come unasked.
    pub(super) fn shown(kind: &Kind, record: &Record, properties: &Properties, wanted: &[String]) -> Json {
        let names = if wanted.is_empty() { &kind.shown[..] } else { wanted };
        let always = ["hs_object_id", kind.created.as_str(), kind.modified.as_str()].map(str::to_owned);
        let mut told = Map::new();
        for name in names.iter().chain(&always).filter(|name| kind.properties.contains_key(*name)) {
            told.insert(name.clone(), properties.get(name).map_or(Json::Null, |value| json!(value)));
        }
        json!({
            "id": record.id.to_string(),
            "properties": told,
            "createdAt": stamp(record.created),
            "updatedAt": stamp(record.updated),
            "archived": record.archived,
        })
    }
}

/// A moment as records bear it.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
