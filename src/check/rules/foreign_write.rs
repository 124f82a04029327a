#![doc = include_str!("foreign-write.md")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::view::{Found, View};
use super::super::walk::{self, connection_of};
use super::Rule;
use crate::config::step::{FindStep, StepFile};
use crate::config::{Fields, Identifier, ObjectRef, Owner, PipelineFile, Verb};
use crate::diagnostic::{Code, Path, Place};
use crate::expr::{Expr, Names, Reference, ReferenceSeg, Write};
use crate::written::Script;

pub(super) const RULE: Rule = Rule { code: Code::ForeignWrite, check };

fn check(view: &View, found: &mut Found) {
    if view.client.ownership.is_empty() {
        return;
    }
    for file in &view.draft.pipelines {
        if let Some(pipeline) = &file.content {
            let sides = Sides::of(view, pipeline);
            let walk = Walk { view, sides: &sides, parts: Vec::new() };
            walk.steps(&file.path, &pipeline.steps, found);
        }
    }
}

/// All top-level names that an expression can see somewhere.
const ROOTS: [&str; 12] = [
    "object", "event", "previous", "before", "steps", "set", "vars", "client", "run", "now", "with", "found",
];

/// Which connection the names of a pipeline's expressions stand for.
struct Sides {
    /// Top-level names: `object`, `event`, ...
    roots: BTreeMap<&'static str, Arc<str>>,
    /// Steps by id.
    steps: BTreeMap<Arc<str>, Arc<str>>,
    /// Every name that an expression may see, so that it compiles here without its scope.
    names: Names,
}

/// What an expression's value comes from.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    /// All of it from these connections; none for a constant.
    Known(BTreeSet<Arc<str>>),
    /// Something of it cannot be told.
    Unknown,
}

impl Sides {
    fn of(view: &View, pipeline: &PipelineFile) -> Self {
        let mut sides = Self { roots: BTreeMap::new(), steps: BTreeMap::new(), names: Names::default() };
        if let Some(listening) = pipeline.trigger.listening() {
            for root in ["object", "event", "previous", "before"] {
                sides.roots.insert(root, Arc::clone(&listening.connection.0));
            }
            if let Some(read) = listening.read {
                sides.roots.insert("object", Arc::clone(&read.object.connection));
            }
        }
        if let Some(list) = pipeline.trigger.schedule().and_then(|schedule| schedule.list.as_ref()) {
            for root in ["object", "event", "previous", "before"] {
                sides.roots.insert(root, Arc::clone(&list.object.connection));
            }
        }
        let mut locals = BTreeSet::new();
        sides.collect(&pipeline.steps, &mut locals);
        for part in view.parts().filter_map(|file| file.content.as_ref()) {
            sides.collect(&part.steps, &mut locals);
        }
        sides.names = locals.iter().fold(Names::new(ROOTS), |names, name| names.with(name));
        sides
    }

    fn collect<'a>(&mut self, list: &'a [StepFile], locals: &mut BTreeSet<&'a str>) {
        walk::steps(list, &Path::root(), &mut |_, step| {
            if let Verb::ForEach(each) = &step.verb {
                locals.insert(&each.name.0);
            }
            if let (Some(id), Some(connection)) = (&step.id, source(&step.verb)) {
                self.steps.insert(Arc::clone(&id.0), connection);
            }
        });
    }

    fn origin(&self, references: &[Reference]) -> Origin {
        let mut all = BTreeSet::new();
        for reference in references {
            let [ReferenceSeg::Name(root), rest @ ..] = reference.segments.as_slice() else {
                return Origin::Unknown;
            };
            let side = match (&**root, rest) {
                ("now" | "client" | "run" | "vars", _) => continue,
                ("steps", [ReferenceSeg::Name(id), ..]) => self.steps.get(id),
                (root, _) => self.roots.get(root),
            };
            match side {
                Some(side) => all.insert(Arc::clone(side)),
                None => return Origin::Unknown,
            };
        }
        Origin::Known(all)
    }
}

/// The connection that a step's record comes from; nothing when there may be several.
fn source(verb: &Verb) -> Option<Arc<str>> {
    match verb {
        Verb::Find(FindStep { object, any, .. }) => {
            let mut all = object.iter().chain(any.iter().map(|place| &place.object)).map(|it| &it.connection);
            let first = all.next()?;
            all.all(|other| other == first).then(|| Arc::clone(first))
        }
        verb => connection_of(verb),
    }
}

