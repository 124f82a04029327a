//! What was asked of a simulator: for tests that count writes, and for people who wonder what was sent.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

use super::reply::{Reply, Request};

/// Older calls are forgotten beyond this: a demo that runs for days stays small. Counts go on.
const CALLS_MAX: usize = 10_000;

/// The headers that say who calls.
const CREDENTIALS: [&str; 2] = ["authorization", "api-token"];

/// Of a body this much is kept.
const BODY_MAX: usize = 64 * 1024;

/// One request that a simulator got.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// When it came, by the sandbox's clock.
    pub at: Timestamp,
    /// The method, in capitals.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query, as it was sent.
    pub query: String,
    /// The headers, credentials left out; names in lower case.
    pub headers: IndexMap<String, String>,
    /// The body as text, at most 64 kB of it.
    pub body: String,
    /// The status that was sent back; none when the connection was reset or nothing was said.
    pub status: Option<u16>,
}

/// How much was changed in a simulator since it began.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    /// Records created, changed and deleted; messages taken.
    pub writes: u64,
    /// Records created, by object.
    pub creates: IndexMap<String, u64>,
}

/// The calls, newest last.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<VecDeque<Call>>);

impl Calls {
    pub(super) fn push(&self, at: Timestamp, request: &Request, reply: Option<&Reply>) {
        let call = Call::of(at, request, reply);
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == CALLS_MAX {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    pub(super) fn all(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Call {
    fn of(at: Timestamp, request: &Request, reply: Option<&Reply>) -> Self {
        let shown = request.headers.iter().filter(|(name, _)| !CREDENTIALS.contains(&name.as_str()));
        let headers =
            shown.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let body = &request.body[..request.body.len().min(BODY_MAX)];
        Self {
            at,
            method: request.method.to_string(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(body).into_owned(),
            status: reply.map(|reply| reply.status),
        }
    }

    /// A header's value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}
