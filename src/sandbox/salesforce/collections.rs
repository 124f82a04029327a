//! Many records in one call: answered 200 with one outcome a record, in the order of the request.

use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::org::{Mark, Org};
use super::write::{Manner, Upserted};

/// Salesforce's own limits.
const RECORDS_MAX: usize = 200;
const CHUNKS_MAX: usize = 10;
const READ_MAX: usize = 2000;

/// What is done with each record.
pub(super) enum Action<'a> {
    Create,
    Update,
    /// By the external id field of an object.
    Upsert(&'a str, &'a str),
}

type Outcome = Result<(String, Option<bool>), ApiError>;

impl Org {
    pub(super) fn collection(
        &mut self,
        action: &Action<'_>,
        body: &Json,
        manner: Manner,
    ) -> Result<Json, ApiError> {
        let records: Vec<Map<String, Json>> = body["records"]
            .as_array()
            .ok_or_else(|| ApiError::new("JSON_PARSER_ERROR", "records is missing"))?
            .iter()
            .map(|record| record.as_object().cloned().unwrap_or_default())
            .collect();
        if records.len() > RECORDS_MAX {
            let message =
                format!("record limit reached. cannot submit more than {RECORDS_MAX} records into this call");
            return Err(ApiError::new("LIMIT_EXCEEDED", message));
        }
        if chunks(&records) > CHUNKS_MAX {
            let message = format!("cannot have more than {CHUNKS_MAX} chunks per operation");
            return Err(ApiError::new("LIMIT_EXCEEDED", message));
        }
        let all_or_none = body["allOrNone"] == true;
        let before = self.mark(all_or_none);
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut keys: Vec<String> = Vec::new();
        for record in &records {
            let outcome = self.one(action, record, manner, &mut keys);
            outcomes.push(outcome);
        }
        self.settle(before, &mut outcomes);
        Ok(outcomes.into_iter().map(told).collect())
    }

    fn one(
        &mut self,
        action: &Action<'_>,
        record: &Map<String, Json>,
        manner: Manner,
        keys: &mut Vec<String>,
    ) -> Outcome {
        let kind =
            record.get("attributes").and_then(|attributes| attributes["type"].as_str()).unwrap_or_default();
        match action {
            Action::Create => Ok((self.create(kind, record, manner)?, None)),
            Action::Update => {
                let mut fields = record.clone();
                let id = fields.shift_remove("id").or_else(|| fields.shift_remove("Id"));
                let id = id.as_ref().and_then(Json::as_str).map(str::to_owned).ok_or_else(|| {
                    ApiError::new("MISSING_ARGUMENT", "Id not specified in an update call").field("Id")
                })?;
                Ok((self.update(kind, &id, &fields, manner)?, None))
            }
            Action::Upsert(object, field) => {
                let mut fields = record.clone();
                // Here the external id is in the record.
                let key = fields.shift_remove(*field).and_then(|key| key.as_str().map(str::to_owned));
                let key = key.ok_or_else(|| {
                    ApiError::new("MISSING_ARGUMENT", format!("{field} not specified")).field(field)
                })?;
                if keys.contains(&key) {
                    let message = format!("Duplicate external id specified: {key}");
                    return Err(ApiError::new("DUPLICATE_VALUE", message).field(field));
                }
                keys.push(key.clone());
                match self.upsert(object, (field, &key), &fields, false, manner)? {
                    Upserted::Created(id) => Ok((id, Some(true))),
                    Upserted::Updated(id) => Ok((id, Some(false))),
                    Upserted::Ambiguous(ids) => {
                        let message = format!("More than one record found for external id field: {ids:?}");
                        Err(ApiError::new("DUPLICATE_EXTERNAL_ID", message).field(field))
                    }
                }
            }
        }
    }

    /// `DELETE /composite/sobjects?ids=...`: of mixed objects.
    pub(super) fn delete_collection(&mut self, ids: &[&str], all_or_none: bool) -> Result<Json, ApiError> {
        if ids.len() > RECORDS_MAX {
            return Err(ApiError::new(
                "LIMIT_EXCEEDED",
                format!("cannot delete more than {RECORDS_MAX} records"),
            ));
        }
        let before = self.mark(all_or_none);
        let mut outcomes: Vec<Outcome> = ids
            .iter()
            .map(|id| {
                let object = self.schema.by_prefix(id).map(|shape| shape.name.clone());
                let malformed = || ApiError::new("MALFORMED_ID", format!("malformed id {id}"));
                self.delete(&object.ok_or_else(malformed)?, id).map(|id| (id, None))
            })
            .collect();
        self.settle(before, &mut outcomes);
        Ok(outcomes.into_iter().map(told).collect())
    }

    /// With all or none, what failed takes the others with it.
    fn settle(&mut self, before: Option<Mark>, outcomes: &mut [Outcome]) {
        let Some(before) = before.filter(|_| outcomes.iter().any(Result::is_err)) else { return };
        self.go_back(before);
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
            *outcome = Err(rolled_back());
        }
    }

    /// `POST /composite/sobjects/{object}`: records by id, null for those that are not there.
    pub(super) fn read_collection(&self, object: &str, body: &Json, version: u32) -> Result<Json, ApiError> {
        let texts = |key: &str| -> Vec<String> {
            let list = body[key].as_array().into_iter().flatten();
            list.filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        let (ids, fields) = (texts("ids"), texts("fields"));
        if ids.len() > READ_MAX {
            return Err(ApiError::new("LIMIT_EXCEEDED", format!("cannot read more than {READ_MAX} records")));
        }
        let shape = self.shape(object)?;
        let rows = ids.iter().map(|id| {
            let found =
                self.living(shape, id).and_then(|id| self.shown_record(shape, &id, Some(&fields), version));
            match found {
                Err(error) if error.code == "INVALID_FIELD" => Err(error),
                found => Ok(found.unwrap_or(Json::Null)),
            }
        });
        rows.collect()
    }
}

/// Runs of one type: mixed types are cut where the type changes.
fn chunks(records: &[Map<String, Json>]) -> usize {
    let kind =
        |record: &Map<String, Json>| record.get("attributes").map(|attributes| attributes["type"].clone());
    let changes = records.windows(2).filter(|pair| kind(&pair[0]) != kind(&pair[1])).count();
    if records.is_empty() { 0 } else { changes + 1 }
}

fn rolled_back() -> ApiError {
    let message =
        "Record rolled back because not all records were valid and the request was using AllOrNone header";
    ApiError::new("ALL_OR_NONE_OPERATION_ROLLED_BACK", message)
}

fn told(outcome: Outcome) -> Json {
    match outcome {
        Ok((id, created)) => {
            let mut told = json!({"id": id, "success": true, "errors": []});
            if let Some(created) = created {
                told["created"] = json!(created);
            }
            told
        }
        Err(error) => json!({"success": false, "errors": [error.in_collection()]}),
    }
}
