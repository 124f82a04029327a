//! A request as people see it.

use super::request::Outgoing;
use crate::secret::{REDACTED, Redactor};

/// A request as it would be sent, with secrets blotted out: for the dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedRequest {
    /// `POST`; `MAIL` for a mail.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// The headers, in the order in which they are sent.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
}

impl PreparedRequest {
    pub(super) fn of(outgoing: &Outgoing, redactor: &Redactor) -> Self {
        let headers = outgoing.headers.iter().map(|(name, value)| {
            let value = if value.is_sensitive() {
                REDACTED.to_owned()
            } else {
                redactor.redact(&String::from_utf8_lossy(value.as_bytes()))
            };
            (name.to_string(), value)
        });
        Self {
            method: if outgoing.mailing.is_some() { "MAIL".into() } else { outgoing.method.to_string() },
            url: redactor.redact(outgoing.url.as_str()),
            headers: headers.collect(),
            body: outgoing.body.as_ref().map(|body| redactor.redact(&body.text)),
        }
    }
}
