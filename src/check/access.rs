//! Writes to and look-ups in objects of which it is known what fields they have.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::view::View;
use super::walk::{self, Uses};
use crate::config::step::{FindStep, Key, StepFile};
use crate::config::{
    ConnectionFile, FieldSchema, Fields, Identifier, Match, ObjectRef, ObjectSchema, Verb, Written,
};
use crate::connector::ObjectFacts;
use crate::diagnostic::{Path, Place};

/// What a step does with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    Find,
    Create,
    Update,
    Upsert,
}

/// One step that reads or writes an object whose fields are known.
pub(super) struct Access<'a> {
    pub(super) doing: Doing,
    /// As the YAML names it.
    pub(super) object: &'a ObjectRef,
    /// What it has.
    pub(super) known: Known<'a>,
    /// The file that the step is written in.
    file: &'a Arc<str>,
    /// Where its verb is.
    path: Path,
    /// What it writes.
    pub(super) fields: Option<&'a Fields>,
    /// What it looks for, one for each alternative, each with its place.
    pub(super) identities: Vec<(Path, &'a Fields)>,
}

/// One line of a mapping or an identity.
pub(super) struct Line<'a> {
    /// The field, as it is written.
    pub(super) name: &'a str,
    /// Its value.
    pub(super) value: &'a Written,
    /// Where it is.
    pub(super) path: Path,
    /// True of a mapping, false of an identity.
    pub(super) is_mapped: bool,
}

/// What is known of an object: the account's own words for its fields, and the client's.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    schema: &'a ObjectSchema,
    facts: &'a ObjectFacts,
    connection: &'a ConnectionFile,
    object: &'a str,
}

impl<'a> Known<'a> {
    /// The field of this name; the name may be a word of the client.
    pub(super) fn field(&self, name: &str) -> Option<&'a FieldSchema> {
        let name = self.own_name(name);
        self.schema.fields.get(name).or_else(|| {
            let also = |field: &&FieldSchema| field.also.as_deref() == Some(name);
            self.schema.fields.values().find(also)
        })
    }

    /// True when there is a field of this name, or one whose name cannot be judged.
    pub(super) fn has(&self, name: &str) -> bool {
        // A path leads to a field of another object.
        name.contains('.') || *self.facts.id == *name || self.field(name).is_some()
    }

    /// True when the field holds several values.
    pub(super) fn is_many(&self, name: &str) -> bool {
        self.facts.many.contains_key(self.own_name(name))
            || self.field(name).is_some_and(|field| field.multiple)
    }

    /// All names under which a field may be written.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        let own = self.schema.fields.keys().map(String::as_str);
        own.chain(self.words().map(|(word, _)| word))
    }

    /// The fields, by the account's names.
    pub(super) fn fields(&self) -> &'a BTreeMap<String, FieldSchema> {
        &self.schema.fields
    }

    /// The account's name of a field that may be named by a word of the client.
    pub(super) fn own_name<'b>(&'b self, name: &'b str) -> &'b str {
        self.words().find(|(word, _)| *word == name).map_or(name, |(_, own)| own)
    }

    /// What the connector says of its own of every record: the id, when it was made and changed.
    pub(super) fn own_keys(&self) -> impl Iterator<Item = &'a Arc<str>> {
        std::iter::once(&self.facts.id).chain(&self.facts.created).chain(&self.facts.stamps)
    }

    /// The client's words, each with the field that it stands for.
    pub(super) fn words(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let words = self.connection.fields.get(self.object);
        words.into_iter().flatten().map(|(word, own)| (word.as_str(), own.as_str()))
    }
}

impl<'a> Access<'a> {
    /// The place of a key.
    pub(super) fn key(&self, path: &Path) -> Place {
        Place::key(Arc::clone(self.file), path.clone())
    }

