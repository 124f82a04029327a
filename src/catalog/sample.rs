//! Makes sample objects and events from the shapes: whole, plausible, the same each time.

use std::sync::LazyLock;

use super::shape::{Field, Format, Kind};
use super::version::Catalog;
use crate::value::{Map, Value};

/// When everything in a sample happened: 2026-10-31 12:00 UTC.
const WHEN: i64 = 1_793_448_000;

/// A subscription's items hold a price each, a price a product's id: nothing real nests deeper than this.
const DEPTH_MAX: usize = 6;

/// What a shape cannot tell: likely values by object, and what a type of event implies for its object.
static LIKELY: LazyLock<Value> = LazyLock::new(likely);

#[expect(clippy::expect_used, reason = "the file is compiled in and every test of this module parses it")]
fn likely() -> Value {
    Value::from_json(include_bytes!("samples.json")).expect("the file of sample values is JSON")
}

/// The prefixes of ids where they are not made of the object's name.
const PREFIXES: [(&str, &str); 36] = [
    ("account", "acct"),
    ("balance_transaction", "txn"),
    ("bank_account", "ba"),
    ("card", "card"),
    ("charge", "ch"),
    ("checkout.session", "cs_test"),
    ("coupon", "coupon"),
    ("credit_note", "cn"),
    ("credit_note_line_item", "cnli"),
    ("customer", "cus"),
    ("customer_balance_transaction", "cbtxn"),
    ("discount", "di"),
    ("dispute", "du"),
    ("event", "evt"),
    ("invoice", "in"),
    ("invoice_payment", "inpay"),
    ("invoiceitem", "ii"),
    ("item", "li"),
    ("line_item", "il"),
    ("payment_intent", "pi"),
    ("payment_link", "plink"),
    ("payment_method", "pm"),
    ("payout", "po"),
    ("plan", "price"),
    ("price", "price"),
    ("product", "prod"),
    ("promotion_code", "promo"),
    ("quote", "qt"),
    ("refund", "re"),
    ("setup_intent", "seti"),
    ("subscription", "sub"),
    ("subscription_item", "si"),
    ("subscription_schedule", "sub_sched"),
    ("tax_id", "txi"),
    ("tax_rate", "txr"),
    ("webhook_endpoint", "we"),
];

impl Catalog {
    /// A whole event of this type, as Stripe would send it: the envelope and an object in which every field that
    /// is always there has a value. The same each time; ids end in `_sample`.
    ///
    /// A version whose event types are not known takes the newest version's word for what an event carries.
    pub fn sample(&self, event_type: &str) -> Option<Value> {
        let event = self.event(event_type).or_else(|| Catalog::newest().event(event_type))?;
        let object_name = event.objects.first()?;
        let over = LIKELY.at(&["events", event_type]).cloned().unwrap_or_default();
        let mut data = Map::new();
        data.insert("object".into(), self.object_with(object_name, &over, 0));
        if event_type.ends_with(".updated") {
            data.insert("previous_attributes".into(), Value::from(Map::new()));
        }
        let request = Value::map([("id", Value::Null), ("idempotency_key", Value::Null)]);
        Some(Value::map([
            ("id", Value::from("evt_sample")),
            ("object", Value::from("event")),
            ("api_version", Value::from(self.api_version())),
            ("created", Value::from(WHEN)),
            ("data", Value::from(data)),
            ("livemode", Value::from(false)),
            ("pending_webhooks", Value::from(1)),
            ("request", request),
            ("type", Value::from(event_type)),
        ]))
    }

    /// A whole object of this name, with likely values; only `id` and `object` where its shape is not known.
    pub fn sample_object(&self, name: &str) -> Value {
        self.object_with(name, &Value::Null, 0)
    }

    /// The object of this name with nothing in it: null wherever that is allowed, else zero, false, empty, the
    /// first word; embedded objects are stubs of `id` and `object`, paged lists are empty. What a simulator begins
    /// from. `None` where its shape is not known.
    pub fn blank_object(&self, name: &str) -> Option<Value> {
        let shape = self.object(name)?;
        let fields = shape.fields().iter().filter_map(|(key, field)| {
            let at = Position { object: name, key, depth: DEPTH_MAX };
            Some((key.as_str(), self.value(field, None, &at)?))
        });
        Some(Value::map(fields))
    }

    fn object_with(&self, name: &str, over: &Value, depth: usize) -> Value {
        let id = Value::from(sample_id(name));
        let (Some(shape), true) = (self.object(name), depth < DEPTH_MAX) else {
            return Value::map([("id", id), ("object", Value::from(name))]);
        };
        let likely = LIKELY.at(&["objects", name]);
        let fields = shape.fields().iter().filter_map(|(key, field)| {
            let wish = over.get(key).or_else(|| likely?.get(key));
            let at = Position { object: name, key, depth };
            Some((key.as_str(), self.value(field, wish, &at)?))
        });
        Value::map(fields)
    }

