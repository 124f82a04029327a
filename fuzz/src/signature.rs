//! A signature header and a body: nothing is accepted that HMAC does not vouch for, and all that it does.
//!
//! The first line is the header, the rest the body. In the header `{A}` and `{B}` stand for the right signatures under
//! the connection's two secrets, `{W}` for one under another secret: no fuzzer finds one by itself.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use hmac::{Hmac, KeyInit, Mac};
use lockstep::connector::{Manifest, Posted, SignatureError, Webhook, builtin};
use lockstep::secret::Secret;
use lockstep::value::Map;
use sha2::Sha256;

use super::sample;

const SECRETS: [&str; 2] = ["whsec_a", "whsec_b"];
const WRONG: &str = "whsec_w";
const TOLERANCE: u64 = 300;
const SIGNATURES_MAX: usize = 16;

pub fn check(data: &[u8]) {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (header, body) = (&data[..line], data.get(line + 1..).unwrap_or_default());
    let Ok(header) = std::str::from_utf8(header) else { return };
    timestamped(header, body);
    plain(header, body);
}

/// `t=<unix seconds>,v1=<hex>`, signed over time, full stop and body.
fn timestamped(header: &str, body: &[u8]) {
    let manifest = builtin("stripe").expect("built in");
    let written = |secret: &str| {
        let time = pairs(header).filter(|(key, _)| *key == "t").last().map_or("", |(_, value)| value);
        sign(secret, time, body)
    };
    let header = filled(header, &written);
    let Some(verified) = verify(manifest.webhook().expect("it has one"), "stripe-signature", &header, body)
    else {
        return;
    };
    let times: Vec<&str> = pairs(&header).filter(|(key, _)| *key == "t").map(|(_, value)| value).collect();
    let fresh = |time: &&&str| {
        let digits = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = time.parse::<i64>().ok().filter(|_| digits);
        seconds.is_some_and(|seconds| sample::NOW.abs_diff(seconds) <= TOLERANCE)
    };
    let vouched = |time: &&str| {
        let given =
            pairs(&header).filter(|(key, _)| *key == "v1").take(SIGNATURES_MAX).map(|(_, value)| value);
        let mut given = given.collect::<Vec<_>>().into_iter();
        given.any(|given| SECRETS.iter().any(|secret| sign(secret, time, body) == given))
    };
    let genuine = times.iter().filter(fresh).any(vouched);
    // One with characters beyond ASCII is refused unread, whatever it says.
    if verified.is_ok() {
        assert!(genuine, "{header:?} is accepted, and nobody signed it");
    } else if let ([_], true, true) = (times.as_slice(), genuine, header.is_ascii()) {
        panic!("{header:?} is signed, and is refused: {verified:?}");
    }
}

/// `sha256=<hex>`, signed over the body alone.
fn plain(header: &str, body: &[u8]) {
    static MANIFEST: LazyLock<Arc<Manifest>> = LazyLock::new(|| {
        let text = include_str!("signed.yaml");
        Manifest::read("signed.yaml", text).map(Arc::new).expect("it compiles")
    });
    let header = filled(header, &|secret| hex(secret, &[body]));
    let Some(verified) = verify(MANIFEST.webhook().expect("it has one"), "x-signature", &header, body) else {
        return;
    };
    let genuine = header
        .trim()
        .strip_prefix("sha256=")
        .is_some_and(|given| SECRETS.iter().any(|secret| hex(secret, &[body]) == given));
    assert_eq!(verified.is_ok(), genuine, "{header:?}: {verified:?}");
}

/// `None` when the text cannot be a header.
fn verify(
    webhook: &Webhook,
    name: &'static str,
    header: &str,
    body: &[u8],
) -> Option<Result<(), SignatureError>> {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static(name), HeaderValue::from_str(header).ok()?);
    // A header with characters beyond ASCII is none that can be read.
    let header = headers.values().next()?.to_str().is_ok();
    let verified = webhook.verify(
        &Posted { target: "/hooks/acme/crm", headers: &headers, body },
        &Map::new(),
        &SECRETS.map(Secret::from),
        sample::now(),
    );
    assert!(header || verified.is_err());
    Some(verified)
}

fn pairs(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(',').filter_map(|item| item.trim().split_once('='))
}

fn filled(header: &str, sign: &dyn Fn(&str) -> String) -> String {
    let marks = [("{A}", SECRETS[0]), ("{B}", SECRETS[1]), ("{W}", WRONG)];
    marks.iter().fold(header.to_owned(), |header, (mark, secret)| {
        if header.contains(mark) { header.replace(mark, &sign(secret)) } else { header }
    })
}

/// The header of a delivery that is signed right.
pub(crate) fn header(secret: &str, time: i64, body: &[u8]) -> String {
    format!("t={time},v1={}", sign(secret, &time.to_string(), body))
}

fn sign(secret: &str, time: &str, body: &[u8]) -> String {
    hex(secret, &[time.as_bytes(), b".", body])
}

fn hex(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("into memory");
        hex
    })
}
