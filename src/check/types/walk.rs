//! The steps of a pipeline in order, with what each makes known to the later ones.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;

use super::super::view::View;
use super::assume::assume;
use super::infer::{Infer, element_of};
use super::objects::Objects;
use super::scope::Scope;
use super::shape::{Absence, Kind, Object, Record, Shape, Text, Unit, Words};
use super::sight::{GivenTo, Sight, Typed};
use crate::config::step::{ChooseStep, FindStep, StepFile, UseStep};
use crate::config::{Match, ObjectRef, PipelineFile, TriggerFile, Verb, Written};
use crate::diagnostic::{Path, Place};
use crate::expr::{Term, What};
use crate::steps::Compiled;
use crate::value::Value;

/// Finds the shapes of a pipeline's expressions; what is seen on the way goes to `typed`.
pub(in crate::check) fn typed(
    view: &View,
    objects: &Objects<'_>,
    file: &Arc<str>,
    pipeline: &PipelineFile,
    compiled: &[Compiled],
    typed: &mut Typed,
) {
    let compiled = compiled.iter().map(|it| ((&*it.file, &it.path), it)).collect();
    let mut walk = Walk {
        view,
        objects,
        compiled,
        file: Arc::clone(file),
        scope: Scope::default(),
        parts: Vec::new(),
        unreachable: false,
        out: typed,
    };
    walk.pipeline(pipeline);
}

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// It may.
    GoesOn,
    /// It never does.
    Stops,
    /// It never does, and that was told.
    Told,
}

/// A walk through one pipeline.
pub(super) struct Walk<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) objects: &'a Objects<'a>,
    /// The expressions by file and place.
    pub(super) compiled: HashMap<(&'a str, &'a Path), &'a Compiled>,
    /// The file at hand: the pipeline's, or a part's.
    pub(super) file: Arc<str>,
    pub(super) scope: Scope,
    /// The parts that are being walked.
    parts: Vec<Arc<str>>,
    /// True inside of a step that no run gets to.
    unreachable: bool,
    pub(super) out: &'a mut Typed,
}

