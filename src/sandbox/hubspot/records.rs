//! One record: made, read, changed, archived, merged.

use serde_json::{Map, Value as Json, json};

use super::account::{Account, Properties, Record, stamp};
use super::convert::convert;
use super::error::{ApiError, PropertyFault};
use super::schema::Kind;

/// The properties of a request.
pub(super) type Given = Map<String, Json>;

/// HubSpot's own limit for a page.
const PAGE_MAX: usize = 100;

impl Account {
    /// Makes a record. An e-mail address that is known is refused with the other contact's id in the text.
    pub(super) fn create(&mut self, name: &str, given: &Given, associations: &Json) -> Result<u64, ApiError> {
        let kind = self.schema.kind(name)?.clone();
        let mut properties = self.valid(&kind, given, &Properties::new())?;
        properties.retain(|_, value| !value.is_empty());
        let missing: Vec<&str> =
            kind.required.iter().map(String::as_str).filter(|name| !properties.contains_key(*name)).collect();
        if !missing.is_empty() {
            let message = format!("Error creating {}. Some required properties were not set.", kind.label);
            return Err(ApiError::invalid(message).with("context", json!({"properties": missing})));
        }
        self.unique(name, &kind, &properties, None)?;
        let links = self.links_of(name, associations)?;
        if self.is_full() {
            return Err(ApiError::new(400, "LIMIT_EXCEEDED", "The account holds as many records as it can."));
        }
        let (id, now) = (self.next_id(), self.clock.now());
        properties.insert("hs_object_id".to_owned(), id.to_string());
        properties.insert(kind.created.clone(), stamp(now));
        properties.insert(kind.modified.clone(), stamp(now));
        self.records.entry(name.to_owned()).or_default().insert(id, Record::new(id, properties, now));
        self.counts.writes += 1;
        *self.counts.creates.entry(name.to_owned()).or_default() += 1;
        for (to, other, types) in links {
            self.links.put((name, id), (&to, other), types);
        }
        self.outbox.tell(&kind.label, "creation", id, None, now);
        Ok(id)
    }

    /// Changes the given properties of a record; an empty text clears one.
    pub(super) fn update(&mut self, name: &str, id: u64, given: &Given) -> Result<(), ApiError> {
        let kind = self.schema.kind(name)?.clone();
        let before = self.living(name, id).ok_or_else(ApiError::not_found)?;
        let (id, before) = (before.id, before.properties.clone());
        let changed = self.valid(&kind, given, &before)?;
        self.unique(name, &kind, &changed, Some(id))?;
        let now = self.clock.now();
        let Some(record) = self.records.get_mut(name).and_then(|all| all.get_mut(&id)) else {
            return Err(ApiError::not_found());
        };
        self.counts.writes += 1;
        for (property, value) in changed {
            if before.get(&property).map_or("", String::as_str) == value {
                continue;
            }
            self.outbox.tell(&kind.label, "propertyChange", id, Some((&property, &value)), now);
            if value.is_empty() {
                record.properties.shift_remove(&property);
            } else {
                record.properties.insert(property, value);
            }
        }
        record.properties.insert(kind.modified, stamp(now));
        record.touch(now);
        Ok(())
    }

    /// Into the archive. What is there already, or never was, makes no difference.
    pub(super) fn archive(&mut self, name: &str, id: u64) -> Result<(), ApiError> {
        let label = self.schema.kind(name)?.label.clone();
        let now = self.clock.now();
        let record = self.records.get_mut(name).and_then(|all| all.get_mut(&id));
        if let Some(record) = record.filter(|record| !record.archived) {
            record.archived = true;
            record.touch(now);
            self.counts.writes += 1;
            self.outbox.tell(&label, "deletion", id, None, now);
        }
        Ok(())
    }

    /// One contact of two: the values of the first win, its address stays, the other's becomes a further one.
    pub(super) fn merge(&mut self, name: &str, primary: u64, other: u64) -> Result<u64, ApiError> {
        let gone = self.living(name, other).ok_or_else(ApiError::not_found)?.clone();
        let stays = self.living(name, primary).ok_or_else(ApiError::not_found)?.id;
        if gone.id == stays {
            return Err(ApiError::invalid("Cannot merge an object with itself."));
        }
        let now = self.clock.now();
        self.archive(name, gone.id)?;
        self.merged.insert(gone.id, stays);
        if let Some(record) = self.records.get_mut(name).and_then(|all| all.get_mut(&stays)) {
            for (property, value) in gone.properties {
                if property == "email" {
                    let further = record.properties.entry("hs_additional_emails".to_owned()).or_default();
                    let and = if further.is_empty() { "" } else { ";" };
                    *further = format!("{further}{and}{value}");
                } else {
                    record.properties.entry(property).or_insert(value);
                }
            }
            record.touch(now);
        }
        Ok(stays)
    }