    /// The value of a field: as wished for, else nothing where nothing is allowed, else the plainest.
    fn value(&self, field: &Field, wish: Option<&Value>, at: &Position<'_>) -> Option<Value> {
        match (wish, &field.kind) {
            (Some(Value::Map(wishes)), Kind::Object(fields)) if !fields.is_empty() => {
                let parts = fields.iter().filter_map(|(key, field)| {
                    Some((key.as_str(), self.value(field, wishes.get(key.as_str()), &at.inside(key))?))
                });
                Some(Value::map(parts))
            }
            (Some(wish), _) => Some(wish.clone()),
            (None, _) if field.optional => None,
            (None, _) if field.nullable => Some(Value::Null),
            (None, _) => Some(self.plainest(field, at)),
        }
    }

    fn plainest(&self, field: &Field, at: &Position<'_>) -> Value {
        match &field.kind {
            Kind::Text => text(field, at),
            Kind::Integer if field.format == Some(Format::UnixTime) => Value::from(WHEN),
            Kind::Integer | Kind::Number => Value::from(0),
            Kind::Boolean => Value::from(false),
            Kind::Array(_) => Value::list([]),
            Kind::Map(_) | Kind::Any => Value::from(Map::new()),
            Kind::Resource(names) => {
                let name = names.iter().find(|name| self.object(name).is_some()).or(names.first());
                name.map_or(Value::Null, |name| self.object_with(name, &Value::Null, at.depth + 1))
            }
            Kind::List(fields) => Value::map([
                ("object", Value::from("list")),
                ("data", self.rows(fields.get("data"), at)),
                ("has_more", Value::from(false)),
                ("url", Value::from(format!("/v1/{}s/{}/{}", at.object, sample_id(at.object), at.key))),
            ]),
            Kind::Object(fields) => {
                Value::map(fields.iter().filter_map(|(key, field)| {
                    Some((key.as_str(), self.value(field, None, &at.inside(key))?))
                }))
            }
        }
    }

    /// One row, unless the walk is already deep.
    fn rows(&self, data: Option<&Field>, at: &Position<'_>) -> Value {
        let Some(Field { kind: Kind::Array(row), .. }) = data else { return Value::list([]) };
        if at.depth + 1 < DEPTH_MAX { Value::list([self.plainest(row, at)]) } else { Value::list([]) }
    }
}

/// Where in a sample a value is being made.
struct Position<'a> {
    object: &'a str,
    key: &'a str,
    depth: usize,
}

