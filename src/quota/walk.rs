//! Counting the calls of steps, verb by verb, as `steps` makes them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use indexmap::IndexMap;
use regex::Regex;

use super::calls::{Calls, Counts};
use crate::config::step::{FindStep, Key, Otherwise, StepFile, UpdateStep};
use crate::config::{DraftFile, Fields, NoneFound, ObjectRef, PartFile, Verb};
use crate::connector::Abilities;

/// `salesforce.update(` in a script.
static CALLED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b([A-Za-z_]\w*)\.([a-z_]+)\(").ok());

/// What steps are counted with.
pub(super) struct Walk<'a> {
    /// What each connection can do, where that is known.
    pub(super) abilities: &'a IndexMap<Arc<str>, Arc<Abilities>>,
    /// The parts that steps can use.
    pub(super) parts: &'a [&'a DraftFile<PartFile>],
    /// How many elements a `for_each` is taken to have.
    pub(super) items: u64,
    /// The records that steps have read, by step.
    pub(super) read: BTreeMap<Arc<str>, &'a ObjectRef>,
    /// The parts that are being counted, so that one that uses itself ends.
    pub(super) inside: Vec<&'a str>,
    /// What had been called where a run may end early, as skipped.
    pub(super) ends: Vec<Counts>,
}

impl<'a> Walk<'a> {
    /// The calls of steps that follow upon `before`.
    pub(super) fn steps(&mut self, list: &'a [StepFile], before: &Counts) -> Counts {
        let mut all = Counts::default();
        for step in list {
            let mut so_far = before.clone();
            so_far.add_all(all.clone());
            let calls = self.step(step, &so_far);
            all.add_all(if step.when.is_some() { calls.perhaps() } else { calls });
        }
        all
    }

    fn step(&mut self, step: &'a StepFile, before: &Counts) -> Counts {
        let calls = match &step.verb {
            Verb::ForEach(each) => {
                return self.steps(&each.steps, before).times_at_most(self.items).perhaps();
            }
            Verb::Choose(choose) => {
                let mut ways: Vec<Counts> =
                    choose.0.iter().map(|branch| self.steps(&branch.steps, before)).collect();
                if choose.0.iter().all(|branch| branch.when.is_some()) {
                    ways.push(Counts::default());
                }
                return Counts::either(&ways);
            }
            Verb::Use(used) => return self.part(&used.part.0, before),
            Verb::Script(script) => return self.script(&script.0),
            Verb::Find(find) => return self.find(step, find, before),
            Verb::Check(check) => {
                if check.otherwise == Otherwise::Skip {
                    self.ends.push(before.clone());
                }
                return Counts::default();
            }
            Verb::Set(_) => return Counts::default(),
            Verb::Get(get) => {
                self.saw(step, &get.object);
                (&get.object.connection, Calls::new(1, 1))
            }
            Verb::List(list) => (&list.object.connection, Calls::new(1, 1)),
            Verb::Create(create) => {
                let calls = match &create.key {
                    Some(Key::Fields(key)) => Calls::new(1, self.look_up(&create.object, key) + 1),
                    Some(Key::Value(_)) => Calls::new(0, 1),
                    None => Calls::new(1, 1),
                };
                (&create.object.connection, calls)
            }
            Verb::Update(update) => (&update.object.connection, self.update(update)),
            Verb::Upsert(upsert) => {
                self.saw(step, &upsert.object);
                let looked: u64 =
                    upsert.matching.alternatives().iter().map(|way| self.look_up(&upsert.object, way)).sum();
                // What is not there is looked for once more before it is created.
                let calls = if upsert.blind { Calls::new(1, 1) } else { Calls::new(1, 2 * looked + 1) };
                (&upsert.object.connection, calls)
            }
            Verb::Delete(delete) => (&delete.object.connection, Calls::new(1, 1)),
            Verb::Link(link) | Verb::Unlink(link) => (&link.object.connection, Calls::new(1, 1)),
            Verb::Call(call) => (&call.connection.0, Calls::new(1, 1)),
        };
        Counts([(Arc::clone(calls.0), calls.1)].into())
    }

    fn find(&mut self, step: &'a StepFile, find: &'a FindStep, before: &Counts) -> Counts {
        let places = find.object.iter().zip(&find.matching);
        let places = places.chain(find.any.iter().map(|place| (&place.object, &place.matching)));
        let mut counts = Counts::default();
        for (index, (object, matching)) in places.enumerate() {
            let most = matching.alternatives().iter().map(|way| self.look_up(object, way)).sum();
            counts.add(&object.connection, Calls::new(u64::from(index == 0), most));
            self.saw(step, object);
        }
        if find.none == NoneFound::Skip {
            let mut there = before.clone();
            there.add_all(counts.clone());
            self.ends.push(there);
        }
        counts
    }

    /// The calls of one look-up, at the most.
    fn look_up(&self, object: &ObjectRef, identity: &Fields) -> u64 {
        let abilities = self.abilities.get(&object.connection);
        let facts = abilities.and_then(|abilities| {
            let fields = identity.keys().map(|name| abilities.field(&object.object, name));
            abilities.object(&object.object)?.find(fields)
        });
        // What a look-up does not tell of a record is read; so is one that a search does not know yet.
        facts.map_or(1, |facts| 1 + u64::from(facts.partial || !facts.consistent))
    }

    fn update(&self, update: &UpdateStep) -> Calls {
        if update.blind {
            return Calls::new(1, 1);
        }
        let named =
            update.record.0.as_str().and_then(|path| path.strip_prefix("$.steps.")?.strip_suffix(".id"));
        let is_read = named.and_then(|id| self.read.get(id)).is_some_and(|object| **object == update.object);
        let read = u64::from(!is_read);
        Calls::new(read, read + 1)
    }

    fn saw(&mut self, step: &'a StepFile, object: &'a ObjectRef) {
        if let Some(id) = &step.id {
            self.read.insert(Arc::clone(&id.0), object);
        }
    }

    fn part(&mut self, name: &Arc<str>, before: &Counts) -> Counts {
        let part = self.parts.iter().copied().find(|part| part.stem == *name);
        let Some(part) = part.filter(|part| !self.inside.contains(&&*part.stem)) else {
            return Counts::default();
        };
        let Some(content) = &part.content else { return Counts::default() };
        self.inside.push(&part.stem);
        let counts = self.steps(&content.steps, before);
        self.inside.pop();
        counts
    }

    /// As many calls as a script has written out; those in its loops count once.
    fn script(&self, script: &str) -> Counts {
        let mut counts = Counts::default();
        let Some(pattern) = &*CALLED else { return counts };
        for called in pattern.captures_iter(script) {
            if let Some((connection, _)) = self.abilities.get_key_value(&called[1]) {
                let most = match &called[2] {
                    "upsert" => 3,
                    "create" | "update" => 2,
                    _ => 1,
                };
                counts.add(connection, Calls::new(0, most));
            }
        }
        counts
    }
}
