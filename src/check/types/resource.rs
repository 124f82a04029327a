//! Objects of the catalog: what may stand at a place, and what a key leads to.

use std::sync::Arc;

use indexmap::IndexMap;

use super::shape::{Absence, Kind, Number, Object, Shape, Text, TextForm, Unit, Words};
use super::sight::Moved;
use crate::catalog::{self, Field, Format, Place, Walk};
use crate::value::Value;

/// An object, or a part of one: one of several when events of several kinds start a pipeline.
#[derive(Debug, Clone)]
pub(in crate::check) struct Resource {
    alternatives: Arc<[Alternative]>,
}

/// One thing that may stand there.
#[derive(Debug, Clone)]
pub(super) struct Alternative {
    /// The events that bring it; none when it comes another way.
    pub(super) events: Arc<[&'static str]>,
    /// Its name, for a sentence: `invoice`, `invoice.status_transitions`.
    pub(super) name: Arc<str>,
    /// Its fields; `None` when they are not known.
    pub(super) at: Option<Place<'static>>,
    /// What was asked for in place of ids and of lists that are left out.
    pub(super) expanded: Expanded,
    /// True for a part of it: what has changed.
    pub(super) partial: bool,
}

/// What was asked for in place of ids.
#[derive(Debug, Clone)]
pub(super) enum Expanded {
    /// That is computed.
    Unknown,
    /// These keys, and what below them.
    Known(Arc<Tree>),
}

/// Keys, and those below them.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree(IndexMap<Box<str>, Arc<Tree>>);

/// What a key leads to.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// What stands there, in those that have it.
    pub(super) shape: Option<Shape>,
    /// Those that have it.
    pub(super) with: Vec<Alternative>,
    /// Those that have not.
    pub(super) without: Vec<Alternative>,
    /// An id stands in the way, or a list is left out.
    pub(super) not_expanded: Option<NotExpanded>,
    /// Of some nothing is known.
    pub(super) unknown: bool,
}

/// What would have to be asked for.
#[derive(Debug)]
pub(super) struct NotExpanded {
    pub(super) objects: Vec<String>,
    pub(super) left_out: bool,
}

impl Expanded {
    /// Nothing was asked for.
    pub(super) fn nothing() -> Self {
        Self::Known(Arc::default())
    }

    /// What `expand` asks for, as far as it is written out. Of a list, paths begin with `data`.
    pub(super) fn of(expand: Option<&Value>) -> Self {
        let paths: Vec<&str> = match expand {
            None => Vec::new(),
            Some(Value::Text(path)) => vec![path],
            Some(Value::List(paths)) => match paths.iter().map(Value::as_str).collect() {
                Some(paths) => paths,
                None => return Self::Unknown,
            },
            Some(_) => return Self::Unknown,
        };
        if paths.iter().any(|path| path.contains('$')) {
            return Self::Unknown;
        }
        let mut tree = Tree::default();
        for path in paths {
            tree.add(path.strip_prefix("data.").unwrap_or(path));
        }
        Self::Known(Arc::new(tree))
    }

    fn below(&self, key: &str) -> Option<Self> {
        match self {
            Self::Unknown => Some(Self::Unknown),
            Self::Known(tree) => tree.0.get(key).map(|below| Self::Known(Arc::clone(below))),
        }
    }
}

impl Tree {
    fn add(&mut self, path: &str) {
        let mut at = self;
        for key in path.split('.') {
            at = Arc::make_mut(at.0.entry(key.into()).or_default());
        }
    }
}

impl Resource {
    /// One of these.
    pub(super) fn new(alternatives: Vec<Alternative>) -> Self {
        Self { alternatives: alternatives.into() }
    }

    /// Either this or another one.
    pub(super) fn or(&self, other: &Self) -> Self {
        Self { alternatives: self.alternatives.iter().chain(&*other.alternatives).cloned().collect() }
    }

    /// Those for which `keep` holds; all of them when that leaves none.
    pub(super) fn filtered(&self, keep: impl Fn(&Alternative) -> Option<Alternative>) -> Self {
        let kept: Arc<[Alternative]> = self.alternatives.iter().filter_map(keep).collect();
        if kept.is_empty() { self.clone() } else { Self { alternatives: kept } }
    }

    /// What has changed of it: any key may be left out.
    pub(super) fn partly(&self) -> Self {
        let part = |it: &Alternative| Alternative { partial: true, ..it.clone() };
        Self { alternatives: self.alternatives.iter().map(part).collect() }
    }

    /// What stands here, for a sentence: `invoice`, `charge or refund`.
    pub(super) fn in_words(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for alternative in &*self.alternatives {
            if !names.contains(&&*alternative.name) {
                names.push(&alternative.name);
            }
        }
        names.join(" or ")
    }

    /// The step to a key.
    pub(super) fn key(&self, key: &str) -> Reading {
        let mut reading = Reading::default();
        for alternative in &*self.alternatives {
            let Some(at) = alternative.at else {
                reading.unknown = true;
                continue;
            };
            match at.key(key) {
                Walk::To(place) => {
                    if alternative.leaves_out(place, key) {
                        let left_out = NotExpanded { objects: Vec::new(), left_out: true };
                        reading.not_expanded.get_or_insert(left_out);
                        reading.without.push(alternative.clone());
                        continue;
                    }
                    let shape = alternative.shape(place, key);
                    let either = reading.shape.take().map_or_else(|| shape.clone(), |other| other.or(&shape));
                    reading.shape = Some(either);
                    reading.with.push(alternative.clone());
                }
                Walk::Missing => reading.without.push(alternative.clone()),
                Walk::NotExpanded(objects) => {
                    let objects = objects.to_vec();
                    reading.not_expanded.get_or_insert(NotExpanded { objects, left_out: false });
                    reading.without.push(alternative.clone());
                }
                Walk::Unknown => reading.unknown = true,
            }
        }
        reading
    }

