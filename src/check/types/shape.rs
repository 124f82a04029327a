//! The shape of a value.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use super::resource::Resource;
use crate::catalog;
use crate::config::ObjectRef;
use crate::value::Value;

/// What is known of a value before it is there.
#[derive(Debug, Clone)]
pub(in crate::check) struct Shape {
    /// What it is when it is something.
    pub(in crate::check) kind: Kind,
    /// Whether it may be nothing: null, or not there.
    pub(in crate::check) absence: Absence,
}

/// Whether a value may be nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) enum Absence {
    /// That is not known.
    Unknown,
    /// It is always there.
    Never,
    /// It may be nothing.
    Possible,
    /// It is never there.
    Always,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(in crate::check) enum Kind {
    /// That is not known.
    Unknown,
    /// Text.
    Text(Text),
    /// A number.
    Number(Number),
    /// True or false; which, when that is known.
    Boolean(Option<bool>),
    /// A list of such elements.
    List(Box<Shape>),
    /// Something with keys.
    Object(Object),
}

/// What is known of a text.
#[derive(Debug, Clone, Default)]
pub(in crate::check) struct Text {
    /// The words that it can be, when it is one of a few.
    pub(in crate::check) words: Option<Words>,
    /// What is written in it.
    pub(in crate::check) form: TextForm,
    /// How many characters it has at the most, when that is known.
    pub(in crate::check) length: Option<usize>,
}

/// What is written in a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::check) enum TextForm {
    /// Anything.
    #[default]
    Plain,
    /// A number.
    Number(Unit),
    /// A day: `2026-03-02`.
    Date,
    /// A time with its offset from UTC.
    DateTime,
    /// The id of one of these objects, in whose place the object itself can stand when it is asked for.
    Id(&'static [String]),
}

/// The words that a text can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::check) struct Words {
    /// Those that are known.
    pub(in crate::check) known: Arc<[Arc<str>]>,
    /// True when there may be more of them some day: an unknown one is then no certain mistake.
    pub(in crate::check) open: bool,
}

/// What is known of a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::check) struct Number {
    /// True when it is a whole one.
    pub(in crate::check) whole: bool,
    /// What it counts.
    pub(in crate::check) unit: Unit,
    /// Which number it is, when that is written out.
    pub(in crate::check) value: Option<Value>,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::check) enum Unit {
    /// That is not known.
    #[default]
    Unknown,
    /// Things.
    Plain,
    /// Money in the currency's minor unit: cents.
    Minor,
    /// Money in the currency's own unit: `45.00`.
    Major,
    /// A number of a system that keeps money in the currency's own unit: money perhaps, and then no minor units.
    Decimal,
    /// Seconds since 1970.
    UnixTime,
}

/// Something with keys.
#[derive(Debug, Clone)]
pub(in crate::check) enum Object {
    /// Its keys are not known.
    Open,
    /// Any key, with such values.
    Map(Box<Shape>),
    /// These keys.
    Record(Arc<Record>),
    /// An object, or a part of one, of which the catalog knows the fields.
    Resource(Resource),
}

/// A value with known keys: a payload, a record of a system whose fields are known.
#[derive(Debug, Clone)]
pub(in crate::check) struct Record {
    /// The objects of systems that it may be one of. None for what the author put together.
    pub(in crate::check) of: Vec<ObjectRef>,
    /// Its fields.
    pub(in crate::check) fields: IndexMap<Arc<str>, Shape>,
    /// True when there may be others.
    pub(in crate::check) open: bool,
}

impl Record {
    /// What has changed of it: any field may be left out.
    pub(in crate::check) fn partly(&self) -> Self {
        let fields = self.fields.iter().map(|(key, shape)| (Arc::clone(key), shape.clone().maybe()));
        Self { of: self.of.clone(), fields: fields.collect(), open: self.open }
    }

