//! Errors as Stripe words them.

use serde_json::{Map, Value as Json, json};

use crate::sandbox::reply::Reply;

/// Why a call was refused.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    kind: &'static str,
    message: String,
    extra: Box<Map<String, Json>>,
}

/// What a call gives.
pub(super) type Answer = Result<Json, ApiError>;

impl ApiError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { status: 400, kind: "invalid_request_error", message: message.into(), extra: Box::default() }
    }

    /// A card that was declined: 402, with the code that says how.
    pub(super) fn card(code: &str, decline_code: Option<&str>, message: &str) -> Self {
        let error = Self { status: 402, kind: "card_error", ..Self::invalid(message) }.code(code);
        match decline_code {
            Some(decline) => error.with("decline_code", json!(decline)),
            None => error,
        }
    }

    pub(super) fn idempotency(status: u16, message: String) -> Self {
        Self { status, kind: "idempotency_error", ..Self::invalid(message) }
    }

    pub(super) fn missing(object: &str, id: &str, param: &str) -> Self {
        Self { status: 404, ..Self::invalid(format!("No such {}: '{id}'", object.replace(['_', '.'], " "))) }
            .code("resource_missing")
            .param(param)
    }

    /// A reference that leads nowhere is a mistake of the request: 400.
    pub(super) fn bad_reference(object: &str, id: &str, param: &str) -> Self {
        Self { status: 400, ..Self::missing(object, id, param) }
    }

    pub(super) fn required(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    pub(super) fn unknown(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}")).code("parameter_unknown").param(param)
    }

    pub(super) fn no_route(method: &str, path: &str) -> Self {
        let message =
            format!("Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs.");
        Self { status: 404, ..Self::invalid(message) }
    }

    /// More than the sandbox keeps; the real one has no such end.
    pub(super) fn full() -> Self {
        Self {
            status: 503,
            kind: "api_error",
            ..Self::invalid("The sandbox holds as many objects as it keeps.")
        }
    }

    pub(super) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(super) fn code(self, code: &str) -> Self {
        let page = code.replace('_', "-");
        self.with("code", json!(code))
            .with("doc_url", json!(format!("https://stripe.com/docs/error-codes/{page}")))
    }

    pub(super) fn param(self, param: &str) -> Self {
        self.with("param", json!(param))
    }

    pub(super) fn with(mut self, key: &str, value: Json) -> Self {
        self.extra.insert(key.to_owned(), value);
        self
    }

    /// How Stripe words a status that the server decides on.
    pub(super) fn of_status(status: u16) -> Self {
        match status {
            401 => Self::invalid("Invalid API Key provided: sk_test_****").status(401),
            402 => Self::card("card_declined", Some("generic_decline"), "Your card was declined."),
            403 => {
                Self::invalid("The provided key does not have the required permissions for this endpoint.")
                    .status(403)
            }
            404 => Self::missing("object", "unknown", "id"),
            409 => Self::idempotency(
                409,
                "There is currently another in-progress request using this Idempotent Key.".to_owned(),
            )
            .code("idempotency_key_in_use"),
            413 => Self::invalid("The request is too large.").status(413),
            429 => Self::invalid("Request rate limit exceeded.").status(429).code("rate_limit"),
            500.. => Self {
                status,
                kind: "api_error",
                ..Self::invalid("An unknown error occurred. Please try again.")
            },
            _ => Self::invalid("The request was refused.").status(status),
        }
    }

    /// Two writers met on one object: 429, but no rate limit.
    pub(super) fn lock_timeout() -> Self {
        let message = "This object cannot be accessed right now because another API request or Stripe process is \
                       currently accessing it.";
        Self::invalid(message).status(429).code("lock_timeout")
    }

    /// What is stored under an idempotency key: everything that happened after the call began executing.
    pub(super) fn executed(&self) -> bool {
        self.status == 402 || self.status == 500
    }

    pub(super) fn reply(self) -> Reply {
        let mut body = Map::from_iter([("message".to_owned(), json!(self.message))]);
        body.extend(*self.extra);
        body.insert("type".to_owned(), json!(self.kind));
        Reply::json(self.status, &json!({ "error": body }))
    }
}
