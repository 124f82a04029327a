//! The records of systems whose fields were pulled: what a field gives when it is read, and takes when it is written.

use std::sync::Arc;

use indexmap::IndexMap;

use super::super::access::Known;
use super::shape::{Absence, Kind, Object, Record, Shape, Text, TextForm, Unit, Words};
use crate::config::{FieldKind, FieldSchema, ObjectRef};
use crate::connector::file::Amounts;

/// A record as it is read.
pub(super) fn record(object: &ObjectRef, known: &Known, amounts: Amounts) -> Shape {
    let mut fields: IndexMap<Arc<str>, Shape> = IndexMap::new();
    for (name, field) in known.fields() {
        let shape = read(field, known.is_many(name), amounts);
        fields.insert(name.as_str().into(), shape);
        // The record that a reference leads to, in systems that put it beside the id.
        if let Some(also) = &field.also {
            fields.entry(also.as_str().into()).or_insert(Shape::UNKNOWN);
        }
    }
    for (word, own) in known.words() {
        let shape = fields.get(own).cloned().unwrap_or(Shape::UNKNOWN);
        fields.insert(word.into(), shape);
    }
    for name in known.own_keys() {
        fields.entry(Arc::clone(name)).or_insert(Shape::UNKNOWN);
    }
    Shape::of(Kind::Object(Object::Record(Arc::new(Record {
        of: vec![object.clone()],
        fields,
        open: false,
    }))))
}

fn read(field: &FieldSchema, is_many: bool, amounts: Amounts) -> Shape {
    if is_many {
        return Shape::list(Shape::UNKNOWN).maybe();
    }
    let kind = match field.kind {
        FieldKind::Text => Kind::Text(Text::default()),
        FieldKind::Option => {
            // A record may still hold an option that was taken away since.
            Kind::Text(Text {
                words: words(field).map(|words| Words { open: true, ..words }),
                ..Text::default()
            })
        }
        FieldKind::Number if amounts == Amounts::Decimal => Shape::number(false, Unit::Decimal).kind,
        FieldKind::Number => Shape::number(false, Unit::Unknown).kind,
        FieldKind::Integer => Shape::number(true, Unit::Plain).kind,
        FieldKind::Boolean => Kind::Boolean(None),
        FieldKind::Date => form(TextForm::Date),
        FieldKind::Datetime => form(TextForm::DateTime),
        FieldKind::Options | FieldKind::Reference | FieldKind::Other => Kind::Unknown,
    };
    // A record from before a field was required may lack it.
    let absence = if field.required { Absence::Unknown } else { Absence::Possible };
    Shape { kind, absence }
}

/// What a field takes.
pub(super) fn taken(field: &FieldSchema, is_many: bool) -> Shape {
    if is_many {
        return Shape::UNKNOWN;
    }
    let kind = match field.kind {
        FieldKind::Text | FieldKind::Reference => Kind::Text(Text::default()),
        FieldKind::Option => Kind::Text(Text { words: words(field), ..Text::default() }),
        FieldKind::Number => Shape::number(false, Unit::Unknown).kind,
        FieldKind::Integer => Shape::number(true, Unit::Unknown).kind,
        FieldKind::Boolean => Kind::Boolean(None),
        FieldKind::Date => form(TextForm::Date),
        FieldKind::Datetime => form(TextForm::DateTime),
        FieldKind::Options | FieldKind::Other => Kind::Unknown,
    };
    Shape { kind, absence: Absence::Unknown }
}

fn words(field: &FieldSchema) -> Option<Words> {
    let known = field.options.as_ref()?.iter().map(|word| Arc::from(word.as_str())).collect();
    Some(Words { known, open: field.open })
}

fn form(form: TextForm) -> Kind {
    Kind::Text(Text { form, ..Text::default() })
}
