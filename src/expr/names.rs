//! What the expressions at one place of a file can see.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::fault::{Fault, FaultKind};

/// The names that are in scope where an expression stands.
#[derive(Debug, Clone, Default)]
pub struct Names {
    roots: BTreeMap<Arc<str>, Root>,
}

/// What is known of the values below a top-level name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Root {
    /// Anything may be there.
    Open,
    /// These keys and no others.
    Keys(Vec<Arc<str>>),
    /// The steps that have run, and those that will.
    Steps { known: Vec<Arc<str>>, later: Vec<Arc<str>> },
}

/// A part of a path that the context does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// The number of the segment at fault, from 0.
    pub(super) segment: usize,
    /// What to say of it, without its place.
    pub(super) fault: Fault,
}

impl Names {
    /// The given top-level names, with anything below them.
    pub fn new<'a>(roots: impl IntoIterator<Item = &'a str>) -> Self {
        Self { roots: roots.into_iter().map(|name| (name.into(), Root::Open)).collect() }
    }

    /// Adds a top-level name: a loop variable, `found`, an argument of a part.
    #[must_use]
    pub fn with(mut self, name: &str) -> Self {
        self.roots.insert(name.into(), Root::Open);
        self
    }

    /// Adds a top-level name below which exactly `keys` are: `vars`, `set`.
    #[must_use]
    pub fn with_keys<'a>(mut self, name: &str, keys: impl IntoIterator<Item = &'a str>) -> Self {
        self.roots.insert(name.into(), Root::Keys(keys.into_iter().map(Into::into).collect()));
        self
    }

    /// Adds `steps`: the ids that have run at this place, and those that will run later.
    #[must_use]
    pub fn with_steps<'a>(
        mut self,
        known: impl IntoIterator<Item = &'a str>,
        later: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known = known.into_iter().map(Into::into).collect();
        let later = later.into_iter().map(Into::into).collect();
        self.roots.insert("steps".into(), Root::Steps { known, later });
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

    /// Checks the first two names of a path; what lies deeper is not known here.
    pub(super) fn check(&self, first: &str, second: Option<&str>) -> Option<Missing> {
        let Some(root) = self.roots.get(first) else {
            let message = format!("`{first}` is not known here");
            let known = self.roots.keys().map(|name| &**name).collect::<Vec<_>>();
            let fault = Fault::new(FaultKind::UnknownVariable, message)
                .help(format!("known here: {}", known.join(", ")))
                .nearest(first, known);
            return Some(Missing { segment: 0, fault });
        };
        let name = second?;
        let fault = match root {
            Root::Open => return None,
            Root::Keys(keys) if keys.iter().any(|key| &**key == name) => return None,
            Root::Keys(keys) => {
                Fault::new(FaultKind::UnknownVariable, format!("`{name}` is not in `{first}`"))
                    .nearest(name, keys.iter().map(|key| &**key))
            }
            Root::Steps { known, .. } if known.iter().any(|id| &**id == name) => return None,
            Root::Steps { later, .. } if later.iter().any(|id| &**id == name) => {
                Fault::new(FaultKind::LaterStep, format!("the step `{name}` has not run yet here"))
                    .help("move the step that reads it below the step that gives it")
            }
            Root::Steps { known, later } => {
                Fault::new(FaultKind::UnknownStep, format!("no step has the id `{name}`"))
                    .nearest(name, known.iter().chain(later).map(|id| &**id))
            }
        };
        Some(Missing { segment: 1, fault })
    }
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
