//! `crm.contact.*` and its like: records, lists of values with ids, filters that pass over what they do not know.

use std::cmp::Ordering;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::fields::{Field, MULTIFIELDS};
use super::params::{Params, number, text};
use super::portal::{CALLER, Portal, Record, date};

/// Rows of a page, which nobody can change.
const PAGE: usize = 50;

/// What a method answers: its result, and of a list how many there are and where the next page begins.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) result: Json,
    pub(super) total: Option<usize>,
    pub(super) next: Option<usize>,
}

impl From<Json> for Answer {
    fn from(result: Json) -> Self {
        Self { result, total: None, next: None }
    }
}

/// Which field, how it is compared, and with what.
struct Condition<'a> {
    name: &'a str,
    test: Test,
    wanted: &'a Json,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Test {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
}

impl Portal {
    pub(super) fn add(&mut self, kind: &'static str, fields: &Map<String, Json>) -> Result<u64, ApiError> {
        if self.is_full() {
            return Err(ApiError::of_status(503));
        }
        let id = self.next(kind, 0);
        let now = self.now();
        let caller = CALLER.to_string();
        let mut record = Record::from_iter([
            ("ID".to_owned(), json!(id.to_string())),
            ("CREATED_BY_ID".to_owned(), json!(caller)),
            ("MODIFY_BY_ID".to_owned(), json!(caller)),
            ("ASSIGNED_BY_ID".to_owned(), json!(caller)),
            ("OPENED".to_owned(), json!("N")),
            ("DATE_CREATE".to_owned(), json!(now)),
            ("DATE_MODIFY".to_owned(), json!(now)),
        ]);
        self.write(kind, &mut record, fields);
        self.put(kind, id, record);
        self.created(kind);
        self.tell(kind, "ADD", id);
        Ok(id)
    }

    pub(super) fn change(
        &mut self,
        kind: &'static str,
        id: u64,
        fields: &Map<String, Json>,
    ) -> Result<(), ApiError> {
        let before = self.record(kind, id).cloned().ok_or_else(ApiError::not_found)?;
        let mut record = before.clone();
        self.write(kind, &mut record, fields);
        // What changes nothing is a success, and leaves the time of change where it was.
        if record != before {
            record.insert("DATE_MODIFY".to_owned(), json!(self.now()));
            record.insert("MODIFY_BY_ID".to_owned(), json!(CALLER.to_string()));
            self.put(kind, id, record);
            self.tell(kind, "UPDATE", id);
        }
        self.changed();
        Ok(())
    }

    pub(super) fn remove(&mut self, kind: &'static str, id: u64) -> Result<(), ApiError> {
        let records = self.records.get_mut(kind);
        records.and_then(|records| records.shift_remove(&id)).ok_or_else(ApiError::not_found)?;
        self.changed();
        self.tell(kind, "DELETE", id);
        Ok(())
    }

    fn tell(&self, kind: &str, what: &str, id: u64) {
        let event = format!("ONCRM{}{what}", kind.to_uppercase());
        self.outbox.tell(&event, id, self.clock.now().as_second());
    }

    /// Lays `fields` over a record. What is not known, or not to be written, is dropped in silence.
    fn write(&mut self, kind: &'static str, record: &mut Record, fields: &Map<String, Json>) {
        for (name, value) in fields {
            let Some(field) = self.fields.get(kind, name).filter(|field| !field.read_only).cloned() else {
                continue;
            };
            if MULTIFIELDS.contains(&name.as_str()) {
                self.write_values(record, name, value);
                continue;
            }
            record.insert(name.clone(), converted(&field, value));
        }
    }

    /// What comes without an id is a further value, whatever is there already.
    fn write_values(&mut self, record: &mut Record, name: &str, value: &Json) {
        let elements: Vec<&Json> = match value {
            Json::Array(items) => items.iter().collect(),
            Json::Object(items) => items.values().collect(),
            _ => return,
        };
        let mut values = record.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
        for element in elements {
            let given = |key: &str| element.get(key).map(text);
            let gone = given("DELETE").as_deref() == Some("Y") || given("VALUE").as_deref() == Some("");
            let place = given("ID").and_then(|id| values.iter().position(|value| text(&value["ID"]) == id));
            match (place, given("VALUE")) {
                (Some(place), _) if gone => drop(values.remove(place)),
                (Some(place), value) => {
                    for (key, value) in [("VALUE", value), ("VALUE_TYPE", given("VALUE_TYPE"))] {
                        if let Some(value) = value {
                            values[place][key] = json!(value);
                        }
                    }
                }
                (None, Some(value)) if !gone && given("ID").is_none() => {
                    let id = self.next("value", 157).to_string();
                    let kind = given("VALUE_TYPE").unwrap_or_else(|| "WORK".to_owned());
                    values.push(json!({"ID": id, "VALUE_TYPE": kind, "VALUE": value, "TYPE_ID": name}));
                }
                _ => {}
            }
        }
        if values.is_empty() {
            record.remove(name);
        } else {
            record.insert(name.to_owned(), Json::Array(values));
        }
    }

