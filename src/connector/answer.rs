//! A system's answer, read but not yet judged.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};

use super::file::BodyKind;
use crate::value::{Map, Value};

/// No wait is believed that is longer: a day covers every daily quota.
const WAIT_MAX: Duration = Duration::from_hours(24);

/// An answer: status, headers and body.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) kind: BodyKind,
    /// The body as JSON, else as text.
    pub(super) body: Value,
    /// The body's text.
    pub(super) text: String,
}

impl Answer {
    /// Reads a body by what it says it is. A body that says it is JSON and is not is text.
    pub(super) fn read(status: u16, headers: HeaderMap, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let content_type = content_type.to_ascii_lowercase();
        let (kind, body) = read_body(&content_type, &text);
        Self { status, headers, kind, body, text }
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What expressions see as `response`.
    pub(super) fn to_value(&self) -> Value {
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            // Headers with bytes beyond ASCII are nobody's business here.
            if let Ok(value) = value.to_str() {
                headers.entry(name.as_str().into()).or_insert_with(|| value.into());
            }
        }
        Value::map([
            ("status", Value::Int(i64::from(self.status))),
            ("headers", headers.into()),
            ("body", self.body.clone()),
        ])
    }

    /// What `Retry-After` asks for: seconds, or a date.
    pub(super) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return wait(seconds);
        }
        let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        wait(until.duration_since(now).as_secs_f64())
    }
}

/// A wait of so many seconds, within reason.
pub(super) fn wait(seconds: f64) -> Option<Duration> {
    if seconds.is_nan() {
        return None;
    }
    Duration::try_from_secs_f64(seconds.min(WAIT_MAX.as_secs_f64())).ok()
}

fn read_body(content_type: &str, text: &str) -> (BodyKind, Value) {
    let trimmed = text.trim_start();
    if trimmed.is_empty() {
        return (BodyKind::Empty, Value::Null);
    }
    let text_value = || Value::Text(Arc::from(text));
    if content_type.contains("html") || trimmed.starts_with("<!") || trimmed.starts_with("<html") {
        return (BodyKind::Html, text_value());
    }
    let says_json = content_type.contains("json") || content_type.is_empty();
    match says_json.then(|| Value::from_json(text.as_bytes())) {
        Some(Ok(body)) => (BodyKind::Json, body),
        Some(Err(_)) | None => (BodyKind::Text, text_value()),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn answer(content_type: &str, body: &[u8]) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Answer::read(200, headers, body)
    }

    #[test]
    fn a_body_is_what_it_is_whatever_it_says() {
        for (content_type, body, kind) in [
            ("application/json; charset=utf-8", "{}", BodyKind::Json),
            ("application/problem+json", "[1]", BodyKind::Json),
            ("application/json", "ok", BodyKind::Text),
            ("application/json", r#"{"a": "#, BodyKind::Text),
            ("text/plain", "{}", BodyKind::Text),
            ("application/json", "<!DOCTYPE html><html>", BodyKind::Html),
            ("text/html", "busy", BodyKind::Html),
            ("application/json", "  \n", BodyKind::Empty),
        ] {
            assert_eq!(answer(content_type, body.as_bytes()).kind, kind, "{content_type} {body}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_within_reason() {
        let now: Timestamp = "2026-11-02T12:00:00Z".parse().unwrap();
        let asked = |text: &str| {
            let mut answer = answer("text/plain", b"");
            answer.headers.insert(RETRY_AFTER, text.parse().unwrap());
            answer.retry_after(now).map(|wait| wait.as_secs())
        };
        assert_eq!(asked("30"), Some(30));
        assert_eq!(asked("Mon, 02 Nov 2026 12:01:00 GMT"), Some(60));
        assert_eq!(asked("99999999999"), Some(86_400));
        for text in ["-5", "soon", "NaN", "Mon, 02 Nov 2026 11:00:00 GMT"] {
            assert_eq!(asked(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_body_and_no_header_is_too_odd_to_read(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            header in proptest::collection::vec(0x80_u8..=0xff, 0..20),
        ) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = reqwest::header::HeaderValue::from_bytes(&header) {
                headers.insert(CONTENT_TYPE, value.clone());
                headers.insert(RETRY_AFTER, value);
            }
            let answer = Answer::read(500, headers, &body);
            let _ = (answer.to_value(), answer.retry_after(Timestamp::UNIX_EPOCH));
        }
    }
}
