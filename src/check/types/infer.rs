//! The shape of a term, and what is seen on the way to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::scope::Scope;
use super::script::changing;
use super::shape::{Absence, Kind, Number, Object, Record, Shape, Text, TextForm, Unit};
use super::sight::{Miss, Sight};
use crate::diagnostic::{Path, Place, Seg};
use crate::expr::{FaultSeg, Spot, Term, What};
use crate::nearest::nearest;
use crate::value::Value;

/// Finds the shapes of one expression.
pub(super) struct Infer<'a> {
    /// What its names stand for.
    pub(super) scope: Scope,
    /// The file that it stands in, and where.
    pub(super) file: &'a Arc<str>,
    pub(super) path: &'a Path,
    /// What was seen.
    pub(super) sights: &'a mut Vec<(Place, Sight)>,
    /// True where a text goes to another system, so that it is seen what becomes part of it.
    pub(super) heeds_texts: bool,
    /// Above zero where it is asked whether something is there: a key that only some objects have is meant then.
    pub(super) tolerant: usize,
    /// Variables of the script that change: nothing is known of them.
    changing: BTreeSet<Arc<str>>,
}

impl<'a> Infer<'a> {
    pub(super) fn new(
        scope: Scope,
        file: &'a Arc<str>,
        path: &'a Path,
        sights: &'a mut Vec<(Place, Sight)>,
    ) -> Self {
        Self { scope, file, path, sights, heeds_texts: false, tolerant: 0, changing: BTreeSet::new() }
    }

    /// The shape of a whole expression.
    pub(super) fn whole(&mut self, term: &Term) -> Shape {
        changing(term, &mut self.changing);
        self.term(term)
    }

    pub(super) fn see(&mut self, spot: &Spot, sight: Sight) {
        let place = place(self.file, self.path, spot);
        self.sights.push((place, sight));
    }

    /// The shape of a term, with what conditions tell of it.
    pub(super) fn term(&mut self, term: &Term) -> Shape {
        let shape = self.plain(term);
        self.narrowed(term, shape)
    }

    /// What conditions that hold here tell of a term.
    pub(super) fn narrowed(&self, term: &Term, shape: Shape) -> Shape {
        if self.scope.facts.is_empty() {
            return shape;
        }
        match term.path_text() {
            Some(path) => self.scope.narrowed(&path, shape),
            None => shape,
        }
    }

    /// The shape of a term by itself.
    pub(super) fn plain(&mut self, term: &Term) -> Shape {
        match &term.what {
            What::Literal(value) => Shape::literal(value),
            What::Name(name) if self.changing.contains(name) => Shape::UNKNOWN,
            What::Name(name) => self.scope.name(name),
            What::Member { of, key } => {
                let of = self.term(of);
                self.member(&term.spot, &of, key)
            }
            What::Element { of, index } => self.element(term, of, index),
            What::Children(of) => children(&self.term(of)),
            What::Filtered { of, condition } => {
                let child = children(&self.term(of));
                self.inside(&"@".into(), child.clone(), |this| this.condition(condition));
                child
            }
            What::Descendants(of) => {
                self.term(of);
                Shape::UNKNOWN
            }
            What::Nodes(of) => {
                let node = self.term(of).with_absence(Absence::Never);
                Shape::list(node)
            }
            What::Text(parts) => self.text(parts),
            What::First(parts) => self.first(parts),
            What::Each { over, name, give } => {
                let list = self.term(over);
                let given = self.inside(name, element_of(&list), |this| this.term(give));
                Shape::list(given.with_absence(Absence::Never)).with_absence(list.absence)
            }
            What::List(items) => {
                let shapes: Vec<Shape> = items.iter().map(|item| self.term(item)).collect();
                let element = shapes.into_iter().reduce(|a, b| a.or(&b)).unwrap_or(Shape::UNKNOWN);
                Shape::list(element)
            }
            What::Map(entries) => {
                let fields = entries.iter().map(|(key, value)| (Arc::clone(key), self.term(value)));
                let fields: IndexMap<Arc<str>, Shape> = fields.collect();
                let record = Record { of: Vec::new(), fields, open: true };
                Shape::of(Kind::Object(Object::Record(Arc::new(record))))
            }
            What::Call { name, args } => self.call(term, name, args),
            What::And(parts) => self.all_of(parts, true),
            What::Or(parts) => self.all_of(parts, false),
            What::Changed { of, by } => self.changed(of, by),
            _ => self.statement(term),
        }
    }

