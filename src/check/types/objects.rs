//! What the records of a client's systems look like.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::view::View;
use super::resource::{Alternative, Expanded, Resource};
use super::shape::{Absence, Kind, Object, Shape, Unit};
use crate::catalog::Catalog;
use crate::config::{ObjectRef, StripeTrigger};
use crate::value::Value;

/// The objects of a client's connections, as far as they are known.
pub(in crate::check) struct Objects<'a> {
    view: &'a View<'a>,
}

impl<'a> Objects<'a> {
    /// The objects of the client at hand.
    pub(in crate::check) fn of(view: &'a View<'a>) -> Self {
        Self { view }
    }

    /// A record of this object, read with these parameters.
    pub(super) fn record(&self, object: &ObjectRef, expand: Option<&Value>) -> Shape {
        let Some(catalog) = self.view.catalog_of(&object.connection) else { return Shape::UNKNOWN };
        let Some(shape) = catalog.object(&object.object) else { return Shape::UNKNOWN };
        let alternative = Alternative {
            events: Arc::from([]),
            name: Arc::clone(&object.object),
            at: Some(shape.place(catalog)),
            expanded: Expanded::of(expand),
            partial: false,
        };
        Shape::of(Kind::Object(Object::Resource(Resource::new(vec![alternative]))))
    }

    /// What a field of an object takes, or gives; nothing known where the object is not.
    pub(in crate::check) fn field(&self, object: &ObjectRef, name: &Arc<str>) -> Shape {
        let Kind::Object(Object::Resource(resource)) = self.record(object, None).kind else {
            return Shape::UNKNOWN;
        };
        let shape = resource.key(name).shape.unwrap_or(Shape::UNKNOWN);
        match shape.kind {
            // A time can be given in words as well: `now`.
            Kind::Number(number) if number.unit == Unit::UnixTime => Shape::UNKNOWN,
            // What is written as one value is read as one; lists and objects are often written in another way.
            Kind::Text(_) => Shape::text().with_absence(Absence::Unknown),
            kind @ (Kind::Number(_) | Kind::Boolean(_)) => Shape { kind, absence: Absence::Unknown },
            Kind::Unknown | Kind::List(_) | Kind::Object(_) => Shape::UNKNOWN,
        }
    }

    /// The object of the events that a trigger brings, and their types.
    pub(super) fn of_events(&self, trigger: &StripeTrigger) -> (Shape, Vec<&'static str>) {
        let Some(catalog) = self.view.catalog_of(&trigger.connection.0) else {
            return (Shape::UNKNOWN, Vec::new());
        };
        // A version whose events are not known takes the newest one's word for what an event carries.
        let list = if catalog.knows_events() { catalog } else { Catalog::newest() };
        let mut by_object: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
        let mut types = Vec::new();
        for event in trigger.events.iter().flat_map(|pattern| list.events_matching(pattern)) {
            if types.contains(&event.name.as_str()) {
                continue;
            }
            types.push(event.name.as_str());
            for object in &event.objects {
                by_object.entry(object).or_default().push(&event.name);
            }
        }
        let alternatives = by_object.into_iter().map(|(name, events)| Alternative {
            events: events.into(),
            name: name.into(),
            at: catalog.object(name).map(|shape| shape.place(catalog)),
            expanded: Expanded::nothing(),
            partial: false,
        });
        let alternatives: Vec<Alternative> = alternatives.collect();
        if alternatives.is_empty() {
            return (Shape::UNKNOWN, types);
        }
        (Shape::of(Kind::Object(Object::Resource(Resource::new(alternatives)))), types)
    }
}
