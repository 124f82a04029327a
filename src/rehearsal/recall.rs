//! What systems held when a run was carried out, put together from what is kept of the run.
//!
//! What a run has read is not kept as such. Its journal has what later branches needed, and its audit what each field was
//! before; the rest is found by carrying the event out again: a record that the run must have found is put where it looked, a
//! field that it must have read gets the value that it wrote from it, and what it did not have to write was so already. Of all
//! that could be, the one that explains most of what was done is taken, step by step. A run that stays unexplained is told as
//! one, and never compared.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::compare::head;
use super::crm::{ObjectName, Write};
use super::event::Occasion;
use super::expect::word;
use super::plan::creates;
use super::replay::{Played, Records, play};
use super::witness::{Asked, By, Made};
use crate::config::test_file::ExpectedOutcome;
use crate::project::{Client, Pipeline};
use crate::steps::{AuditEntry, FieldChange, same};
use crate::value::{Map, Value};

/// The label of what the trigger reads.
pub(super) const TRIGGER: &str = "trigger";

/// How often an event is carried out again at most, to find out what was there.
const PLAYED_MAX: usize = 120;

/// What is kept of a run.
#[derive(Debug, Clone, Default)]
pub struct KeptRun {
    /// How it ended; nothing where that tells nothing of what it read.
    pub outcome: Option<ExpectedOutcome>,
    /// What its journalled calls gave.
    pub given: Vec<Value>,
    /// What it changed, in order.
    pub changes: Vec<AuditEntry>,
    /// The records among which a person has to choose.
    pub candidates: Vec<Value>,
}

/// What is known of what a run has read.
#[derive(Debug, Clone)]
pub enum Recalled {
    /// Enough to carry it out again.
    Known(Was),
    /// It was skipped before its first step: its event was stale, or an echo.
    NeverBegan,
    /// Too little: why it cannot be carried out again.
    Lost(String),
}

/// What systems held, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Was {
    /// The records.
    pub records: Records,
    /// Paths that were read, and of which it is not known what was there.
    pub doubtful: BTreeSet<String>,
}

/// An event and the run that it started.
pub struct Story<'a> {
    /// The client.
    pub client: &'a Client,
    /// The pipeline as it was for the run.
    pub pipeline: &'a Pipeline,
    /// The event.
    pub occasion: &'a Occasion,
    /// When the run began.
    pub now: Timestamp,
    /// What is kept of the run.
    pub kept: &'a KeptRun,
}

/// Records that may have been there, and what they may have held.
type Guess = Vec<(ObjectName, Arc<str>, Map)>;

/// What was changed, each with what is written in its place now; and what is written now beside that.
type Pairs<'a> = (Vec<(&'a AuditEntry, Option<&'a Made>)>, Vec<&'a Made>);

/// What the event comes to over these records.
struct Attempt {
    records: Records,
    played: Played,
    score: i64,
}

