//! The one HTTP client, and which addresses requests may go to.

use std::net::IpAddr;
use std::sync::Once;
use std::time::Duration;

use reqwest::Url;
use reqwest::redirect::Policy;

use super::answer::Answer;
use super::failure::Failure;
use super::request::Outgoing;
use crate::failpoint::failpoint;

/// A host that does not answer a connection attempt is down, however long its requests may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The client could not be made: the machine has no certificates to trust.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client: {0}")]
pub struct HttpError(String);

/// The one HTTP client of the process. Cheap to clone: the clones share their connections.
///
/// It follows no redirects (a redirected POST becomes an empty GET, and carries its credentials along); where a
/// manifest allows one, [`super::redirect`] repeats the request as it was.
#[derive(Debug, Clone)]
pub struct Http(reqwest::Client);

/// An answer that never came, or only in part.
#[derive(Debug)]
pub(super) struct Lost {
    /// True when the request may have reached the system.
    pub(super) sent: bool,
    /// What happened.
    pub(super) message: String,
}

impl Http {
    /// The client. Needs the machine's certificates, even for plain HTTP.
    pub fn new() -> Result<Self, HttpError> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Fails only when a provider is installed already, which is then as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .gzip(true)
            .user_agent(concat!("lockstep/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(|error| HttpError(told(&error)))
    }

    /// Sends one request and reads its answer, of at most `max` bytes.
    pub(super) async fn send(&self, outgoing: Outgoing, max: usize) -> Result<Answer, Lost> {
        let timeout = outgoing.timeout;
        let mut request =
            self.0.request(outgoing.method, outgoing.url).headers(outgoing.headers).timeout(timeout);
        if let Some(body) = outgoing.body {
            request = request.body(body.text);
        }
        let lost = |error: &reqwest::Error| Lost {
            sent: !error.is_connect() && !error.is_builder(),
            message: if error.is_timeout() && !error.is_connect() {
                format!("no answer within {timeout:?}")
            } else {
                told(error)
            },
        };
        let mut response = request.send().await.map_err(|error| lost(&error))?;
        failpoint!("in-answer");
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| Lost { sent: true, ..lost(&error) })? else { break };
            // Invariant 7. Counted after decompression: a small answer may unpack to a large one.
            if body.len() + chunk.len() > max {
                let message = format!("the answer is larger than {max} bytes");
                return Err(Lost { sent: true, message });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::read(status, headers, &body))
    }
}

/// An error with its causes, without the address: that may be a secret.
fn told(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    match causes.last() {
        Some(cause) => cause.clone(),
        None if error.is_timeout() => "no answer in time".into(),
        None => "the request failed".into(),
    }
}

/// The addresses that the requests of a connection may go to.
#[derive(Debug)]
pub(super) struct Reach {
    hosts: Vec<HostPattern>,
    allow_http: bool,
}

/// `api.example.com`, or `*.example.com` for every host below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostPattern(String);

impl HostPattern {
    /// Reads a pattern; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let host = text.strip_prefix("*.").unwrap_or(text);
        let plain = !host.is_empty()
            && host.split('.').all(|label| {
                !label.is_empty() && label.chars().all(|char| char.is_ascii_alphanumeric() || char == '-')
            });
        // `*.com` would be the whole world.
        let narrow = !text.starts_with("*.") || host.contains('.');
        (plain && narrow).then(|| Self(text.to_ascii_lowercase()))
    }

    /// Exactly this host.
    pub(super) fn exact(host: &str) -> Self {
        Self(host.to_ascii_lowercase())
    }

    /// Whether this host is one of them.
    pub(super) fn fits(&self, host: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(below) => host.len() > below.len() && host.ends_with(below),
            None => self.0 == host,
        }
    }
}

impl Reach {
    pub(super) fn new(hosts: Vec<HostPattern>, allow_http: bool) -> Self {
        Self { hosts, allow_http }
    }

    /// Refuses an address that credentials must not be sent to.
    pub(super) fn check(&self, url: &Url) -> Result<(), Failure> {
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        if !self.hosts.iter().any(|pattern| pattern.fits(&host)) {
            let host = if host.is_empty() { "an address without a host" } else { &host };
            return Err(Failure::permanent(format!("requests may not go to {host}")));
        }
        self.check_encryption(url)
    }

    /// True when what goes there need not be encrypted.
    pub(super) fn may_go_in_clear(&self, host: &str) -> bool {
        self.allow_http || is_loopback(host)
    }

    /// Refuses an address to which secrets would travel in clear.
    pub(super) fn check_encryption(&self, url: &Url) -> Result<(), Failure> {
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            // What begins in clear with `smtp` is encrypted before anything is said: `smtp.rs` sees to it.
            "https" | "smtps" | "smtp" => Ok(()),
            "http" if self.may_go_in_clear(host) => Ok(()),
            scheme => Err(Failure::permanent(format!(
                "requests to {host} must be https, not {scheme} (`allow_http: true` in the connection's config allows it)"
            ))),
        }
    }
}

/// True for this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
