//! What the simulated portal holds.

use indexmap::IndexMap;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Map, Value as Json};

use super::events::Outbox;
use super::fields::{Field, Fields};
use super::limits::{Bucket, Operating};
use super::params::text;
use super::tasks::Tasks;
use super::users::People;
use crate::clock::SharedClock;
use crate::sandbox::calls::Counts;

/// A portal with more records than this is answered 503: a runaway loop must not eat the machine.
const RECORDS_MAX: usize = 200_000;

/// The user whose webhook calls.
pub(super) const CALLER: u64 = 1;

/// A record: its fields by name.
pub(super) type Record = Map<String, Json>;

#[derive(Debug)]
pub(super) struct Portal {
    pub(super) clock: SharedClock,
    pub(super) fields: Fields,
    /// Records by kind and id, oldest first.
    pub(super) records: IndexMap<String, IndexMap<u64, Record>>,
    pub(super) people: People,
    pub(super) tasks: Tasks,
    pub(super) bucket: Bucket,
    pub(super) operating: Operating,
    pub(super) counts: Counts,
    pub(super) outbox: Outbox,
    last_id: IndexMap<String, u64>,
}

impl Portal {
    pub(super) fn new(clock: SharedClock, outbox: Outbox) -> Self {
        let mut portal = Self {
            bucket: Bucket::new(&clock),
            operating: Operating::default(),
            clock,
            fields: Fields::default(),
            records: IndexMap::new(),
            people: People::default(),
            tasks: Tasks::default(),
            counts: Counts::default(),
            outbox,
            last_id: IndexMap::new(),
        };
        portal.furnish();
        portal
    }

    /// What the examples expect of a portal: trainers, groups of members, fields for the subscription.
    fn furnish(&mut self) {
        for (first, last, email) in [
            ("Portal", "Admin", "admin@club.example"),
            ("Yara", "Yoga", "yara@club.example"),
            ("Bo", "Boxing", "bo@club.example"),
        ] {
            self.people.employ(first, last, email);
        }
        for (id, name, owner) in [(15, "Yoga members", 2), (16, "Boxing members", 3)] {
            self.people.found(id, name, owner);
        }
        let options = ["Active", "Trial", "Overdue", "Ended"];
        self.declare("contact", "UF_CRM_SUBSCRIPTION", "enumeration", &options);
        self.declare("contact", "UF_CRM_PLAN", "string", &[]);
        self.declare("contact", "UF_CRM_PAID_UNTIL", "date", &[]);
    }

    /// Adds a field of the portal's own; false when there is one of that name.
    pub(super) fn declare(&mut self, kind: &str, name: &str, of: &str, options: &[&str]) -> bool {
        let options = options.iter().map(|text| (self.next("option", 44), (*text).to_owned())).collect();
        let field = Field { kind: of.to_owned(), read_only: false, custom: true, multiple: false, options };
        self.fields.declare(kind, name, field)
    }

    /// The next id of a kind, which begins above `base`.
    pub(super) fn next(&mut self, kind: &str, base: u64) -> u64 {
        let last = self.last_id.entry(kind.to_owned()).or_insert(base);
        *last += 1;
        *last
    }

    /// The present moment as records bear it: to the second, with the portal's offset.
    pub(super) fn now(&self) -> String {
        let zone = TimeZone::fixed(OFFSET);
        self.clock.now().to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    pub(super) fn of(&self, kind: &str) -> impl Iterator<Item = (u64, &Record)> {
        self.records.get(kind).into_iter().flatten().map(|(id, record)| (*id, record))
    }

    pub(super) fn record(&self, kind: &str, id: u64) -> Option<&Record> {
        self.records.get(kind)?.get(&id)
    }

    pub(super) fn put(&mut self, kind: &str, id: u64, record: Record) {
        self.records.entry(kind.to_owned()).or_default().insert(id, record);
    }

    /// Whether another record can be kept.
    pub(super) fn is_full(&self) -> bool {
        self.records.values().map(IndexMap::len).sum::<usize>() >= RECORDS_MAX
    }

    pub(super) fn created(&mut self, kind: &str) {
        self.counts.writes += 1;
        *self.counts.creates.entry(kind.to_owned()).or_default() += 1;
    }

    pub(super) fn changed(&mut self) {
        self.counts.writes += 1;
    }
}

/// The portal is two hours ahead: dates come with it.
pub(super) const OFFSET: Offset = jiff::tz::offset(2);

/// A date as the portal gives it: its midnight there.
pub(super) fn date(value: &Json) -> Json {
    let written = text(value);
    match written.get(..10) {
        Some(day) if day.parse::<jiff::civil::Date>().is_ok() => {
            Json::String(format!("{day}T00:00:00+02:00"))
        }
        _ => Json::String(String::new()),
    }
}
