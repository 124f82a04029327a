//! Logging in: client credentials, JWT bearer; sessions that end without saying when.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value as Json, json};

use crate::sandbox::reply::{Reply, Request, pairs};

/// A JWT may be valid for three minutes; older texts say five, which is what is let pass.
const JWT_LIFE_MAX: i64 = 5 * 60;

/// Hosts that a JWT may be meant for besides the org's own.
const LOGIN_HOSTS: [&str; 2] = ["https://login.salesforce.com", "https://test.salesforce.com"];

const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) username: String,
    /// The public key as DER `RSAPublicKey`.
    pub(super) jwt_public_key: Option<Vec<u8>>,
    /// Seconds after the last call.
    pub(super) lifetime: i64,
    /// Where calls go; every token answer tells it anew.
    pub(super) instance_url: String,
    login_url: String,
    live: HashMap<String, Session>,
    used_jtis: Vec<String>,
    count: u64,
}

#[derive(Debug)]
struct Session {
    ends: i64,
    /// The host that it was given for.
    instance_url: String,
}

/// Why no token was given.
struct Refused(&'static str, &'static str);

impl Sessions {
    pub(super) fn new(client_id: String, client_secret: String, username: String, url: String) -> Self {
        Self {
            client_id,
            client_secret,
            username,
            jwt_public_key: None,
            lifetime: 2 * 60 * 60,
            instance_url: url.clone(),
            login_url: url,
            live: HashMap::new(),
            used_jtis: Vec::new(),
            count: 0,
        }
    }

    /// `POST /services/oauth2/token`.
    pub(super) fn token(&mut self, request: &Request, user: &str, now: i64, millis: i64) -> Reply {
        match self.grant(request, now) {
            Ok(()) => Reply::json(200, &self.answer(user, now, millis)),
            Err(Refused(error, description)) => {
                Reply::json(400, &json!({"error": error, "error_description": description}))
            }
        }
    }

    fn grant(&mut self, request: &Request, now: i64) -> Result<(), Refused> {
        let form = pairs(&String::from_utf8_lossy(&request.body));
        let get = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        match get("grant_type").as_deref() {
            Some("client_credentials") => {
                let basic = basic(request);
                let (id, secret) = basic.unwrap_or_else(|| {
                    (get("client_id").unwrap_or_default(), get("client_secret").unwrap_or_default())
                });
                if id != self.client_id {
                    return Err(Refused("invalid_client_id", "client identifier invalid"));
                }
                if secret != self.client_secret {
                    return Err(Refused("invalid_client", "invalid client credentials"));
                }
                Ok(())
            }
            Some(JWT_GRANT) => self.assertion(&get("assertion").unwrap_or_default(), now),
            _ => Err(Refused("unsupported_grant_type", "grant type not supported")),
        }
    }

    fn assertion(&mut self, jwt: &str, now: i64) -> Result<(), Refused> {
        let bad = Refused("invalid_grant", "invalid assertion");
        let Some((signed, signature)) = jwt.rsplit_once('.') else { return Err(bad) };
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let json = |text: &str| part(text).and_then(|bytes| serde_json::from_slice::<Json>(&bytes).ok());
        let parsed = signed.split_once('.').and_then(|(head, claims)| Some((json(head)?, json(claims)?)));
        let (Some((header, claims)), Some(signature)) = (parsed, part(signature)) else { return Err(bad) };
        let key =
            self.jwt_public_key.as_ref().ok_or(Refused("invalid_grant", "no certificate is uploaded"))?;
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, key);
        if header["alg"] != "RS256" || key.verify(signed.as_bytes(), &signature).is_err() {
            return Err(Refused("invalid_grant", "invalid assertion signature"));
        }
        if claims["iss"] != self.client_id.as_str() {
            return Err(Refused("invalid_client_id", "client identifier invalid"));
        }
        if claims["sub"] != self.username.as_str() {
            return Err(Refused("invalid_grant", "user hasn't approved this consumer"));
        }
        let audience = claims["aud"].as_str().unwrap_or_default();
        if audience != self.login_url && !LOGIN_HOSTS.contains(&audience) {
            return Err(Refused("invalid_grant", "audience is invalid"));
        }
        // A text is no time: `exp` is a number.
        if claims["exp"].as_i64().is_none_or(|exp| exp <= now || exp > now + JWT_LIFE_MAX) {
            return Err(Refused("invalid_grant", "expired authorization code"));
        }
        if let Some(jti) = claims["jti"].as_str() {
            if self.used_jtis.iter().any(|used| used == jti) {
                return Err(Refused("invalid_grant", "assertion was used before"));
            }
            self.used_jtis.push(jti.to_owned());
        }
        Ok(())
    }

    /// A new session. The answer does not say how long it lives.
    fn answer(&mut self, user: &str, now: i64, millis: i64) -> Json {
        self.count += 1;
        let token = format!("00D5g0000000001!AQ.Sandbox.{:06}", self.count);
        let session = Session { ends: now + self.lifetime, instance_url: self.instance_url.clone() };
        self.live.retain(|_, session| session.ends > now);
        self.live.insert(token.clone(), session);
        json!({"access_token": token, "instance_url": self.instance_url, "token_type": "Bearer", "scope": "api",
            "id": format!("{}/id/00D5g0000000001EAA/{user}", self.login_url), "issued_at": millis.to_string(),
            "signature": STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, token.as_bytes()))})
    }

    /// Whether the token is good at this host now; using it keeps it alive.
    pub(super) fn holds(&mut self, token: &str, host: Option<&str>, now: i64) -> bool {
        let lifetime = self.lifetime;
        let Some(session) = self.live.get_mut(token) else { return false };
        let here = host.is_none_or(|host| session.instance_url.ends_with(host));
        if session.ends <= now || !here {
            return false;
        }
        session.ends = now + lifetime;
        true
    }

    pub(super) fn end(&mut self, token: &str) {
        self.live.remove(token);
    }

    pub(super) fn end_all(&mut self) {
        self.live.clear();
    }
}

fn basic(request: &Request) -> Option<(String, String)> {
    let pair = request.header("authorization")?.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(pair).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
