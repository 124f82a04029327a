//! Why a delivery was not taken in. The HTTP status is decided from this, here and nowhere else.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::body::BODY_MAX;
use crate::engine::AcceptError;
use crate::store::StoreError;

/// Why a delivery was not taken in. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The project has no such client, or the client no such connection.
    #[error(
        "nothing is served at /hooks/{client}/{connection}: the project has no such client and connection"
    )]
    UnknownAddress {
        /// The client of the address.
        client: String,
        /// The connection of the address.
        connection: String,
    },
    /// The connection's connector does not say how deliveries are proved genuine.
    #[error("connection `{connection}` takes no webhooks: its connector describes none")]
    NoWebhooks {
        /// The connection.
        connection: String,
    },
    /// The client is known, and no version of it has passed its checks here.
    #[error("client `{client}` cannot run yet: its files have errors, or its secrets are not set")]
    ClientBroken {
        /// The client.
        client: String,
    },
    /// The body is larger than any event.
    #[error("the body is larger than {BODY_MAX} bytes")]
    TooLarge,
    /// The body did not arrive in time.
    #[error("the body did not arrive within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The connection broke while the body was read.
    #[error("the body broke off")]
    BrokenOff,
    /// The delivery is not proved to be the system's own.
    #[error("{0}")]
    Signature(String),
    /// The delivery is genuine, and its content is no event.
    #[error("the content is no event: {0}")]
    NotAnEvent(String),
    /// As much as may be in memory at once is.
    #[error("too many deliveries at once")]
    Crowded,
    /// The engine or the store could not take it.
    #[error(transparent)]
    Unkept(#[from] AcceptError),
}

impl Refusal {
    /// What the sender is answered. Everything that can pass is 503, with a time to come back; what cannot is 4xx.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownAddress { .. } | Self::NoWebhooks { .. } => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenOff | Self::Signature(_) | Self::NotAnEvent(_) => StatusCode::BAD_REQUEST,
            Self::ClientBroken { .. } | Self::Crowded | Self::Unkept(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// When the sender may come back, where that helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Crowded | Self::Unkept(AcceptError::Store(StoreError::Busy)) => {
                Some(Duration::from_secs(2))
            }
            // Another process, a full disk, a restart: a matter of a person's or a supervisor's minute.
            Self::Unkept(_) => Some(Duration::from_secs(30)),
            Self::ClientBroken { .. } => Some(Duration::from_mins(1)),
            _ => None,
        }
    }

    /// The word of the metric.
    pub fn word(&self) -> &'static str {
        match self {
            Self::UnknownAddress { .. } => "unknown_address",
            Self::NoWebhooks { .. } => "no_webhooks",
            Self::ClientBroken { .. } => "client_broken",
            Self::TooLarge => "too_large",
            Self::TooSlow(_) => "too_slow",
            Self::BrokenOff => "broken_off",
            Self::Signature(_) => "signature",
            Self::NotAnEvent(_) => "not_an_event",
            Self::Crowded => "crowded",
            Self::Unkept(AcceptError::Store(StoreError::Busy)) => "busy",
            Self::Unkept(_) => "store",
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // The causes are for the operator: what the store said may name paths of this machine.
        let body = axum::Json(serde_json::json!({ "error": self.to_string() }));
        let mut response = (self.status(), body).into_response();
        if matches!(self, Self::TooLarge | Self::TooSlow(_) | Self::BrokenOff) {
            // What is left of the body may still be on its way: the connection is good for nothing else.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(wait) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }
}