    /// Erases a contact.
    pub(super) fn erase(&mut self, name: &str, id: u64) -> Result<(), ApiError> {
        self.archive(name, id)?;
        if let Some(all) = self.records.get_mut(name) {
            all.remove(&id);
        }
        Ok(())
    }

    /// A record with the wanted properties, and what it is associated with.
    pub(super) fn told(&self, name: &str, record: &Record, wanted: &[String], with: &[String]) -> Json {
        let Ok(kind) = self.schema.kind(name) else { return Json::Null };
        let mut told = Self::shown(kind, record, &record.properties, wanted);
        let linked: Map<String, Json> = with
            .iter()
            .filter_map(|to| {
                let to = self.schema.name(to).ok()?;
                let label = format!("{}_to_{}", kind.label, self.schema.kind(&to).ok()?.label).to_lowercase();
                let others = self.links.of((name, record.id), &to);
                let others: Vec<Json> =
                    others.map(|(id, _)| json!({"id": id.to_string(), "type": label})).collect();
                (!others.is_empty()).then(|| (to, json!({"results": others})))
            })
            .collect();
        if !linked.is_empty() {
            told["associations"] = Json::Object(linked);
        }
        told
    }

    /// A page of all records that are not archived, by their ids.
    pub(super) fn list(
        &self,
        name: &str,
        limit: Option<usize>,
        after: Option<u64>,
        wanted: &[String],
    ) -> Result<Json, ApiError> {
        self.schema.kind(name)?;
        let limit = limit.unwrap_or(10);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(ApiError::invalid(format!("limit must be between 1 and {PAGE_MAX}")));
        }
        // `after` is the id of the first record of the next page.
        let mut rows =
            self.all(name).filter(|record| !record.archived && after.is_none_or(|at| record.id >= at));
        let page: Vec<Json> =
            rows.by_ref().take(limit).map(|record| self.told(name, record, wanted, &[])).collect();
        let mut answer = json!({ "results": page });
        if let Some(next) = rows.next() {
            answer["paging"] = json!({"next": {"after": next.id.to_string(), "link": ""}});
        }
        Ok(answer)
    }

    /// The given values as they are kept; all that is wrong with them at once.
    fn valid(&self, kind: &Kind, given: &Given, before: &Properties) -> Result<Properties, ApiError> {
        let (mut valid, mut faults) = (Properties::new(), Vec::new());
        for (name, value) in given {
            let Some(shape) = kind.properties.get(name) else {
                let message = format!("Property \"{name}\" does not exist");
                faults.push(PropertyFault { name: name.clone(), code: "PROPERTY_DOESNT_EXIST", message });
                continue;
            };
            let before = before.get(name).map_or("", String::as_str);
            match convert(name, shape, value, before, &self.owners) {
                Ok(Some(value)) => drop(valid.insert(name.clone(), value)),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(valid) } else { Err(ApiError::properties(&faults)) }
    }

    fn unique(&self, name: &str, kind: &Kind, values: &Properties, own: Option<u64>) -> Result<(), ApiError> {
        for (property, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
            let unique = kind.properties.get(property).is_some_and(|shape| shape.has_unique_value);
            let Some(other) = self.holder(name, property, value).filter(|_| unique) else { continue };
            if Some(other.id) == own {
                continue;
            }
            let other = other.id;
            if property == "email" {
                let message = format!("Contact already exists. Existing ID: {other}");
                return Err(ApiError::new(409, "CONFLICT", message));
            }
            let own = own.map_or_else(|| "a new object".to_owned(), |own| own.to_string());
            return Err(ApiError::invalid(format!(
                "Cannot set PropertyValueCoordinates{{propertyName={property}, value={value}}} on {own}. {other} already has that value."
            )));
        }
        Ok(())
    }
}
