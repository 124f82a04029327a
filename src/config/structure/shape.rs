//! JSON Schema -> shapes: compiled once, so that checking a file is a walk without look-ups by name.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use regex::Regex;
use rust_decimal::Decimal;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value as Json;

use super::kinds::Kinds;
use super::walk::Walk;
use crate::diagnostic::Diagnostic;
use crate::value::Value;
use crate::yaml::{Document, Path};

/// The index of a shape; shapes refer to each other, also in circles.
pub(super) type Id = usize;

/// What may stand in one place.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// The first sentence of the description.
    pub(super) about: Option<String>,
    pub(super) example: Option<String>,
    /// A shape that is another one with a description of its own.
    alias: Option<Id>,
    own_kinds: Option<Kinds>,
    /// The kinds that pass all of it: own, of `all`, of `branches`.
    pub(super) kinds: Option<Kinds>,
    /// The words of an enumeration.
    pub(super) words: Vec<Arc<str>>,
    /// The values of an enumeration that are no words.
    pub(super) constants: Vec<Value>,
    pub(super) format: Option<String>,
    pub(super) pattern: Option<Regex>,
    pub(super) at_least: Option<Decimal>,
    pub(super) at_most: Option<Decimal>,
    pub(super) above: Option<Decimal>,
    pub(super) below: Option<Decimal>,
    /// How many characters, elements or entries there may be, by kind.
    pub(super) characters: Count,
    pub(super) elements: Count,
    pub(super) entries: Count,
    pub(super) items: Option<Id>,
    pub(super) keys: IndexMap<Arc<str>, Id>,
    pub(super) patterns: Vec<(Regex, Id)>,
    pub(super) required: Vec<Arc<str>>,
    pub(super) rest: Rest,
    pub(super) names: Option<Id>,
    /// Of these keys exactly one must be there.
    pub(super) exactly_one: Vec<Arc<str>>,
    /// All of these hold.
    pub(super) all: Vec<Id>,
    /// One of these holds; alternatives of alternatives are listed here themselves.
    pub(super) branches: Vec<Id>,
}

/// How many there may be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
}

/// What a key that is not listed may hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Rest {
    #[default]
    Anything,
    Refused,
    Shape(Id),
}

/// What may stand in one kind of file, compiled from a JSON Schema.
#[derive(Debug)]
pub struct Structure {
    shapes: Vec<Shape>,
    root: Id,
}

impl Structure {
    /// The structure of files that hold a `T`.
    pub fn of<T: JsonSchema>() -> Self {
        Self::new(SchemaGenerator::default().into_root_schema_for::<T>().as_value())
    }

    /// The structure that a JSON Schema describes: what schemars generates of draft 2020-12, and the same words of
    /// draft 7. Words that it does not know, and references that lead nowhere, allow everything.
    pub fn new(schema: &Json) -> Self {
        let mut compiler = Compiler { schema, shapes: Vec::new(), known: HashMap::new() };
        let root = compiler.shape(schema);
        let mut structure = Self { shapes: compiler.shapes, root };
        for id in 0..structure.shapes.len() {
            let mut branches = Vec::new();
            structure.flatten(id, &mut branches, 0);
            if let Some(shape) = structure.shapes.get_mut(id) {
                shape.branches = branches;
            }
        }
        for id in 0..structure.shapes.len() {
            let kinds = structure.accepted(id, 0);
            if let Some(shape) = structure.shapes.get_mut(id) {
                shape.kinds = Some(kinds);
            }
        }
        structure
    }

    /// Everything that is wrong with the structure of a document.
    pub fn check(&self, document: &Document) -> Vec<Diagnostic> {
        self.check_at(document, &Path::root())
    }

    /// As [`Self::check`], for the part of a document at `path`; nothing when there is none.
    pub fn check_at(&self, document: &Document, path: &Path) -> Vec<Diagnostic> {
        let mut walk = Walk::new(self, document, path);
        if let Some(node) = document.node(path) {
            walk.visit(self.root, node);
        }
        walk.findings
    }

    /// The shape of `id`, aliases followed.
    pub(super) fn shape(&self, id: Id) -> &Shape {
        &self.shapes[self.followed(id)]
    }

    fn followed(&self, id: Id) -> Id {
        let mut id = id;
        // A circle of aliases is no schema that anyone writes; it allows everything.
        for _ in 0..self.shapes.len() {
            let Some(alias) = self.shapes[id].alias else { break };
            id = alias;
        }
        id
    }

    /// The description nearest to where the shape is used.
    pub(super) fn about(&self, id: Id) -> Option<&str> {
        self.shapes[id].about.as_deref().or(self.shape(id).about.as_deref())
    }

    /// Every key that may stand in a map of a shape, those of its alternatives among them.
    pub(super) fn known<'s>(&'s self, shape: &'s Shape) -> Vec<&'s str> {
        let branches = shape.branches.iter().flat_map(|id| self.shape(*id).keys.keys());
        shape.keys.keys().chain(branches).map(|key| &**key).collect()
    }

