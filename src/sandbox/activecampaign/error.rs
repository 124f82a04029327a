//! Refusals, as ActiveCampaign words them: in three forms, by the age of the endpoint.

use serde_json::{Value as Json, json};

use crate::sandbox::reply::Reply;

/// A refusal: a status and its body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    status: u16,
    body: Json,
}

impl ApiError {
    fn of(status: u16, body: Json) -> Self {
        Self { status, body }
    }

    /// 400, of the newer endpoints.
    pub(super) fn bad_request(detail: &str) -> Self {
        Self::of(400, json!({"errors": [{"status": 400, "title": "Bad Request", "detail": detail}]}))
    }

    /// 422: a value is not right.
    pub(super) fn invalid(title: &str, code: &str, field: &str) -> Self {
        let source = json!({"pointer": format!("/data/attributes/{field}")});
        Self::of(
            422,
            json!({"errors": [{"title": title, "detail": "", "code": code, "error": code, "source": source}]}),
        )
    }

    /// 422: it is there already.
    pub(super) fn duplicate(title: &str, field: &str) -> Self {
        Self::invalid(title, "duplicate", field)
    }

    /// 422: it is needed, and was not given.
    pub(super) fn missing_field(field: &str) -> Self {
        Self::invalid(&format!("The {field} was not provided."), "field_missing", field)
    }

    /// 404, of the older endpoints.
    pub(super) fn no_result(kind: &str, id: &str) -> Self {
        Self::of(404, json!({"message": format!("No Result found for {kind} with id {id}")}))
    }

    /// 404, of the newer ones.
    pub(super) fn not_found(what: &str) -> Self {
        let detail = format!("{what} not found");
        Self::of(404, json!({"errors": [{"status": 404, "title": "Not Found", "detail": detail}]}))
    }

    /// 403: the key, or what the plan does not include.
    pub(super) fn forbidden(message: &str) -> Self {
        Self::of(403, json!({"message": message}))
    }

    /// The refusal that goes with a status.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            400 => Self::bad_request("The request could not be understood."),
            401 | 403 => Self::of(status, json!({"message": "Forbidden"})),
            404 => Self::not_found("Resource"),
            402 => Self::of(402, json!({"message": "You have reached the contact limit of your plan."})),
            422 => Self::invalid("The value is not valid.", "invalid", ""),
            429 => Self::of(429, json!({"message": "Too Many Requests"})),
            _ => Self::of(status, json!({"message": "Service temporarily unavailable"})),
        }
    }

    pub(super) fn reply(&self) -> Reply {
        let reply = Reply::json(self.status, &self.body);
        if self.status == 429 { reply.header("Retry-After", "30") } else { reply }
    }
}
