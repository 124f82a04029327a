//! A compiled object: one kind of record and its operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::abilities::{Finder, ObjectFacts};
use super::call::{ActionKind, Fields};
use super::compile::Compiler;
use super::fault::Fault;
use super::file::{ManifestFile, ObjectFile, OperationFile};
use super::job::Job;
use super::operation::{Operation, Role};
use super::wire::Wire;
use crate::diagnostic::Path;
use crate::value::{Map, Value};

/// One kind of record.
#[derive(Debug)]
pub(super) struct Object {
    /// The field of a record that holds its id, key by key.
    pub(super) id: Vec<String>,
    /// What it is, for people.
    description: Option<Arc<str>>,
    created: Option<Arc<str>>,
    stamps: Vec<Arc<str>>,
    /// False when `describe` cannot tell its fields.
    described: bool,
    /// What operations see as `vars`.
    pub(super) vars: Value,
    /// What of its fields is not written as it is.
    pub(super) wire: Wire,
    pub(super) find: Vec<Operation>,
    pub(super) actions: BTreeMap<ActionKind, Operation>,
    pub(super) link: IndexMap<Arc<str>, Operation>,
    pub(super) unlink: IndexMap<Arc<str>, Operation>,
}

/// A key of the object or, failing that, of its shape: each with the place it was written at.
struct Layers<'a>(Vec<(Path, &'a ObjectFile)>);

impl Object {
    /// Compiles `file`, laid over the shape that it begins with.
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: &ObjectFile,
        manifest: &ManifestFile,
        role: &Role<'_>,
    ) -> Self {
        let layers = Layers::of(compiler, at, file, manifest);
        let mut vars = Map::new();
        for (_, layer) in layers.0.iter().rev() {
            vars.extend(layer.vars.iter().map(|(name, value)| (Arc::clone(&name.0), value.clone())));
        }
        let names = role.names.clone().with_keys("vars", vars.keys().map(|name| &**name));
        let mut object = Self {
            id: layers.id(),
            description: layers.0.iter().find_map(|(_, layer)| layer.description.as_deref()).map(Arc::from),
            created: layers.created(),
            stamps: layers.stamps(),
            described: layers.described(),
            vars: vars.into(),
            wire: Wire::compile(compiler, &layers.0, &names),
            find: Vec::new(),
            actions: BTreeMap::new(),
            link: IndexMap::new(),
            unlink: IndexMap::new(),
        };
        for kind in ActionKind::ALL {
            if file.without.contains(&kind) {
                continue;
            }
            let role = Role { kind: Some(kind), names: &names, ..*role };
            object.compile_action(compiler, &layers, kind, &role);
        }
        object
    }

    fn compile_action(
        &mut self,
        compiler: &mut Compiler,
        layers: &Layers<'_>,
        kind: ActionKind,
        role: &Role<'_>,
    ) {
        match kind {
            ActionKind::Find => {
                let Some((at, layer)) = layers.0.iter().find(|(_, layer)| !layer.find.is_empty()) else {
                    return;
                };
                let ways = layer.find.iter().enumerate();
                let ways = ways.filter_map(|(index, way)| {
                    Operation::compile(compiler, &at.key("find").index(index), way, role)
                });
                self.find = ways.collect();
            }
            ActionKind::Link => self.link = layers.relations(compiler, role, "link", |layer| &layer.link),
            ActionKind::Unlink => {
                self.unlink = layers.relations(compiler, role, "unlink", |layer| &layer.unlink);
            }
            _ => {
                let written = layers.0.iter().find_map(|(at, layer)| Some((at, action(layer, kind)?)));
                let Some((at, file)) = written else { return };
                if let Some(operation) = Operation::compile(compiler, &at.key(kind.word()), file, role) {
                    self.actions.insert(kind, operation);
                }
            }
        }
    }

    /// The way to look a record up by all the fields of `identity`.
    pub(super) fn finder(&self, identity: &Fields) -> Option<&Operation> {
        let fields: Vec<&str> = identity.keys().map(|name| &**name).collect();
        self.find.iter().find(|way| finder(way).fits(&fields))
    }

    /// How it is listed in the background, where the system does that.
    pub(super) fn job(&self) -> Option<&Job> {
        self.actions.get(&ActionKind::List)?.job.as_deref()
    }

    /// Everything that can be done with it.
    pub(super) fn operations(&self) -> impl Iterator<Item = &Operation> {
        let relations = self.link.values().chain(self.unlink.values());
        let jobs = self.job().into_iter().flat_map(Job::operations);
        self.find.iter().chain(self.actions.values()).chain(relations).chain(jobs)
    }

    pub(super) fn facts(&self) -> ObjectFacts {
        let mut actions: BTreeMap<_, _> =
            self.actions.iter().map(|(kind, operation)| (*kind, operation.facts.clone())).collect();
        for (kind, relations) in [(ActionKind::Link, &self.link), (ActionKind::Unlink, &self.unlink)] {
            if let Some(operation) = relations.values().next() {
                actions.insert(kind, operation.facts.clone());
            }
        }
        let mut relations: IndexMap<Arc<str>, Option<Arc<str>>> = self
            .link
            .iter()
            .map(|(name, operation)| (Arc::clone(name), operation.facts.dangerous.clone()))
            .collect();
        relations.extend(
            self.unlink
                .keys()
                .filter(|name| !self.link.contains_key(*name))
                .map(|name| (Arc::clone(name), None)),
        );
        ObjectFacts {
            description: self.description.clone(),
            id: self.id.join(".").into(),
            finders: self.find.iter().map(finder).collect(),
            actions,
            relations,
            many: self
                .wire
                .many
                .iter()
                .map(|(name, many)| (Arc::clone(name), Arc::clone(many.value_key())))
                .collect(),
            created: self.created.clone(),
            stamps: self.stamps.clone(),
            described: self.described,
        }
    }
}