    pub(super) fn page(&self, kind: &'static str, params: &Params) -> Answer {
        let filter = params.map("filter");
        let conditions: Vec<Condition<'_>> = filter
            .iter()
            .map(|(key, wanted)| Condition::read(key, wanted))
            // A name that is not known filters nothing.
            .filter(|condition| self.fields.get(kind, condition.name).is_some())
            .collect();
        let mut found: Vec<&Record> = self
            .of(kind)
            .map(|(_, record)| record)
            .filter(|record| conditions.iter().all(|condition| condition.holds(record)))
            .collect();
        let order = params.map("order");
        found.sort_by(|a, b| {
            order.iter().fold(Ordering::Equal, |so_far, (name, direction)| {
                let ordering = compare(&a[name.as_str()], &b[name.as_str()]);
                let down = text(direction).eq_ignore_ascii_case("desc");
                so_far.then(if down { ordering.reverse() } else { ordering })
            })
        });
        let select = params.texts("select");
        let shown = |record: &&Record| Json::Object(self.selected(kind, record, &select));
        paged(&found, params.start(), shown)
    }

    fn selected(&self, kind: &'static str, record: &Record, select: &[String]) -> Map<String, Json> {
        let wanted = |name: &str| {
            let Some(field) = self.fields.get(kind, name) else { return false };
            let several = MULTIFIELDS.contains(&name);
            let plain = !several && !field.custom;
            name == "ID"
                || (select.is_empty() && plain)
                || select.iter().any(|word| match word.as_str() {
                    "*" => plain,
                    "UF_*" => field.custom,
                    word => word == name,
                })
        };
        record
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// `crm.duplicate.findbycomm`.
    pub(super) fn find_by_comm(&self, params: &Params) -> Result<Json, ApiError> {
        let name = text(params.need("type")?).to_uppercase();
        let values = params.texts("values");
        if values.is_empty() {
            return Err(ApiError::new(
                "Communication values is not defined",
                "Communication values is not defined",
            ));
        }
        let only = params.get("entity_type").map(|kind| text(kind).to_lowercase());
        let mut found = Map::new();
        for kind in ["lead", "contact", "company"] {
            if only.as_deref().is_some_and(|only| only != kind) {
                continue;
            }
            let has = |record: &Record| values.iter().any(|value| holds_value(record, &name, value));
            let ids: Vec<u64> =
                self.of(kind).filter(|(_, record)| has(record)).map(|(id, _)| id).take(20).collect();
            if !ids.is_empty() {
                found.insert(kind.to_uppercase(), json!(ids));
            }
        }
        // An empty PHP array is a list.
        Ok(if found.is_empty() { json!([]) } else { Json::Object(found) })
    }

    /// `crm.<kind>.userfield.add`.
    pub(super) fn add_field(
        &mut self,
        kind: &'static str,
        fields: &Map<String, Json>,
    ) -> Result<u64, ApiError> {
        let given = |key: &str| fields.get(key).map(text).unwrap_or_default();
        let name = given("FIELD_NAME");
        if name.is_empty() {
            return Err(ApiError::plain("The field name is not specified."));
        }
        let name = if name.starts_with("UF_CRM_") { name } else { format!("UF_CRM_{name}") };
        let listed = fields.get("LIST").and_then(Json::as_array).cloned().unwrap_or_default();
        let options: Vec<String> = listed.iter().map(|item| text(&item["VALUE"])).collect();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        if !self.declare(kind, &name, &given("USER_TYPE_ID"), &options) {
            return Err(ApiError::plain(format!("A field {name} exists already.")));
        }
        Ok(self.next("field", 6_990))
    }

    /// Puts a record's id into a list of another's, or takes it out; true when that changed something.
    pub(super) fn bind(
        &mut self,
        kind: &'static str,
        id: u64,
        list: &str,
        other: u64,
        put: bool,
    ) -> Result<bool, ApiError> {
        let record = self
            .records
            .get_mut(kind)
            .and_then(|records| records.get_mut(&id))
            .ok_or_else(ApiError::not_found)?;
        let bound = record.entry(list).or_insert_with(|| json!([]));
        let Json::Array(bound) = bound else { return Ok(false) };
        let place = bound.iter().position(|known| number(known) == Some(other));
        let changes = place.is_none() == put;
        match (place, put) {
            (None, true) => bound.push(json!(other.to_string())),
            (Some(place), false) => drop(bound.remove(place)),
            _ => {}
        }
        if changes {
            self.changed();
        }
        Ok(changes)
    }
}

/// One page of `found`: with `start: -1` uncounted from the beginning, else from there on.
pub(super) fn paged<T>(found: &[T], start: i64, shown: impl Fn(&T) -> Json) -> Answer {
    let Ok(start) = usize::try_from(start) else {
        return Json::Array(found.iter().take(PAGE).map(shown).collect()).into();
    };
    let rows: Vec<Json> = found.iter().skip(start).take(PAGE).map(shown).collect();
    let end = start + rows.len();
    let next = (end < found.len()).then_some(end);
    Answer { result: Json::Array(rows), total: Some(found.len()), next }
}

/// A value as the portal keeps it: mostly text.
fn converted(field: &Field, value: &Json) -> Json {
    let written = text(value);
    match field.kind.as_str() {
        _ if field.multiple => match value {
            Json::Array(items) => items.iter().map(|item| json!(text(item))).collect(),
            _ => json!([]),
        },
        "date" => date(value),
        "double" => {
            written.parse::<Decimal>().map_or(Json::String(written), |number| json!(format!("{number:.2}")))
        }
        "enumeration" => {
            let known = field.options.iter().any(|(id, _)| id.to_string() == written);
            json!(if known { written } else { String::new() })
        }
        _ => Json::String(written),
    }
}

impl<'a> Condition<'a> {
    fn read(key: &'a str, wanted: &'a Json) -> Self {
        const TESTS: [(&str, Test); 11] = [
            (">=", Test::AtLeast),
            ("<=", Test::AtMost),
            ("!=", Test::Unequal),
            ("!@", Test::Unequal),
            ("=%", Test::Contains),
            (">", Test::More),
            ("<", Test::Less),
            ("!", Test::Unequal),
            ("=", Test::Equal),
            ("@", Test::Equal),
            ("%", Test::Contains),
        ];
        let prefixed = TESTS.iter().find_map(|(prefix, test)| Some((key.strip_prefix(prefix)?, *test)));
        let (name, test) = prefixed.unwrap_or((key, Test::Equal));
        Self { name, test, wanted }
    }

