//! Who may write a field: what the client's `ownership` says, obeyed by each write.
//!
//! The side that a value is from is the connection that it was read from, and is told when the pipeline is compiled:
//! through `set`, loops and the arguments of parts. A value of which that cannot be told is nobody's, and is written.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::calls::interrupted;
use super::execute::{Execution, Stop};
use super::ledger::{Agreements, ValueDigest};
use super::lower::Lowering;
use super::mapping::{Difference, Field, Mapped, Mapping, Operand};
use super::target::Target;
use crate::config::step::StepFile;
use crate::config::{ObjectRef, Owner, PartFile, PipelineFile, Verb};
use crate::expr::{Reference, ReferenceSeg, Write};
use crate::value::Value;

/// The connections that a value is from: none for a constant. `None` when something of it cannot be told.
pub(super) type Origin = Option<BTreeSet<Arc<str>>>;

/// Where the values are from that expressions name.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins {
    /// `event`, `previous` and `before`.
    trigger: Origin,
    /// `object`.
    object: Origin,
    steps: BTreeMap<Arc<str>, Origin>,
    set: BTreeMap<Arc<str>, Origin>,
    /// Loop variables, the innermost last.
    locals: Vec<(Arc<str>, Origin)>,
    with: BTreeMap<Arc<str>, Origin>,
}

/// What a line of a mapping may do to its field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Right {
    /// Nothing is said against it.
    #[default]
    Free,
    /// The field is another side's: a record that exists gets it only where it is written once.
    Foreign {
        /// Who owns it.
        owner: Arc<str>,
    },
    /// Several sides may write it.
    Shared {
        /// True when this side wins over the one where the field is.
        wins: bool,
        /// Who wins.
        tie: Arc<str>,
    },
}

/// What a client's pipelines hear of, and what they write: where both are one object, what they write comes back to them.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Connections whose events start pipelines.
    connections: HashSet<Arc<str>>,
    /// Objects that are listed.
    objects: HashSet<ObjectRef>,
    /// Objects that are written, scripts aside.
    written: HashSet<ObjectRef>,
}

impl Heard {
    /// What these pipelines, and the parts that they use, hear of and write.
    pub fn by<'a>(
        pipelines: impl IntoIterator<Item = &'a PipelineFile>,
        parts: impl IntoIterator<Item = &'a PartFile>,
    ) -> Self {
        let mut heard = Self::default();
        for part in parts {
            heard.writes(&part.steps);
        }
        for pipeline in pipelines {
            heard.writes(&pipeline.steps);
            if let Some((_, connection, _)) = pipeline.trigger.events() {
                heard.connections.insert(Arc::clone(&connection.0));
            }
            if let Some(list) = pipeline.trigger.schedule().and_then(|schedule| schedule.list.as_ref()) {
                heard.objects.insert(list.object.clone());
            }
        }
        heard
    }

    fn writes(&mut self, steps: &[StepFile]) {
        for step in steps {
            let object = match &step.verb {
                Verb::Create(verb) => &verb.object,
                Verb::Update(verb) => &verb.object,
                Verb::Upsert(verb) => &verb.object,
                Verb::ForEach(verb) => {
                    self.writes(&verb.steps);
                    continue;
                }
                Verb::Choose(verb) => {
                    verb.0.iter().for_each(|branch| self.writes(&branch.steps));
                    continue;
                }
                _ => continue,
            };
            self.written.insert(object.clone());
        }
    }

    /// True when a change of this object starts a pipeline.
    pub(super) fn hears(&self, object: &ObjectRef) -> bool {
        self.connections.contains(&object.connection) || self.objects.contains(object)
    }

    /// True when a pipeline writes this object.
    pub fn is_written(&self, object: &ObjectRef) -> bool {
        self.written.contains(object)
    }
}