/// A walk through the writes of one pipeline, parts included.
struct Walk<'a> {
    view: &'a View<'a>,
    sides: &'a Sides,
    /// The parts that are being walked, so that a part that uses itself ends here.
    parts: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn steps(&self, file: &Arc<str>, list: &'a [StepFile], found: &mut Found) {
        let at = Path::root().key("steps");
        walk::steps(list, &at, &mut |path, step| match &step.verb {
            Verb::Update(update) => {
                self.fields(file, &path.key("update"), &update.object, &update.fields, found);
            }
            Verb::Upsert(upsert) => {
                self.fields(file, &path.key("upsert"), &upsert.object, &upsert.fields, found);
            }
            Verb::Use(used) if !self.parts.contains(&&*used.part.0) => {
                let part = self.view.parts().find(|part| part.stem == used.part.0);
                if let Some((part, content)) = part.and_then(|part| Some((part, part.content.as_ref()?))) {
                    let mut parts = self.parts.clone();
                    parts.push(&used.part.0);
                    let inner = Walk { view: self.view, sides: self.sides, parts };
                    inner.steps(&part.path, &content.steps, found);
                }
            }
            Verb::Script(script) => self.script(file, &path.key("script"), script, found),
            _ => {}
        });
    }

    /// The fields that a script writes with maps that are written out, and whose values are.
    fn script(&self, file: &Arc<str>, at: &Path, script: &Script, found: &mut Found) {
        let connections: Vec<&str> = self.view.client.connections.keys().map(|name| &*name.0).collect();
        let engine = self.view.engine;
        let script = engine.and_then(|engine| engine.script(&script.0, &self.sides.names, &connections).ok());
        let Some(script) = script else { return };
        for call in script.calls().iter().filter(|call| matches!(call.verb, "update" | "upsert")) {
            let Some(object) = call.object.clone() else { continue };
            let object = ObjectRef { connection: Arc::clone(&call.connection), object };
            for field in call.fields.iter().flatten() {
                let Some(references) = &field.references else { continue };
                let place = Place::value(Arc::clone(file), at.clone()).within(field.range.clone());
                self.field(place, &object, &field.name, references, found);
            }
        }
    }

    fn fields(&self, file: &Arc<str>, at: &Path, object: &ObjectRef, fields: &Fields, found: &mut Found) {
        for (field, written) in fields {
            let Some(expr) = self.compile(written).filter(|expr| expr.write() == Write::Always) else {
                continue;
            };
            let path = at.key("fields").key(field.as_str());
            self.field(Place::key(Arc::clone(file), path), object, field, expr.references(), found);
        }
    }

    /// One field that is written whatever it holds, with a value that is computed of these.
    fn field(
        &self,
        place: Place,
        object: &ObjectRef,
        field: &str,
        references: &[Reference],
        found: &mut Found,
    ) {
        let Some(owners) = self.view.client.ownership.get(object) else { return };
        let Some(owner) = owners.get(field).or_else(|| owners.get("*")) else { return };
        let Origin::Known(sides) = self.sides.origin(references) else { return };
        let owns = |side: &Arc<str>| match owner {
            Owner::One(one) => one.0 == *side,
            Owner::Both(shared) => shared.both.contains(&Identifier(side.clone())),
        };
        if !sides.is_empty() && !sides.iter().any(owns) {
            self.report(place, object, field, &sides, owners.contains_key(field), found);
        }
    }

    fn compile(&self, written: &crate::written::Written) -> Option<Expr> {
        self.view.engine?.expression(&written.0, &self.sides.names).ok()
    }

    fn report(
        &self,
        place: Place,
        object: &ObjectRef,
        field: &str,
        sides: &BTreeSet<Arc<str>>,
        named: bool,
        found: &mut Found,
    ) {
        let from = sides.iter().map(|side| format!("`{side}`")).collect::<Vec<_>>().join(" and ");
        let rule = Path::root().key("ownership").key(object.to_string()).key(if named { field } else { "*" });
        let finding = found
            .at(place, format!("`{field}` of {object} is written from {from}, which does not own it"))
            .label("its owner's changes would be overwritten")
            .related(self.view.value(&rule), "who owns it")
            .help("write it once with `write: on_create` or `write: if_empty`, or change its owner");
        found.push(finding);
    }
}
