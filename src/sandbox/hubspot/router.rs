//! Which call a request is.

use serde_json::{Value as Json, json};

use super::account::{Account, Owner};
use super::error::ApiError;
use super::schema::PropertyShape;
use crate::sandbox::reply::{Reply, Request};

/// Answers a request of somebody who may ask.
pub(super) fn route(account: &mut Account, request: &Request) -> Result<Reply, ApiError> {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let body = body(request)?;
    let method = request.method.as_str();
    match path.as_slice() {
        ["crm", "v4", "objects", from, id, "associations", rest @ ..] => {
            let from = account.schema.name(from)?;
            associations(account, method, (&from, id), rest, request, &body)
        }
        ["crm", "v4", "associations", from, to, rest @ ..] => {
            let (from, to) = (account.schema.name(from)?, account.schema.name(to)?);
            many_associations(account, method, (&from, &to), rest, &body)
        }
        // `v3/objects` and `objects/2026-09` are one.
        ["crm", "v3", "objects", kind, rest @ ..] | ["crm", "objects", _, kind, rest @ ..] => {
            let kind = account.schema.name(kind)?;
            objects(account, method, &kind, rest, request, &body)
        }
        ["crm", "v3", "properties", kind, rest @ ..] => {
            let kind = account.schema.name(kind)?;
            properties(account, method, &kind, rest, &body)
        }
        ["crm", "v3", "pipelines", kind] if method == "GET" => pipelines(account, kind),
        ["crm", "v3", "owners", rest @ ..] if method == "GET" => owners(account, rest, request),
        _ => Err(ApiError::not_found()),
    }
}

/// True when a request asks the search, which has a rate of its own.
pub(super) fn is_search(request: &Request) -> bool {
    request.path.trim_end_matches('/').ends_with("/search")
}

fn body(request: &Request) -> Result<Json, ApiError> {
    if request.body.is_empty() {
        return Ok(Json::Null);
    }
    serde_json::from_slice(&request.body)
        .map_err(|error| ApiError::invalid(format!("Invalid input JSON on line {}", error.line())))
}

fn objects(
    account: &mut Account,
    method: &str,
    kind: &str,
    path: &[&str],
    request: &Request,
    body: &Json,
) -> Result<Reply, ApiError> {
    let given = body["properties"].as_object().cloned().unwrap_or_default();
    let property = request.parameter("idProperty");
    match (method, path) {
        ("GET", []) => {
            let limit = request.parameter("limit").and_then(|limit| limit.parse().ok());
            let after = request.parameter("after").and_then(|after| after.parse().ok());
            Ok(Reply::json(200, &account.list(kind, limit, after, &named(request, "properties"))?))
        }
        ("POST", []) => {
            let id = account.create(kind, &given, &body["associations"])?;
            let names: Vec<String> = given.keys().cloned().collect();
            Ok(Reply::json(201, &one(account, kind, id, &names)?))
        }
        ("POST", ["search"]) => Ok(Reply::json(200, &account.search(kind, body)?)),
        ("POST", ["batch", action]) => account.batch(kind, action, body),
        ("POST", ["merge"]) => {
            let id =
                account.merge(kind, number(&body["primaryObjectId"])?, number(&body["objectIdToMerge"])?)?;
            Ok(Reply::json(200, &one(account, kind, id, &[])?))
        }
        ("POST", ["gdpr-delete"]) => {
            account.erase(kind, number(&body["objectId"])?)?;
            Ok(Reply::empty(204))
        }
        ("GET", [id]) => {
            let record = account.resolve(kind, id, property.as_deref())?;
            let with = named(request, "associations");
            Ok(Reply::json(200, &account.told(kind, record, &named(request, "properties"), &with)))
        }
        ("PATCH", [id]) => {
            let id = account.resolve(kind, id, property.as_deref())?.id;
            account.update(kind, id, &given)?;
            let names: Vec<String> = given.keys().cloned().collect();
            Ok(Reply::json(200, &one(account, kind, id, &names)?))
        }
        ("DELETE", [id]) => {
            if let Ok(id) = id.parse() {
                account.archive(kind, id)?;
            }
            Ok(Reply::empty(204))
        }
        _ => Err(ApiError::of_status(405)),
    }
}

fn one(account: &Account, kind: &str, id: u64, names: &[String]) -> Result<Json, ApiError> {
    let record = account.living(kind, id).ok_or_else(ApiError::not_found)?;
    Ok(account.told(kind, record, names, &[]))
}

fn associations(
    account: &mut Account,
    method: &str,
    from: (&str, &str),
    path: &[&str],
    request: &Request,
    body: &Json,
) -> Result<Reply, ApiError> {
    match (method, path) {
        ("PUT", ["default", to, other]) => {
            let to = account.schema.name(to)?;
            let done = account.associate(from, (&to, other), None)?;
            Ok(Reply::json(
                200,
                &json!({"status": "COMPLETE", "results": [done], "startedAt": "2026-01-01T00:00:00Z", "completedAt": "2026-01-01T00:00:00Z"}),
            ))
        }
        ("PUT", [to, other]) => {
            let to = account.schema.name(to)?;
            let done = account.associate(from, (&to, other), Some(body))?;
            let told = json!({
                "fromObjectTypeId": account.schema.kind(from.0)?.type_id,
                "fromObjectId": done["fromObjectId"],
                "toObjectTypeId": account.schema.kind(&to)?.type_id,
                "toObjectId": done["toObjectId"],
                "labels": [],
            });
            Ok(Reply::json(201, &told))
        }
        ("DELETE", [to, other]) => {
            let to = account.schema.name(to)?;
            account.dissociate(from, (&to, other))?;
            Ok(Reply::empty(204))
        }
        ("GET", [to]) => {
            let to = account.schema.name(to)?;
            let limit = request.parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(500);
            let after = request.parameter("after").and_then(|after| after.parse().ok());
            Ok(Reply::json(200, &account.associated(from, &to, limit, after)?))
        }
        _ => Err(ApiError::of_status(405)),
    }
}

