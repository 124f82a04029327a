//! Many records in one call. What came of them is told in another order, the refused ones apart.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::account::{Account, stamp};
use super::error::ApiError;
use super::records::Given;
use super::search::texts;
use crate::sandbox::reply::Reply;

/// HubSpot's own limit.
const INPUTS_MAX: usize = 100;

/// What was asked for of one record.
struct Input {
    id: String,
    property: Option<String>,
    properties: Given,
    associations: Json,
    trace: Option<String>,
}

impl Input {
    fn read(written: &Json, property: &Json) -> Self {
        let text = |value: &Json| match value {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Self {
            id: text(&written["id"]).unwrap_or_default(),
            property: text(&written["idProperty"]).or_else(|| text(property)),
            properties: written["properties"].as_object().cloned().unwrap_or_default(),
            associations: written["associations"].clone(),
            trace: text(&written["objectWriteTraceId"]),
        }
    }

    fn context(&self) -> Json {
        let mut context = json!({"ids": [self.id]});
        if let Some(trace) = &self.trace {
            context["objectWriteTraceId"] = json!([trace]);
        }
        context
    }
}

impl Account {
    /// `POST .../batch/{action}`.
    pub(super) fn batch(&mut self, name: &str, action: &str, body: &Json) -> Result<Reply, ApiError> {
        self.schema.kind(name)?;
        let written: Vec<&Json> = body["inputs"].as_array().into_iter().flatten().collect();
        if written.is_empty() || written.len() > INPUTS_MAX {
            return Err(ApiError::invalid(format!("between 1 and {INPUTS_MAX} inputs are allowed")));
        }
        let inputs: Vec<Input> = written.iter().map(|one| Input::read(one, &body["idProperty"])).collect();
        let ids: BTreeSet<&str> = inputs.iter().map(|input| input.id.as_str()).collect();
        if action != "create" && ids.len() < inputs.len() {
            return Err(ApiError::invalid("Duplicate IDs found in batch input"));
        }
        match action {
            "read" => self.batch_read(name, &inputs, &texts(&body["properties"])),
            "archive" => {
                for input in &inputs {
                    if let Ok(id) = input.id.parse() {
                        self.archive(name, id)?;
                    }
                }
                Ok(Reply::empty(204))
            }
            "create" => self.batch_write(name, &inputs, 201, Self::create_one),
            "update" => self.batch_write(name, &inputs, 200, Self::update_one),
            "upsert" => self.batch_write(name, &inputs, 200, Self::upsert_one),
            _ => Err(ApiError::not_found()),
        }
    }

    fn batch_read(&self, name: &str, inputs: &[Input], wanted: &[String]) -> Result<Reply, ApiError> {
        let (mut results, mut missing) = (Vec::new(), Vec::new());
        for input in inputs {
            match self.resolve(name, &input.id, input.property.as_deref()) {
                Ok(record) => results.push(self.told(name, record, wanted, &[])),
                Err(error) if error.status == 404 => missing.push(input.id.as_str()),
                Err(error) => return Err(error),
            }
        }
        let label = &self.schema.kind(name)?.label;
        let errors: Vec<Json> = (!missing.is_empty())
            .then(|| none_of(label).in_batch(&json!({ "ids": missing })))
            .into_iter()
            .collect();
        Ok(self.answer(200, results, &errors))
    }

    fn create_one(&mut self, name: &str, input: &Input) -> Result<(u64, bool), ApiError> {
        Ok((self.create(name, &input.properties, &input.associations)?, true))
    }

    fn update_one(&mut self, name: &str, input: &Input) -> Result<(u64, bool), ApiError> {
        let id = self.resolve(name, &input.id, input.property.as_deref())?.id;
        self.update(name, id, &input.properties)?;
        Ok((id, false))
    }

    fn upsert_one(&mut self, name: &str, input: &Input) -> Result<(u64, bool), ApiError> {
        let property = input.property.clone().ok_or_else(|| ApiError::invalid("idProperty is required"))?;
        let mut given = input.properties.clone();
        match self.resolve(name, &input.id, Some(&property)).map(|record| record.id) {
            Ok(id) => {
                if property == "email" {
                    // Not a partial one: what is not named is lost.
                    given = self.emptied(name, id, given)?;
                }
                self.update(name, id, &given)?;
                Ok((id, false))
            }
            Err(error) if error.status == 404 => {
                given.entry(property).or_insert_with(|| json!(input.id));
                Ok((self.create(name, &given, &Json::Null)?, true))
            }
            Err(error) => Err(error),
        }
    }

    /// The given properties, and all others that could be written as cleared.
    fn emptied(&self, name: &str, id: u64, given: Given) -> Result<Given, ApiError> {
        let kind = self.schema.kind(name)?;
        let record = self.living(name, id).ok_or_else(ApiError::not_found)?;
        let others = record.properties.keys().filter(|property| {
            *property != "email" && kind.properties.get(*property).is_some_and(|shape| !shape.read_only)
        });
        let cleared: Map<String, Json> = others.map(|name| (name.clone(), json!(""))).collect();
        Ok(cleared.into_iter().chain(given).collect())
    }

    /// A record that is not there is told apart; a property that is wrong, or a value that is taken, refuses all.
    fn batch_write(
        &mut self,
        name: &str,
        inputs: &[Input],
        status: u16,
        write: impl Fn(&mut Self, &str, &Input) -> Result<(u64, bool), ApiError>,
    ) -> Result<Reply, ApiError> {
        let before = (self.records.clone(), self.counts.clone());
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in inputs {
            match write(self, name, input) {
                Ok((id, new)) => {
                    let Some(record) = self.living(name, id) else { continue };
                    let names: Vec<String> = record.properties.keys().cloned().collect();
                    let mut told = self.told(name, record, &names, &[]);
                    told["new"] = json!(new);
                    if let Some(trace) = &input.trace {
                        told["objectWriteTraceId"] = json!(trace);
                    }
                    results.push(told);
                }
                Err(error) if error.status == 404 => {
                    let label = self.schema.kind(name)?.label.clone();
                    errors.push(none_of(&label).in_batch(&input.context()));
                }
                // A unique value that another record has.
                Err(error) if error.message.contains("already has that value") => {
                    errors.push(error.in_batch(&input.context()));
                }
                Err(error) => {
                    (self.records, self.counts) = before;
                    return Err(error);
                }
            }
        }
        Ok(self.answer(status, results, &errors))
    }

    /// The answer to a batch, last one first: who counts on the order is wrong.
    fn answer(&self, status: u16, mut results: Vec<Json>, errors: &[Json]) -> Reply {
        results.reverse();
        let now = stamp(self.clock.now());
        let mut body =
            json!({"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now});
        if errors.is_empty() {
            return Reply::json(status, &body);
        }
        body["numErrors"] = json!(errors.len());
        body["errors"] = json!(errors);
        Reply::json(207, &body)
    }
}

fn none_of(label: &str) -> ApiError {
    ApiError::new(
        404,
        "OBJECT_NOT_FOUND",
        format!(
            "Could not get some {label} objects, they may be deleted or not exist. Check that ids are valid."
        ),
    )
}