    /// An example of what may stand at `id`, or in one of its alternatives.
    pub(super) fn example(&self, id: Id) -> Option<&str> {
        let shape = self.shape(id);
        let of_branches = || shape.branches.iter().find_map(|branch| self.shape(*branch).example.as_deref());
        shape.example.as_deref().or_else(of_branches)
    }

    /// The key and content of a form that is one key: `{ stripe: ... }`.
    pub(super) fn single_key(&self, id: Id) -> Option<(Arc<str>, Id)> {
        let shape = self.shape(id);
        match (shape.required.as_slice(), shape.keys.len()) {
            ([key], 1) => shape.keys.get(key).map(|content| (Arc::clone(key), *content)),
            _ => None,
        }
    }

    /// True when `word` is the key of one of the forms of a shape.
    pub(super) fn is_keyed_form(&self, shape: &Shape, word: &str) -> bool {
        shape.branches.iter().filter_map(|id| self.single_key(*id)).any(|(key, _)| *key == *word)
    }

    /// The kinds that may stand at `id`.
    pub(super) fn kinds(&self, id: Id) -> Kinds {
        self.shape(id).kinds.unwrap_or(Kinds::ALL)
    }

    /// True when a list may stand at `id`, and a value of these kinds in it.
    pub(super) fn lists(&self, id: Id, kinds: Kinds) -> bool {
        let shape = self.shape(id);
        let forms = shape.branches.iter().map(|id| self.shape(*id)).chain(std::iter::once(shape));
        let mut lists = forms.filter(|form| form.kinds.is_none_or(|form| form.meets(Kinds::LIST)));
        self.kinds(id).meets(Kinds::LIST)
            && lists.any(|form| form.items.is_none_or(|items| self.kinds(items).meets(kinds)))
    }

    /// Alternatives that are nothing but alternatives themselves are replaced by those.
    fn flatten(&self, id: Id, into: &mut Vec<Id>, depth: usize) {
        for branch in &self.shapes[id].branches {
            let inner = self.followed(*branch);
            let shape = &self.shapes[inner];
            if !shape.branches.is_empty()
                && shape.keys.is_empty()
                && shape.all.is_empty()
                && depth < NESTED_MAX
            {
                self.flatten(inner, into, depth + 1);
            } else {
                into.push(*branch);
            }
        }
    }

    fn accepted(&self, id: Id, depth: usize) -> Kinds {
        let shape = self.shape(id);
        let own = shape.own_kinds.unwrap_or(Kinds::ALL);
        if depth >= NESTED_MAX {
            return own;
        }
        let all = shape.all.iter().fold(own, |kinds, id| kinds.and(self.accepted(*id, depth + 1)));
        let any =
            shape.branches.iter().fold(Kinds::NONE, |kinds, id| kinds.or(self.accepted(*id, depth + 1)));
        if shape.branches.is_empty() { all } else { all.and(any) }
    }
}

/// How deep alternatives may be nested in alternatives before they are taken as they are.
const NESTED_MAX: usize = 16;

struct Compiler<'a> {
    schema: &'a Json,
    shapes: Vec<Shape>,
    known: HashMap<&'a str, Id>,
}

impl<'a> Compiler<'a> {
    fn shape(&mut self, schema: &'a Json) -> Id {
        let id = self.shapes.len();
        self.shapes.push(Shape::default());
        let shape = self.compile(schema);
        self.shapes[id] = shape;
        id
    }

    fn reference(&mut self, reference: &'a str) -> Id {
        if let Some(id) = self.known.get(reference) {
            return *id;
        }
        let id = self.shapes.len();
        self.known.insert(reference, id);
        self.shapes.push(Shape::default());
        let target = reference.strip_prefix('#').and_then(|pointer| self.schema.pointer(pointer));
        if let Some(target) = target {
            let shape = self.compile(target);
            self.shapes[id] = shape;
        }
        id
    }

    fn compile(&mut self, schema: &'a Json) -> Shape {
        if schema == &Json::Bool(false) {
            return Shape { own_kinds: Some(Kinds::NONE), ..Shape::default() };
        }
        let text = |key: &str| schema.get(key).and_then(Json::as_str);
        let mut shape = Shape {
            about: text("description").map(first_sentence),
            example: example(schema),
            own_kinds: schema.get("type").map(kinds),
            format: text("format").map(str::to_owned),
            pattern: text("pattern").and_then(|pattern| Regex::new(pattern).ok()),
            at_least: number(schema, "minimum"),
            at_most: number(schema, "maximum"),
            above: number(schema, "exclusiveMinimum"),
            below: number(schema, "exclusiveMaximum"),
            characters: count(schema, "minLength", "maxLength"),
            elements: count(schema, "minItems", "maxItems"),
            entries: count(schema, "minProperties", "maxProperties"),
            ..Shape::default()
        };
        constants(schema, &mut shape);
        self.parts(schema, &mut shape);
        self.alternatives(schema, &mut shape);
        if let Some(reference) = text("$ref") {
            let target = self.reference(reference);
            if is_bare(&shape) {
                shape.alias = Some(target);
            } else {
                shape.all.push(target);
            }
        }
        shape
    }

