//! What the expressions at one place of a file can see.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::fault::{Fault, FaultKind};
use super::known::Known;

/// The names that are in scope where an expression stands.
#[derive(Debug, Clone, Default)]
pub struct Names {
    roots: BTreeMap<Arc<str>, Root>,
    /// More steps, and more keys that come later, may be there than are known.
    incomplete: bool,
}

/// What is known of the values below a top-level name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Root {
    /// Anything may be there.
    Open,
    /// A value with nothing below it: what it is, for a sentence.
    Plain(&'static str),
    /// These keys, and those that will be there later; no others. It `grows` when steps add to it.
    Keys { keys: Vec<Arc<str>>, later: Vec<Arc<str>>, grows: bool },
    /// The steps that have run, and those that will.
    Steps { known: Vec<(Arc<str>, Arc<Known>)>, later: Vec<Arc<str>> },
}

/// A part of a path that the context does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// The number of the segment at fault, from 0.
    pub(super) segment: usize,
    /// What to say of it, without its place.
    pub(super) fault: Fault,
}

/// More names than these are a list that nobody reads.
const FEW: usize = 8;

/// What other languages call nothing.
const NOTHING: [&str; 7] = ["null", "nil", "none", "None", "NULL", "undefined", "empty"];

impl Names {
    /// The given top-level names, with anything below them.
    pub fn new<'a>(roots: impl IntoIterator<Item = &'a str>) -> Self {
        Self { roots: roots.into_iter().map(|name| (name.into(), Root::Open)).collect(), incomplete: false }
    }

    /// Adds a top-level name: a loop variable, `found`, an argument of a part.
    #[must_use]
    pub fn with(mut self, name: &str) -> Self {
        self.roots.insert(name.into(), Root::Open);
        self
    }

    /// Adds a top-level name that is a plain value, below which nothing is; `what` it is completes "`name` is ...".
    #[must_use]
    pub fn with_plain(mut self, name: &str, what: &'static str) -> Self {
        self.roots.insert(name.into(), Root::Plain(what));
        self
    }

    /// Adds a top-level name below which exactly `keys` are: `vars`, `with`.
    #[must_use]
    pub fn with_keys<'a>(mut self, name: &str, keys: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = keys.into_iter().map(Into::into).collect();
        self.roots.insert(name.into(), Root::Keys { keys, later: Vec::new(), grows: false });
        self
    }

    /// Adds a top-level name below which `keys` are at this place, and `later` at places that come after it: `set`.
    #[must_use]
    pub fn with_keys_so_far(
        mut self,
        name: &str,
        keys: impl IntoIterator<Item = Arc<str>>,
        later: impl IntoIterator<Item = Arc<str>>,
    ) -> Self {
        let (keys, later) = (keys.into_iter().collect(), later.into_iter().collect());
        self.roots.insert(name.into(), Root::Keys { keys, later, grows: true });
        self
    }

    /// Adds `steps`: the ids that have run at this place with what each gives, and those that will run later.
    #[must_use]
    pub fn with_steps(
        mut self,
        known: impl IntoIterator<Item = (Arc<str>, Arc<Known>)>,
        later: impl IntoIterator<Item = Arc<str>>,
    ) -> Self {
        let (known, later) = (known.into_iter().collect(), later.into_iter().collect());
        self.roots.insert("steps".into(), Root::Steps { known, later });
        self
    }

    /// Says that more steps may have run, and more keys have been named, than are known: what is not known is then
    /// not told. What was looked for is most likely in a part that is wrong, which is told itself.
    #[must_use]
    pub fn incomplete(mut self) -> Self {
        self.incomplete = true;
        self
    }

    /// True when `name` is a top-level name here.
    pub fn has(&self, name: &str) -> bool {
        self.roots.contains_key(name)
    }

    /// The top-level names.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(|name| &**name)
    }

    /// True when `second` could be meant as something below the top-level name `first`.
    pub(super) fn could_be(&self, first: &str, second: &str) -> bool {
        match self.roots.get(first) {
            Some(Root::Open | Root::Steps { .. }) => true,
            Some(Root::Keys { keys, later, .. }) => keys.iter().chain(later).any(|key| &**key == second),
            Some(Root::Plain(_)) | None => false,
        }
    }

    /// Checks the names that a path begins with; what lies deeper is not known here.
    pub(super) fn check(&self, first: &str, rest: &[&str]) -> Option<Missing> {
        let Some(root) = self.roots.get(first) else {
            return Some(Missing { segment: 0, fault: self.unknown(first) });
        };
        let (name, rest) = rest.split_first()?;
        let name = *name;
        let fault = match root {
            Root::Open => return None,
            Root::Plain(what) => {
                Fault::new(FaultKind::UnknownVariable, format!("`{first}` is {what}: nothing is below it"))
                    .help(format!("write `{first}` alone"))
            }
            Root::Keys { keys, .. } if keys.iter().any(|key| &**key == name) => return None,
            Root::Keys { later, .. } if later.iter().any(|key| &**key == name) => {
                Fault::new(FaultKind::UnknownVariable, format!("`{name}` is not in `{first}` yet here"))
                    .help("move what reads it below what names it")
            }
            Root::Keys { grows: true, .. } if self.incomplete => return None,
            Root::Keys { keys, .. } => unknown_key(first, name, keys),
            Root::Steps { known, later } => match known.iter().find(|(id, _)| &**id == name) {
                Some((_, gives)) => {
                    let key = *rest.first()?;
                    let fault = gives.check(&format!("{first}.{name}"), key)?;
                    return Some(Missing { segment: 2, fault });
                }
                None if later.iter().any(|id| &**id == name) => {
                    Fault::new(FaultKind::LaterStep, format!("the step `{name}` has not run yet here"))
                        .help("move the step that reads it below the step that gives it")
                }
                None if self.incomplete => return None,
                None => unknown_step(name, known.iter().map(|(id, _)| id).chain(later)),
            },
        };
        Some(Missing { segment: 1, fault })
    }

    /// Checks a word with which the value of a path is compared.
    pub(super) fn check_word(&self, path: &[&str], word: &str) -> Option<Fault> {
        let [first, id, key] = path else { return None };
        let Some(Root::Steps { known, .. }) = self.roots.get(*first) else { return None };
        let (_, gives) = known.iter().find(|(known, _)| **known == **id)?;
        gives.check_word(id, key, word)
    }

    fn unknown(&self, name: &str) -> Fault {
        let fault = Fault::new(FaultKind::UnknownVariable, format!("`{name}` is not known here"));
        if NOTHING.contains(&name) {
            return fault.help("nothing is written `()`");
        }
        let boolean = name.to_ascii_lowercase();
        if matches!(&*boolean, "true" | "false") {
            return fault.help(format!("write `{boolean}`"));
        }
        if name == "data" && self.roots.contains_key("object") {
            return fault.help("the event's `data.object` is `object` here, whole and on its own");
        }
        let known: Vec<&str> = self.roots().collect();
        fault.help(format!("known here: {}", known.join(", "))).nearest(name, known)
    }
}