fn many_associations(
    account: &mut Account,
    method: &str,
    (from, to): (&str, &str),
    path: &[&str],
    body: &Json,
) -> Result<Reply, ApiError> {
    match (method, path) {
        ("GET", ["labels"]) => Ok(Reply::json(200, &Account::labels(from, to))),
        ("POST", ["batch", "create"] | ["batch", "associate", "default"]) => {
            let named = path.len() == 2;
            let (mut results, mut errors) = (Vec::new(), Vec::new());
            for input in body["inputs"].as_array().into_iter().flatten() {
                let id = |key: &str| match &input[key]["id"] {
                    Json::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let types = named.then(|| &input["types"]);
                match account.associate((from, &id("from")), (to, &id("to")), types) {
                    Ok(done) => results.push(done),
                    Err(error) => errors.push(error.in_batch(&json!({"ids": [id("from"), id("to")]}))),
                }
            }
            results.reverse();
            let status = if !errors.is_empty() {
                207
            } else if named {
                201
            } else {
                200
            };
            let mut answer = json!({"status": "COMPLETE", "results": results, "startedAt": "2026-01-01T00:00:00Z", "completedAt": "2026-01-01T00:00:00Z"});
            if !errors.is_empty() {
                answer["numErrors"] = json!(errors.len());
                answer["errors"] = json!(errors);
            }
            Ok(Reply::json(status, &answer))
        }
        _ => Err(ApiError::of_status(405)),
    }
}

fn properties(
    account: &mut Account,
    method: &str,
    kind: &str,
    path: &[&str],
    body: &Json,
) -> Result<Reply, ApiError> {
    let shape = account.schema.kind(kind)?;
    match (method, path) {
        ("GET", []) => Ok(Reply::json(200, &shape.described())),
        ("GET", [name]) => Ok(Reply::json(200, &shape.described_one(name)?)),
        ("POST", []) => {
            let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
            let name = text("name");
            if name.is_empty() || shape.properties.contains_key(&name) {
                let message = format!("A property named '{name}' already exists.");
                return Err(ApiError::new(409, "CONFLICT", message));
            }
            let options = body["options"].as_array().into_iter().flatten();
            let new = PropertyShape {
                label: text("label"),
                r#type: text("type"),
                field_type: text("fieldType"),
                options: options.filter_map(|option| option["value"].as_str().map(str::to_owned)).collect(),
                has_unique_value: body["hasUniqueValue"] == true,
                ..PropertyShape::default()
            };
            account.schema.declare(kind, &name, new);
            let shape = account.schema.kind(kind)?;
            Ok(Reply::json(201, &shape.described_one(&name)?))
        }
        _ => Err(ApiError::of_status(405)),
    }
}

/// The one pipeline that each kind has.
fn pipelines(account: &Account, kind: &str) -> Result<Reply, ApiError> {
    let name = account.schema.name(kind)?;
    let (pipeline, stage) = match name.as_str() {
        "deals" => ("pipeline", "dealstage"),
        "tickets" => ("hs_pipeline", "hs_pipeline_stage"),
        _ => return Err(ApiError::invalid(format!("{kind} have no pipelines"))),
    };
    let properties = &account.schema.kind(&name)?.properties;
    let options = |name: &str| properties.get(name).map(|shape| shape.options.clone()).unwrap_or_default();
    let stages: Vec<Json> = options(stage)
        .iter()
        .enumerate()
        .map(|(order, id)| {
            let closed = id.starts_with("closed") || (name == "tickets" && id == "4");
            json!({"id": id, "label": id, "displayOrder": order, "archived": false, "metadata": {"isClosed": closed.to_string()}})
        })
        .collect();
    let all: Vec<Json> = options(pipeline)
        .iter()
        .map(|id| json!({"id": id, "label": "Sales Pipeline", "displayOrder": 0, "archived": false, "stages": stages}))
        .collect();
    Ok(Reply::json(200, &json!({ "results": all })))
}

fn owners(account: &Account, path: &[&str], request: &Request) -> Result<Reply, ApiError> {
    let told = |owner: &Owner| {
        json!({
            "id": owner.id.to_string(),
            "userId": owner.user,
            "email": owner.email,
            "firstName": owner.first_name,
            "lastName": owner.last_name,
            "type": "PERSON",
            "archived": false,
        })
    };
    match path {
        [] => {
            let email = request.parameter("email");
            let wanted = |owner: &&Owner| email.as_ref().is_none_or(|email| owner.email == *email);
            let all: Vec<Json> = account.owners.iter().filter(wanted).map(told).collect();
            Ok(Reply::json(200, &json!({ "results": all })))
        }
        [id] => {
            let found = account.owners.iter().find(|owner| owner.id.to_string() == **id);
            found.map(|owner| Reply::json(200, &told(owner))).ok_or_else(ApiError::not_found)
        }
        _ => Err(ApiError::not_found()),
    }
}

/// A parameter that is repeated, or holds commas.
fn named(request: &Request, name: &str) -> Vec<String> {
    let all = request.parameters().into_iter().filter(|(key, _)| key == name);
    all.flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>())
        .filter(|name| !name.is_empty())
        .collect()
}

fn number(value: &Json) -> Result<u64, ApiError> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| ApiError::invalid("Invalid input JSON: an id was expected"))
}
