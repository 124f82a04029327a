//! How a delivery is known to be the system's own.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::compile::Compiler;
use super::expression::Expression;
use super::file::{DeliveryBody, SignatureEncoding, SignatureFile, SignatureScheme, SignedPart, WebhookFile};
use super::form;
use crate::diagnostic::Path;
use crate::expr::{Context, Frame, Names};
use crate::secret::Secret;
use crate::value::{FromJson, Map, Value};

/// How old, or how far ahead, a signed time may be unless the manifest says otherwise.
const TOLERANCE: Duration = Duration::from_mins(5);

/// No header is read further: a sender of thousands of signatures wants our time.
const SIGNATURES_MAX: usize = 16;

/// Why a delivery is not the system's own. Invariant 1: nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is missing, or cannot be read.
    #[error("the delivery has no `{header}` header that can be read")]
    Unsigned {
        /// The header's name.
        header: String,
    },
    /// The header has no signature of the kind that is known.
    #[error("the `{header}` header has no signature of a known scheme")]
    NoSignature {
        /// The header's name.
        header: String,
    },
    /// No secret gives that signature for that body.
    #[error("the signature does not match any of the {tried} secrets")]
    Mismatch {
        /// How many secrets were tried.
        tried: usize,
    },
    /// It does not carry a secret where one is expected.
    #[error("the delivery carries no token")]
    NoToken,
    /// What it carries is none of the secrets.
    #[error("the delivery's token is none of the {tried} that are known")]
    WrongToken {
        /// How many secrets were tried.
        tried: usize,
    },
    /// The signed time is too far from now.
    #[error("the delivery was signed {seconds} s {}", if *.seconds < 0 { "ahead of our clock" } else { "ago" })]
    Stale {
        /// How long ago; negative for the future.
        seconds: i64,
    },
}

/// How deliveries are verified, and what is kept of them.
#[derive(Debug)]
pub struct Webhook {
    secrets: Expression,
    proof: Proof,
    body: DeliveryBody,
    url: Option<Expression>,
    forget: Vec<String>,
    stamp: Option<Arc<str>>,
}

/// What proves that a delivery is the system's own.
#[derive(Debug)]
enum Proof {
    Signature(Signature),
    /// It carries a secret as it is.
    Token(Expression),
    /// HTTP basic authentication by a user of this name.
    Basic(Expression),
}

#[derive(Debug)]
struct Signature {
    header: HeaderName,
    scheme: SignatureScheme,
    encoding: SignatureEncoding,
    tolerance: Duration,
}

/// What somebody posted.
#[derive(Debug, Clone, Copy)]
pub struct Posted<'a> {
    /// The address, without what comes before its path: `/hooks/acme/crm?key=1`.
    pub target: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// What a signature header says.
struct Signed<'a> {
    /// What was signed, where it is not the body alone; each of these is tried.
    texts: Vec<Vec<u8>>,
    time: Option<i64>,
    signatures: Vec<&'a str>,
}