    fn holds(&self, record: &Record) -> bool {
        let held = record.get(self.name).unwrap_or(&Json::Null);
        let any = |test: &dyn Fn(&Json) -> bool| match self.wanted {
            Json::Array(items) => items.iter().any(test),
            one => test(one),
        };
        let equal = |wanted: &Json| {
            if MULTIFIELDS.contains(&self.name) {
                holds_value(record, self.name, &text(wanted))
            } else {
                compare(held, wanted) == Ordering::Equal
            }
        };
        match self.test {
            Test::Equal => any(&equal),
            Test::Unequal => !any(&equal),
            Test::Less => compare(held, self.wanted) == Ordering::Less,
            Test::AtMost => compare(held, self.wanted) != Ordering::Greater,
            Test::More => compare(held, self.wanted) == Ordering::Greater,
            Test::AtLeast => compare(held, self.wanted) != Ordering::Less,
            Test::Contains => {
                let part = text(self.wanted).trim_matches('%').to_lowercase();
                text(held).to_lowercase().contains(&part)
            }
        }
    }
}

/// Whether one of several values is this one, as a whole and without regard to case.
fn holds_value(record: &Record, name: &str, wanted: &str) -> bool {
    let values = record.get(name).and_then(Json::as_array).into_iter().flatten();
    values
        .map(|value| text(&value["VALUE"]))
        .any(|value| value.to_lowercase() == wanted.trim().to_lowercase())
}

/// As numbers or moments where both are such, else as text.
fn compare(a: &Json, b: &Json) -> Ordering {
    let (a, b) = (text(a), text(b));
    if let (Ok(a), Ok(b)) = (a.parse::<Decimal>(), b.parse::<Decimal>()) {
        return a.cmp(&b);
    }
    if let (Ok(a), Ok(b)) = (a.parse::<Timestamp>(), b.parse::<Timestamp>()) {
        return a.cmp(&b);
    }
    a.cmp(&b)
}
