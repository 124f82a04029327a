//! The walk over a document, shape by shape. Keys are here; scalars in `scalar.rs`, alternatives in `choice.rs`.

use std::sync::Arc;

use super::foreign;
use super::kinds::Kinds;
use super::shape::{Id, Rest, Shape, Structure};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::nearest::{Hint, Meant, did_you_mean, nearest};
use crate::yaml::{Data, Document, Entry, Node, Path, Seg};

/// One check of one document.
pub(super) struct Walk<'a> {
    pub(super) structure: &'a Structure,
    pub(super) document: &'a Document,
    /// The way to where the walk is.
    pub(super) path: Vec<Seg>,
    /// The maps on that way, outermost first, each with the depth of its path.
    above: Vec<(Id, usize)>,
    pub(super) findings: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(structure: &'a Structure, document: &'a Document, path: &Path) -> Self {
        Self { structure, document, path: path.segs().to_vec(), above: Vec::new(), findings: Vec::new() }
    }

    /// Checks `node` against the shape of `id`.
    pub(super) fn visit(&mut self, id: Id, node: &Node) {
        if !self.structure.kinds(id).meets(Kinds::of(node)) {
            self.wrong_type(id, node);
            return;
        }
        let structure = self.structure;
        let shape = structure.shape(id);
        for part in &shape.all {
            self.visit(*part, node);
        }
        match &node.data {
            Data::List(items) => self.list(shape, items),
            Data::Map(entries) => {
                self.above.push((id, self.path.len()));
                self.map(shape, entries);
                self.choose_map(shape, entries, node);
                self.above.pop();
                return;
            }
            _ => self.scalar(shape, node),
        }
        self.choose(shape, node);
    }

    fn list(&mut self, shape: &Shape, items: &[Node]) {
        self.count(shape.elements, items.len(), "element");
        let Some(id) = shape.items else { return };
        for (index, item) in items.iter().enumerate() {
            self.path.push(Seg::Index(index));
            self.visit(id, item);
            self.path.pop();
        }
    }

    fn map(&mut self, shape: &'a Shape, entries: &[Entry]) {
        self.count(shape.entries, entries.len(), "entry");
        let mut unknown = Vec::new();
        let hungry = self.hungry(shape, entries);
        for entry in entries {
            if let Some(names) = shape.names {
                self.name(names, entry);
            }
            match self.value_shape(shape, entry) {
                // What belongs into it stands beside it: told once, at the first of those keys.
                Rest::Shape(_) if hungry.is_some_and(|(key, _)| key == &entry.key.name) => {}
                Rest::Shape(id) => self.enter(entry, id),
                Rest::Anything => {}
                Rest::Refused => unknown.push(entry),
            }
        }
        let structure = self.structure;
        let known = if unknown.is_empty() { Vec::new() } else { structure.known(shape) };
        match (hungry, unknown.first()) {
            (Some((key, first)), Some(_)) => self.not_indented(key, first),
            _ => unknown.iter().for_each(|entry| self.unknown_key(entry, entries, &known)),
        }
        for key in &shape.required {
            // A misspelt key is one mistake, not two.
            let slip = || {
                unknown.iter().any(|entry| nearest(&entry.key.name, known.iter().copied()) == Some(&**key))
            };
            if !entries.iter().any(|entry| entry.key.name == *key) && !slip() {
                self.missing_key(key, shape.keys.get(key).copied());
            }
        }
        if !shape.exactly_one.is_empty() {
            self.exactly_one(&shape.exactly_one, entries, !unknown.is_empty());
        }
    }

    /// A key without a value that wants a map, with the first of the keys beside it that belong into that map: what is
    /// left when the lines of a map are not indented.
    fn hungry<'e>(&self, shape: &Shape, entries: &'e [Entry]) -> Option<(&'e Arc<str>, &'e Entry)> {
        let at = entries.iter().position(|entry| {
            let wanted = shape.keys.get(&entry.key.name).or_else(|| self.branch_key(shape, &entry.key.name));
            let wants_map = wanted.is_some_and(|id| self.structure.kinds(*id).meets(Kinds::MAP));
            matches!(entry.value.data, Data::Null) && wants_map
        })?;
        let (key, after) = (&entries[at].key.name, &entries[at + 1..]);
        let wanted = shape.keys.get(key).or_else(|| self.branch_key(shape, key))?;
        let inner = self.structure.shape(*wanted);
        let known = self.structure.known(inner);
        let belongs =
            |entry: &&Entry| known.contains(&&*entry.key.name) || matches!(inner.rest, Rest::Shape(_));
        let is_unknown = |entry: &&Entry| matches!(self.value_shape(shape, entry), Rest::Refused);
        after.iter().find(|entry| is_unknown(entry) && belongs(entry)).map(|first| (key, first))
    }

    /// What stands under a key that one of the alternatives of a shape has.
    fn branch_key(&self, shape: &Shape, key: &str) -> Option<&'a Id> {
        let structure = self.structure;
        shape.branches.iter().find_map(|id| structure.shape(*id).keys.get(key))
    }

    fn not_indented(&mut self, key: &str, first: &Entry) {
        let fact = format!("`{}` stands beside `{key}`, and belongs into it", first.key.name);
        let finding = Diagnostic::new(Code::UnknownKey, self.at_key(first), fact)
            .label(format!("nothing is in `{key}` without it"))
            .help("indent this line, and those that belong with it, more");
        self.findings.push(finding);
    }

    /// What the value of `entry` must be.
    fn value_shape(&self, shape: &Shape, entry: &Entry) -> Rest {
        let name = &*entry.key.name;
        if let Some(id) = shape.keys.get(name) {
            return Rest::Shape(*id);
        }
        if let Some((_, id)) = shape.patterns.iter().find(|(pattern, _)| pattern.is_match(name)) {
            return Rest::Shape(*id);
        }
        match shape.rest {
            // Alternatives beside common keys bring keys of their own; they are checked when one is chosen.
            Rest::Refused
                if shape.branches.iter().any(|id| self.structure.shape(*id).keys.contains_key(name)) =>
            {
                Rest::Anything
            }
            rest => rest,
        }
    }

    /// Checks the value of an entry.
    pub(super) fn enter(&mut self, entry: &Entry, id: Id) {
        self.path.push(Seg::Key(Arc::clone(&entry.key.name)));
        self.visit(id, &entry.value);
        self.path.pop();
    }

    /// Exactly one of several keys. Nothing is said where an unknown key is most likely one of them, misspelt.
    pub(super) fn exactly_one(&mut self, keys: &[Arc<str>], entries: &[Entry], unknown: bool) {
        let mut chosen = entries.iter().filter(|entry| keys.contains(&entry.key.name));
        let names: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        match (chosen.next(), chosen.next()) {
            (Some(_), None) => {}
            (None, _) if unknown => {}
            (None, _) => {
                let finding = Diagnostic::new(
                    Code::OneOf,
                    self.here(),
                    format!("a key is missing in {}", self.subject()),
                )
                .label("what it is must be said here")
                .help(format!("write one of {}", names.join(", ")));
                self.findings.push(finding);
            }
            (Some(first), Some(second)) => {
                let (a, b) = (&first.key.name, &second.key.name);
                let finding =
                    Diagnostic::new(Code::OneOf, self.at_key(second), format!("`{b}` stands beside `{a}`"))
                        .label("exactly one of the two may stand here")
                        .related(self.at_key(first), "the other one")
                        .help(self.keep_one(a, b));
                self.findings.push(finding);
            }
        }
    }

    fn keep_one(&self, a: &str, b: &str) -> String {
        if let Some(Seg::Index(_)) = self.path.last() {
            format!(
                "keep `{a}` or `{b}`, or begin a list element of its own with `- ` on the line where it starts"
            )
        } else {
            format!("keep `{a}` or `{b}`: each takes a place of its own")
        }
    }

    pub(super) fn unknown_key(&mut self, entry: &Entry, beside: &[Entry], known: &[&str]) {
        let name = &entry.key.name;
        let is_near = nearest(name, known.iter().copied()).is_some();
        let elsewhere = if is_near { None } else { self.belongs(name, beside) };
        let meant = || {
            let meant = foreign::meant(name, known)?.to_owned();
            Some(Meant { written: name.to_string(), meant, clear: false }.asked())
        };
        let elsewhere = elsewhere.map(Hint::from);
        let help = elsewhere.or_else(meant).or_else(|| did_you_mean(name, known.iter().copied()));
        let fact = format!("`{name}` is not a known key of {}", self.subject());
        let finding =
            Diagnostic::new(Code::UnknownKey, self.at_key(entry), fact).label("unknown key").help_maybe(help);
        self.findings.push(finding);
    }

    /// A key that is known one level up or down is most likely indented wrongly.
    fn belongs(&self, name: &str, beside: &[Entry]) -> Option<String> {
        let knows = |id: Id| self.structure.known(self.structure.shape(id)).contains(&name);
        let here = self.structure.shape(self.above.last()?.0);
        let inner = beside.iter().find(|other| {
            let value = here.keys.get(&other.key.name);
            other.value.as_map().is_some() && value.is_some_and(|value| knows(*value))
        });
        if let Some(inner) = inner {
            return Some(format!("`{name}` belongs into `{}`: indent it more", inner.key.name));
        }
        let (_, outer) = self.above.iter().rev().skip(1).find(|(id, _)| knows(*id))?;
        match self.path.get(*outer)? {
            Seg::Key(key) => Some(format!("`{name}` belongs beside `{key}`: indent it less")),
            Seg::Index(_) => None,
        }
    }

    fn missing_key(&mut self, key: &str, id: Option<Id>) {
        let about = id.and_then(|id| self.structure.about(id));
        let help = match about {
            Some(about) => format!("add `{key}:` ({})", lower_first(about)),
            None => format!("add `{key}:`"),
        };
        let finding = Diagnostic::new(
            Code::MissingKey,
            self.here(),
            format!("`{key}` is missing in {}", self.subject()),
        )
        .label(format!("`{key}` must be written here"))
        .help(help);
        self.findings.push(finding);
    }

    /// Where a whole map or list is talked about: its key, or its first line where it has none.
    pub(super) fn here(&self) -> Place {
        let file = Arc::clone(self.document.file.path());
        let path = Path::from(self.path.clone());
        match self.path.last() {
            Some(Seg::Key(_)) => Place::key(file, path),
            _ => Place::value(file, path),
        }
    }

    pub(super) fn at_key(&self, entry: &Entry) -> Place {
        let path = Path::from(self.path.clone()).key(Arc::clone(&entry.key.name));
        Place::key(Arc::clone(self.document.file.path()), path)
    }

    pub(super) fn at_value(&self) -> Place {
        Place::value(Arc::clone(self.document.file.path()), Path::from(self.path.clone()))
    }

    /// What the walk stands in, for a sentence: `` `trigger.stripe` ``, or the file.
    pub(super) fn subject(&self) -> String {
        if self.path.is_empty() { "this file".into() } else { format!("`{}`", Path::from(self.path.clone())) }
    }
}

pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    // `A Rhai condition` begins small in a sentence, `HTTP` does not.
    match (chars.next(), chars.clone().next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.into(),
    }
}
