//! Who may look.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Shorter tokens are guessed.
const TOKEN_LENGTH_MIN: usize = 16;

/// Who may look at the admin address.
#[derive(Clone)]
pub enum Access {
    /// Whoever is on this machine. A browser here may be talked into asking by a page from elsewhere, so the request
    /// must name this machine as its host.
    Loopback,
    /// Whoever sends this token. Kept as its hash: comparing hashes takes the same time whatever was sent.
    Token([u8; 32]),
}

/// The admin address would be open to strangers, or as good as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No token, and others can reach the address.
    #[error(
        "the admin address {0} can be reached from other machines: set LOCKSTEP_ADMIN_TOKEN, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The token can be guessed.
    #[error(
        "LOCKSTEP_ADMIN_TOKEN is shorter than {TOKEN_LENGTH_MIN} characters: `openssl rand -hex 32` makes a good one"
    )]
    WeakToken,
}

impl Access {
    /// Who may look at `address`, given the operator's token.
    pub fn to(address: SocketAddr, token: Option<&str>) -> Result<Self, AccessError> {
        match token.map(str::trim).filter(|token| !token.is_empty()) {
            Some(token) if token.len() < TOKEN_LENGTH_MIN => Err(AccessError::WeakToken),
            Some(token) => Ok(Self::Token(Sha256::digest(token).into())),
            None if address.ip().is_loopback() => Ok(Self::Loopback),
            None => Err(AccessError::Open(address)),
        }
    }

    /// Whether this request may see everything.
    pub(super) fn allows(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        match self {
            Self::Loopback => host(uri, headers).is_none_or(is_this_machine),
            Self::Token(expected) => bearer(headers)
                .is_some_and(|sent| bool::from(Sha256::digest(sent).as_slice().ct_eq(expected.as_slice()))),
        }
    }

    fn refuse(&self) -> Response {
        match self {
            Self::Loopback => {
                let words = "this address is for this machine: ask for it as 127.0.0.1 or localhost, or set LOCKSTEP_ADMIN_TOKEN";
                (StatusCode::FORBIDDEN, axum::Json(serde_json::json!({ "error": words }))).into_response()
            }
            Self::Token(_) => {
                let words = "send the token of LOCKSTEP_ADMIN_TOKEN as `Authorization: Bearer ...`";
                let scheme = [(header::WWW_AUTHENTICATE, "Bearer realm=\"lockstep\"")];
                (StatusCode::UNAUTHORIZED, scheme, axum::Json(serde_json::json!({ "error": words })))
                    .into_response()
            }
        }
    }
}

/// Lets through who may look.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    if access.allows(request.uri(), request.headers()) { next.run(request).await } else { access.refuse() }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The host that was asked for, without its port.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let named = uri.authority().map(axum::http::uri::Authority::as_str);
    let named = named.or_else(|| headers.get(header::HOST)?.to_str().ok())?;
    match named.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(host),
        _ => Some(named),
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn asks(access: &Access, headers: &[(header::HeaderName, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        access.allows(&Uri::from_static("/api/v1/runs"), &headers)
    }

    #[test]
    fn an_address_that_others_can_reach_needs_a_token() {
        assert!(matches!(Access::to(address("127.0.0.1:1"), None), Ok(Access::Loopback)));
        assert!(matches!(Access::to(address("[::1]:1"), None), Ok(Access::Loopback)));
        for open in ["0.0.0.0:1", "192.0.2.1:1", "[::]:1"] {
            assert_eq!(Access::to(address(open), None).err(), Some(AccessError::Open(address(open))));
            assert_eq!(Access::to(address(open), Some(" ")).err(), Some(AccessError::Open(address(open))));
            assert!(matches!(Access::to(address(open), Some(TOKEN)), Ok(Access::Token(_))));
        }
        assert_eq!(Access::to(address("0.0.0.0:1"), Some("hunter2")).err(), Some(AccessError::WeakToken));
    }

    #[test]
    fn only_the_token_opens() {
        let access = Access::to(address("127.0.0.1:1"), Some(TOKEN)).unwrap();
        let auth = header::AUTHORIZATION;
        assert!(asks(&access, &[(auth.clone(), &format!("Bearer {TOKEN}"))]));
        assert!(asks(&access, &[(auth.clone(), &format!("bearer {TOKEN}"))]));
        for wrong in
            [format!("Bearer {TOKEN}x"), format!("Basic {TOKEN}"), TOKEN.to_owned(), "Bearer ".to_owned()]
        {
            assert!(!asks(&access, &[(auth.clone(), &wrong)]), "{wrong}");
        }
        assert!(!asks(&access, &[]));
    }

    #[test]
    fn a_page_from_elsewhere_cannot_ask_through_a_browser_here() {
        for (host, may) in [
            ("127.0.0.1:8081", true),
            ("localhost:8081", true),
            ("LOCALHOST", true),
            ("[::1]:8081", true),
            ("rebound.example:8081", false),
            ("127.0.0.1.example:8081", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(asks(&Access::Loopback, &[(header::HOST, host)]), may, "{host}");
        }
    }
}