    /// The file in which the step is written.
    pub(super) fn file(&self) -> &'a Arc<str> {
        self.file
    }

    /// Where its `fields` are.
    pub(super) fn fields_path(&self) -> Path {
        self.path.key("fields")
    }

    /// Every line that names a field.
    pub(super) fn lines(&self) -> Vec<Line<'a>> {
        let line = |path: &Path, (name, value): (&'a String, &'a Written), is_mapped| Line {
            name,
            value,
            path: path.key(name.as_str()),
            is_mapped,
        };
        let path = self.fields_path();
        let mapped = self.fields.into_iter().flatten().map(|entry| line(&path, entry, true));
        let looked = self.identities.iter().flat_map(|(path, fields)| {
            fields.iter().map(|entry| line(path, entry, false)).collect::<Vec<_>>()
        });
        mapped.chain(looked).collect()
    }
}

/// Every access of a client's pipelines, and of the parts that they use.
pub(super) fn accesses<'a>(view: &View<'a>) -> Vec<Access<'a>> {
    if view.draft.schemas.is_empty() {
        return Vec::new();
    }
    let used = Uses::of(view).parts;
    let pipelines = view.draft.pipelines.iter();
    let pipelines = pipelines.filter_map(|file| Some((&file.path, &file.content.as_ref()?.steps)));
    let parts = view.parts().filter(|file| used.contains(&file.stem));
    let parts = parts.filter_map(|file| Some((&file.path, &file.content.as_ref()?.steps)));
    let mut found = Vec::new();
    for (file, steps) in pipelines.chain(parts) {
        walk::steps(steps, &Path::root().key("steps"), &mut |path, step| {
            of_step(view, file, path, step, &mut found);
        });
    }
    found
}

fn of_step<'a>(
    view: &View<'a>,
    file: &'a Arc<str>,
    path: &Path,
    step: &'a StepFile,
    found: &mut Vec<Access<'a>>,
) {
    let path = path.key(step.verb.name());
    let mut add = |doing, object: &'a ObjectRef, fields, identities| {
        if let Some(known) = known(view, object) {
            found.push(Access { doing, object, known, file, path: path.clone(), fields, identities });
        }
    };
    match &step.verb {
        Verb::Create(create) => {
            let key = match &create.key {
                Some(Key::Fields(fields)) => vec![(path.key("key"), fields)],
                Some(Key::Value(_)) | None => Vec::new(),
            };
            add(Doing::Create, &create.object, Some(&create.fields), key);
        }
        Verb::Update(update) => add(Doing::Update, &update.object, Some(&update.fields), Vec::new()),
        Verb::Upsert(upsert) => {
            let identities = alternatives(&path.key("match"), &upsert.matching);
            add(Doing::Upsert, &upsert.object, Some(&upsert.fields), identities);
        }
        Verb::Find(FindStep { object, matching, any, .. }) => {
            if let (Some(object), Some(matching)) = (object, matching) {
                add(Doing::Find, object, None, alternatives(&path.key("match"), matching));
            }
            for (index, place) in any.iter().enumerate() {
                let at = path.key("any").index(index).key("match");
                add(Doing::Find, &place.object, None, alternatives(&at, &place.matching));
            }
        }
        _ => {}
    }
}

fn alternatives<'a>(path: &Path, written: &'a Match) -> Vec<(Path, &'a Fields)> {
    match written {
        Match::One(fields) => vec![(path.clone(), fields)],
        Match::AnyOf(list) => {
            list.iter().enumerate().map(|(index, fields)| (path.index(index), fields)).collect()
        }
    }
}

/// What is known of an object; nothing when it was not pulled.
pub(super) fn known<'a>(view: &View<'a>, object: &'a ObjectRef) -> Option<Known<'a>> {
    let name = Identifier(Arc::clone(&object.connection));
    let schema = view.schema(&name)?.objects.get(&*object.object)?;
    let connection = view.client.connections.get(&name)?;
    let facts = view.manifest(connection)?.abilities().object(&object.object)?;
    Some(Known { schema, facts, connection, object: &object.object })
}
