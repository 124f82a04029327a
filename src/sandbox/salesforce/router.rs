//! Which call a request is.

use serde_json::{Map, Value as Json, json};

use super::bulk;
use super::collections::Action;
use super::describe::{VERSIONS, resources};
use super::error::ApiError;
use super::org::Org;
use super::soql;
use super::write::{Manner, Upserted};
use crate::sandbox::reply::{Reply, Request, encode};

/// Longer addresses are refused: a list of ids in a query soon is.
const URI_MAX: usize = 16_384;

/// From this version on an upsert that updates answers 200 with the id; before, 204 without.
const UPSERT_ANSWERS: u32 = 46;

/// Carries out one call below `/services/data/vNN.0`.
pub(super) fn route(org: &mut Org, request: &Request) -> Reply {
    if request.path.len() + request.query.len() > URI_MAX {
        return ApiError::new("URI_TOO_LONG", "The URI is too long.").status(414).reply();
    }
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let Some((version, rest)) = version_of(&path) else { return ApiError::not_found().reply() };
    let (oldest, newest) = VERSIONS;
    if version > newest {
        return ApiError::not_found().reply();
    }
    if version < oldest {
        return ApiError::new("GONE", "This API version is retired.").status(410).reply();
    }
    call(org, request, version, rest).unwrap_or_else(ApiError::reply)
}

fn version_of<'p, 's>(path: &'p [&'s str]) -> Option<(u32, &'p [&'s str])> {
    let ["services", "data", version, rest @ ..] = path else { return None };
    let number = version.strip_prefix('v')?.strip_suffix(".0")?;
    Some((number.parse().ok()?, rest))
}

fn call(org: &mut Org, request: &Request, version: u32, path: &[&str]) -> Result<Reply, ApiError> {
    let manner = Manner {
        version,
        auto_assign: !header_says(request, "sforce-auto-assign", "false"),
        allow_duplicates: request
            .header("sforce-duplicate-rule-header")
            .is_some_and(|header| header.to_lowercase().replace(' ', "").contains("allowsave=true")),
    };
    // For clients without PATCH.
    let method = match request.parameter("_HttpMethod") {
        Some(method) if request.method == axum::http::Method::POST => method,
        _ => request.method.to_string(),
    };
    let ok = |body: Json| Ok(Reply::json(200, &body));
    match (method.as_str(), path) {
        ("GET", []) => ok(resources(version)),
        ("GET", ["limits"]) => ok(org.limits()),
        ("GET", ["query" | "queryAll"]) => {
            let text =
                request.parameter("q").ok_or_else(|| ApiError::new("MALFORMED_QUERY", "q is missing"))?;
            ok(org.query(&soql::parse(&text)?, batch(request), path[0] == "queryAll", version)?)
        }
        ("GET", ["query" | "queryAll", locator]) => ok(org.more(locator, version)?),
        ("GET", ["sobjects"]) => ok(org.describe_all(version)),
        ("GET", ["sobjects", object]) => {
            let described = org.describe(object, version)?;
            ok(json!({"objectDescribe": described, "recentItems": []}))
        }
        ("POST", ["sobjects", object]) => {
            let id = org.create(object, &fields(request)?, manner)?;
            let place = format!("/services/data/v{version}.0/sobjects/{object}/{id}");
            Ok(Reply::json(201, &json!({"id": id, "success": true, "errors": []})).header("Location", place))
        }
        ("GET", ["sobjects", object, "describe"]) => ok(org.describe(object, version)?),
        ("GET", ["sobjects", object, id]) => read(org, object, id, request, version),
        ("PATCH", ["sobjects", object, id]) => {
            org.update(object, id, &fields(request)?, manner)?;
            Ok(Reply::empty(204))
        }
        ("DELETE", ["sobjects", object, id]) => {
            org.delete(object, id)?;
            Ok(Reply::empty(204))
        }
        ("GET", ["sobjects", object, field, value]) => read_external(org, object, (field, value), version),
        ("PATCH", ["sobjects", object, field, value]) => {
            let update_only = request.parameter("updateOnly").as_deref() == Some("true");
            let upserted = org.upsert(object, (field, value), &fields(request)?, update_only, manner)?;
            Ok(upserted_reply(org, object, upserted, version))
        }
        ("POST", ["composite", "batch"]) => org.composite_batch(request, &body(request)?),
        ("POST", ["composite"]) => org.composite(request, &body(request)?),
        (method, ["jobs", "query", rest @ ..]) => {
            bulk::route(org, method, rest, (request, version), || body(request))
        }
        (_, ["composite", "sobjects", rest @ ..]) => collections(org, request, &method, rest, manner),
        _ => Err(ApiError::not_found()),
    }
}

