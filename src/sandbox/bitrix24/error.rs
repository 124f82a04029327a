//! Refusals, as Bitrix24 words them.

use serde_json::json;

use crate::sandbox::reply::Reply;

/// A refusal: a status, a code that may be empty, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) description: String,
}

impl ApiError {
    /// HTTP 400 with this code.
    pub(super) fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { status: 400, code, description: description.into() }
    }

    /// As the old methods do it: without a code.
    pub(super) fn plain(description: impl Into<String>) -> Self {
        Self::new("", description)
    }

    pub(super) fn not_found() -> Self {
        Self::plain("Not found")
    }

    pub(super) fn missing_parameter(name: &str) -> Self {
        Self::new("100", format!("Could not find value for parameter {{{name}}}"))
    }

    pub(super) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The refusal that goes with a status.
    pub(super) fn of_status(status: u16) -> Self {
        let (code, description) = match status {
            401 => ("INVALID_CREDENTIALS", "Invalid request credentials"),
            403 => (
                "insufficient_scope",
                "The request requires higher privileges than provided by the webhook token",
            ),
            404 => ("ERROR_METHOD_NOT_FOUND", "Method not found!"),
            429 => ("OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit."),
            503 => ("QUERY_LIMIT_EXCEEDED", "Too many requests"),
            500.. => ("INTERNAL_SERVER_ERROR", "Internal server error"),
            _ => ("ERROR_CORE", "Invalid request"),
        };
        Self::new(code, description).status(status)
    }

    pub(super) fn body(&self) -> serde_json::Value {
        json!({ "error": self.code, "error_description": self.description })
    }

    pub(super) fn reply(&self) -> Reply {
        Reply::of(self.status, "application/json; charset=utf-8", self.body().to_string())
    }
}