impl Origins {
    /// Of the pipeline's trigger.
    pub(super) fn of(written: &PipelineFile) -> Self {
        let mut origins = Self::default();
        if let Some(listening) = written.trigger.listening() {
            origins.trigger = Some(one(&listening.connection.0));
            origins.object = listening
                .read
                .map_or_else(|| origins.trigger.clone(), |read| Some(one(&read.object.connection)));
        }
        if let Some(list) = written.trigger.schedule().and_then(|schedule| schedule.list.as_ref()) {
            origins.trigger = Some(one(&list.object.connection));
            origins.object.clone_from(&origins.trigger);
        }
        origins
    }

    /// Where the value of an expression is from that reads these.
    pub(super) fn of_all(&self, references: &[Reference]) -> Origin {
        let mut all = BTreeSet::new();
        for reference in references {
            all.extend(self.of_one(reference)?);
        }
        Some(all)
    }

    fn of_one(&self, reference: &Reference) -> Origin {
        let [ReferenceSeg::Name(root), rest @ ..] = reference.segments.as_slice() else { return None };
        if let Some((_, origin)) = self.locals.iter().rev().find(|(name, _)| name == root) {
            return origin.clone();
        }
        let named = |known: &BTreeMap<Arc<str>, Origin>| match rest {
            [ReferenceSeg::Name(name), ..] => known.get(name).cloned().flatten(),
            _ => None,
        };
        match &**root {
            "now" | "client" | "run" | "vars" => Some(BTreeSet::new()),
            "object" => self.object.clone(),
            "event" | "previous" | "before" => self.trigger.clone(),
            "steps" => named(&self.steps),
            "set" => named(&self.set),
            "with" => named(&self.with),
            _ => None,
        }
    }

    /// A step of this id gives what it gives; one of several branches may have run.
    pub(super) fn step(&mut self, id: &Arc<str>, verb: &Verb) {
        let origin = source(verb);
        let both = match self.steps.get(id) {
            Some(other) => other.clone().zip(origin).map(|(a, b)| a.union(&b).cloned().collect()),
            None => origin,
        };
        self.steps.insert(Arc::clone(id), both);
    }

    /// `set` names a value, perhaps another one than before.
    pub(super) fn named(&mut self, name: &str, origin: Origin) {
        let both = match self.set.get(name) {
            Some(other) => other.clone().zip(origin).map(|(a, b)| a.union(&b).cloned().collect()),
            None => origin,
        };
        self.set.insert(name.into(), both);
    }

    /// A loop's variable is an element of its list.
    pub(super) fn enter(&mut self, name: &Arc<str>, list: Origin) {
        self.locals.push((Arc::clone(name), list));
    }

    pub(super) fn leave(&mut self) {
        self.locals.pop();
    }

    /// The arguments of a part; gives those of its user back.
    pub(super) fn with(&mut self, arguments: BTreeMap<Arc<str>, Origin>) -> BTreeMap<Arc<str>, Origin> {
        std::mem::replace(&mut self.with, arguments)
    }

    pub(super) fn of_operand(&self, operand: &Operand) -> Origin {
        match operand {
            Operand::Written(expression) => self.of_all(expression.references()),
            Operand::Known(_) => None,
        }
    }
}

fn one(connection: &Arc<str>) -> BTreeSet<Arc<str>> {
    BTreeSet::from([Arc::clone(connection)])
}

/// The connections that a step's record may be from.
fn source(verb: &Verb) -> Origin {
    let connection = match verb {
        Verb::Find(find) => {
            let places = find.object.iter().chain(find.any.iter().map(|place| &place.object));
            return Some(places.map(|object| Arc::clone(&object.connection)).collect());
        }
        Verb::Get(verb) => &verb.object.connection,
        Verb::List(verb) => &verb.object.connection,
        Verb::Create(verb) => &verb.object.connection,
        Verb::Update(verb) => &verb.object.connection,
        Verb::Upsert(verb) => &verb.object.connection,
        Verb::Delete(verb) => &verb.object.connection,
        Verb::Link(verb) | Verb::Unlink(verb) => &verb.object.connection,
        Verb::Call(verb) => &verb.connection.0,
        Verb::Script(_)
        | Verb::Set(_)
        | Verb::ForEach(_)
        | Verb::Choose(_)
        | Verb::Check(_)
        | Verb::Use(_) => {
            return None;
        }
    };
    Some(one(connection))
}

