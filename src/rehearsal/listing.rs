//! Polls of a pipeline test: listings one after another, each record compared with what the listing before had.
//!
//! What is new, changed, shared or gone is decided by the same functions as in production; here everything is in memory, and
//! there was a poll before the first one, which found nothing.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::case::{Rehearsal, told};
use super::event::EventError;
use crate::config::Gone;
use crate::config::test_file::{ExpectedOutcome, PollCase};
use crate::expr::time_of;
use crate::poll::Digest;
use crate::poll::{self, Group, Occasion};
use crate::project::Schedule;
use crate::steps::{ClientFacts, Ending, Listing};
use crate::value::{Map, Value};

/// What came of a record that was listed, or is not listed any more.
#[derive(Debug, Clone)]
pub(super) struct RecordResult {
    /// How its run ended; `unchanged` when it started none.
    pub(super) outcome: ExpectedOutcome,
    /// Why, where the ending has words.
    pub(super) reason: Option<String>,
    /// The records among which a person has to choose.
    pub(super) candidates: Vec<Value>,
}

/// What was seen of a record.
struct Seen {
    digest: Digest,
    value: Value,
    /// The group that keeps it back.
    group: Option<Digest>,
    /// False when its last run died or met a conflict.
    done: bool,
}

/// The polls of a case.
pub(super) struct Polls<'a> {
    rehearsal: Rehearsal<'a>,
    schedule: &'a Schedule,
    listing: &'a Listing,
    facts: ClientFacts,
    seen: IndexMap<Arc<str>, Seen>,
    runs: usize,
}

/// The records that others keep back, each with its group and the candidates.
type KeptBack = IndexMap<Arc<str>, (Group, Vec<Value>)>;

/// A record of a listing.
struct Item {
    id: Arc<str>,
    value: Value,
}

impl<'a> Polls<'a> {
    pub(super) fn new(rehearsal: Rehearsal<'a>, schedule: &'a Schedule, listing: &'a Listing) -> Self {
        let facts = rehearsal.facts();
        Self { rehearsal, schedule, listing, facts, seen: IndexMap::new(), runs: 0 }
    }

    /// One poll; gives what came of each record, in the order of the listing.
    pub(super) async fn poll(
        &mut self,
        case: &PollCase,
        now: Timestamp,
    ) -> Result<IndexMap<Arc<str>, RecordResult>, EventError> {
        let items = self.items(&case.listing)?;
        let groups = self.groups(&items, now)?;
        let mut results = IndexMap::new();
        for item in &items {
            let result = match groups.get(&item.id) {
                Some((group, candidates)) => self.kept_back(item, group, candidates),
                None => self.listed(item, now).await,
            };
            results.insert(Arc::clone(&item.id), result);
        }
        if self.listing.since.is_none() {
            results.extend(self.gone(&items, now).await);
        }
        Ok(results)
    }

    fn items(&self, listing: &[IndexMap<String, Value>]) -> Result<Vec<Item>, EventError> {
        let mut items = Vec::with_capacity(listing.len());
        for record in listing {
            let value: Map = record.iter().map(|(key, value)| (key.as_str().into(), value.clone())).collect();
            let value = Value::from(value);
            let id = self.listing.id_of(&value).ok_or_else(|| EventError::NoId {
                field: self.listing.id_field().to_owned(),
                object: self.listing.target().to_string(),
            })?;
            items.push(Item { id, value });
        }
        Ok(items)
    }