fn collections(
    org: &mut Org,
    request: &Request,
    method: &str,
    path: &[&str],
    manner: Manner,
) -> Result<Reply, ApiError> {
    let answer = match (method, path) {
        ("POST", []) => org.collection(&Action::Create, &body(request)?, manner)?,
        ("PATCH", []) => org.collection(&Action::Update, &body(request)?, manner)?,
        ("DELETE", []) => {
            let ids = request.parameter("ids").unwrap_or_default();
            let ids: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).collect();
            org.delete_collection(&ids, request.parameter("allOrNone").as_deref() == Some("true"))?
        }
        ("PATCH", [object, field]) => {
            org.collection(&Action::Upsert(object, field), &body(request)?, manner)?
        }
        ("POST", [object]) => org.read_collection(object, &body(request)?, manner.version)?,
        _ => return Err(ApiError::not_found()),
    };
    Ok(Reply::json(200, &answer))
}

fn header_says(request: &Request, name: &str, word: &str) -> bool {
    request.header(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
}

fn batch(request: &Request) -> Option<usize> {
    request.header("sforce-query-options")?.split(',').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        (name.trim().eq_ignore_ascii_case("batchSize")).then(|| value.trim().parse().ok())?
    })
}

fn body(request: &Request) -> Result<Json, ApiError> {
    if !request.header("content-type").is_some_and(|kind| kind.contains("json")) {
        return Err(
            ApiError::new("UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json").status(415)
        );
    }
    serde_json::from_slice(&request.body)
        .map_err(|error| ApiError::new("JSON_PARSER_ERROR", format!("Unexpected character: {error}")))
}

fn fields(request: &Request) -> Result<Map<String, Json>, ApiError> {
    match body(request)? {
        Json::Object(fields) => Ok(fields),
        other => Err(ApiError::parser("sObject", &other)),
    }
}

fn read(org: &Org, object: &str, id: &str, request: &Request, version: u32) -> Result<Reply, ApiError> {
    let shape = org.shape(object)?;
    let id = org.living(shape, id)?;
    let wanted = request.parameter("fields");
    let wanted: Option<Vec<String>> =
        wanted.map(|names| names.split(',').map(|name| name.trim().to_owned()).collect());
    Ok(Reply::json(200, &org.shown_record(shape, &id, wanted.as_deref(), version)?))
}

fn read_external(org: &Org, object: &str, key: (&str, &str), version: u32) -> Result<Reply, ApiError> {
    let shape = org.shape(object)?;
    let (name, field) = shape
        .field(key.0)
        .filter(|(_, field)| field.external_id || field.id_lookup)
        .ok_or_else(ApiError::not_found)?;
    match org.holders(shape, name, field, key.1).as_slice() {
        [] => Err(ApiError::not_found()),
        [id] => Ok(Reply::json(200, &org.shown_record(shape, id, None, version)?)),
        ids => Ok(choices(&shape.name, ids, version)),
    }
}

/// 300: the addresses of all records that the value stands in.
fn choices(object: &str, ids: &[String], version: u32) -> Reply {
    let urls: Vec<String> = ids
        .iter()
        .map(|id| format!("/services/data/v{version}.0/sobjects/{object}/{}", encode(id)))
        .collect();
    Reply::json(300, &json!(urls))
}

fn upserted_reply(org: &Org, object: &str, upserted: Upserted, version: u32) -> Reply {
    let told = |id: &str, created: bool| json!({"id": id, "success": true, "errors": [], "created": created});
    match upserted {
        Upserted::Created(id) => Reply::json(201, &told(&id, true)),
        Upserted::Updated(_) if version < UPSERT_ANSWERS => Reply::empty(204),
        Upserted::Updated(id) => Reply::json(200, &told(&id, false)),
        Upserted::Ambiguous(ids) => {
            let name = org.schema.object(object).map_or(object, |shape| shape.name.as_str());
            choices(name, &ids, version)
        }
    }
}