impl Walk<'_> {
    fn pipeline(&mut self, pipeline: &PipelineFile) {
        self.trigger(&pipeline.trigger);
        let top = Path::root();
        self.shape(&top.key("order").key("key"));
        if pipeline.when.is_some() {
            self.condition(&top.key("when"));
        }
        self.steps(&top.key("steps"), &pipeline.steps);
    }

    /// The names that the trigger brings.
    fn trigger(&mut self, trigger: &TriggerFile) {
        let (object, event) = match trigger {
            TriggerFile::Stripe(stripe) => {
                let (object, types) = self.objects.of_events(stripe);
                (object, event(types))
            }
            TriggerFile::Schedule(schedule) => match &schedule.list {
                Some(list) => {
                    let expand = list.params.get("expand").map(|expand| &expand.0);
                    (self.objects.record(&list.object, expand), Shape::UNKNOWN)
                }
                None => (Shape::UNKNOWN, Shape::UNKNOWN),
            },
            TriggerFile::Webhook(webhook) => (self.objects.of_webhook(webhook), Shape::UNKNOWN),
            TriggerFile::Lockstep(_) => (Shape::UNKNOWN, Shape::UNKNOWN),
        };
        let vars = self.view.client.vars.iter();
        let vars = vars.map(|(name, value)| (Arc::clone(&name.0), Shape::literal(value)));
        let vars = Record { of: Vec::new(), fields: vars.collect(), open: true };
        let past = match &object.kind {
            Kind::Object(Object::Resource(resource)) => Kind::Object(Object::Resource(resource.partly())),
            Kind::Object(Object::Record(record)) => Kind::Object(Object::Record(Arc::new(record.partly()))),
            _ => Kind::Unknown,
        };
        let past = Shape { kind: past, absence: Absence::Possible };
        self.scope.roots = Arc::new(BTreeMap::from([
            ("event".into(), with_object(event, &object)),
            ("previous".into(), past.clone()),
            ("before".into(), past),
            ("now".into(), Shape::number(true, Unit::UnixTime)),
            ("client".into(), Shape::text()),
            ("vars".into(), Shape::of(Kind::Object(Object::Record(Arc::new(vars))))),
            ("object".into(), object),
        ]));
        if let Some((path, read)) = trigger.read() {
            self.shape(&path.key("record"));
            self.mapping(&path.key("params"), &read.params);
            let expand = read.params.get("expand").map(|expand| &expand.0);
            let object = self.objects.record(&read.object, expand);
            Arc::make_mut(&mut self.scope.roots).insert("object".into(), object);
        }
    }

    /// The shape of the expression at a place.
    pub(super) fn shape(&mut self, path: &Path) -> Shape {
        let Some(compiled) = self.compiled.get(&(&*self.file, path)).copied() else { return Shape::UNKNOWN };
        self.infer(path, &compiled.term, false)
    }

    /// `is_sent`: the value goes to a system that people read.
    pub(super) fn infer(&mut self, path: &Path, term: &Term, is_sent: bool) -> Shape {
        let scope = std::mem::take(&mut self.scope);
        let file = Arc::clone(&self.file);
        let mut infer = Infer::new(scope, &file, path, &mut self.out.sights);
        infer.heeds_texts = is_sent;
        let shape = infer.whole(term);
        self.scope = infer.scope;
        shape
    }

    /// A condition, and what it always is; what is after it sees that it held.
    fn condition(&mut self, path: &Path) -> Option<bool> {
        let shape = self.shape(path);
        let place = Place::value(Arc::clone(&self.file), path.clone());
        if let Kind::Boolean(Some(holds)) = shape.kind
            && shape.absence == Absence::Never
        {
            self.out.sights.push((place, Sight::Constant { holds }));
        }
        self.assume(path, true);
        match shape.kind {
            Kind::Boolean(holds) if shape.absence == Absence::Never => holds,
            _ => None,
        }
    }

    fn assume(&mut self, path: &Path, truth: bool) {
        if let Some(compiled) = self.compiled.get(&(&*self.file, path)).copied() {
            assume(&mut self.scope, &compiled.term, truth);
        }
    }

    /// The shape of each value of a map of expressions.
    fn mapping(&mut self, path: &Path, written: &IndexMap<String, Written>) {
        for name in written.keys() {
            self.shape(&path.key(name.as_str()));
        }
    }

    /// Walks a list of steps; tells whether a run may get to its end.
    fn steps(&mut self, path: &Path, written: &[StepFile]) -> Flow {
        let mut flow = Flow::GoesOn;
        for (index, step) in written.iter().enumerate() {
            let path = path.index(index);
            if flow == Flow::Stops && !self.unreachable {
                let place = Place::key(Arc::clone(&self.file), path.key(step.verb.name()));
                self.out.sights.push((place, Sight::Unreachable));
                // What follows is as unreachable; it is told once.
                self.unreachable = true;
                self.step(&path, step);
                self.unreachable = false;
                flow = Flow::Told;
            } else if self.step(&path, step) == Flow::Stops && flow == Flow::GoesOn {
                flow = Flow::Stops;
            }
        }
        if flow == Flow::GoesOn { Flow::GoesOn } else { Flow::Stops }
    }

    fn step(&mut self, path: &Path, step: &StepFile) -> Flow {
        let before = step.when.as_ref().map(|_| {
            let before = (self.scope.facts.clone(), self.scope.loose);
            self.condition(&path.key("when"));
            before
        });
        let (mut given, mut flow) = self.verb(&path.key(step.verb.name()), &step.verb);
        if step.when.is_some() {
            flow = Flow::GoesOn;
        }
        if let Some((facts, loose)) = before {
            (self.scope.facts, self.scope.loose) = (facts, loose);
            given = given.maybe();
        }
        if let Some(id) = &step.id {
            self.scope.add_step(&id.0, given);
        }
        flow
    }

    /// What a verb does, what it gives, and whether a run may go on after it.
    fn verb(&mut self, path: &Path, verb: &Verb) -> (Shape, Flow) {
        let given = match verb {
            Verb::Set(fields) => {
                for name in fields.keys() {
                    let shape = self.shape(&path.key(name.as_str()));
                    self.scope.add_set(&name.as_str().into(), shape);
                }
                Shape::UNKNOWN
            }
            Verb::ForEach(each) => {
                let list = self.shape(&path.key("in"));
                let outside = self.scope.clone();
                self.scope.forget(&each.name.0);
                self.scope.locals.push((Arc::clone(&each.name.0), element_of(&list)));
                self.steps(&path.key("steps"), &each.steps);
                self.scope = outside;
                Shape::UNKNOWN
            }
            Verb::Choose(choose) => return (Shape::UNKNOWN, self.choose(path, choose)),
            Verb::Check(_) => {
                self.shape(&path.key("reason"));
                return (Shape::UNKNOWN, self.check(&path.key("that")));
            }
            Verb::Use(used) => return (Shape::UNKNOWN, self.part(path, used)),
            Verb::Script(_) => {
                let result = self.shape(path);
                record_of([("result", result)])
            }
            _ => self.on_system(path, verb),
        };
        (given, Flow::GoesOn)
    }

    /// Branches, of which the first that holds is taken.
    fn choose(&mut self, path: &Path, choose: &ChooseStep) -> Flow {
        let facts = (self.scope.facts.clone(), self.scope.loose);
        let mut stops = true;
        for (index, branch) in choose.0.iter().enumerate() {
            let path = path.index(index);
            let outside = (self.scope.facts.clone(), self.scope.loose);
            if branch.when.is_some() {
                self.condition(&path.key("when"));
            }
            stops &= self.steps(&path.key("steps"), &branch.steps) == Flow::Stops;
            (self.scope.facts, self.scope.loose) = outside;
            if branch.when.is_some() {
                self.assume(&path.key("when"), false);
            }
        }
        (self.scope.facts, self.scope.loose) = facts;
        let is_one_taken = choose.0.last().is_some_and(|last| last.when.is_none());
        if stops && is_one_taken { Flow::Stops } else { Flow::GoesOn }
    }

    /// The condition of a `check`. One that is written to fail is how a run is ended on purpose.
    fn check(&mut self, path: &Path) -> Flow {
        let is_written = self
            .compiled
            .get(&(&*self.file, path))
            .is_some_and(|compiled| matches!(compiled.term.what, What::Literal(Value::Bool(false))));
        if is_written || self.condition(path) == Some(false) { Flow::Stops } else { Flow::GoesOn }
    }

    /// The steps of a part, with what it takes.
    fn part(&mut self, path: &Path, used: &UseStep) -> Flow {
        let with = used.with.keys().map(|name| {
            let shape = self.shape(&path.key("with").key(Arc::clone(&name.0)));
            (Arc::clone(&name.0), shape)
        });
        let with: IndexMap<Arc<str>, Shape> = with.collect();
        let part = self.view.parts().find(|part| part.stem == used.part.0);
        let Some((part, content)) = part.and_then(|part| Some((part, part.content.as_ref()?))) else {
            return Flow::GoesOn;
        };
        if self.parts.contains(&part.stem) {
            return Flow::GoesOn;
        }
        let with = Shape::of(Kind::Object(Object::Record(Arc::new(Record {
            of: Vec::new(),
            fields: with,
            open: true,
        }))));
        let outer = Arc::make_mut(&mut self.scope.roots).insert("with".into(), with);
        let outer_file = std::mem::replace(&mut self.file, Arc::clone(&part.path));
        self.parts.push(Arc::clone(&part.stem));
        let flow = self.steps(&Path::root().key("steps"), &content.steps);
        self.parts.pop();
        self.file = outer_file;
        self.scope.forget("with");
        let roots = Arc::make_mut(&mut self.scope.roots);
        match outer {
            Some(outer) => drop(roots.insert("with".into(), outer)),
            None => drop(roots.remove("with")),
        }
        flow
    }

    /// A step on a system: what it reads, and what is given to it.
    fn on_system(&mut self, path: &Path, verb: &Verb) -> Shape {
        for key in ["record", "reason", "guard", "to"] {
            self.shape(&path.key(key));
        }
        match verb {
            Verb::Find(find) => return self.find(path, find),
            Verb::Call(call) => {
                self.shape(&path.key("key"));
                let operation = ObjectRef {
                    connection: Arc::clone(&call.connection.0),
                    object: call.operation.as_str().into(),
                };
                self.give_all(path, "params", &call.params, GivenTo::Param, &operation);
                return Shape::UNKNOWN;
            }
            _ => {}
        }
        let Some(on) = super::given::OnObject::of(verb) else { return Shape::UNKNOWN };
        if let Some(matching) = on.matching {
            self.give_match(path, matching, on.object);
        }
        if let Some(conditions) = on.conditions {
            self.give_all(path, "match", conditions, GivenTo::Match, on.object);
        }
        if let Some(key) = on.key {
            self.give_key(path, key, on.object);
        }
        if let Some(fields) = on.fields {
            self.give_all(path, "fields", fields, GivenTo::Field, on.object);
        }
        self.give_all(path, "params", on.params, GivenTo::Param, on.object);
        let record = self.objects.record(on.object, on.params.get("expand").map(|expand| &expand.0));
        if matches!(verb, Verb::List(_)) {
            return record_of([("records", Shape::list(record))]);
        }
        let record = if on.may_miss { record.maybe() } else { record };
        record_of([("id", Shape::UNKNOWN), ("object", object_of([on.object])), ("record", record)])
    }

    fn find(&mut self, path: &Path, find: &FindStep) -> Shape {
        let expand = find.params.get("expand").map(|expand| &expand.0);
        let mut record: Option<Shape> = None;
        let mut objects = Vec::new();
        let mut place = |this: &mut Self, path: &Path, object, matching: &Match| {
            objects.push(object);
            this.give_match(path, matching, object);
            let found = this.objects.record(object, expand);
            record = Some(record.take().map_or_else(|| found.clone(), |other| other.or(&found)));
        };
        if let (Some(object), Some(matching)) = (&find.object, &find.matching) {
            place(self, path, object, matching);
        }
        for (index, alternative) in find.any.iter().enumerate() {
            place(self, &path.key("any").index(index), &alternative.object, &alternative.matching);
        }
        self.mapping(&path.key("params"), &find.params);
        let record = record.unwrap_or(Shape::UNKNOWN).maybe();
        record_of([("id", Shape::UNKNOWN), ("object", object_of(objects)), ("record", record)])
    }
}

