//! The shape of a term, and what is seen on the way to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::assume::assume;
use super::scope::Scope;
use super::shape::{Absence, Kind, Number, Object, Record, Shape, Text, TextForm, Unit, Words};
use super::sight::{Miss, Sight};
use crate::diagnostic::{Path, Place, Seg};
use crate::expr::{Change, Conversion, FaultSeg, Spot, Table, Term, TimeForm, What};
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
                let record = Record { name: None, fields, open: true };
                Shape::of(Kind::Object(Object::Record(Arc::new(record))))
            }
            What::Call { name, args } => self.call(term, name, args),
            What::And(parts) => self.all_of(parts, true),
            What::Or(parts) => self.all_of(parts, false),
            What::Changed { of, by } => self.changed(of, by),
            _ => self.statement(term),
        }
    }

    fn statement(&mut self, term: &Term) -> Shape {
        match &term.what {
            What::If { condition, then, otherwise } => {
                self.condition(condition);
                let then = self.where_holds(condition, true, |this| this.term(then));
                let otherwise = match otherwise {
                    Some(otherwise) => self.where_holds(condition, false, |this| this.term(otherwise)),
                    None => Shape::nothing(),
                };
                then.or(&otherwise)
            }
            What::Block(statements) => {
                let outside = self.scope.locals.len();
                let mut last = Shape::nothing();
                for statement in statements {
                    last = self.term(statement);
                }
                self.scope.locals.truncate(outside);
                if statements.iter().any(returns) { Shape::UNKNOWN } else { last }
            }
            What::Let { name, value } => {
                let shape = self.term(value);
                self.scope.forget(name);
                self.scope.locals.push((Arc::clone(name), shape));
                Shape::nothing()
            }
            What::Assign { value, .. } => {
                self.term(value);
                Shape::nothing()
            }
            What::For { name, over, body } => {
                let list = self.term(over);
                self.inside(name, element_of(&list), |this| this.term(body));
                Shape::nothing()
            }
            What::Switch { on, cases } => {
                self.term(on);
                let loose = std::mem::replace(&mut self.scope.loose, true);
                let shapes: Vec<Shape> = cases.iter().map(|case| self.term(case)).collect();
                self.scope.loose = loose;
                shapes.into_iter().reduce(|a, b| a.or(&b)).unwrap_or(Shape::UNKNOWN)
            }
            What::Return(value) => value.as_ref().map_or_else(Shape::nothing, |value| self.term(value)),
            What::Closure { .. } => {
                self.closure(term, &[]);
                Shape::UNKNOWN
            }
            What::Other(parts) => {
                for part in parts {
                    self.term(part);
                }
                Shape::UNKNOWN
            }
            _ => Shape::UNKNOWN,
        }
    }

    /// A condition inside a script.
    fn condition(&mut self, condition: &Term) {
        self.tolerant += 1;
        self.term(condition);
        self.tolerant -= 1;
    }

    /// Looks at something where a condition holds, or does not.
    pub(super) fn where_holds<T>(
        &mut self,
        condition: &Term,
        truth: bool,
        look: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.scope.clone();
        assume(&mut self.scope, condition, truth);
        let result = look(self);
        self.scope = before;
        result
    }

    /// Looks at something that sees one more variable.
    pub(super) fn inside<T>(
        &mut self,
        name: &Arc<str>,
        shape: Shape,
        look: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let facts = self.scope.facts.clone();
        self.scope.forget(name);
        self.scope.locals.push((Arc::clone(name), shape));
        let result = look(self);
        self.scope.locals.pop();
        self.scope.facts = facts;
        result
    }

    /// `all`: parts joined by "and"; else by "or".
    fn all_of(&mut self, parts: &[Term], all: bool) -> Shape {
        let before = self.scope.clone();
        let mut known = Some(all);
        for part in parts {
            let shape = self.term(part);
            known = match (known, &shape.kind) {
                (Some(value), _) if value != all => Some(value),
                (_, Kind::Boolean(Some(value))) if *value != all => Some(*value),
                (Some(value), Kind::Boolean(Some(_))) => Some(value),
                _ => None,
            };
            assume(&mut self.scope, part, all);
        }
        self.scope = before;
        Shape::of(Kind::Boolean(known))
    }

    /// The value under a key.
    pub(super) fn member(&mut self, spot: &Spot, of: &Shape, key: &Arc<str>) -> Shape {
        match &of.kind {
            Kind::Object(Object::Map(value)) => under(of, value),
            Kind::Object(Object::Record(record)) => {
                if let Some(shape) = record.fields.get(key) {
                    return under(of, shape);
                }
                if let (false, Some(name)) = (record.open, &record.name) {
                    let near = nearest(key, record.fields.keys().map(|known| &**known));
                    let near = near.map(ToOwned::to_owned);
                    let miss = Miss { key: Arc::clone(key), of: name.to_string(), near, moved: None };
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
                self.see(&term.spot, Sight::Missing(Miss { key, of, near, moved: None }));
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

    /// A value with modifiers.
    fn changed(&mut self, of: &Term, by: &Change) -> Shape {
        let is_optional = by.default.is_some();
        self.tolerant += usize::from(is_optional);
        let mut shape = self.plain(of);
        self.tolerant -= usize::from(is_optional);
        for function in &by.transform {
            shape = Self::function(function, std::slice::from_ref(of), &[shape]);
        }
        if let Some((spot, conversion)) = &by.conversion {
            shape = self.converted(of, spot, conversion, &shape);
        }
        shape = if by.conversion.is_none() { self.narrowed(of, shape) } else { shape };
        if let Some(default) = &by.default {
            let default = self.term(default);
            let absence = if shape.absence == Absence::Never { Absence::Never } else { default.absence };
            shape = shape.or(&default).with_absence(absence);
        }
        if by.required { shape.with_absence(Absence::Never) } else { shape }
    }

    fn converted(&mut self, of: &Term, spot: &Spot, conversion: &Conversion, shape: &Shape) -> Shape {
        let absence = shape.absence;
        let given = match conversion {
            Conversion::Money(currency) => {
                self.term(currency);
                self.see_converted(spot, "money", shape);
                Shape::number(false, Unit::Major)
            }
            Conversion::Minor(currency) => {
                self.term(currency);
                self.see_converted(spot, "minor", shape);
                Shape::number(true, Unit::Minor)
            }
            Conversion::Datetime { form, zone } => {
                if let Some(zone) = zone {
                    self.term(zone);
                }
                self.see_told(spot, form, zone.is_some());
                told(form)
            }
            Conversion::Table(table) => {
                let narrowed = self.narrowed(of, shape.clone());
                self.looked_up(spot, table, shape, &narrowed)
            }
            Conversion::Truncate(longest) => truncated(shape, *longest),
        };
        given.with_absence(absence)
    }

    /// A conversion of money, when what is converted has another unit than it should.
    pub(super) fn see_converted(&mut self, spot: &Spot, by: &'static str, shape: &Shape) {
        let wrong = match shape.unit() {
            Unit::Major => by == "money",
            Unit::Minor => by == "minor",
            Unit::UnixTime => true,
            Unit::Plain | Unit::Unknown => false,
        };
        if wrong {
            self.see(spot, Sight::Converted { by, shape: shape.clone() });
        }
    }

    /// A time that is written without its offset, when nothing says where it is told.
    pub(super) fn see_told(&mut self, spot: &Spot, form: &TimeForm, zoned: bool) {
        if !zoned && matches!(form, TimeForm::Date | TimeForm::Pattern) {
            self.see(spot, Sight::Told { form: form.clone() });
        }
    }

    fn looked_up(&mut self, spot: &Spot, table: &Table, shape: &Shape, narrowed: &Shape) -> Shape {
        let entries: Vec<(Arc<str>, Shape)> = match table {
            Table::Fixed(entries) => {
                entries.iter().map(|(key, value)| (Arc::clone(key), Shape::literal(value))).collect()
            }
            Table::Read(path) => match self.term(path).kind {
                Kind::Object(Object::Record(record)) if record.name.is_none() => {
                    record.fields.iter().map(|(key, shape)| (Arc::clone(key), shape.clone())).collect()
                }
                _ => return Shape::UNKNOWN,
            },
        };
        if let (Some(words), Some(allowed)) = (shape.words(), narrowed.words()) {
            let keys = entries.iter().map(|(key, _)| Arc::clone(key)).collect();
            let written = matches!(table, Table::Fixed(_));
            let (words, allowed) = (words.clone(), allowed.clone());
            self.see(spot, Sight::Table { keys, written, words, allowed });
        }
        entries.into_iter().map(|(_, shape)| shape).reduce(|a, b| a.or(&b)).unwrap_or(Shape::UNKNOWN)
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

/// A time in another form.
pub(super) fn told(form: &TimeForm) -> Shape {
    let form = match form {
        TimeForm::Unix => return Shape::number(true, Unit::UnixTime),
        TimeForm::Iso8601 => TextForm::DateTime,
        TimeForm::Date => TextForm::Date,
        TimeForm::Pattern => TextForm::Plain,
    };
    Shape::of(Kind::Text(Text { form, ..Text::default() }))
}

fn truncated(shape: &Shape, longest: usize) -> Shape {
    let Kind::Text(text) = &shape.kind else {
        return Shape::of(Kind::Text(Text { length: Some(longest), ..Text::default() }));
    };
    let length = Some(text.length.map_or(longest, |length| length.min(longest)));
    let cut = |words: &Words| Words {
        known: words.known.iter().map(|word| word.chars().take(longest).collect::<String>().into()).collect(),
        open: words.open,
    };
    let words = text.words.as_ref().map(cut);
    Shape { kind: Kind::Text(Text { words, form: text.form.clone(), length }), absence: shape.absence }
}

/// The variables that a script gives another value.
fn changing(term: &Term, found: &mut BTreeSet<Arc<str>>) {
    if let What::Assign { name, .. } = &term.what {
        found.insert(Arc::clone(name));
    }
    term.parts().into_iter().for_each(|part| changing(part, found));
}

/// True when a statement may end the script before its last one.
fn returns(term: &Term) -> bool {
    match &term.what {
        What::Return(_) => true,
        What::Closure { .. } => false,
        _ => term.parts().into_iter().any(returns),
    }
}
