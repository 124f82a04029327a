//! Creating, changing and deleting records, with the org's rules.

use serde_json::{Map, Value as Json, json};

use super::convert;
use super::error::ApiError;
use super::id;
use super::lines;
use super::org::{Org, Record};
use super::schema::{FieldShape, ObjectShape};

/// What a request's headers say about its writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) version: u32,
    /// Assignment rules may change the owner: so unless the client says no.
    pub(super) auto_assign: bool,
    /// The client wants likely duplicates saved.
    pub(super) allow_duplicates: bool,
}

/// What an upsert came to.
pub(super) enum Upserted {
    Created(String),
    Updated(String),
    /// The value stands in several records: their ids.
    Ambiguous(Vec<String>),
}

/// Objects that assignment rules and their header are about.
const ASSIGNED: [&str; 3] = ["Account", "Case", "Lead"];

/// Fields that hang on the stage of an opportunity: probability, closed, won, forecast.
const STAGES: [(&str, i64, bool, bool, &str); 10] = [
    ("Prospecting", 10, false, false, "Pipeline"),
    ("Qualification", 10, false, false, "Pipeline"),
    ("Needs Analysis", 20, false, false, "Pipeline"),
    ("Value Proposition", 50, false, false, "Pipeline"),
    ("Id. Decision Makers", 60, false, false, "Pipeline"),
    ("Perception Analysis", 70, false, false, "Pipeline"),
    ("Proposal/Price Quote", 75, false, false, "Pipeline"),
    ("Negotiation/Review", 90, false, false, "Pipeline"),
    ("Closed Won", 100, true, true, "Closed"),
    ("Closed Lost", 0, true, false, "Omitted"),
];

pub(super) type Fields = Map<String, Json>;

