//! Who reads what of which step: decides which fields a read asks for, and what must be remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::connector::Select;
use crate::expr::{Reference, ReferenceSeg};

/// Where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It makes a value.
    Value,
    /// It decides the way: a condition, a loop, a script.
    Branch,
    /// It makes a value that later steps read by a name: `set`, `with`.
    Named,
}

/// What all expressions of a pipeline read of its steps.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// Fields of the records of a step; `None`: all of them.
    fields: BTreeMap<Arc<str>, Option<BTreeSet<Arc<str>>>>,
    /// An expression reads `steps` as a whole.
    everything: bool,
    /// An expression reads what the object was before.
    past: bool,
    /// Steps that a branch reads.
    branching: BTreeSet<Arc<str>>,
    /// Steps that a named value reads.
    named: BTreeSet<Arc<str>>,
    /// A branch reads a named value.
    branches_on_named: bool,
    /// Updates: the step whose record they write, the target, the fields that are compared.
    compared: Vec<(Arc<str>, String, Vec<Arc<str>>)>,
}

impl Uses {
    /// Takes an expression's references into account.
    pub(super) fn add(&mut self, references: &[Reference], role: Role) {
        for reference in references {
            match reference.segments.as_slice() {
                [ReferenceSeg::Name(root), rest @ ..] if &**root == "steps" => self.add_step(rest, role),
                [ReferenceSeg::Name(root), ..]
                    if role == Role::Branch && matches!(&**root, "set" | "with") =>
                {
                    self.branches_on_named = true;
                }
                [ReferenceSeg::Name(root), ..] if matches!(&**root, "previous" | "before") => {
                    self.past = true;
                }
                [ReferenceSeg::Name(_), ..] => {}
                // The whole document.
                _ => (self.everything, self.past) = (true, true),
            }
        }
    }

    /// Takes note that a script asks what has changed.
    pub(super) fn asks_what_changed(&mut self) {
        self.past = true;
    }

    /// True when anybody asks what the object was before.
    pub(super) fn reads_past(&self) -> bool {
        self.past
    }

    /// Takes note that an update compares `fields` of the record that step `id` found.
    pub(super) fn compares(&mut self, id: &Arc<str>, target: String, fields: Vec<Arc<str>>) {
        self.compared.push((Arc::clone(id), target, fields));
    }

    fn add_step(&mut self, rest: &[ReferenceSeg], role: Role) {
        let [ReferenceSeg::Name(id), rest @ ..] = rest else {
            self.everything = true;
            return;
        };
        match role {
            Role::Value => {}
            Role::Branch => drop(self.branching.insert(Arc::clone(id))),
            Role::Named => drop(self.named.insert(Arc::clone(id))),
        }
        let fields = self.fields.entry(Arc::clone(id)).or_insert_with(|| Some(BTreeSet::new()));
        match field_of(rest) {
            Part::NoField => {}
            Part::Field(name) => {
                if let Some(fields) = fields {
                    fields.insert(Arc::clone(name));
                }
            }
            Part::Whole => *fields = None,
        }
    }

    /// The fields of a read's record that anybody asks for.
    pub(super) fn select(&self, id: Option<&Arc<str>>, target: &str) -> Select {
        if self.everything {
            return Select::All;
        }
        let mut wanted = match id.map(|id| self.fields.get(id)) {
            Some(Some(None)) => return Select::All,
            Some(Some(Some(fields))) => fields.clone(),
            Some(None) | None => BTreeSet::new(),
        };
        let compared = self.compared.iter().filter(|(of, object, _)| Some(of) == id && object == target);
        wanted.extend(compared.flat_map(|(_, _, fields)| fields.iter().map(Arc::clone)));
        Select::Fields(wanted.into_iter().collect())
    }

    /// True when another attempt must get from this step what the first one got.
    pub(super) fn remembers(&self, id: Option<&Arc<str>>) -> bool {
        let Some(id) = id else { return false };
        self.everything || self.branching.contains(id) || (self.branches_on_named && self.named.contains(id))
    }
}

enum Part<'a> {
    NoField,
    Field(&'a Arc<str>),
    Whole,
}

/// What of a step's record a path below `steps.<id>` reads.
fn field_of(rest: &[ReferenceSeg]) -> Part<'_> {
    use ReferenceSeg::{Any, Deep, Index, Name};
    match rest {
        [Name(part), Name(field), ..] if &**part == "record" => Part::Field(field),
        [Name(part), Index(_) | Any, Name(field), ..] if &**part == "records" => Part::Field(field),
        [Name(part), ..] if matches!(&**part, "record" | "records") => Part::Whole,
        [Name(_), ..] => Part::NoField,
        [] | [Deep | Any | Index(_), ..] => Part::Whole,
    }
}

/// The step whose id an expression is: `$.steps.account.id`.
pub(super) fn record_of(references: &[Reference]) -> Option<&Arc<str>> {
    match references {
        [reference] => match reference.segments.as_slice() {
            [ReferenceSeg::Name(root), ReferenceSeg::Name(id), ReferenceSeg::Name(part)]
                if &**root == "steps" && &**part == "id" =>
            {
                Some(id)
            }
            _ => None,
        },
        _ => None,
    }
}
