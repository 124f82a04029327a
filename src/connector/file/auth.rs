//! `auth:`, how a request shows who sends it.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::errors::ErrorsFile;
use super::request::Method;
use crate::words::{Identifier, Span};
use crate::written::{Fields, Written};

/// How a request shows who sends it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthFile {
    /// Not at all.
    #[default]
    None,
    /// By the address itself: the setting that `base_url` uses is a secret.
    Url,
    /// `Authorization: Bearer <token>`.
    Bearer(Written),
    /// HTTP basic authentication.
    Basic(BasicFile),
    /// Headers of any name and prefix: `{ Api-Token: $.config.token }`.
    Headers(Written),
    /// Query parameters, a map.
    Query(Written),
    /// An access token that is fetched, kept and renewed.
    #[serde(rename = "oauth2")]
    OAuth2(Box<OAuth2File>),
    /// The first alternative whose settings the connection gives.
    First(Vec<AuthChoiceFile>),
}

/// One alternative of `first`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthChoiceFile {
    /// The settings that must all be given for this alternative to be taken; none: always.
    #[serde(default)]
    pub given: Vec<Identifier>,
    /// How a request then shows who sends it.
    pub auth: AuthFile,
}

/// HTTP basic authentication.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicFile {
    /// The user's name.
    pub user: Written,
    /// The password; empty when left out.
    #[serde(default)]
    pub password: Option<Written>,
}

/// An access token from a token endpoint: OAuth 2.0 client credentials, JWT bearer, refresh token.
///
/// One request for a token is under way at a time, however many calls wait for it. A call that is refused as
/// `expired` gets a new token once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2File {
    /// The request for a token. `auth.assertion` is the signed JWT of `jwt`, `auth.refresh_token` the refresh
    /// token of `refresh`.
    pub token: TokenRequestFile,
    /// A JWT to sign for the request (RFC 7523).
    #[serde(default)]
    pub jwt: Option<JwtFile>,
    /// The first refresh token. When an answer brings a new one, that is kept durably before the access token is
    /// used, and this one is not used again.
    #[serde(default)]
    pub refresh: Option<Written>,
    /// The access token in the answer; `$.response.body.access_token` when left out.
    #[serde(default)]
    pub access_token: Option<Written>,
    /// How many seconds the token lives; `$.response.body.expires_in` when left out. An answer that does not say
    /// gives a token that lives until it is refused.
    #[serde(default)]
    pub lifetime: Option<Written>,
    /// Other values of the answer to keep beside the token, readable as `auth.<name>`: the address that requests
    /// then go to, for example.
    #[serde(default)]
    pub keep: IndexMap<Identifier, Written>,
    /// What stands before the token in `Authorization`; `Bearer` when left out.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The query parameter that carries the token, for systems that do not look at `Authorization`.
    #[serde(default)]
    pub parameter: Option<String>,
    /// How the endpoint's own failures read. What no rule catches is connection-wide: a wrong secret.
    #[serde(default)]
    pub errors: ErrorsFile,
}

/// The request for a token: a POST with a form body, unless it is said otherwise.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequestFile {
    /// The endpoint's address.
    pub url: Written,
    /// POST when left out. With GET the form stands in the address.
    #[serde(default)]
    pub method: Option<Method>,
    /// The form.
    pub form: Fields,
    /// Other headers, a map.
    #[serde(default)]
    pub headers: Option<Written>,
}

/// A JWT, signed RS256.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtFile {
    /// The private key, PEM (PKCS#8 or PKCS#1).
    pub key: Written,
    /// The claims; `exp` and `iat` are added.
    pub claims: Fields,
    /// How long it is valid; 3 minutes when left out.
    #[serde(default)]
    pub lifetime: Option<Span>,
}
