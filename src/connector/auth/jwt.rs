//! A JWT, signed RS256 (RFC 7515, RFC 7523).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};

use crate::value::Value;

/// Why a JWT could not be made: a lower-case fragment without the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwtError {
    #[error("the private key is not PEM (`-----BEGIN PRIVATE KEY-----`)")]
    NotPem,
    #[error("the private key is not an RSA key of 2048 bits or more")]
    NotRsa,
    #[error("the private key could not sign")]
    Sign,
}

/// The signed token for `claims`, a map, to which `iat` and `exp` are added.
pub(super) fn sign(
    key_pem: &str,
    claims: &Value,
    now: Timestamp,
    lifetime: std::time::Duration,
) -> Result<String, JwtError> {
    let key = read_key(key_pem)?;
    let mut claims = claims.as_map().cloned().unwrap_or_default();
    let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
    claims.insert("iat".into(), Value::Int(now.as_second()));
    claims.insert("exp".into(), Value::Int(now.as_second().saturating_add(lifetime)));
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let claims = URL_SAFE_NO_PAD.encode(Value::from(claims).to_json());
    let signed = format!("{header}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| JwtError::Sign)?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn read_key(pem: &str) -> Result<RsaKeyPair, JwtError> {
    // A key from an environment variable often has its line breaks written out.
    let pem = pem.replace("\\n", "\n");
    let begin = pem.find("-----BEGIN ").ok_or(JwtError::NotPem)?;
    let body = pem[begin..].split_once("KEY-----").ok_or(JwtError::NotPem)?.1;
    let body = body.split_once("-----END").ok_or(JwtError::NotPem)?.0;
    let base64: String = body.chars().filter(|char| !char.is_whitespace()).collect();
    let der = STANDARD.decode(base64).map_err(|_| JwtError::NotPem)?;
    RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)).map_err(|_| JwtError::NotRsa)
}
