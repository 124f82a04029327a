//! What the records of a client's systems look like.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::access::known;
use super::super::view::View;
use super::account;
use super::resource::{Alternative, Expanded, Resource};
use super::shape::{Absence, Kind, Object, Shape, Unit};
use crate::catalog::Catalog;
use crate::config::{ObjectRef, StripeTrigger, WebhookTrigger};
use crate::value::Value;

/// The objects of a client's connections, as far as they are known: by the catalog, or by what was pulled of an account.
pub(in crate::check) struct Objects<'a> {
    view: &'a View<'a>,
    /// The records of accounts that were asked for.
    records: RefCell<HashMap<ObjectRef, Shape>>,
}

impl<'a> Objects<'a> {
    /// The objects of the client at hand.
    pub(in crate::check) fn of(view: &'a View<'a>) -> Self {
        Self { view, records: RefCell::default() }
    }

    /// A record of this object, read with these parameters.
    pub(super) fn record(&self, object: &ObjectRef, expand: Option<&Value>) -> Shape {
        let Some(catalog) = self.view.catalog_of(&object.connection) else { return self.pulled(object) };
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

    /// A record of an account; nothing known of it where the account was not pulled.
    fn pulled(&self, object: &ObjectRef) -> Shape {
        if let Some(shape) = self.records.borrow().get(object) {
            return shape.clone();
        }
        let shape = known(self.view, object).and_then(|known| {
            let amounts = self.view.amounts(&object.connection)?;
            Some(account::record(object, &known, amounts))
        });
        let shape = shape.unwrap_or(Shape::UNKNOWN);
        self.records.borrow_mut().insert(object.clone(), shape.clone());
        shape
    }

    /// What a field of an object takes; nothing known where the object is not.
    pub(in crate::check) fn field(&self, object: &ObjectRef, name: &Arc<str>) -> Shape {
        if self.view.catalog_of(&object.connection).is_none() {
            let field = known(self.view, object).and_then(|known| {
                let field = known.field(name)?;
                Some(account::taken(field, known.is_many(name)))
            });
            return field.unwrap_or(Shape::UNKNOWN);
        }
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

    /// The records that a system's events are about, where those are read before a run begins.
    pub(super) fn of_webhook(&self, trigger: &WebhookTrigger) -> Shape {
        let manifest = self.view.client.connections.get(&trigger.connection);
        let Some(manifest) = manifest.and_then(|connection| self.view.manifest(connection)) else {
            return Shape::UNKNOWN;
        };
        let facts = manifest.abilities().events();
        let types = trigger.events.iter().flat_map(|pattern| facts.matching(pattern));
        let records = types.map(|(_, event)| match &event.object {
            Some(object) if facts.read_back && !event.gone => {
                let connection = Arc::clone(&trigger.connection.0);
                self.record(&ObjectRef { connection, object: Arc::clone(object) }, None)
            }
            _ => Shape::UNKNOWN,
        });
        records.reduce(|a, b| a.or(&b)).unwrap_or(Shape::UNKNOWN)
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
