//! What the simulated org holds: records, sessions, open queries, counters.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::bulk::{QueryJob, Works};
use super::convert;
use super::duplicates::DuplicateRule;
use super::error::ApiError;
use super::id;
use super::oauth::Sessions;
use super::schema::{ObjectShape, Schema};
use crate::clock::SharedClock;
use crate::sandbox::calls::Counts;

/// An org with more records than this is answered 503: a runaway loop must not eat the machine.
const RECORDS_MAX: usize = 200_000;

/// One record: its fields by name, and whether it is in the recycle bin.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) fields: Map<String, Json>,
    pub(super) deleted: bool,
}

/// All records, by object and long id, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    by_object: IndexMap<String, IndexMap<String, Record>>,
    count: u64,
}

/// The org's records at one moment, to go back to.
pub(super) struct Mark(Records, Counts);

#[derive(Debug)]
pub(super) struct Org {
    pub(super) clock: SharedClock,
    pub(super) schema: Schema,
    pub(super) records: Records,
    pub(super) sessions: Sessions,
    pub(super) queries: HashMap<String, super::query::Open>,
    /// Query jobs of the Bulk API, and how they are worked on.
    pub(super) jobs: IndexMap<String, QueryJob>,
    pub(super) works: Works,
    pub(super) counts: Counts,
    pub(super) duplicate_rules: Vec<DuplicateRule>,
    /// Rows of one page of a query, when a test wants it shorter than what the client asks for.
    pub(super) page_length: Option<usize>,
    /// Calls of the last day, and how many are allowed.
    pub(super) usage: (u64, u64),
    /// Who owns what an assignment rule assigned.
    pub(super) assignee: String,
    /// The integration user, who owns what nobody is named for.
    pub(super) user: String,
}

impl Org {
    pub(super) fn new(clock: SharedClock, sessions: Sessions) -> Self {
        let mut org = Self {
            clock,
            schema: Schema::standard(),
            records: Records::default(),
            sessions,
            queries: HashMap::new(),
            jobs: IndexMap::new(),
            works: Works { questions: 1, failure: None },
            counts: Counts::default(),
            duplicate_rules: Vec::new(),
            page_length: None,
            usage: (0, 15_000),
            assignee: String::new(),
            user: String::new(),
        };
        org.user = org.person("Integration", "User", "integration@sandbox.example");
        org.assignee = org.person("Queue", "Owner", "assigned@sandbox.example");
        org
    }

    /// A user, and its id.
    pub(super) fn person(&mut self, first: &str, last: &str, email: &str) -> String {
        let id = id::make("005", self.records.next());
        let now = self.stamp_now();
        let fields = json!({"Id": id, "FirstName": first, "LastName": last, "Name": format!("{first} {last}"),
            "Email": email, "Username": email, "Alias": "user", "IsActive": true, "UserType": "Standard",
            "CreatedDate": now, "LastModifiedDate": now, "SystemModstamp": now});
        if let Json::Object(fields) = fields {
            self.records.put("User", id.clone(), Record { fields, deleted: false });
        }
        id
    }

    /// The present moment as records bear it: to the second.
    pub(super) fn stamp_now(&self) -> String {
        let now = self.clock.now();
        convert::datetime(jiff::Timestamp::from_second(now.as_second()).unwrap_or(now))
    }

    /// The object of this name, or Salesforce's words for none.
    pub(super) fn shape(&self, name: &str) -> Result<&ObjectShape, ApiError> {
        self.schema.object(name).ok_or_else(ApiError::not_found)
    }

    /// Remembers how things are, for a call that is all or none.
    pub(super) fn mark(&self, all_or_none: bool) -> Option<Mark> {
        all_or_none.then(|| Mark(self.records.clone(), self.counts.clone()))
    }

    /// Makes undone what happened since.
    pub(super) fn go_back(&mut self, Mark(records, counts): Mark) {
        self.records = records;
        self.counts = counts;
    }

    /// Whether another record can be kept.
    pub(super) fn room(&self) -> Result<(), ApiError> {
        let full = self.records.by_object.values().map(IndexMap::len).sum::<usize>() >= RECORDS_MAX;
        if full { Err(ApiError::of_status(503)) } else { Ok(()) }
    }
}

impl Records {
    /// The next number for an id.
    pub(super) fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub(super) fn put(&mut self, object: &str, id: String, record: Record) {
        self.by_object.entry(object.to_owned()).or_default().insert(id, record);
    }

    /// The record, deleted or not.
    pub(super) fn get(&self, object: &str, id: &str) -> Option<&Record> {
        self.by_object.get(object)?.get(id)
    }

    /// The record, which is not deleted.
    pub(super) fn live(&self, object: &str, id: &str) -> Option<&Record> {
        self.get(object, id).filter(|record| !record.deleted)
    }

    pub(super) fn get_mut(&mut self, object: &str, id: &str) -> Option<&mut Record> {
        self.by_object.get_mut(object)?.get_mut(id)
    }

    /// All records of an object, oldest first.
    pub(super) fn all(&self, object: &str) -> impl Iterator<Item = &Record> {
        self.by_object.get(object).into_iter().flat_map(IndexMap::values)
    }

    /// What is not deleted, by object.
    pub(super) fn everything(&self) -> Json {
        let objects = self.by_object.iter().map(|(name, records)| {
            let live = records.values().filter(|record| !record.deleted);
            (name.clone(), live.map(|record| Json::Object(record.fields.clone())).collect())
        });
        Json::Object(objects.collect())
    }
}