    /// All keys that may be here.
    pub(super) fn keys(&self) -> Vec<&'static str> {
        self.alternatives.iter().filter_map(|it| it.at).flat_map(Place::keys).collect()
    }

    /// Where the value of a key that is not here is.
    pub(super) fn moved(&self, key: &str) -> Option<Moved> {
        self.alternatives.iter().find_map(|it| {
            let here = it.at?.catalog();
            let moved = catalog::moved(here, &it.name, key)?;
            Some(Moved { there: moved.there, here: here.api_version().to_owned(), to: moved.to })
        })
    }
}

/// The one optional list that is there without being asked for, of accounts that have any.
const INCLUDED: &str = "external_accounts";

impl Alternative {
    /// A list that is there only when it is asked for.
    fn leaves_out(&self, place: Place<'static>, key: &str) -> bool {
        let is_left_out = |field: &Field| field.optional && matches!(field.kind, catalog::Kind::List(_));
        !self.partial
            && key != INCLUDED
            && place.field().is_some_and(is_left_out)
            && self.expanded.below(key).is_none()
    }

    fn shape(&self, place: Place<'static>, key: &str) -> Shape {
        let Some(field) = place.field() else { return Shape::UNKNOWN };
        let below = self.expanded.below(key);
        let kind = self.kind(place, field, key, below.as_ref());
        let may_be_nothing = field.nullable || field.optional || self.partial;
        Shape { kind, absence: if may_be_nothing { Absence::Possible } else { Absence::Never } }
    }

    fn kind(
        &self,
        place: Place<'static>,
        field: &'static Field,
        key: &str,
        below: Option<&Expanded>,
    ) -> Kind {
        let asked = || below.cloned().unwrap_or_else(Expanded::nothing);
        match &field.kind {
            catalog::Kind::Text if below.is_some() && !field.expandable.is_empty() => match below {
                Some(Expanded::Known(_)) => self.expanded_to(place, &field.expandable, asked()),
                _ => Kind::Unknown,
            },
            catalog::Kind::Text => Kind::Text(text(field, key)),
            catalog::Kind::Integer => number(true, unit(field, key)),
            catalog::Kind::Number => number(false, unit(field, key)),
            catalog::Kind::Boolean => Kind::Boolean(None),
            catalog::Kind::Array(_) => match place.element() {
                Walk::To(element) => match element.field() {
                    Some(field) => {
                        let kind = self.kind(element, field, key, below);
                        let absence = if field.nullable { Absence::Possible } else { Absence::Never };
                        Kind::List(Box::new(Shape { kind, absence }))
                    }
                    None => Kind::List(Box::new(Shape::UNKNOWN)),
                },
                _ => Kind::List(Box::new(Shape::UNKNOWN)),
            },
            catalog::Kind::Map(value) => {
                let kind = self.kind(place, value, key, None);
                Kind::Object(Object::Map(Box::new(Shape { kind, absence: Absence::Possible })))
            }
            catalog::Kind::Any => Kind::Unknown,
            catalog::Kind::Resource(names) => {
                let name = names.first().map_or(key, String::as_str);
                Kind::Object(Object::Resource(self.inside(place, name.into(), asked())))
            }
            catalog::Kind::Object(_) | catalog::Kind::List(_) => {
                let name = format!("{}.{key}", self.name).into();
                Kind::Object(Object::Resource(self.inside(place, name, asked())))
            }
        }
    }

    fn inside(&self, place: Place<'static>, name: Arc<str>, expanded: Expanded) -> Resource {
        let inner = Self { name, at: Some(place), expanded, ..self.clone() };
        Resource::new(vec![inner])
    }

    fn expanded_to(&self, place: Place<'static>, names: &[String], expanded: Expanded) -> Kind {
        match (place.expanded(), names.first()) {
            (Walk::To(object), Some(name)) => {
                Kind::Object(Object::Resource(self.inside(object, name.as_str().into(), expanded)))
            }
            _ => Kind::Unknown,
        }
    }
}

fn text(field: &'static Field, key: &str) -> Text {
    let form = match field.format {
        Some(Format::Decimal) => {
            TextForm::Number(if catalog::is_amount(key) { Unit::Minor } else { Unit::Plain })
        }
        _ if !field.expandable.is_empty() => TextForm::Id(&field.expandable),
        _ => TextForm::Plain,
    };
    let words = field.words.as_ref().map(Words::of);
    let longest = words.as_ref().filter(|words| !words.open);
    let length = longest.and_then(|words| words.iter().map(|word| word.chars().count()).max());
    Text { words, form, length }
}

fn unit(field: &Field, key: &str) -> Unit {
    match field.format {
        Some(Format::UnixTime) => Unit::UnixTime,
        _ if catalog::is_amount(key) => Unit::Minor,
        _ => Unit::Plain,
    }
}

fn number(whole: bool, unit: Unit) -> Kind {
    Kind::Number(Number { whole, unit, value: None })
}
