//! Idempotency keys: the first result of a key is the result of all later requests with it.

use std::collections::{HashMap, HashSet};

use super::error::ApiError;
use crate::sandbox::reply::{Reply, Request};

/// How long a key is remembered, in seconds.
const REMEMBERED: i64 = 24 * 60 * 60;

/// Stripe's own limit.
const LENGTH_MAX: usize = 255;

#[derive(Debug, Default)]
pub(super) struct Keys {
    kept: HashMap<String, Kept>,
    running: HashSet<String>,
}

#[derive(Debug)]
struct Kept {
    /// Method, path and parameters of the first request.
    fingerprint: String,
    reply: Reply,
    at: i64,
}

/// The key of a request; only POST has one.
pub(super) fn key(request: &Request) -> Option<&str> {
    let key =
        (request.method == axum::http::Method::POST).then(|| request.header("idempotency-key")).flatten();
    key.filter(|key| !key.is_empty())
}

impl Keys {
    /// Lets a request with this key begin, or gives what it is answered with instead.
    pub(super) fn begin(&mut self, key: &str, fingerprint: &str, now: i64) -> Result<(), Reply> {
        if key.len() > LENGTH_MAX {
            let message = format!("Idempotency keys can have up to {LENGTH_MAX} characters.");
            return Err(ApiError::idempotency(400, message).reply());
        }
        self.kept.retain(|_, kept| now - kept.at < REMEMBERED);
        if let Some(kept) = self.kept.get(key) {
            if kept.fingerprint != fingerprint {
                let message = format!(
                    "Keys for idempotent requests can only be used with the same parameters they were first used \
                     with. Try using a key other than '{key}' if you meant to execute a different request."
                );
                return Err(ApiError::idempotency(400, message).reply());
            }
            return Err(kept.reply.clone().header("idempotent-replayed", "true"));
        }
        if !self.running.insert(key.to_owned()) {
            return Err(ApiError::of_status(409).reply());
        }
        Ok(())
    }

    /// Keeps the result of a request that began executing.
    pub(super) fn keep(&mut self, key: &str, fingerprint: String, reply: Reply, now: i64) {
        self.kept.insert(key.to_owned(), Kept { fingerprint, reply, at: now });
    }

    /// The request with this key is over.
    pub(super) fn end(&mut self, key: &str) {
        self.running.remove(key);
    }
}