/// The envelope of events of these types.
fn event(types: Vec<&'static str>) -> Shape {
    let known: Arc<[Arc<str>]> = types.into_iter().map(Arc::from).collect();
    let words = (!known.is_empty()).then_some(Words { known, open: false });
    let kind = Shape::of(Kind::Text(Text { words, ..Text::default() }));
    record_of([("type", kind), ("created", Shape::number(true, Unit::UnixTime))])
}

/// The envelope with the object that it carries.
fn with_object(event: Shape, object: &Shape) -> Shape {
    let Kind::Object(Object::Record(record)) = &event.kind else { return event };
    let mut record = Record::clone(record);
    let data = IndexMap::from([(Arc::from("object"), object.clone())]);
    let data = Record { of: Vec::new(), fields: data, open: true };
    record.fields.insert("data".into(), Shape::of(Kind::Object(Object::Record(Arc::new(data)))));
    Shape::of(Kind::Object(Object::Record(Arc::new(record))))
}

/// Which of these objects a step was about; nothing when it found none.
fn object_of<'a>(objects: impl IntoIterator<Item = &'a ObjectRef>) -> Shape {
    let known = objects.into_iter().map(|object| object.to_string().into()).collect();
    let words = Some(Words { known, open: false });
    Shape { kind: Kind::Text(Text { words, ..Text::default() }), absence: Absence::Possible }
}

fn record_of<const N: usize>(fields: [(&str, Shape); N]) -> Shape {
    let fields = fields.into_iter().map(|(key, shape)| (Arc::from(key), shape)).collect();
    Shape::of(Kind::Object(Object::Record(Arc::new(Record { of: Vec::new(), fields, open: true }))))
}