impl Webhook {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: Option<&WebhookFile>,
        names: &Names,
    ) -> Option<Self> {
        let file = file?;
        Some(Self {
            secrets: compiler.expression(&at.key("secrets"), &file.secrets.0, names)?,
            proof: Proof::compile(compiler, at, file, names)?,
            body: file.body,
            url: compiler.optional(&at.key("url"), file.url.as_ref(), names),
            forget: file.forget.clone(),
            stamp: file.stamp.as_ref().map(|name| Arc::clone(&name.0)),
        })
    }

    /// The secrets that a connection of this `config` verifies with.
    pub fn secrets(&self, config: &Map) -> Vec<Secret> {
        let secrets = self.secrets.read(&of_config(config));
        let one = std::slice::from_ref(&secrets);
        let secrets = secrets.as_list().unwrap_or(one).iter().filter_map(Value::to_text);
        secrets.filter(|secret| !secret.is_empty()).map(|secret| Secret::from(&*secret)).collect()
    }

    /// Accepts a delivery that one of `secrets` proves to be the system's own.
    pub fn verify(
        &self,
        posted: &Posted<'_>,
        config: &Map,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        match &self.proof {
            Proof::Signature(signature) => signature.verify(posted, &self.base(posted, config), secrets, now),
            Proof::Token(token) => {
                let event = self.read(posted.body).map(|read| read.value).unwrap_or_default();
                let token = token.read(&posted.context(event)).to_text();
                let token = token.filter(|token| !token.is_empty()).ok_or(SignatureError::NoToken)?;
                matches_any(&token, secrets)
            }
            Proof::Basic(user) => {
                let user = user.read(&of_config(config)).to_text().unwrap_or_default();
                let (given, password) = basic(posted.headers).ok_or(SignatureError::NoToken)?;
                let known = bool::from(given.as_bytes().ct_eq(user.as_bytes()));
                matches_any(&password, if known { secrets } else { &[] })
            }
        }
    }

    /// The address that the system called, up to its path.
    fn base(&self, posted: &Posted<'_>, config: &Map) -> String {
        let named = self.url.as_ref().and_then(|url| url.read(&of_config(config)).to_text());
        let named = named.filter(|url| !url.is_empty()).map(|url| url.trim_end_matches('/').to_owned());
        named.unwrap_or_else(|| {
            let header = |name: &str| posted.headers.get(name)?.to_str().ok();
            let scheme = header("x-forwarded-proto").unwrap_or("http");
            format!("{scheme}://{}", header("host").unwrap_or_default())
        })
    }

    /// What a body says; `Err` tells what it is not.
    pub fn read(&self, body: &[u8]) -> Result<FromJson, String> {
        match self.body {
            DeliveryBody::Json => Value::from_json_noting(body).map_err(|error| format!("no JSON ({error})")),
            DeliveryBody::Form => form::read(body)
                .map(|value| FromJson { value, repeats: true })
                .ok_or_else(|| "no form".to_owned()),
        }
    }

    /// An event as it is kept: without what is to be forgotten, and with an id and a time of ours where it has none.
    pub fn kept(&self, event: Value, id: impl FnOnce() -> String, now: Timestamp) -> Value {
        if self.forget.is_empty() && self.stamp.is_none() {
            return event;
        }
        let Value::Map(map) = event else { return event };
        let mut map = Arc::unwrap_or_clone(map);
        for key in &self.forget {
            map.shift_remove(key.as_str());
        }
        if let Some(stamp) = &self.stamp {
            let received = Value::Int(now.as_second());
            map.insert(Arc::clone(stamp), Value::map([("id", Value::from(id())), ("received", received)]));
        }
        map.into()
    }
}

fn of_config(config: &Map) -> Context {
    let root = Value::map([("config", Value::from(config.clone()))]);
    Context::new(root, Frame::new(Timestamp::UNIX_EPOCH, jiff::tz::TimeZone::UTC))
}

/// Every secret is compared, in constant time each: how long it takes tells nothing about one.
fn matches_any(given: &str, secrets: &[Secret]) -> Result<(), SignatureError> {
    let mut genuine = false;
    for secret in secrets {
        genuine |= bool::from(secret.expose().as_bytes().ct_eq(given.as_bytes()));
    }
    if genuine { Ok(()) } else { Err(SignatureError::WrongToken { tried: secrets.len() }) }
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let decoded = STANDARD.decode(header.strip_prefix("Basic ")?.trim()).ok()?;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

impl Posted<'_> {
    /// What the expression of a token sees.
    fn context(&self, event: Value) -> Context {
        let headers =
            self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let headers = Value::map(headers.map(|(name, value)| (name, Value::from(value))));
        let query = self.target.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let query = form::read(query.as_bytes()).unwrap_or_default();
        let root = Value::map([("event", event), ("headers", headers), ("query", query)]);
        Context::new(root, Frame::new(Timestamp::UNIX_EPOCH, jiff::tz::TimeZone::UTC))
    }
}

impl Proof {
    fn compile(compiler: &mut Compiler, at: &Path, file: &WebhookFile, names: &Names) -> Option<Self> {
        match (&file.signature, &file.token, &file.basic) {
            (Some(signature), None, None) => {
                Signature::compile(compiler, &at.key("signature"), signature).map(Self::Signature)
            }
            (None, Some(token), None) => {
                let names = names.clone().with("event").with("headers").with("query");
                compiler.expression(&at.key("token"), &token.0, &names).map(Self::Token)
            }
            (None, None, Some(user)) => {
                compiler.expression(&at.key("basic"), &user.0, names).map(Self::Basic)
            }
            _ => {
                compiler.fault(
                    at,
                    "exactly one of `signature`, `token` and `basic` says how a delivery is known",
                );
                None
            }
        }
    }
}

impl Signature {
    fn compile(compiler: &mut Compiler, at: &Path, file: &SignatureFile) -> Option<Self> {
        let Ok(header) = HeaderName::try_from(file.header.as_str()) else {
            compiler.fault(&at.key("header"), "not a header's name");
            return None;
        };
        Some(Self {
            header,
            scheme: file.scheme.clone(),
            encoding: file.encoding,
            tolerance: file.tolerance.map_or(TOLERANCE, |tolerance| tolerance.0),
        })
    }