impl Org {
    /// Creates a record and gives its id.
    pub(super) fn create(
        &mut self,
        object: &str,
        given: &Fields,
        manner: Manner,
    ) -> Result<String, ApiError> {
        self.room()?;
        let shape = self.shape(object)?.clone();
        if given.keys().any(|key| key.eq_ignore_ascii_case("id")) {
            return Err(ApiError::new("INVALID_FIELD", "cannot specify Id in an insert call").field("Id"));
        }
        let mut fields = self.values(&shape, given, |field| field.createable)?;
        for (name, field) in &shape.fields {
            let absent = fields.get(name).is_none_or(Json::is_null);
            if absent && let Some(default) = &field.default_value {
                fields.insert(name.clone(), default.clone());
            } else if absent && field.r#type == "boolean" {
                fields.insert(name.clone(), json!(false));
            }
        }
        required(&shape, &fields, true)?;
        self.own(&shape, &mut fields, given, manner, true)?;
        self.rules(&shape, &mut fields, given, true)?;
        self.unique(&shape, &fields, None)?;
        self.no_duplicate(&shape.name, &fields, manner.version, manner.allow_duplicates)?;
        let id = id::make(&shape.key_prefix, self.records.next());
        self.stamp(&shape, &mut fields, &id, true);
        self.records.put(&shape.name, id.clone(), Record { fields, deleted: false });
        self.counts.writes += 1;
        self.roll_up(&shape.name, &id);
        *self.counts.creates.entry(shape.name).or_insert(0) += 1;
        Ok(id)
    }

    /// Changes a record: what is given, nothing else.
    pub(super) fn update(
        &mut self,
        object: &str,
        id: &str,
        given: &Fields,
        manner: Manner,
    ) -> Result<String, ApiError> {
        let shape = self.shape(object)?.clone();
        let id = self.living(&shape, id)?;
        if given.keys().any(|key| key.eq_ignore_ascii_case("id")) {
            return Err(read_only(&["Id".to_owned()]));
        }
        let changes = self.values(&shape, given, |field| field.updateable)?;
        required(&shape, &changes, false)?;
        let mut fields =
            self.records.live(&shape.name, &id).map(|record| record.fields.clone()).unwrap_or_default();
        fields.extend(changes);
        self.own(&shape, &mut fields, given, manner, false)?;
        self.rules(&shape, &mut fields, given, false)?;
        self.unique(&shape, &fields, Some(&id))?;
        self.stamp(&shape, &mut fields, &id, false);
        if let Some(record) = self.records.get_mut(&shape.name, &id) {
            record.fields = fields;
        }
        self.counts.writes += 1;
        self.roll_up(&shape.name, &id);
        Ok(id)
    }

    /// Creates or changes the record that has this value in an external id field.
    pub(super) fn upsert(
        &mut self,
        object: &str,
        key: (&str, &str),
        given: &Fields,
        update_only: bool,
        manner: Manner,
    ) -> Result<Upserted, ApiError> {
        let shape = self.shape(object)?.clone();
        let (name, field) = external(&shape, key.0)?;
        if given.keys().any(|given| given.eq_ignore_ascii_case(name)) {
            let message = format!("The {name} field should not be specified in the sobject data.");
            return Err(ApiError::new("INVALID_FIELD", message).field(name));
        }
        let found = self.holders(&shape, name, field, key.1);
        match found.as_slice() {
            [] if update_only => Err(ApiError::not_found()),
            [] => {
                let mut given = given.clone();
                given.insert(name.to_owned(), json!(key.1));
                self.create(object, &given, manner).map(Upserted::Created)
            }
            [id] => self.update(object, id, given, manner).map(Upserted::Updated),
            _ => Ok(Upserted::Ambiguous(found)),
        }
    }

    /// Into the recycle bin.
    pub(super) fn delete(&mut self, object: &str, id: &str) -> Result<String, ApiError> {
        let shape = self.shape(object)?.clone();
        let id = self.living(&shape, id)?;
        if shape.name == "User" {
            return Err(
                ApiError::new("INSUFFICIENT_ACCESS_OR_READONLY", "users cannot be deleted").status(403)
            );
        }
        let now = self.stamp_now();
        if let Some(record) = self.records.get_mut(&shape.name, &id) {
            record.deleted = true;
            record.fields.insert("IsDeleted".to_owned(), json!(true));
            record.fields.insert("SystemModstamp".to_owned(), json!(now));
        }
        self.counts.writes += 1;
        self.roll_up(&shape.name, &id);
        Ok(id)
    }

    /// The long id of a record that is there and not deleted.
    pub(super) fn living(&self, shape: &ObjectShape, id: &str) -> Result<String, ApiError> {
        let id = id::parse(id).ok_or_else(ApiError::not_found)?;
        match self.records.get(&shape.name, &id) {
            None => Err(ApiError::not_found()),
            Some(record) if record.deleted => Err(ApiError::deleted()),
            Some(_) => Ok(id),
        }
    }

    /// The ids of the records with this value in a field.
    pub(super) fn holders(
        &self,
        shape: &ObjectShape,
        name: &str,
        field: &FieldShape,
        value: &str,
    ) -> Vec<String> {
        let exact = field.unique && field.case_sensitive;
        let same = |stored: &str| if exact { stored == value } else { stored.eq_ignore_ascii_case(value) };
        let holds = |record: &&Record| record.fields.get(name).and_then(Json::as_str).is_some_and(same);
        let found = self.records.all(&shape.name).filter(|record| !record.deleted).filter(holds);
        found.filter_map(|record| Some(record.fields.get("Id")?.as_str()?.to_owned())).collect()
    }

    /// The given values as they are stored; refuses what is unknown, read-only or of the wrong type.
    fn values(
        &self,
        shape: &ObjectShape,
        given: &Fields,
        writable: fn(&FieldShape) -> bool,
    ) -> Result<Fields, ApiError> {
        let mut values = Fields::new();
        let mut refused = Vec::new();
        for (key, value) in given.iter().filter(|(key, _)| *key != "attributes") {
            if let Some((name, field)) = shape.relation(key).filter(|_| value.is_object()) {
                values.insert(name.to_owned(), self.by_external_id(name, field, value)?);
                continue;
            }
            let (name, field) = shape.field(key).ok_or_else(|| ApiError::no_column(key, &shape.name))?;
            if !writable(field) {
                refused.push(name.to_owned());
                continue;
            }
            let stored = match field.r#type.as_str() {
                "reference" => self.reference(name, field, value)?,
                _ => convert::convert(name, field, value)?,
            };
            values.insert(name.to_owned(), stored);
        }
        if refused.is_empty() { Ok(values) } else { Err(read_only(&refused)) }
    }

    fn reference(&self, name: &str, field: &FieldShape, value: &Json) -> Result<Json, ApiError> {
        let text = match value {
            Json::Null => return Ok(Json::Null),
            Json::String(text) if text.trim().is_empty() => return Ok(Json::Null),
            Json::String(text) => text.trim(),
            _ => return Err(ApiError::parser("reference", value)),
        };
        let malformed = || {
            ApiError::new("MALFORMED_ID", format!("{name}: id value of incorrect type: {text}")).field(name)
        };
        let id = id::parse(text).ok_or_else(malformed)?;
        let Some(target) = self.schema.by_prefix(&id) else {
            // Queues, profiles and other records that the sandbox does not keep are taken on trust.
            return Ok(json!(id));
        };
        // Activities refer to custom objects too.
        let allowed =
            field.reference_to.contains(&target.name) || (name == "WhatId" && target.name.ends_with("__c"));
        if !allowed {
            return Err(malformed());
        }
        match self.records.live(&target.name, &id) {
            None => {
                let message = format!("invalid cross reference id: {text}");
                Err(ApiError::new("INVALID_CROSS_REFERENCE_KEY", message).field(name))
            }
            Some(record) if name == "OwnerId" && record.fields.get("IsActive") == Some(&json!(false)) => {
                let message = format!("operation performed with inactive user [{id}] as owner");
                Err(ApiError::new("INACTIVE_OWNER_OR_USER", message).field(name))
            }
            Some(_) => Ok(json!(id)),
        }
    }

    /// `{"Account": {"Stripe_Customer_Id__c": "cus_1"}}`: the record that is meant, by its external id.
    fn by_external_id(&self, name: &str, field: &FieldShape, given: &Json) -> Result<Json, ApiError> {
        let given = given.as_object().into_iter().flatten().find(|(key, _)| *key != "attributes");
        let target = field.reference_to.iter().find_map(|name| self.schema.object(name));
        let (Some((key, value)), Some(target)) = (given, target) else {
            return Err(
                ApiError::new("INVALID_FIELD", format!("{name}: no external id is given")).field(name)
            );
        };
        let (key, field) = external(target, key)?;
        let value = value.as_str().unwrap_or_default();
        if let [id] = self.holders(target, key, field, value).as_slice() {
            return Ok(json!(id));
        }
        let message =
            format!("Foreign key external ID: {value} not found for field {key} in entity {}", target.name);
        Err(ApiError::new("INVALID_FIELD", message).field(name))
    }

    /// Who owns the record. The trap: assignment rules take it away unless they are told not to.
    fn own(
        &self,
        shape: &ObjectShape,
        fields: &mut Fields,
        given: &Fields,
        manner: Manner,
        created: bool,
    ) -> Result<(), ApiError> {
        if !shape.fields.contains_key("OwnerId") {
            return Ok(());
        }
        if given.get("OwnerId").is_some_and(Json::is_null) {
            return Err(ApiError::new("REQUIRED_FIELD_MISSING", "Required fields are missing: [OwnerId]")
                .field("OwnerId"));
        }
        if ASSIGNED.contains(&shape.name.as_str()) && manner.auto_assign {
            fields.insert("OwnerId".to_owned(), json!(self.assignee));
        } else if created && fields.get("OwnerId").is_none_or(Json::is_null) {
            fields.insert("OwnerId".to_owned(), json!(self.user));
        }
        Ok(())
    }

    fn unique(&self, shape: &ObjectShape, fields: &Fields, own: Option<&str>) -> Result<(), ApiError> {
        for (name, field) in shape.fields.iter().filter(|(_, field)| field.unique) {
            let Some(value) = fields.get(name).and_then(Json::as_str) else { continue };
            let holders = self.holders(shape, name, field, value);
            if let Some(holder) = holders.iter().find(|holder| Some(holder.as_str()) != own) {
                let message =
                    format!("duplicate value found: {name} duplicates value on record with id: {holder}");
                return Err(ApiError::new("DUPLICATE_VALUE", message));
            }
        }
        Ok(())
    }

    /// What objects do by themselves.
    fn rules(
        &self,
        shape: &ObjectShape,
        fields: &mut Fields,
        given: &Fields,
        created: bool,
    ) -> Result<(), ApiError> {
        match shape.name.as_str() {
            "Contact" | "Lead" | "User" => full_name(fields),
            "Opportunity" => {
                if given.contains_key("StageName") {
                    stage(fields, given);
                }
                lines::keep_amount(self, fields);
            }
            "Task" => self.activity(fields)?,
            "Case" => close(fields, "Closed"),
            "Contract" | "Order" if created => {
                let draft = fields.get("Status").and_then(Json::as_str) == Some("Draft");
                if !draft {
                    let message = "Choose a valid status: a new record must be a draft.";
                    return Err(ApiError::new("FIELD_INTEGRITY_EXCEPTION", message).field("Status"));
                }
            }
            "OpportunityLineItem" => lines::settle(self, fields, given, created)?,
            "CampaignMember" if !has(fields, "LeadId") && !has(fields, "ContactId") => {
                return Err(missing(&["LeadId or ContactId".to_owned()]));
            }
            "Asset" if !has(fields, "AccountId") && !has(fields, "ContactId") => {
                let message = "Every asset needs an account, a contact, or both.";
                return Err(ApiError::new("FIELD_INTEGRITY_EXCEPTION", message).field("AccountId"));
            }
            _ => {}
        }
        Ok(())
    }

    /// A task of a lead is about nothing else; the account follows from what it is about.
    fn activity(&self, fields: &mut Fields) -> Result<(), ApiError> {
        let of = |name: &str| fields.get(name).and_then(Json::as_str).map(str::to_owned);
        let (who, what) = (of("WhoId"), of("WhatId"));
        if who.as_ref().is_some_and(|who| who.starts_with("00Q")) && what.is_some() {
            let message = "A lead cannot be related to another record: WhatId must be empty";
            return Err(ApiError::new("FIELD_INTEGRITY_EXCEPTION", message).field("WhatId"));
        }
        let account = [what, who].into_iter().flatten().find_map(|id| {
            if id.starts_with("001") {
                return Some(json!(id));
            }
            let shape = self.schema.by_prefix(&id)?;
            self.records.live(&shape.name, &id)?.fields.get("AccountId").filter(|id| !id.is_null()).cloned()
        });
        fields.insert("AccountId".to_owned(), account.unwrap_or(Json::Null));
        let high = fields.get("Priority").and_then(Json::as_str) == Some("High");
        fields.insert("IsHighPriority".to_owned(), json!(high));
        close(fields, "Completed");
        Ok(())
    }

    fn stamp(&mut self, shape: &ObjectShape, fields: &mut Fields, id: &str, created: bool) {
        let now = json!(self.stamp_now());
        let user = json!(self.user);
        let mut put = |name: &str, value: &Json| {
            if shape.fields.contains_key(name) {
                fields.insert(name.to_owned(), value.clone());
            }
        };
        put("LastModifiedDate", &now);
        put("LastModifiedById", &user);
        put("SystemModstamp", &now);
        if created {
            put("Id", &json!(id));
            put("IsDeleted", &json!(false));
            put("CreatedDate", &now);
            put("CreatedById", &user);
            let number =
                json!(format!("{:08}", self.counts.creates.get(&shape.name).copied().unwrap_or(0) + 1));
            for name in ["CaseNumber", "ContractNumber", "OrderNumber"] {
                put(name, &number);
            }
            if fields.get("Name").is_none_or(Json::is_null) && shape.fields.contains_key("Name") {
                fields.insert("Name".to_owned(), json!(id));
            }
        }
    }
}