impl<'a> Position<'a> {
    fn inside(&self, key: &'a str) -> Position<'a> {
        Position { object: self.object, key, depth: self.depth }
    }
}

fn text(field: &Field, at: &Position<'_>) -> Value {
    if let Some(word) = field.words.as_ref().and_then(|words| words.known.first()) {
        return Value::from(word.as_str());
    }
    if let Some(name) = field.expandable.first() {
        return Value::from(sample_id(name));
    }
    if field.format == Some(Format::Decimal) {
        return Value::from("0");
    }
    match at.key {
        "id" => Value::from(sample_id(at.object)),
        "currency" => Value::from("usd"),
        "country" => Value::from("US"),
        "email" => Value::from("jenny.rosen@example.com"),
        "url" => Value::from("https://example.com"),
        // Ids that are kept as plain text: `subscription_item.subscription`.
        key if PREFIXES.iter().any(|(name, _)| *name == key) => Value::from(sample_id(key)),
        _ => Value::from("sample"),
    }
}

fn sample_id(object: &str) -> String {
    let prefix = PREFIXES.iter().find(|(name, _)| *name == object).map(|(_, prefix)| *prefix);
    match prefix {
        Some(prefix) => format!("{prefix}_sample"),
        None => format!("{}_sample", object.replace('.', "_")),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    /// What in `value` is not as its shape says.
    fn misfits(catalog: &Catalog, field: &Field, value: &Value, path: &str, found: &mut Vec<String>) {
        let fits = match (&field.kind, value) {
            (_, Value::Null) => field.nullable,
            (Kind::Text, Value::Text(word)) => {
                field.words.as_ref().is_none_or(|words| words.known.iter().any(|known| **known == **word))
            }
            (Kind::Any, _)
            | (Kind::Integer, Value::Int(_))
            | (Kind::Number, Value::Int(_) | Value::Decimal(_))
            | (Kind::Boolean, Value::Bool(_)) => true,
            (Kind::Array(element), Value::List(items)) => {
                items.iter().for_each(|item| misfits(catalog, element, item, &format!("{path}[]"), found));
                true
            }
            (Kind::Map(inner), Value::Map(map)) => {
                map.values().for_each(|item| misfits(catalog, inner, item, &format!("{path}.*"), found));
                true
            }
            (Kind::Object(fields) | Kind::List(fields), Value::Map(map)) => {
                misfits_of(catalog, fields, map, path, found);
                true
            }
            (Kind::Resource(_), Value::Map(map)) => {
                // Embedded objects of a blank one are stubs, to be filled by who begins from it.
                let name = map.get("object").and_then(Value::as_str).filter(|_| map.len() > 2);
                if let Some(shape) = name.and_then(|name| catalog.object(name)) {
                    misfits_of(catalog, shape.fields(), map, path, found);
                }
                true
            }
            _ => false,
        };
        if !fits {
            found.push(format!("{path}: {}", value.to_json()));
        }
    }

    fn misfits_of(
        catalog: &Catalog,
        fields: &super::super::Fields,
        map: &Map,
        path: &str,
        found: &mut Vec<String>,
    ) {
        for (key, field) in fields {
            match map.get(key.as_str()) {
                Some(value) => misfits(catalog, field, value, &format!("{path}.{key}"), found),
                None if field.optional => {}
                None => found.push(format!("{path}.{key}: absent")),
            }
        }
        found.extend(
            map.keys()
                .filter(|key| !fields.is_empty() && !fields.contains_key(&***key))
                .map(|key| format!("{path}.{key}: unknown")),
        );
    }

    #[test]
    fn every_sample_fits_the_shape_of_its_object() {
        let mut found = Vec::new();
        for catalog in Catalog::api_versions().filter_map(Catalog::of) {
            for event in Catalog::newest().events() {
                let sample = catalog.sample(&event.name).unwrap();
                let object = sample.at(&["data", "object"]).and_then(Value::as_map).unwrap();
                if let Some(shape) = catalog.object(&event.objects[0]) {
                    misfits_of(catalog, shape.fields(), object, &event.name, &mut found);
                }
                assert_eq!(object.get("object"), Some(&Value::from(event.objects[0].as_str())));
            }
        }
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn blank_objects_fit_their_shape_too() {
        let catalog = Catalog::newest();
        let mut found = Vec::new();
        for shape in catalog.objects() {
            let blank = catalog.blank_object(shape.name()).unwrap();
            misfits_of(catalog, shape.fields(), blank.as_map().unwrap(), shape.name(), &mut found);
        }
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn every_likely_value_is_of_a_known_field_and_event() {
        let known = |name: &str, key: &str| {
            let versions = Catalog::api_versions().filter_map(Catalog::of);
            versions.filter_map(|c| c.object(name)).any(|shape| shape.fields().contains_key(key))
        };
        for (name, fields) in LIKELY.get("objects").and_then(Value::as_map).unwrap() {
            for key in fields.as_map().unwrap().keys() {
                assert!(known(name, key), "{name}.{key}");
            }
        }
        for (event, fields) in LIKELY.get("events").and_then(Value::as_map).unwrap() {
            let object = &Catalog::newest().event(event).expect(event).objects[0];
            for key in fields.as_map().unwrap().keys() {
                assert!(known(object, key), "{event}: {object}.{key}");
            }
        }
    }

    #[test]
    fn a_failed_payment_reads_like_one() {
        let sample = Catalog::newest().sample("invoice.payment_failed").unwrap();
        let object = sample.at(&["data", "object"]).unwrap();
        let at = |path: &[&str]| object.at(path).unwrap().to_string();
        assert_eq!(at(&["id"]), "in_sample");
        assert_eq!(at(&["customer"]), "cus_sample");
        assert_eq!(at(&["status"]), "open");
        assert_eq!(at(&["amount_due"]), "2000");
        assert_eq!(at(&["attempt_count"]), "1");
        assert_eq!(at(&["parent", "subscription_details", "subscription"]), "sub_sample");
        assert_eq!(sample.get("livemode"), Some(&Value::from(false)));
    }

    #[test]
    fn a_subscription_has_one_item_with_a_monthly_price() {
        let sample = Catalog::newest().sample("customer.subscription.updated").unwrap();
        let items = sample.at(&["data", "object", "items", "data"]).and_then(Value::as_list).unwrap();
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].at(&["price", "recurring", "interval"]), Some(&Value::from("month")));
        assert_eq!(items[0].at(&["price", "unit_amount_decimal"]), Some(&Value::from("2000")));
    }

    #[test]
    fn an_unknown_type_has_no_sample() {
        assert_eq!(Catalog::newest().sample("invoice.piad"), None);
    }
}
