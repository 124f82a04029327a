//! Errors as HubSpot words them.

use serde_json::{Map, Value as Json, json};

use crate::sandbox::reply::Reply;

/// Why a call, or one record of a batch, was refused.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) category: &'static str,
    pub(super) message: String,
    extra: Map<String, Json>,
}

impl ApiError {
    pub(super) fn new(status: u16, category: &'static str, message: impl Into<String>) -> Self {
        Self { status, category, message: message.into(), extra: Map::new() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "VALIDATION_ERROR", message)
    }

    pub(super) fn with(mut self, key: &str, value: Json) -> Self {
        self.extra.insert(key.to_owned(), value);
        self
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "OBJECT_NOT_FOUND", "resource not found")
    }

    /// What is wrong with the properties of a record: a list inside of the text.
    pub(super) fn properties(faults: &[PropertyFault]) -> Self {
        let list: Vec<Json> = faults
            .iter()
            .map(|fault| {
                json!({
                    "isValid": false,
                    "message": fault.message,
                    "error": fault.code,
                    "name": fault.name,
                    "localizedErrorMessage": fault.message,
                })
            })
            .collect();
        Self::invalid(format!("Property values were not valid: {}", Json::Array(list)))
    }

    /// How HubSpot words a status that the server decides on.
    pub(super) fn of_status(status: u16) -> Self {
        let (category, message) = match status {
            401 => (
                "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find \
                 more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
            ),
            403 => ("MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call."),
            404 => ("OBJECT_NOT_FOUND", "resource not found"),
            405 => ("METHOD_NOT_ALLOWED", "method not allowed"),
            423 => ("LOCKED", "This account is locked by heavy traffic."),
            477 => ("MIGRATION_IN_PROGRESS", "This account is being moved to another data center."),
            429 => {
                return Self::limit(
                    "TEN_SECONDLY_ROLLING",
                    "You have reached your ten_secondly_rolling limit.",
                );
            }
            500.. => ("INTERNAL_ERROR", "internal error"),
            _ => ("VALIDATION_ERROR", "The request was refused."),
        };
        Self::new(status, category, message)
    }

    /// A limit that was passed; the policy tells which.
    pub(super) fn limit(policy: &'static str, message: &str) -> Self {
        Self::new(429, "RATE_LIMITS", message)
            .with("errorType", json!("RATE_LIMIT"))
            .with("policyName", json!(policy))
    }

    pub(super) fn reply(self) -> Reply {
        let mut body = self.extra;
        body.insert("status".to_owned(), json!("error"));
        body.insert("message".to_owned(), json!(self.message));
        body.insert("correlationId".to_owned(), json!("c0ffee00-0000-4000-8000-000000000001"));
        if self.status != 429 {
            body.insert("category".to_owned(), json!(self.category));
        }
        Reply::json(self.status, &Json::Object(body))
    }

    /// One entry of a batch's list of errors.
    pub(super) fn in_batch(self, context: &Json) -> Json {
        json!({
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": context,
            "errors": [],
            "links": {},
        })
    }
}

/// What is wrong with one property of a record.
#[derive(Debug, Clone)]
pub(super) struct PropertyFault {
    pub(super) name: String,
    pub(super) code: &'static str,
    pub(super) message: String,
}