    /// Either this or another one: what only one of them has may not be there.
    fn or(&self, other: &Self) -> Self {
        let mut fields: IndexMap<Arc<str>, Shape> = IndexMap::new();
        for (key, shape) in &self.fields {
            let either = other.fields.get(key).map_or_else(|| shape.clone().maybe(), |it| shape.or(it));
            fields.insert(Arc::clone(key), either);
        }
        for (key, shape) in &other.fields {
            fields.entry(Arc::clone(key)).or_insert_with(|| shape.clone().maybe());
        }
        let mut of = self.of.clone();
        of.extend(other.of.iter().filter(|object| !self.of.contains(object)).cloned());
        Self { of, fields, open: false }
    }
}

impl Shape {
    /// Nothing is known.
    pub(in crate::check) const UNKNOWN: Self = Self { kind: Kind::Unknown, absence: Absence::Unknown };

    /// A value of this kind that is always there.
    pub(in crate::check) fn of(kind: Kind) -> Self {
        Self { kind, absence: Absence::Never }
    }

    /// Nothing.
    pub(in crate::check) fn nothing() -> Self {
        Self { kind: Kind::Unknown, absence: Absence::Always }
    }

    /// Text of which no more is known.
    pub(in crate::check) fn text() -> Self {
        Self::of(Kind::Text(Text::default()))
    }

    /// A number.
    pub(in crate::check) fn number(whole: bool, unit: Unit) -> Self {
        Self::of(Kind::Number(Number { whole, unit, value: None }))
    }

    /// True or false.
    pub(in crate::check) fn boolean() -> Self {
        Self::of(Kind::Boolean(None))
    }

    /// A list of such elements.
    pub(in crate::check) fn list(element: Self) -> Self {
        Self::of(Kind::List(Box::new(element)))
    }

    /// The same, which may be nothing as well.
    #[must_use]
    pub(in crate::check) fn maybe(mut self) -> Self {
        if self.absence != Absence::Always {
            self.absence = Absence::Possible;
        }
        self
    }

    /// The same with another word on whether it may be nothing.
    #[must_use]
    pub(in crate::check) fn with_absence(mut self, absence: Absence) -> Self {
        self.absence = absence;
        self
    }

    /// A value that is written out.
    pub(in crate::check) fn literal(value: &Value) -> Self {
        match value {
            Value::Null => Self::nothing(),
            Value::Bool(value) => Self::of(Kind::Boolean(Some(*value))),
            Value::Int(_) | Value::Decimal(_) => {
                let whole = matches!(value, Value::Int(_));
                Self::of(Kind::Number(Number { whole, unit: Unit::Unknown, value: Some(value.clone()) }))
            }
            Value::Text(text) => Self::of(Kind::Text(Text {
                words: Some(Words { known: Arc::from([Arc::clone(text)]), open: false }),
                form: TextForm::Plain,
                length: Some(text.chars().count()),
            })),
            Value::List(items) => {
                let shapes = items.iter().map(Self::literal);
                Self::list(shapes.reduce(|a, b| a.or(&b)).unwrap_or(Self::UNKNOWN))
            }
            Value::Map(map) => {
                let fields = map.iter().map(|(key, value)| (Arc::clone(key), Self::literal(value))).collect();
                Self::of(Kind::Object(Object::Record(Arc::new(Record {
                    of: Vec::new(),
                    fields,
                    open: true,
                }))))
            }
        }
    }

    /// What is known when it is either this or `other`.
    #[must_use]
    pub(in crate::check) fn or(&self, other: &Self) -> Self {
        let kind = match (self.absence, other.absence) {
            (Absence::Always, _) => other.kind.clone(),
            (_, Absence::Always) => self.kind.clone(),
            _ => self.kind.or(&other.kind),
        };
        Self { kind, absence: self.absence.or(other.absence) }
    }

    /// The words that it can be, when it is text of which they are known.
    pub(in crate::check) fn words(&self) -> Option<&Words> {
        match &self.kind {
            Kind::Text(text) => text.words.as_ref(),
            _ => None,
        }
    }

    /// How many characters it has at the most, when it is text and that is known.
    pub(in crate::check) fn length(&self) -> Option<usize> {
        match &self.kind {
            Kind::Text(text) => text.length,
            _ => None,
        }
    }

    /// What it counts, when it is a number or a text with a number in it.
    pub(in crate::check) fn unit(&self) -> Unit {
        match &self.kind {
            Kind::Number(number) => number.unit,
            Kind::Text(Text { form: TextForm::Number(unit), .. }) => *unit,
            _ => Unit::Unknown,
        }
    }

