//! Errors as Salesforce words them: a list at the top, `statusCode` inside collections.

use serde_json::{Map, Value as Json, json};

use crate::sandbox::reply::Reply;

/// Why a record or a call was refused.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) code: &'static str,
    message: String,
    fields: Vec<String>,
    extra: Box<Map<String, Json>>,
}

impl ApiError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into(), fields: Vec::new(), extra: Box::default() }
    }

    pub(super) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(super) fn field(mut self, name: &str) -> Self {
        self.fields.push(name.to_owned());
        self
    }

    pub(super) fn with(mut self, key: &str, value: Json) -> Self {
        self.extra.insert(key.to_owned(), value);
        self
    }

    /// What it says to people.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn not_found() -> Self {
        Self::new("NOT_FOUND", "The requested resource does not exist").status(404)
    }

    pub(super) fn deleted() -> Self {
        Self::new("ENTITY_IS_DELETED", "entity is deleted").status(404)
    }

    pub(super) fn expired() -> Self {
        Self::new("INVALID_SESSION_ID", "Session expired or invalid").status(401)
    }

    pub(super) fn no_column(field: &str, object: &str) -> Self {
        Self::new("INVALID_FIELD", format!("No such column '{field}' on sobject of type {object}"))
    }

    pub(super) fn parser(kind: &str, value: &Json) -> Self {
        let token = match value {
            Json::String(_) => "VALUE_STRING",
            Json::Number(number) if number.is_i64() => "VALUE_NUMBER_INT",
            Json::Number(_) => "VALUE_NUMBER_FLOAT",
            Json::Bool(true) => "VALUE_TRUE",
            Json::Bool(false) => "VALUE_FALSE",
            Json::Array(_) => "START_ARRAY",
            Json::Object(_) => "START_OBJECT",
            Json::Null => "VALUE_NULL",
        };
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Self::new(
            "JSON_PARSER_ERROR",
            format!(
                "Cannot deserialize instance of {kind} from {token} value {shown} or request may be missing a required \
                 field at [line:1, column:1]"
            ),
        )
    }

    /// How Salesforce words a status that the server decides on.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            401 => Self::expired(),
            403 => Self::new("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
            404 => Self::not_found(),
            405 => Self::new("METHOD_NOT_ALLOWED", "HTTP Method not allowed."),
            413 => Self::new("REQUEST_ENTITY_TOO_LARGE", "The request is too large."),
            429 => Self::new("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."),
            503 => Self::new("SERVER_UNAVAILABLE", "The server is temporarily unavailable."),
            500.. => {
                Self::new("UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId.")
            }
            _ => Self::new("UNKNOWN_EXCEPTION", "The request was refused."),
        }
        .status(status)
    }

    pub(super) fn reply(self) -> Reply {
        let status = self.status;
        Reply::json(status, &json!([self.body("errorCode")]))
    }

    /// One record's error inside an answer for many.
    pub(super) fn in_collection(self) -> Json {
        let mut body = self.body("statusCode");
        if body.get("fields").is_none() {
            body["fields"] = json!([]);
        }
        body
    }

    fn body(self, code_key: &str) -> Json {
        let mut body = *self.extra;
        body.insert("message".to_owned(), json!(self.message));
        body.insert(code_key.to_owned(), json!(self.code));
        if !self.fields.is_empty() {
            body.insert("fields".to_owned(), json!(self.fields));
        }
        Json::Object(body)
    }
}
