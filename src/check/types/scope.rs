//! What the names of an expression stand for at its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::resource::Alternative;
use super::shape::{Absence, Kind, Object, Record, Shape, TextForm};

/// The names at a place, and what conditions that hold there tell of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Top-level names.
    pub(super) roots: Arc<BTreeMap<Arc<str>, Shape>>,
    /// What the steps gave that have run, by id.
    pub(super) steps: Arc<Record>,
    /// What `set` named.
    pub(super) set: Arc<Record>,
    /// Variables, the innermost last.
    pub(super) locals: Vec<(Arc<str>, Shape)>,
    /// What is known of paths, by their text.
    pub(super) facts: BTreeMap<String, Fact>,
    /// True when something was asked of the kind of event that is not understood: a key that only some kinds have may
    /// then be meant.
    pub(super) loose: bool,
}

/// What a condition tells of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fact {
    /// It is something.
    pub(super) present: bool,
    /// It is one of these words.
    pub(super) only: Option<BTreeSet<Arc<str>>>,
    /// It is none of these words.
    pub(super) not: BTreeSet<Arc<str>>,
}

impl Default for Record {
    fn default() -> Self {
        Self { of: Vec::new(), fields: IndexMap::new(), open: true }
    }
}

impl Scope {
    /// What a name stands for.
    pub(super) fn name(&self, name: &str) -> Shape {
        if let Some((_, shape)) = self.locals.iter().rev().find(|(local, _)| **local == *name) {
            return shape.clone();
        }
        let record = |record: &Arc<Record>| Shape::of(Kind::Object(Object::Record(Arc::clone(record))));
        match name {
            "steps" => record(&self.steps),
            "set" => record(&self.set),
            "object" | "previous" | "before" => self.of_event(self.roots.get(name)),
            _ => self.roots.get(name).cloned().unwrap_or(Shape::UNKNOWN),
        }
    }

    /// The trigger's object, as far as conditions on the event leave it.
    fn of_event(&self, shape: Option<&Shape>) -> Shape {
        let Some(shape) = shape else { return Shape::UNKNOWN };
        let Kind::Object(Object::Resource(resource)) = &shape.kind else { return shape.clone() };
        let (by_type, by_object) = (self.facts.get("event.type"), self.facts.get("object.object"));
        if by_type.is_none() && by_object.is_none() {
            return shape.clone();
        }
        let kept = resource.filtered(|alternative| {
            if by_object.is_some_and(|fact| !fact.allows(&alternative.name)) {
                return None;
            }
            let Some(by_type) = by_type.filter(|_| !alternative.events.is_empty()) else {
                return Some(alternative.clone());
            };
            let events: Arc<[&'static str]> =
                alternative.events.iter().copied().filter(|event| by_type.allows(event)).collect();
            (!events.is_empty()).then(|| Alternative { events, ..alternative.clone() })
        });
        Shape { kind: Kind::Object(Object::Resource(kept)), absence: shape.absence }
    }

    /// Names a step's result from here on; of several with one id any may have run.
    pub(super) fn add_step(&mut self, id: &Arc<str>, shape: Shape) {
        let steps = Arc::make_mut(&mut self.steps);
        let either = steps.fields.get(id).map(|other| other.or(&shape));
        steps.fields.insert(Arc::clone(id), either.unwrap_or(shape));
    }

    /// Names a value from here on, perhaps another one than before.
    pub(super) fn add_set(&mut self, name: &Arc<str>, shape: Shape) {
        let set = Arc::make_mut(&mut self.set);
        let either = set.fields.get(name).map(|other| other.or(&shape));
        set.fields.insert(Arc::clone(name), either.unwrap_or(shape));
    }

    /// What is known of a path beside its shape.
    pub(super) fn narrowed(&self, path: &str, mut shape: Shape) -> Shape {
        let Some(fact) = self.facts.get(path) else { return shape };
        if fact.present && shape.absence == Absence::Possible {
            shape.absence = Absence::Never;
        }
        if let Kind::Text(text) = &mut shape.kind
            && text.form == TextForm::Plain
            && let Some(words) = &mut text.words
        {
            *words = words.filtered(|word| fact.allows(word));
            words.open &= fact.only.is_none();
        }
        shape
    }

    /// Forgets what was known of a variable and what lies below it.
    pub(super) fn forget(&mut self, name: &str) {
        self.facts.retain(|path, _| {
            let rest = path.strip_prefix(name);
            rest.is_none_or(|rest| !rest.is_empty() && !rest.starts_with(['.', '[']))
        });
    }
}

impl Fact {
    /// True when the word is not ruled out.
    pub(super) fn allows(&self, word: &str) -> bool {
        !self.not.contains(word) && self.only.as_ref().is_none_or(|only| only.contains(word))
    }
}
