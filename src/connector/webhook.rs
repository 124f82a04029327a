//! How a delivery is known to be the system's own.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::compile::Compiler;
use super::expression::Expression;
use super::file::{SignatureEncoding, SignatureScheme, WebhookFile};
use crate::diagnostic::Path;
use crate::expr::{Context, Frame, Names};
use crate::secret::Secret;
use crate::value::{Map, Value};

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
    /// The signed time is too far from now.
    #[error("the delivery was signed {seconds} s {}", if *.seconds < 0 { "ahead of our clock" } else { "ago" })]
    Stale {
        /// How long ago; negative for the future.
        seconds: i64,
    },
}

/// How deliveries are verified.
#[derive(Debug)]
pub struct Webhook {
    secrets: Expression,
    header: HeaderName,
    scheme: SignatureScheme,
    encoding: SignatureEncoding,
    tolerance: Duration,
}

/// What a signature header says.
struct Signed<'a> {
    /// What was signed before the body: the time and a full stop, or nothing.
    prefix: String,
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
        let signature = at.key("signature");
        let header = HeaderName::try_from(file.signature.header.as_str());
        let Ok(header) = header else {
            compiler.fault(&signature.key("header"), "not a header's name");
            return None;
        };
        Some(Self {
            secrets: compiler.expression(&at.key("secrets"), &file.secrets.0, names)?,
            header,
            scheme: file.signature.scheme.clone(),
            encoding: file.signature.encoding,
            tolerance: file.signature.tolerance.map_or(TOLERANCE, |tolerance| tolerance.0),
        })
    }

    /// The secrets that a connection of this `config` verifies with.
    pub fn secrets(&self, config: &Map) -> Vec<Secret> {
        let root = Value::map([("config", Value::from(config.clone()))]);
        let context = Context::new(root, Frame::new(Timestamp::UNIX_EPOCH, jiff::tz::TimeZone::UTC));
        let secrets = self.secrets.read(&context);
        let one = std::slice::from_ref(&secrets);
        let secrets = secrets.as_list().unwrap_or(one).iter().filter_map(Value::to_text);
        secrets.filter(|secret| !secret.is_empty()).map(|secret| Secret::from(&*secret)).collect()
    }

    /// Accepts a delivery that one of `secrets` has signed within the tolerance. `body` is the raw body, byte for
    /// byte.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        self.verify_within(headers, body, secrets, now, self.tolerance)
    }

    fn verify_within(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[Secret],
        now: Timestamp,
        tolerance: Duration,
    ) -> Result<(), SignatureError> {
        let header = headers.get(&self.header).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let signed = self.read(header)?;
        // Every pair is compared, in constant time each: how long it takes tells nothing about a secret.
        let mut genuine = false;
        for secret in secrets {
            let expected = self.sign(secret, &signed.prefix, body);
            for signature in &signed.signatures {
                genuine |= bool::from(expected.as_bytes().ct_eq(signature.as_bytes()));
            }
        }
        if !genuine {
            return Err(SignatureError::Mismatch { tried: secrets.len() });
        }
        // After the signature: until then the time is anybody's.
        let Some(time) = signed.time else { return Ok(()) };
        let seconds = now.as_second().saturating_sub(time);
        if seconds.unsigned_abs() > tolerance.as_secs() {
            return Err(SignatureError::Stale { seconds });
        }
        Ok(())
    }

    fn read<'a>(&self, header: &'a str) -> Result<Signed<'a>, SignatureError> {
        let name = self.header.to_string();
        let signed = match &self.scheme {
            SignatureScheme::Timestamped { time, signature } => {
                let pairs = header.split(',').filter_map(|item| item.trim().split_once('='));
                let mut signed = Signed { prefix: String::new(), time: None, signatures: Vec::new() };
                for (key, value) in pairs {
                    if key == time {
                        // As it was written: the text is what was signed.
                        signed.prefix = format!("{value}.");
                        signed.time =
                            value.parse().ok().filter(|_| value.bytes().all(|b| b.is_ascii_digit()));
                    } else if key == signature && signed.signatures.len() < SIGNATURES_MAX {
                        signed.signatures.push(value);
                    }
                }
                if signed.time.is_none() {
                    return Err(SignatureError::Unsigned { header: name });
                }
                signed
            }
            SignatureScheme::Plain { prefix } => {
                let signature = header.trim().strip_prefix(prefix.as_str());
                let signatures = signature.filter(|text| !text.is_empty()).into_iter().collect();
                Signed { prefix: String::new(), time: None, signatures }
            }
        };
        if header.is_empty() {
            return Err(SignatureError::Unsigned { header: name });
        }
        if signed.signatures.is_empty() {
            return Err(SignatureError::NoSignature { header: name });
        }
        Ok(signed)
    }

    fn sign(&self, secret: &Secret, prefix: &str, body: &[u8]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
            return String::new();
        };
        mac.update(prefix.as_bytes());
        mac.update(body);
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