    /// The value under a key.
    pub(super) fn member(&mut self, spot: &Spot, of: &Shape, key: &Arc<str>) -> Shape {
        match &of.kind {
            Kind::Object(Object::Map(value)) => under(of, value),
            Kind::Object(Object::Record(record)) => {
                if let Some(shape) = record.fields.get(key) {
                    return under(of, shape);
                }
                if !record.open {
                    let near = nearest(key, record.fields.keys().map(|known| &**known));
                    let near = near.map(ToOwned::to_owned);
                    let names: Vec<String> = record.of.iter().map(ToString::to_string).collect();
                    let (of, pulled) = (names.join(" or "), record.of.first().cloned());
                    let miss = Miss { key: Arc::clone(key), of, near, moved: None, pulled };
                    self.see(spot, Sight::Missing(miss));
                }
                Shape::UNKNOWN
            }
            Kind::Object(Object::Resource(resource)) => {
                let resource = resource.clone();
                self.member_of_resource(spot, of, &resource, key)
            }
            Kind::Text(Text { form: TextForm::Id(objects), .. }) => {
                let objects = objects.to_vec();
                self.see(spot, Sight::NotExpanded { key: Arc::clone(key), objects, left_out: false });
                Shape::UNKNOWN
            }
            Kind::Unknown
            | Kind::Text(_)
            | Kind::Number(_)
            | Kind::Boolean(_)
            | Kind::List(_)
            | Kind::Object(Object::Open) => Shape::UNKNOWN,
        }
    }

    fn element(&mut self, term: &Term, of: &Term, index: &Term) -> Shape {
        let base = self.term(of);
        let index = self.term(index);
        match &base.kind {
            Kind::List(element) => {
                let maybe = element.absence == Absence::Possible || base.absence == Absence::Possible;
                let absence = if maybe { Absence::Possible } else { Absence::Unknown };
                Shape { kind: element.kind.clone(), absence }
            }
            Kind::Object(Object::Map(value)) => under(&base, value),
            Kind::Object(Object::Resource(resource)) if matches!(index.kind, Kind::Number(_)) => {
                let near = resource.keys().contains(&"data").then(|| "data".to_owned());
                let of = resource.in_words();
                let key = index_text(&index);
                self.see(&term.spot, Sight::Missing(Miss { key, of, near, moved: None, pulled: None }));
                Shape::UNKNOWN
            }
            _ => Shape::UNKNOWN,
        }
    }

    /// Text that is put together.
    fn text(&mut self, parts: &[Term]) -> Shape {
        let mut length = Some(0);
        for part in parts {
            let shape = self.term(part);
            self.in_text(part, &shape);
            let own = match &shape.kind {
                Kind::Text(text) => text.length,
                _ => None,
            };
            length = length.zip(own).map(|(sum, own)| sum + own);
        }
        Shape::of(Kind::Text(Text { length, ..Text::default() }))
    }

    /// A value that becomes part of a text.
    pub(super) fn in_text(&mut self, part: &Term, shape: &Shape) {
        if self.heeds_texts && matches!(shape.unit(), Unit::Minor | Unit::UnixTime) {
            self.see(&part.spot, Sight::InText { shape: shape.clone(), path: part.path_text() });
        }
    }

    /// The first that is there.
    fn first(&mut self, parts: &[Term]) -> Shape {
        self.tolerant += 1;
        let shapes: Vec<Shape> = parts.iter().map(|part| self.term(part)).collect();
        self.tolerant -= 1;
        let certain = shapes.iter().any(|shape| shape.absence == Absence::Never);
        let unknown = shapes.iter().any(|shape| shape.absence == Absence::Unknown);
        let either = shapes.into_iter().reduce(|a, b| a.or(&b)).unwrap_or(Shape::UNKNOWN);
        match (certain, unknown) {
            (true, _) => either.with_absence(Absence::Never),
            (_, true) => either.with_absence(Absence::Unknown),
            _ => either,
        }
    }
}

/// The place of a term in the file whose expression stands at `path`.
pub(super) fn place(file: &Arc<str>, path: &Path, spot: &Spot) -> Place {
    let path = spot.path.iter().fold(path.clone(), |path, seg| match seg {
        FaultSeg::Key(key) => path.with(Seg::Key(key.as_str().into())),
        FaultSeg::Index(index) => path.with(Seg::Index(*index)),
    });
    let place = Place::value(Arc::clone(file), path);
    match &spot.within {
        Some(range) => place.within(range.clone()),
        None => place,
    }
}

/// What stands under a key of something that may be nothing itself.
pub(super) fn under(of: &Shape, shape: &Shape) -> Shape {
    match of.absence {
        Absence::Possible | Absence::Always => shape.clone().maybe(),
        Absence::Unknown if shape.absence == Absence::Never => shape.clone().with_absence(Absence::Unknown),
        Absence::Unknown | Absence::Never => shape.clone(),
    }
}

/// An element of a list.
pub(super) fn element_of(list: &Shape) -> Shape {
    match &list.kind {
        Kind::List(element) => Shape::clone(element),
        _ => Shape::UNKNOWN,
    }
}

fn children(of: &Shape) -> Shape {
    match &of.kind {
        Kind::List(element) | Kind::Object(Object::Map(element)) => Shape::clone(element),
        _ => Shape::UNKNOWN,
    }
}

fn index_text(index: &Shape) -> Arc<str> {
    match &index.kind {
        Kind::Number(Number { value: Some(Value::Int(index)), .. }) => format!("[{index}]").into(),
        _ => "[..]".into(),
    }
}