    /// What it is, for a sentence: `text`, `a list`.
    pub(in crate::check) fn in_words(&self) -> &'static str {
        match &self.kind {
            Kind::Unknown => "something",
            Kind::Text(text) => match text.form {
                TextForm::Plain | TextForm::Number(_) => "text",
                TextForm::Date => "a date",
                TextForm::DateTime => "a time",
                TextForm::Id(_) => "an id",
            },
            Kind::Number(Number { unit: Unit::UnixTime, .. }) => "a time in Unix seconds",
            Kind::Number(Number { unit: Unit::Minor, .. }) => "an amount in minor units",
            Kind::Number(Number { unit: Unit::Major, .. }) => "an amount in the currency's own unit",
            Kind::Number(Number { whole: true, .. }) => "a whole number",
            Kind::Number(_) => "a number",
            Kind::Boolean(_) => "true or false",
            Kind::List(_) => "a list",
            Kind::Object(_) => "an object",
        }
    }
}

impl Absence {
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Possible | Self::Always, _) | (_, Self::Possible | Self::Always) => Self::Possible,
            _ => Self::Unknown,
        }
    }
}

impl Kind {
    fn or(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Self::Text(a.or(b)),
            (Self::Number(a), Self::Number(b)) => Self::Number(Number {
                whole: a.whole && b.whole,
                unit: a.unit_beside(b),
                value: a.value.clone().filter(|value| b.value.as_ref() == Some(value)),
            }),
            (Self::Boolean(a), Self::Boolean(b)) => Self::Boolean(a.filter(|value| *b == Some(*value))),
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.or(b))),
            (Self::Object(Object::Resource(a)), Self::Object(Object::Resource(b))) => {
                Self::Object(Object::Resource(a.or(b)))
            }
            (Self::Object(Object::Record(a)), Self::Object(Object::Record(b))) if Arc::ptr_eq(a, b) => {
                self.clone()
            }
            (Self::Object(Object::Record(a)), Self::Object(Object::Record(b))) if !a.open && !b.open => {
                Self::Object(Object::Record(Arc::new(a.or(b))))
            }
            (Self::Object(_), Self::Object(_)) => Self::Object(Object::Open),
            _ => Self::Unknown,
        }
    }
}

impl Number {
    /// What either of two counts. A zero that is written out counts what the other one does.
    fn unit_beside(&self, other: &Self) -> Unit {
        let is_zero = |number: &Self| matches!(number.value, Some(Value::Int(0)));
        match (self.unit, other.unit) {
            (a, b) if a == b => a,
            (Unit::Unknown, b) if is_zero(self) => b,
            (a, Unit::Unknown) if is_zero(other) => a,
            _ => Unit::Unknown,
        }
    }
}

impl Text {
    fn or(&self, other: &Self) -> Self {
        let words = match (&self.words, &other.words) {
            (Some(a), Some(b)) => Some(a.or(b)),
            _ => None,
        };
        let form = if self.form == other.form { self.form.clone() } else { TextForm::Plain };
        let length = self.length.zip(other.length).map(|(a, b)| a.max(b));
        Self { words, form, length }
    }
}

impl Words {
    /// The words of a field.
    pub(in crate::check) fn of(words: &catalog::Words) -> Self {
        Self { known: words.known.iter().map(|word| Arc::from(word.as_str())).collect(), open: words.open }
    }

    /// The words.
    pub(in crate::check) fn iter(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|word| &**word)
    }

    /// True when `word` is one of them.
    pub(in crate::check) fn has(&self, word: &str) -> bool {
        self.iter().any(|known| known == word)
    }

    /// Those for which `keep` holds.
    pub(in crate::check) fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self { known: self.known.iter().filter(|word| keep(word)).cloned().collect(), open: self.open }
    }

    fn or(&self, other: &Self) -> Self {
        let known: BTreeSet<Arc<str>> = self.known.iter().chain(&*other.known).cloned().collect();
        Self { known: known.into_iter().collect(), open: self.open || other.open }
    }
}