impl Story<'_> {
    /// Puts together what the systems held.
    pub async fn recall(&self) -> Recalled {
        let mut best = self.attempt(self.told()).await;
        let mut left = PLAYED_MAX;
        while left > 0 && !self.explains(&best.played) {
            let mut better: Option<Attempt> = None;
            for guess in self.guesses(&best).into_iter().take(left) {
                left -= 1;
                let mut records = best.records.clone();
                for (name, id, fields) in guess {
                    self.record(&mut records, &name, &id).extend(fields);
                }
                let tried = self.attempt(records).await;
                if tried.score > better.as_ref().map_or(best.score, |better| better.score) {
                    better = Some(tried);
                }
            }
            match better {
                Some(better) => best = better,
                None => break,
            }
        }
        let mut gaps = self.gaps(&best.played);
        // What died or goes on tells by its end nothing of what it found.
        let lost = |asked: &&Asked| asked.count == 0 && !creates(&asked.step);
        if self.kept.outcome.is_none()
            && let Some(asked) = best.played.asked.iter().find(lost)
        {
            gaps.push(format!("it came to no end of its own, and what {} found is not kept", asked.step));
        }
        let never_began = self.kept.given.is_empty() && self.kept.changes.is_empty();
        match gaps.into_iter().next() {
            None => Recalled::Known(Was { doubtful: self.doubtful(&best.played), records: best.records }),
            // A look-up on which a skip hangs is in the journal, and a condition on the event is as false now as it was then.
            Some(_) if self.kept.outcome == Some(ExpectedOutcome::Skipped) && never_began => {
                Recalled::NeverBegan
            }
            Some(gap) => Recalled::Lost(gap),
        }
    }

    /// Carries the event out over these records, and over those with what the run did not have to write.
    async fn attempt(&self, records: Records) -> Attempt {
        let first = self.play(records).await;
        match self.settled(&first) {
            Some(records) => {
                let again = self.play(records).await;
                if again.score > first.score { again } else { first }
            }
            None => first,
        }
    }

    async fn play(&self, records: Records) -> Attempt {
        let played = play(self.client, self.pipeline, self.occasion, self.now, &records).await;
        Attempt { score: self.score(&played), records, played }
    }

    /// The records that journal, audit and conflict tell of.
    fn told(&self) -> Records {
        let mut records = Records::new();
        for given in &self.kept.given {
            let was_there = |word| matches!(word, "found" | "unchanged" | "updated" | "deleted");
            if given.get("outcome").and_then(Value::as_str).is_some_and(was_there) {
                self.tell(&mut records, given);
            }
        }
        for candidate in &self.kept.candidates {
            self.tell(&mut records, candidate);
        }
        // From the last change to the first: what was before the first of several is what was there.
        for entry in self.kept.changes.iter().rev() {
            let (Some(id), "update" | "delete" | "link" | "unlink") = (&entry.record, entry.verb) else {
                continue;
            };
            if self.has_created(id) {
                continue;
            }
            let name = (Arc::clone(&entry.connection), Arc::clone(&entry.object));
            let record = self.record(&mut records, &name, id);
            for change in entry.changes.iter().filter(|_| entry.verb == "update") {
                if change.before.is_nothing() {
                    record.shift_remove(&change.field);
                } else {
                    record.insert(Arc::clone(&change.field), change.before.clone());
                }
            }
        }
        records
    }

    fn has_created(&self, id: &Arc<str>) -> bool {
        self.kept.changes.iter().any(|entry| entry.verb == "create" && entry.record.as_ref() == Some(id))
    }

    fn tell(&self, records: &mut Records, given: &Value) {
        let text = |key: &str| given.get(key).and_then(Value::to_text);
        let (Some(object), Some(id)) = (text("object"), text("id")) else { return };
        let Some((connection, object)) = object.split_once('.') else { return };
        if self.has_created(&id) {
            return;
        }
        let record = self.record(records, &(connection.into(), object.into()), &id);
        let said = given.get("record").and_then(Value::as_map).into_iter().flatten();
        record.extend(said.map(|(name, value)| (Arc::clone(name), value.clone())));
    }

    /// The record of this id, which is made where it is not there.
    fn record<'b>(&self, records: &'b mut Records, name: &ObjectName, id: &Arc<str>) -> &'b mut Map {
        let of: &mut IndexMap<_, _> = records.entry(name.clone()).or_default();
        of.entry(Arc::clone(id))
            .or_insert_with(|| Map::from_iter([(self.id_field(name), Value::from(Arc::clone(id)))]))
    }

    fn id_field(&self, (connection, object): &ObjectName) -> Arc<str> {
        let connection = self.client.connections.get(connection);
        let facts = connection.and_then(|it| it.manifest.abilities().object(object));
        facts.map(|facts| Arc::clone(&facts.id)).filter(|id| !id.is_empty()).unwrap_or_else(|| "id".into())
    }

    /// What may have been there besides, and would explain a question that found nothing or a value that was read.
    fn guesses(&self, attempt: &Attempt) -> Vec<Guess> {
        let mut guesses = Vec::new();
        for asked in attempt.played.asked.iter().filter(|asked| asked.count == 0) {
            let name = (Arc::clone(&asked.connection), Arc::clone(&asked.object));
            match &asked.by {
                By::Id(id) => guesses.push(vec![(name, Arc::clone(id), Map::new())]),
                By::Identity(identity) => {
                    guesses.extend(self.found_by(&name, identity, asked, attempt));
                }
                By::Filter(_) => {}
            }
        }
        guesses.extend(self.fields_read(&attempt.played));
        guesses
    }

    /// Records that the question may have found: those that are known, each and all of them, or one that is not.
    fn found_by(&self, name: &ObjectName, identity: &Map, asked: &Asked, attempt: &Attempt) -> Vec<Guess> {
        let there = attempt.records.get(name).into_iter().flatten();
        let could_be = there.filter(|(_, record)| identity.keys().all(|field| !record.contains_key(field)));
        let with = |id: &Arc<str>| (name.clone(), Arc::clone(id), identity.clone());
        let known: Vec<_> = could_be.map(|(id, _)| with(id)).collect();
        let mut guesses: Vec<Guess> = known.iter().map(|one| vec![one.clone()]).collect();
        if known.len() > 1 {
            guesses.push(known);
        }
        if let Some(id) = self.id_found_by(asked, &attempt.played) {
            guesses.push(vec![with(&id)]);
        }
        let count = attempt.records.get(name).map_or(0, IndexMap::len);
        guesses.push(vec![with(&format!("{}-kept-{}", asked.object, count + 1).into())]);
        guesses
    }

    /// The id of what a step has found, where a later step wrote it.
    fn id_found_by(&self, asked: &Asked, played: &Played) -> Option<Arc<str>> {
        let path = format!("steps.{}.id", step_id(&asked.step)?);
        self.read_of(played).find(|(read, _)| *read == path).and_then(|(_, value)| value.to_text())
    }

    /// Fields of records that were read, with the values that were written from them.
    fn fields_read(&self, played: &Played) -> Vec<Guess> {
        let guess = |(path, value): (&str, Value)| {
            let (step, field) = match path.strip_prefix("steps.") {
                Some(path) => path.split_once(".record.").map(|(step, field)| (Some(step), field))?,
                // What the trigger's `read` gave.
                None => (None, path.strip_prefix("object.")?),
            };
            let of_step = |asked: &&Asked| {
                let is_it = step.map_or(&*asked.step == TRIGGER, |step| step_id(&asked.step) == Some(step));
                is_it && asked.found.is_some()
            };
            let asked = played.asked.iter().rfind(of_step).filter(|_| !field.contains(['.', '[']))?;
            let name = (Arc::clone(&asked.connection), Arc::clone(&asked.object));
            Some(vec![(name, asked.found.clone()?, Map::from_iter([(Arc::from(field), value)]))])
        };
        self.read_of(played).filter_map(guess).collect()
    }

    /// What was written from one path in which there is nothing now: the path, and the value that was written.
    fn read_of<'b>(&'b self, played: &'b Played) -> impl Iterator<Item = (&'b str, Value)> {
        self.kept.changes.iter().flat_map(move |entry| {
            entry.changes.iter().filter_map(move |change| {
                let is_it = |field: &Arc<str>| *field == change.field;
                let mut of_step = played.evaluated.iter().filter(|it| it.step == entry.step);
                // What a modifier has made of a value does not tell the value.
                let it = of_step.find(|it| it.is_plain && it.field.as_ref().is_some_and(is_it))?;
                let (path, _) = it.reads.iter().find(|(_, value)| value.is_nothing())?;
                Some((path.as_str(), change.after.clone()))
            })
        })
    }

    /// The records with what is written now and was not written then: it was so already.
    fn settled(&self, attempt: &Attempt) -> Option<Records> {
        let (pairs, extra) = self.pairs(&attempt.played);
        let mut settled = None;
        let mut was_so = |made: &Made, changes: &[FieldChange]| {
            let Write { verb: "update", connection, object, id: Some(id), fields, .. } = &made.write else {
                return;
            };
            let name = (Arc::clone(connection), Arc::clone(object));
            let written = |field: &Arc<str>| changes.iter().any(|change| change.field == *field);
            let more: Vec<_> = fields.iter().filter(|(field, _)| !written(field)).collect();
            if more.is_empty() || attempt.records.get(&name).is_none_or(|of| !of.contains_key(id)) {
                return;
            }
            let records = settled.get_or_insert_with(|| attempt.records.clone());
            let record = self.record(records, &name, id);
            record.extend(more.into_iter().map(|(field, value)| (Arc::clone(field), value.clone())));
        };
        for (entry, made) in &pairs {
            if let Some(made) = made {
                was_so(made, &entry.changes);
            }
        }
        for made in extra {
            was_so(made, &[]);
        }
        settled
    }

    fn pairs<'b>(&'b self, played: &'b Played) -> Pairs<'b> {
        let mut left: Vec<&Made> = played.made.iter().collect();
        let wrote = |entry: &&AuditEntry| entry.verb != "update" || !entry.changes.is_empty();
        let pair = |entry: &'b AuditEntry| {
            let alike = |made: &&Made| {
                made.write.verb == entry.verb
                    && made.write.connection == entry.connection
                    && made.write.object == entry.object
            };
            let own = left.iter().position(|made| alike(made) && made.step == entry.step);
            let place = own.or_else(|| left.iter().position(alike));
            (entry, place.map(|place| left.remove(place)))
        };
        let pairs = self.kept.changes.iter().filter(wrote).map(pair).collect();
        (pairs, left)
    }

    /// How much of what was done is explained.
    fn score(&self, played: &Played) -> i64 {
        let mut score = if self.kept.outcome == Some(played.outcome) { 1_000 } else { 0 };
        let (pairs, extra) = self.pairs(played);
        for (entry, made) in pairs {
            let Some(Made { write, .. }) = made else {
                score -= 50;
                continue;
            };
            score += 100;
            for change in &entry.changes {
                score += if field_agrees(entry, change, write, played) { 2 } else { -1 };
            }
            if entry.verb == "update" {
                let written = |field: &Arc<str>| entry.changes.iter().any(|change| change.field == *field);
                score -= count(write.fields.keys().filter(|field| !written(field)));
            }
            if entry.verb != "create" && entry.record.is_some() && write.id == entry.record {
                score += 10;
            }
        }
        score - 50 * count(extra.iter())
    }

    /// True when everything is explained.
    fn explains(&self, played: &Played) -> bool {
        self.gaps(played).is_empty() && self.doubtful(played).is_empty()
    }

    /// What the run came to and does not come to now, and the other way round.
    fn gaps(&self, played: &Played) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(outcome) = self.kept.outcome.filter(|outcome| *outcome != played.outcome) {
            let because = played.reason.as_ref().map(|reason| format!(", because {reason}"));
            let (was, is) = (word(outcome), word(played.outcome));
            lines.push(format!("it was {was}, and would be {is}{}", because.unwrap_or_default()));
        }
        let (pairs, extra) = self.pairs(played);
        for (entry, _) in pairs.iter().filter(|(_, made)| made.is_none()) {
            let AuditEntry { verb, connection, object, step, .. } = entry;
            lines.push(format!("{verb} {connection}.{object} by {step} would not be done"));
        }
        // What has not ended, or died, may have had more to do.
        if self.kept.outcome.is_some() {
            let line = |made: &&Made| format!("{} by {} was not done then", head(&made.write), made.step);
            lines.extend(extra.iter().map(line));
        }
        lines
    }

    /// The paths with nothing in them that fields were made of which are not what they were.
    fn doubtful(&self, played: &Played) -> BTreeSet<String> {
        let (pairs, _) = self.pairs(played);
        let made = pairs.into_iter().filter_map(|(entry, made)| Some((entry, made?)));
        let otherwise = made.flat_map(move |(entry, made)| {
            let changes = entry.changes.iter();
            let differs = move |change: &&FieldChange| !field_agrees(entry, change, &made.write, played);
            changes.filter(differs).map(move |change| (entry, &change.field))
        });
        let reads = otherwise.flat_map(move |(entry, field)| {
            let of = played.evaluated.iter().filter(move |it| it.step == entry.step);
            of.filter(move |it| it.field.as_ref() == Some(field)).flat_map(|it| &it.reads)
        });
        reads.filter(|(_, value)| value.is_nothing()).map(|(path, _)| path.clone()).collect()
    }
}

/// A value that refers to a record which the run has made is not the same twice: it is one of another name.
fn field_agrees(entry: &AuditEntry, change: &FieldChange, now: &Write, played: &Played) -> bool {
    // A link's audit tells what is in the set, under the relation's name; a call's tells its parameters.
    if matches!(entry.verb, "link" | "unlink" | "call" | "delete") {
        return true;
    }
    let written = now.fields.get(&change.field).unwrap_or(&Value::Null);
    let is_its_id = |made: &Made| made.write.verb == "create" && made.write.id.as_deref() == written.as_str();
    same(None, &change.after, written)
        || (written.as_str().is_some()
            && change.after.to_text().is_some()
            && played.made.iter().any(is_its_id))
}

/// The id in a step's label: `steps[0].find (account)`.
fn step_id(label: &str) -> Option<&str> {
    label.rsplit_once('(')?.1.strip_suffix(')')
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX / 1_000)
}
