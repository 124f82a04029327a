//! Who may write a field: what the client's `ownership` says, obeyed by each write.
//!
//! The side that a value is from is the connection that it was read from, and is told when the pipeline is compiled:
//! through `set`, loops and the arguments of parts. A value of which that cannot be told is nobody's, and is written.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::calls::interrupted;
use super::execute::{Execution, Stop};
use super::ledger::{Agreements, ValueDigest};
use super::lower::Lowering;
use super::mapping::{Difference, Field, Mapped, Mapping, Operand};
use super::target::Target;
use crate::config::step::StepFile;
use crate::config::{ObjectRef, Owner, PartFile, PipelineFile, Verb};
use crate::expr::{Reference, ReferenceSeg, Script, Write, WrittenCall};
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
        let Some(owners) = self.owners(&target.connection, &target.object) else { return Right::Free };
        let origin = self.origins.of_operand(&field.value);
        right_of(owners, &field.name, &target.connection, origin, &self.origins.trigger)
    }

    fn owners(&self, connection: &str, object: &str) -> Option<&IndexMap<String, Owner>> {
        let mut rules = self.scope.ownership.iter();
        let rule = rules.find(|(rule, _)| *rule.connection == *connection && *rule.object == *object);
        rule.map(|(_, owners)| owners)
    }

    /// What a script may write. Its values are from everything that it reads, but for those that are written out: they are from the
    /// paths that they name.
    pub(super) fn script_rights(&self, script: &Script) -> ScriptRights {
        let read = script.calls().iter().filter(|call| matches!(call.verb, "find" | "get" | "list" | "call"));
        let mut whole = self.origins.of_all(script.references());
        if let Some(sides) = &mut whole {
            sides.extend(read.map(|call| Arc::clone(&call.connection)));
        }
        let rights = self.scope.ownership.iter().map(|(object, owners)| {
            let mut origins: BTreeMap<Arc<str>, Origin> = BTreeMap::new();
            let mut computed = false;
            for call in script.calls().iter().filter(|call| writes(call, object)) {
                computed |= call.fields.is_none();
                for field in call.fields.iter().flatten() {
                    let origin = match &field.references {
                        Some(references) => self.origins.of_all(references),
                        None => whole.clone(),
                    };
                    let known =
                        origins.entry(Arc::clone(&field.name)).or_insert_with(|| Some(BTreeSet::new()));
                    *known = known.take().zip(origin).map(|(a, b)| a.union(&b).cloned().collect());
                }
            }
            let right = |name: &str, origin: Origin| {
                right_of(owners, name, &object.connection, origin, &self.origins.trigger)
            };
            let known = origins.into_iter().map(|(name, origin)| {
                // A map that is computed may hold the field as well.
                let origin = if computed {
                    origin.zip(whole.clone()).map(|(a, b)| a.union(&b).cloned().collect())
                } else {
                    origin
                };
                let right = right(&name, origin);
                (name, right)
            });
            let known = known.collect();
            let others =
                owners.keys().map(|name| (Arc::from(name.as_str()), right(name, whole.clone()))).collect();
            (object.clone(), OfObject { known, others })
        });
        ScriptRights(rights.collect())
    }
}

/// Whether a call of a script may write records of this object.
fn writes(call: &WrittenCall, object: &ObjectRef) -> bool {
    matches!(call.verb, "create" | "update" | "upsert")
        && call.connection == object.connection
        && call.object.as_ref().is_none_or(|named| *named == object.object)
}

/// What a script may do to the fields of which the client says who owns them.
#[derive(Debug, Default)]
pub(super) struct ScriptRights(Vec<(ObjectRef, OfObject)>);

#[derive(Debug, Default)]
struct OfObject {
    /// Fields that the script names.
    known: BTreeMap<Arc<str>, Right>,
    /// Those that `ownership` names, and `*` for the rest: of maps that are computed.
    others: BTreeMap<Arc<str>, Right>,
}

impl ScriptRights {
    /// The fields that a script writes, each with its right.
    pub(super) fn heed(&self, target: &Target, mut fields: Mapping) -> Mapping {
        let is_of =
            |object: &ObjectRef| object.connection == target.connection && object.object == target.object;
        let Some((_, of)) = self.0.iter().find(|(object, _)| is_of(object)) else { return fields };
        for field in &mut fields.0 {
            let right = of.known.get(&field.name).or_else(|| of.others.get(&field.name));
            field.right = right.or_else(|| of.others.get("*")).cloned().unwrap_or_default();
        }
        fields
    }
}

/// The right of a value from `origin` to a field of `connection`.
fn right_of(
    owners: &IndexMap<String, Owner>,
    field: &str,
    connection: &Arc<str>,
    origin: Origin,
    trigger: &Origin,
) -> Right {
    let Some(owner) = owners.get(field).or_else(|| owners.get("*")) else { return Right::Free };
    match owner {
        Owner::One(owner) => match origin {
            Some(sides) if !sides.is_empty() && !sides.contains(&owner.0) => {
                Right::Foreign { owner: Arc::clone(&owner.0) }
            }
            _ => Right::Free,
        },
        Owner::Both(shared) => {
            let tie = Arc::clone(&shared.tie.0);
            let sides = origin.or_else(|| trigger.clone()).unwrap_or_default();
            let from: Vec<_> = shared.both.iter().filter(|side| sides.contains(&side.0)).collect();
            match from.as_slice() {
                [] if !sides.is_empty() => Right::Foreign { owner: tie },
                [side] => Right::Shared { wins: side.0 == tie, tie },
                // Both were looked at to find it: what is written here is the other side's.
                _ => Right::Shared { wins: tie != *connection, tie },
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
