//! `POST /composite`: calls in one call, which may refer to each other; and `POST /composite/batch`: calls that do not. The whole is 200 even
//! when parts fail.

use axum::http::Method;
use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::org::Org;
use super::router;
use crate::sandbox::reply::{Reply, Request};

/// Salesforce's own limit.
const PARTS_MAX: usize = 25;

impl Org {
    pub(super) fn composite(&mut self, request: &Request, body: &Json) -> Result<Reply, ApiError> {
        let parts = body["compositeRequest"]
            .as_array()
            .ok_or_else(|| ApiError::new("JSON_PARSER_ERROR", "compositeRequest is missing"))?;
        if parts.len() > PARTS_MAX {
            let message = format!("Limit exceeded: a composite request has at most {PARTS_MAX} subrequests.");
            return Err(ApiError::new("LIMIT_EXCEEDED", message));
        }
        let before = self.mark(body["allOrNone"] == true);
        let mut done: Vec<(String, Reply)> = Vec::new();
        for part in parts {
            let reference = part["referenceId"].as_str().unwrap_or_default().to_owned();
            let reply = match resolved(part, &done) {
                Ok(part) => router::route(self, &request_of(request, &part)),
                Err(error) => error.reply(),
            };
            done.push((reference, reply));
        }
        if let Some(before) = before.filter(|_| done.iter().any(|(_, reply)| !reply.is_ok())) {
            self.go_back(before);
            for (_, reply) in done.iter_mut().filter(|(_, reply)| reply.is_ok()) {
                *reply = halted(
                    "The transaction was rolled back since another operation in the same transaction failed.",
                )
                .reply();
            }
        }
        let answers: Vec<Json> = done.iter().map(|(reference, reply)| told(reference, reply)).collect();
        Ok(Reply::json(200, &json!({ "compositeResponse": answers })))
    }

    /// `POST /composite/batch`: each part has an address without `/services/data`, and its answer stands at its place.
    pub(super) fn composite_batch(&mut self, request: &Request, body: &Json) -> Result<Reply, ApiError> {
        let parts = body["batchRequests"]
            .as_array()
            .ok_or_else(|| ApiError::new("JSON_PARSER_ERROR", "batchRequests is missing"))?;
        if parts.len() > PARTS_MAX {
            let message = format!("A batch request has at most {PARTS_MAX} subrequests.");
            return Err(ApiError::new("LIMIT_EXCEEDED", message));
        }
        let mut results = Vec::with_capacity(parts.len());
        for part in parts {
            let url = part["url"].as_str().unwrap_or_default().trim_start_matches('/');
            let part = json!({
                "method": part["method"], "url": format!("/services/data/{url}"), "body": part["richInput"]
            });
            let reply = router::route(self, &request_of(request, &part));
            let result: Json = serde_json::from_str(&reply.body).unwrap_or(Json::Null);
            results.push(json!({"statusCode": reply.status, "result": result}));
        }
        let failed = results.iter().any(|result| result["statusCode"].as_u64().is_some_and(|it| it >= 400));
        Ok(Reply::json(200, &json!({ "hasErrors": failed, "results": results })))
    }
}

fn halted(message: &str) -> ApiError {
    ApiError::new("PROCESSING_HALTED", message)
}

fn told(reference: &str, reply: &Reply) -> Json {
    let headers = reply.headers.iter().filter(|(name, _)| name == "Location");
    let headers: Map<String, Json> = headers.map(|(name, value)| (name.clone(), json!(value))).collect();
    let body: Json = serde_json::from_str(&reply.body).unwrap_or(Json::Null);
    json!({"body": body, "httpHeaders": headers, "httpStatusCode": reply.status, "referenceId": reference})
}

fn request_of(outer: &Request, part: &Json) -> Request {
    let url = part["url"].as_str().unwrap_or_default();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let method = part["method"].as_str().unwrap_or("GET");
    Request {
        method: Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: outer.headers.clone(),
        body: Bytes::from(if part["body"].is_null() { String::new() } else { part["body"].to_string() }),
    }
}

/// Puts what earlier parts gave in place of `@{reference.field}`.
fn resolved(part: &Json, done: &[(String, Reply)]) -> Result<Json, ApiError> {
    match part {
        Json::String(text) => Ok(json!(filled(text, done)?)),
        Json::Array(items) => items.iter().map(|item| resolved(item, done)).collect(),
        Json::Object(map) => {
            let entries = map.iter().map(|(key, value)| Ok((key.clone(), resolved(value, done)?)));
            Ok(Json::Object(entries.collect::<Result<_, ApiError>>()?))
        }
        other => Ok(other.clone()),
    }
}

fn filled(text: &str, done: &[(String, Reply)]) -> Result<String, ApiError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once("@{") {
        let Some((expression, tail)) = tail.split_once('}') else { break };
        let (reference, path) = expression.split_once('.').unwrap_or((expression, ""));
        let found = done.iter().find(|(name, reply)| name == reference && reply.is_ok());
        let body: Option<Json> = found.and_then(|(_, reply)| serde_json::from_str(&reply.body).ok());
        let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
        let value = body.as_ref().and_then(|body| body.pointer(&pointer));
        let value = value.ok_or_else(|| {
            halted(&format!("Invalid reference specified. No value for {expression} found in {reference}."))
        })?;
        out.push_str(head);
        out.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        rest = tail;
    }
    Ok(out + rest)
}