/// The field that records can be upserted by, or 404 as Salesforce has it.
fn external<'s>(shape: &'s ObjectShape, name: &str) -> Result<(&'s str, &'s FieldShape), ApiError> {
    let found = shape.field(name).filter(|(_, field)| field.external_id || field.id_lookup);
    found.ok_or_else(ApiError::not_found)
}

fn required(shape: &ObjectShape, fields: &Fields, created: bool) -> Result<(), ApiError> {
    let absent = |name: &str| match fields.get(name) {
        None => created,
        Some(value) => value.is_null(),
    };
    let names = shape.fields.iter().filter(|(name, field)| field.required && absent(name));
    let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
    if names.is_empty() { Ok(()) } else { Err(missing(&names)) }
}

pub(super) fn missing(names: &[String]) -> ApiError {
    let message = format!("Required fields are missing: [{}]", names.join(", "));
    names.iter().fold(ApiError::new("REQUIRED_FIELD_MISSING", message), |error, name| error.field(name))
}

fn read_only(names: &[String]) -> ApiError {
    let message = format!(
        "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is \
         read/write for your profile or permission set.",
        names.join(", ")
    );
    names
        .iter()
        .fold(ApiError::new("INVALID_FIELD_FOR_INSERT_UPDATE", message), |error, name| error.field(name))
}