    fn verify(
        &self,
        posted: &Posted<'_>,
        base: &str,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        let header =
            posted.headers.get(&self.header).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let signed = self.read(header, posted, base)?;
        // Every pair is compared, in constant time each: how long it takes tells nothing about a secret.
        let mut genuine = false;
        for secret in secrets {
            for text in &signed.texts {
                let expected = self.sign(secret, text);
                for signature in &signed.signatures {
                    genuine |= bool::from(expected.as_bytes().ct_eq(signature.as_bytes()));
                }
            }
        }
        if !genuine {
            return Err(SignatureError::Mismatch { tried: secrets.len() });
        }
        // After the signature: until then the time is anybody's.
        let Some(time) = signed.time else { return Ok(()) };
        let seconds = now.as_second().saturating_sub(time);
        if seconds.unsigned_abs() > self.tolerance.as_secs() {
            return Err(SignatureError::Stale { seconds });
        }
        Ok(())
    }

    fn read<'a>(
        &self,
        header: &'a str,
        posted: &Posted<'_>,
        base: &str,
    ) -> Result<Signed<'a>, SignatureError> {
        let unsigned = || SignatureError::Unsigned { header: self.header.to_string() };
        let plain =
            |signature: Option<&'a str>| signature.filter(|text| !text.is_empty()).into_iter().collect();
        let signed = match &self.scheme {
            SignatureScheme::Timestamped { time, signature } => {
                let (time, signatures) = timestamped(header, time, signature);
                let (text, seconds) = time.ok_or_else(unsigned)?;
                // As it was written: the text is what was signed.
                let text = [text.as_bytes(), b".", posted.body].concat();
                Signed { texts: vec![text], time: Some(seconds), signatures }
            }
            SignatureScheme::Plain { prefix } => Signed {
                texts: vec![posted.body.to_vec()],
                time: None,
                signatures: plain(header.trim().strip_prefix(prefix.as_str())),
            },
            SignatureScheme::Request { parts, time } => {
                let time = match time {
                    Some(name) => Some(time_of(posted.headers, name).ok_or_else(unsigned)?),
                    None => None,
                };
                let written = time.as_ref().map_or("", |(text, _)| text);
                let url = format!("{base}{}", posted.target);
                // Some systems sign the address with a few of its characters decoded.
                let texts = [
                    signed_text(parts, &url, posted, written),
                    signed_text(parts, &softened(&url), posted, written),
                ];
                Signed {
                    texts: texts.into(),
                    time: time.map(|(_, seconds)| seconds),
                    signatures: plain(Some(header.trim())),
                }
            }
        };
        if header.is_empty() {
            return Err(unsigned());
        }
        if signed.signatures.is_empty() {
            return Err(SignatureError::NoSignature { header: self.header.to_string() });
        }
        Ok(signed)
    }

    fn sign(&self, secret: &Secret, text: &[u8]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
            return String::new();
        };
        mac.update(text);
        let digest = mac.finalize().into_bytes();
        match self.encoding {
            SignatureEncoding::Hex => digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
                // Writing into a string does not fail.
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
            SignatureEncoding::Base64 => STANDARD.encode(digest),
        }
    }
}

/// The time as it is written and in seconds, and the signatures, of a header of pairs.
fn timestamped<'a>(header: &'a str, time: &str, signature: &str) -> (Option<(&'a str, i64)>, Vec<&'a str>) {
    let (mut at, mut signatures) = (None, Vec::new());
    for (key, value) in header.split(',').filter_map(|item| item.trim().split_once('=')) {
        if key == time {
            at = seconds(value).map(|seconds| (value, seconds));
        } else if key == signature && signatures.len() < SIGNATURES_MAX {
            signatures.push(value);
        }
    }
    (at, signatures)
}

/// The time that a header tells, as it is written and in seconds.
fn time_of(headers: &HeaderMap, name: &str) -> Option<(String, i64)> {
    let text = headers.get(name)?.to_str().ok()?;
    let count = seconds(text)?;
    // Milliseconds, unless we are beyond the year 5138.
    Some((text.to_owned(), if count < 100_000_000_000 { count } else { count / 1000 }))
}

fn seconds(text: &str) -> Option<i64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn signed_text(parts: &[SignedPart], url: &str, posted: &Posted<'_>, time: &str) -> Vec<u8> {
    let parts = parts.iter().map(|part| match part {
        // Nothing else is taken in.
        SignedPart::Method => b"POST".as_slice(),
        SignedPart::Url => url.as_bytes(),
        SignedPart::Body => posted.body,
        SignedPart::Time => time.as_bytes(),
    });
    parts.collect::<Vec<_>>().concat()
}

/// An address in which the characters that need no escape have none.
fn softened(url: &str) -> String {
    const SOFT: [(&str, &str); 12] = [
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
        ("%3B", ";"),
    ];
    SOFT.iter().fold(url.to_owned(), |url, (escape, char)| {
        url.replace(escape, char).replace(&escape.to_lowercase(), char)
    })
}
