//! What modifiers make of a value: conversions of money and of time, tables, cut texts.

use std::sync::Arc;

use super::infer::Infer;
use super::shape::{Absence, Kind, Object, Shape, Text, TextForm, Unit, Words};
use super::sight::Sight;
use crate::expr::{Change, Conversion, Spot, Table, Term, TimeForm};

impl Infer<'_> {
    /// A value with modifiers.
    pub(super) fn changed(&mut self, of: &Term, by: &Change) -> Shape {
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
            Unit::Major | Unit::Decimal => by == "money",
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
                Kind::Object(Object::Record(record)) if record.of.is_empty() => {
                    record.fields.iter().map(|(key, shape)| (Arc::clone(key), shape.clone())).collect()
                }
                _ => return Shape::UNKNOWN,
            },
        };
        if let (Some(words), Some(allowed)) = (shape.words(), narrowed.words()) {
            let keys = entries.iter().map(|(key, _)| Arc::clone(key)).collect();
            let read = match table {
                Table::Fixed(_) => None,
                Table::Read(path) => Some(path.path_text().unwrap_or_default()),
            };
            let (words, allowed) = (words.clone(), allowed.clone());
            self.see(spot, Sight::Table { keys, read, words, allowed });
        }
        entries.into_iter().map(|(_, shape)| shape).reduce(|a, b| a.or(&b)).unwrap_or(Shape::UNKNOWN)
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