fn unknown_key(of: &str, name: &str, keys: &[Arc<str>]) -> Fault {
    let fault = Fault::new(FaultKind::UnknownVariable, format!("`{name}` is not in `{of}`"));
    let names: Vec<&str> = keys.iter().map(|key| &**key).collect();
    let fault = match names.len() {
        0 => fault.help(format!("nothing is in `{of}` here")),
        1..=FEW => fault.help(format!("there is: {}", names.join(", "))),
        _ => fault,
    };
    fault.nearest(name, names)
}

fn unknown_step<'a>(name: &str, ids: impl Iterator<Item = &'a Arc<str>>) -> Fault {
    let ids: Vec<&str> = ids.map(|id| &**id).collect();
    let fault = Fault::new(FaultKind::UnknownStep, format!("no step has the id `{name}`"));
    let fault = match ids.len() {
        0 => fault.help(format!("give a step above this one `id: {name}`")),
        1..=FEW => fault.help(format!("there is: {}", ids.join(", "))),
        _ => fault,
    };
    fault.nearest(name, ids)
}

/// A path of the context that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The place of the scalar inside the written value.
    pub path: Vec<super::fault::FaultSeg>,
    /// The bytes of that scalar that name the path.
    pub range: Range<usize>,
    /// Who reads it.
    pub kind: ReferenceKind,
    /// The path, from a top-level name down.
    pub segments: Vec<ReferenceSeg>,
    /// The value is used as a whole (given to a function, looped over by an unknown name): which of its fields are
    /// read cannot be told.
    pub whole: bool,
}

/// The language that a reference is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceKind {
    /// JSONPath.
    JsonPath,
    /// Rhai.
    Rhai,
}

/// One step of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferenceSeg {
    /// The member of a map.
    Name(Arc<str>),
    /// The element of a list, from the end when negative.
    Index(i64),
    /// Any child: a wildcard, slice or filter, an index that is computed, an element that a function looks at.
    Any,
    /// Anything below, at any depth.
    Deep,
}

impl Reference {
    /// The names on its way, from the top; elements of lists are passed over.
    pub fn names(&self) -> Vec<&str> {
        let names = self.segments.iter().filter_map(|segment| match segment {
            ReferenceSeg::Name(name) => Some(&**name),
            ReferenceSeg::Index(_) | ReferenceSeg::Any | ReferenceSeg::Deep => None,
        });
        names.collect()
    }

    /// The path as it is written in Rhai (`object.lines.data[0].id`), for people.
    pub fn path_text(&self) -> String {
        use std::fmt::Write;

        let mut text = String::new();
        for segment in &self.segments {
            match segment {
                ReferenceSeg::Name(name) if text.is_empty() => text.push_str(name),
                ReferenceSeg::Name(name) => {
                    text.push('.');
                    text.push_str(name);
                }
                // Writing to a string cannot fail.
                ReferenceSeg::Index(index) => drop(write!(text, "[{index}]")),
                ReferenceSeg::Any => text.push_str("[*]"),
                ReferenceSeg::Deep => text.push_str("..*"),
            }
        }
        text
    }
}