fn finder(operation: &Operation) -> Finder {
    Finder { by: operation.by.clone(), facts: operation.facts.clone() }
}

fn action(file: &ObjectFile, kind: ActionKind) -> Option<&OperationFile> {
    match kind {
        ActionKind::Get => file.get.as_ref(),
        ActionKind::List => file.list.as_ref(),
        ActionKind::Create => file.create.as_ref(),
        ActionKind::Update => file.update.as_ref(),
        ActionKind::Delete => file.delete.as_ref(),
        ActionKind::Upsert => file.upsert.as_ref(),
        ActionKind::Find | ActionKind::Link | ActionKind::Unlink => None,
    }
}

impl<'a> Layers<'a> {
    fn of(compiler: &mut Compiler, at: &Path, file: &'a ObjectFile, manifest: &'a ManifestFile) -> Self {
        let mut layers = vec![(at.clone(), file)];
        if let Some(like) = &file.like {
            let shape = manifest.shapes.get(like);
            if let Some(shape) = shape {
                layers.push((Path::root().key("shapes").key(Arc::clone(&like.0)), shape));
            } else {
                let known = manifest.shapes.keys().map(|name| &*name.0);
                let fault = Fault::new(at.key("like"), format!("`{}` is not one of `shapes`", like.0));
                compiler.push(fault.nearest(&like.0, known));
            }
        }
        Self(layers)
    }

    fn id(&self) -> Vec<String> {
        let written = self.0.iter().find_map(|(_, layer)| layer.id.as_deref());
        written.unwrap_or("id").split('.').map(str::to_owned).collect()
    }

    fn stamps(&self) -> Vec<Arc<str>> {
        let layer = self.0.iter().find(|(_, layer)| !layer.stamps.is_empty());
        layer.into_iter().flat_map(|(_, layer)| &layer.stamps).map(|name| name.as_str().into()).collect()
    }

    fn created(&self) -> Option<Arc<str>> {
        self.0.iter().find_map(|(_, layer)| layer.created.as_deref()).map(Arc::from)
    }

    fn described(&self) -> bool {
        self.0.iter().find_map(|(_, layer)| layer.described).unwrap_or(true)
    }

    fn relations(
        &self,
        compiler: &mut Compiler,
        role: &Role<'_>,
        key: &str,
        part: fn(&ObjectFile) -> &IndexMap<String, OperationFile>,
    ) -> IndexMap<Arc<str>, Operation> {
        let mut relations = IndexMap::new();
        for (at, layer) in self.0.iter().rev() {
            for (name, file) in part(layer) {
                let at = at.key(key).key(name.as_str());
                if let Some(operation) = Operation::compile(compiler, &at, file, role) {
                    relations.insert(Arc::from(name.as_str()), operation);
                }
            }
        }
        relations
    }
}