    /// What a list or map may hold.
    fn parts(&mut self, schema: &'a Json, shape: &mut Shape) {
        let entries = |key: &str| schema.get(key).and_then(Json::as_object).into_iter().flatten();
        shape.items = schema.get("items").map(|items| self.shape(items));
        for (key, value) in entries("properties") {
            let id = self.shape(value);
            shape.keys.insert(key.as_str().into(), id);
        }
        for (pattern, value) in entries("patternProperties") {
            if let Ok(pattern) = Regex::new(pattern) {
                let id = self.shape(value);
                shape.patterns.push((pattern, id));
            }
        }
        shape.required = texts(schema.get("required"));
        shape.rest = match schema.get("additionalProperties").or(schema.get("unevaluatedProperties")) {
            None | Some(Json::Bool(true)) => Rest::Anything,
            Some(Json::Bool(false)) => Rest::Refused,
            Some(other) => Rest::Shape(self.shape(other)),
        };
        shape.names = schema.get("propertyNames").map(|names| self.shape(names));
    }

    fn alternatives(&mut self, schema: &'a Json, shape: &mut Shape) {
        let list = |key: &str| schema.get(key).and_then(Json::as_array).into_iter().flatten();
        shape.all = list("allOf").map(|all| self.shape(all)).collect();
        let one_of: Vec<&Json> = list("oneOf").collect();
        if let Some(keys) = one_of.iter().map(|branch| only_required(branch)).collect::<Option<Vec<_>>>() {
            shape.exactly_one = keys;
        } else {
            shape.branches = one_of.into_iter().map(|branch| self.shape(branch)).collect();
        }
        for branch in list("anyOf") {
            let id = self.shape(branch);
            shape.branches.push(id);
        }
    }
}

/// `{ "required": ["find"] }`, the way to say that one key of several must be there.
fn only_required(schema: &Json) -> Option<Arc<str>> {
    let map = schema.as_object().filter(|map| map.len() == 1)?;
    match map.get("required")?.as_array()?.as_slice() {
        [Json::String(key)] => Some(key.as_str().into()),
        _ => None,
    }
}

/// True for a shape that says nothing but a description.
fn is_bare(shape: &Shape) -> bool {
    shape.own_kinds.is_none()
        && shape.keys.is_empty()
        && shape.required.is_empty()
        && shape.branches.is_empty()
        && shape.exactly_one.is_empty()
        && shape.all.is_empty()
        && shape.words.is_empty()
        && shape.constants.is_empty()
        && shape.format.is_none()
        && shape.pattern.is_none()
        && matches!(shape.rest, Rest::Anything)
}

fn constants(schema: &Json, shape: &mut Shape) {
    let listed = schema.get("enum").and_then(Json::as_array).into_iter().flatten();
    for value in schema.get("const").into_iter().chain(listed) {
        match value {
            Json::String(word) => shape.words.push(word.as_str().into()),
            other => shape.constants.push(Value::from(other)),
        }
    }
    if shape.own_kinds.is_none() && !(shape.words.is_empty() && shape.constants.is_empty()) {
        let words = if shape.words.is_empty() { Kinds::NONE } else { Kinds::TEXT };
        shape.own_kinds = Some(shape.constants.iter().map(kind_of).fold(words, Kinds::or));
    }
}

fn kind_of(value: &Value) -> Kinds {
    match value {
        Value::Null => Kinds::NULL,
        Value::Bool(_) => Kinds::BOOL,
        Value::Int(_) => Kinds::INT,
        Value::Decimal(_) => Kinds::DECIMAL,
        Value::Text(_) => Kinds::TEXT,
        Value::List(_) => Kinds::LIST,
        Value::Map(_) => Kinds::MAP,
    }
}

fn kinds(types: &Json) -> Kinds {
    match types {
        Json::String(name) => Kinds::named(name),
        Json::Array(names) => {
            names.iter().filter_map(Json::as_str).map(Kinds::named).fold(Kinds::NONE, Kinds::or)
        }
        _ => Kinds::ALL,
    }
}

fn number(schema: &Json, key: &str) -> Option<Decimal> {
    Value::from(schema.get(key)?).as_decimal()
}

fn count(schema: &Json, min: &str, max: &str) -> Count {
    Count { min: schema.get(min).and_then(Json::as_u64), max: schema.get(max).and_then(Json::as_u64) }
}

fn texts(list: Option<&Json>) -> Vec<Arc<str>> {
    list.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).map(Arc::from).collect()
}

fn example(schema: &Json) -> Option<String> {
    schema.get("examples")?.as_array()?.first().map(|example| match example {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    })
}

/// `What is done, in order.` of a description of several sentences, without the full stop.
fn first_sentence(description: &str) -> String {
    let paragraph = description.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let end = [". ", "; ", ": "].iter().filter_map(|stop| paragraph.find(stop)).min();
    paragraph.get(..end.unwrap_or(paragraph.len())).unwrap_or_default().trim_end_matches('.').to_owned()
}
