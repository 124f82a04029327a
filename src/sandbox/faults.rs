//! What goes wrong on demand: latency, and scripted faults that the next matching requests meet.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::reply::Request;
use crate::value::Value;

/// Something that goes wrong for the next requests that match it.
///
/// ```
/// use lockstep::sandbox::Fault;
///
/// let busy = Fault::answer(429).header("Retry-After", "2").on("POST", "/v1/customers").times(3);
/// let lost = Fault::reset().after_the_work().on("POST", "/services/data/*/sobjects/Task");
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The method it is about, in capitals; any when left out.
    #[serde(default)]
    method: Option<String>,
    /// The path it is about, without the query; `*` stands for any text. Any when left out.
    #[serde(default)]
    path: Option<String>,
    /// How many requests meet it; one when left out.
    #[serde(default = "once")]
    times: u32,
    /// Whether the request is carried out all the same; what the client hears of it is the fault.
    #[serde(default)]
    after_the_work: bool,
    /// What the client meets.
    pub(super) effect: Effect,
}

fn once() -> u32 {
    1
}

/// What a client meets instead of the answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Effect {
    /// Another answer. Without a body the simulator words the status as its vendor does.
    Answer {
        status: u16,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        body: Option<Body>,
    },
    /// The connection is reset; not a byte of an answer is sent.
    Reset {},
    /// No answer, for as long as the client waits.
    Silence {},
    /// The true answer, cut in the middle.
    Truncate {},
    /// The first half of the true answer, and then nothing more for as long as the client waits.
    Stall {},
    /// The credential of this request stops being valid, from now on.
    ExpireSession {},
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Body {
    Json(Value),
    Html(String),
    Text(String),
}

impl Fault {
    fn with(effect: Effect) -> Self {
        Self { method: None, path: None, times: 1, after_the_work: false, effect }
    }

    /// An answer of this status, worded as the vendor does unless a body is given.
    pub fn answer(status: u16) -> Self {
        Self::with(Effect::Answer { status, headers: Vec::new(), body: None })
    }

    /// An answer of this status with a page of a proxy that knows nothing of the API.
    pub fn html(status: u16) -> Self {
        let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>");
        Self::answer(status).body(Body::Html(page))
    }

    /// The connection is reset before a byte of an answer is sent.
    pub fn reset() -> Self {
        Self::with(Effect::Reset {})
    }

    /// No answer, for as long as the client waits.
    pub fn silence() -> Self {
        Self::with(Effect::Silence {})
    }

    /// The true answer, cut in the middle. The request is carried out.
    pub fn truncated() -> Self {
        Self::with(Effect::Truncate {})
    }

    /// The first half of the true answer, and then nothing more for as long as the client waits. The request is
    /// carried out.
    pub fn stalled() -> Self {
        Self::with(Effect::Stall {})
    }

    /// The credential of the request that meets this stops being valid: that request is refused as the vendor
    /// does it, and so is every later one with the same credential.
    pub fn expired_session() -> Self {
        Self::with(Effect::ExpireSession {})
    }

    /// Only requests of this method and path; `*` in the path stands for any text.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.to_owned());
        self.path = Some(path.to_owned());
        self
    }

    /// Met by this many requests instead of one.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// The request is carried out all the same: an answer that is lost after the write.
    #[must_use]
    pub fn after_the_work(mut self) -> Self {
        self.after_the_work = true;
        self
    }

    /// A header of the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Effect::Answer { headers, .. } = &mut self.effect {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The answer's body.
    #[must_use]
    pub fn json(self, body: Value) -> Self {
        self.body(Body::Json(body))
    }

    /// The answer's body, as plain text.
    #[must_use]
    pub fn text(self, body: &str) -> Self {
        self.body(Body::Text(body.to_owned()))
    }

    fn body(mut self, given: Body) -> Self {
        if let Effect::Answer { body, .. } = &mut self.effect {
            *body = Some(given);
        }
        self
    }

    /// Whether the request is carried out although the client does not hear so.
    pub(super) fn lets_the_work_be_done(&self) -> bool {
        self.after_the_work || matches!(self.effect, Effect::Truncate {} | Effect::Stall {})
    }

    /// Whether the call begins executing: its work is done, or it breaks down with a 500 in the middle.
    pub(super) fn lets_the_call_begin(&self) -> bool {
        self.lets_the_work_be_done() || matches!(self.effect, Effect::Answer { status: 500, .. })
    }

    fn matches(&self, request: &Request) -> bool {
        self.method.as_deref().is_none_or(|method| method == request.method.as_str())
            && self.path.as_deref().is_none_or(|pattern| glob(pattern, &request.path))
    }
}

/// The faults of one simulator. They are met in the order in which they were set.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    next: Vec<Fault>,
    latency: Duration,
}

impl Faults {
    /// The next matching requests meet this.
    pub fn add(&self, fault: Fault) {
        self.plan(|plan| plan.next.push(fault));
    }

    /// Every request takes at least this long; zero switches it off.
    pub fn latency(&self, latency: Duration) {
        self.plan(|plan| plan.latency = latency);
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        self.plan(|plan| *plan = Plan::default());
    }

    /// How many requests are still to meet a fault.
    pub fn left(&self) -> u32 {
        self.plan(|plan| plan.next.iter().map(|fault| fault.times).sum())
    }

    pub(super) fn current_latency(&self) -> Duration {
        self.plan(|plan| plan.latency)
    }

    /// The fault that this request meets, used up by it.
    pub(super) fn take(&self, request: &Request) -> Option<Fault> {
        self.plan(|plan| {
            let at = plan.next.iter().position(|fault| fault.times > 0 && fault.matches(request))?;
            plan.next[at].times -= 1;
            let fault = plan.next[at].clone();
            if plan.next[at].times == 0 {
                plan.next.remove(at);
            }
            Some(fault)
        })
    }

    fn plan<T>(&self, act: impl FnOnce(&mut Plan) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a pattern with any number of `*` matches the whole text.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            rest.is_empty() || tail.char_indices().any(|(at, _)| glob(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, path, fits) in [
            ("/v1/customers", "/v1/customers", true),
            ("/v1/customers", "/v1/customers/cus_1", false),
            ("/v1/customers/*", "/v1/customers/cus_1", true),
            ("/services/data/*/sobjects/Task", "/services/data/v66.0/sobjects/Task", true),
            ("/services/data/*/sobjects/Task", "/services/data/v66.0/sobjects/Task/00T1", false),
            ("*", "/anything", true),
        ] {
            assert_eq!(glob(pattern, path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn a_fault_is_used_up_by_the_requests_that_meet_it() {
        let faults = Faults::default();
        faults.add(Fault::answer(500).on("POST", "/a").times(2));
        let request = |method: axum::http::Method| Request {
            method,
            path: "/a".to_owned(),
            query: String::new(),
            headers: axum::http::HeaderMap::default(),
            body: bytes::Bytes::new(),
        };
        assert!(faults.take(&request(axum::http::Method::GET)).is_none());
        assert!(faults.take(&request(axum::http::Method::POST)).is_some());
        assert_eq!(faults.left(), 1);
        assert!(faults.take(&request(axum::http::Method::POST)).is_some());
        assert!(faults.take(&request(axum::http::Method::POST)).is_none());
    }
}