    fn groups(&self, items: &[Item], now: Timestamp) -> Result<KeptBack, EventError> {
        let mut kept_back = KeptBack::new();
        let Some(unique) = &self.listing.unique else { return Ok(kept_back) };
        let mut shared: IndexMap<Digest, Vec<(&Item, Value)>> = IndexMap::new();
        for item in items {
            let value = unique.value(&item.value, &self.facts, now);
            let value = value.map_err(|error| EventError::Unique(error.to_string()))?;
            if let Some(key) = poll::key(&value, unique.compared) {
                shared.entry(key).or_default().push((item, value));
            }
        }
        for members in shared.into_values().filter(|members| members.len() > 1) {
            let made =
                |item: &Item| time_of(item.value.get(self.listing.created_field()?)?, &self.facts.zone);
            let dated = members.iter().map(|(item, _)| (made(item), Arc::clone(&item.id)));
            let group = poll::grouped(dated.collect(), unique.keep);
            let value_of = |record: &Arc<str>| {
                members.iter().find(|(item, _)| item.id == *record).map(|(_, value)| value.clone())
            };
            let target = self.listing.target().to_string();
            let candidates = poll::candidates(&group, &target, value_of);
            for (item, _) in &members {
                if group.kept.as_ref() != Some(&item.id) {
                    kept_back.insert(Arc::clone(&item.id), (group.clone(), candidates.clone()));
                }
            }
        }
        Ok(kept_back)
    }

    fn kept_back(&mut self, item: &Item, group: &Group, candidates: &[Value]) -> RecordResult {
        let reason = poll::shared_reason(&self.listing.target().to_string());
        self.see(item, Some(group.digest), true);
        RecordResult {
            outcome: ExpectedOutcome::Conflict,
            reason: Some(reason),
            candidates: candidates.to_vec(),
        }
    }

    async fn listed(&mut self, item: &Item, now: Timestamp) -> RecordResult {
        let digest = poll::digest(&item.value);
        let each_time = !self.schedule.only_changed && self.listing.since.is_none();
        let (previous, same) = match self.seen.get(&item.id) {
            None => (Value::Null, false),
            Some(seen) if seen.digest != digest => (poll::difference(&seen.value, &item.value), false),
            Some(seen) => {
                let previous = poll::difference(&seen.value, &item.value);
                (previous, seen.done && seen.group.is_none() && !each_time)
            }
        };
        if same {
            return RecordResult {
                outcome: ExpectedOutcome::Unchanged,
                reason: None,
                candidates: Vec::new(),
            };
        }
        let created = self.listing.since.as_ref();
        let created = created.and_then(|(field, _)| time_of(item.value.get(field)?, &self.facts.zone));
        let result = self.run(&item.id, item.value.clone(), previous, created.unwrap_or(now), now).await;
        let done = !matches!(result.outcome, ExpectedOutcome::Dead | ExpectedOutcome::Conflict);
        self.see(item, None, done);
        result
    }

    async fn gone(&mut self, items: &[Item], now: Timestamp) -> Vec<(Arc<str>, RecordResult)> {
        let is_gone = |id: &Arc<str>| items.iter().all(|item| item.id != *id);
        let gone: Vec<Arc<str>> = self.seen.keys().filter(|id| is_gone(id)).cloned().collect();
        let mut results = Vec::new();
        for id in gone {
            let Some(seen) = self.seen.shift_remove(&id) else { continue };
            if self.schedule.gone == Gone::Run {
                let result = self.run(&id, Value::Null, seen.value, now, now).await;
                results.push((id, result));
            }
        }
        results
    }

    fn see(&mut self, item: &Item, group: Option<Digest>, done: bool) {
        let (digest, value) = (poll::digest(&item.value), item.value.clone());
        self.seen.insert(Arc::clone(&item.id), Seen { digest, value, group, done });
    }

    async fn run(
        &mut self,
        id: &Arc<str>,
        object: Value,
        previous: Value,
        created: Timestamp,
        now: Timestamp,
    ) -> RecordResult {
        self.runs += 1;
        let occasion = Occasion { record: Some(Arc::clone(id)), object, previous, created };
        let event = poll::listed(&format!("listed-{}", self.runs).into(), &occasion);
        let run = format!("run-{}", self.runs);
        let ending = self.rehearsal.run(run.into(), Arc::new(event), now).await;
        let candidates = match &ending {
            Ending::Conflict { candidates, .. } => candidates.clone(),
            _ => Vec::new(),
        };
        let (outcome, reason) = told(ending);
        RecordResult { outcome, reason, candidates }
    }
}