impl Lowering<'_> {
    /// The fields of a step with the right that each of its lines has.
    pub(super) fn with_rights(&self, target: &Target, mut fields: Mapping) -> Mapping {
        for field in &mut fields.0 {
            field.right = self.right(target, field);
        }
        fields
    }

    fn right(&self, target: &Target, field: &Field) -> Right {
        let owners = self
            .scope
            .ownership
            .iter()
            .find(|(object, _)| object.connection == target.connection && object.object == target.object);
        let Some((_, owners)) = owners else { return Right::Free };
        let Some(owner) = owners.get(&*field.name).or_else(|| owners.get("*")) else { return Right::Free };
        let origin = self.origins.of_operand(&field.value);
        match owner {
            Owner::One(owner) => match origin {
                Some(sides) if !sides.is_empty() && !sides.contains(&owner.0) => {
                    Right::Foreign { owner: Arc::clone(&owner.0) }
                }
                _ => Right::Free,
            },
            Owner::Both(shared) => {
                let tie = Arc::clone(&shared.tie.0);
                let sides = origin.or_else(|| self.origins.trigger.clone()).unwrap_or_default();
                let from: Vec<_> = shared.both.iter().filter(|side| sides.contains(&side.0)).collect();
                match from.as_slice() {
                    [] if !sides.is_empty() => Right::Foreign { owner: tie },
                    [side] => Right::Shared { wins: side.0 == tie, tie },
                    // Both were looked at to find it: what is written here is the other side's.
                    _ => Right::Shared { wins: tie != target.connection, tie },
                }
            }
        }
    }
}

impl Execution<'_> {
    /// What both sides agreed on last about the fields of this record that several sides may write.
    pub(super) async fn agreements(
        &self,
        target: &Target,
        id: &str,
        fields: &Mapping,
    ) -> Result<Agreements, Stop> {
        let record = target.record_name(&self.world.client.name, id);
        let shared = fields.0.iter().filter(|field| matches!(field.right, Right::Shared { .. }));
        let keys: Vec<_> = shared.map(|field| record.field(&field.name)).collect();
        if keys.is_empty() {
            return Ok(Agreements::new());
        }
        self.world.journal.agreements(keys).await.map_err(interrupted)
    }
}

/// The last agreement about one field, as a write looks at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last<'a> {
    pub(super) target: &'a Target,
    pub(super) agreed: Option<ValueDigest>,
}

impl Difference {
    /// What is to be done about a field that differs: written, or left to the side whose it is.
    pub(super) fn decide(&mut self, last: Last<'_>, field: Mapped, before: Value) {
        let (name, right) = (Arc::clone(&field.name), field.right.clone());
        if self.may_write(last, &field, &before) {
            self.keep(last.target, &name, &right, &field.value);
            self.write(name, before, field.value);
        }
    }

    /// Whether the field's right lets it be written; why not is noted.
    fn may_write(&mut self, last: Last<'_>, field: &Mapped, before: &Value) -> bool {
        let name = &field.name;
        match &field.right {
            Right::Foreign { owner } if field.write == Write::Always => {
                self.leave(name, format!("{name} is left to {owner}, which owns it"))
            }
            Right::Shared { wins, tie } => {
                let ids = last.target.ids();
                let Some(agreed) = last.agreed else { return true };
                if ValueDigest::of(ids, before) == agreed {
                    true
                } else if ValueDigest::of(ids, &field.value) == agreed {
                    self.leave(name, format!("{name} was changed there since both sides agreed, and stays"))
                } else if *wins {
                    self.notes
                        .push(format!("{name} was changed on both sides: {tie} wins, and it is written"));
                    true
                } else {
                    self.leave(name, format!("{name} was changed on both sides: {tie} wins, and it stays"))
                }
            }
            Right::Free | Right::Foreign { .. } => true,
        }
    }

    fn leave(&mut self, name: &Arc<str>, note: String) -> bool {
        self.left_alone.push(Arc::clone(name));
        self.notes.push(note);
        false
    }
}