pub(super) fn has(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(|value| !value.is_null())
}

fn full_name(fields: &mut Fields) {
    let part = |name: &str| fields.get(name).and_then(Json::as_str);
    let name = [part("FirstName"), part("LastName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    fields.insert("Name".to_owned(), json!(name));
}

fn stage(fields: &mut Fields, given: &Fields) {
    let stage = fields.get("StageName").and_then(Json::as_str).unwrap_or_default();
    // A stage that nobody configured is kept as it is, and is open.
    let known = STAGES.iter().find(|(name, ..)| *name == stage);
    let (_, probability, closed, won, forecast) = known.copied().unwrap_or(("", 0, false, false, "Pipeline"));
    for (name, value) in [
        ("Probability", json!(probability)),
        ("IsClosed", json!(closed)),
        ("IsWon", json!(won)),
        ("ForecastCategory", json!(forecast)),
        ("ForecastCategoryName", json!(forecast)),
    ] {
        // A probability of one's own stands against the stage's.
        if !has(given, name) {
            fields.insert(name.to_owned(), value);
        }
    }
}

fn close(fields: &mut Fields, word: &str) {
    let closed = fields.get("Status").and_then(Json::as_str) == Some(word);
    fields.insert("IsClosed".to_owned(), json!(closed));
}
