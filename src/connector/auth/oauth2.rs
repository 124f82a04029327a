//! The request for an access token, and how its answer reads.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Method, Url};

use super::jwt;
use super::token::Grant;
use crate::connector::answer::{self, Answer};
use crate::connector::classify::{Circumstances, Errors, classify};
use crate::connector::compile::Compiler;
use crate::connector::encode;
use crate::connector::expression::Expression;
use crate::connector::failure::{Class, Done, Failure};
use crate::connector::file::{Encoding, JwtFile, OAuth2File};
use crate::connector::request::{Headers, Outgoing, templates};
use crate::connector::template::Template;
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::secret::Secret;
use crate::value::{Map, Value};
use crate::words::Span;

/// How long a token endpoint may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The documented maximum of the strictest endpoint that is known.
const JWT_LIFETIME: Duration = Duration::from_mins(3);

/// How access tokens are asked for.
#[derive(Debug)]
pub(in crate::connector) struct OAuth2 {
    url: Expression,
    form: Vec<(Arc<str>, Template)>,
    headers: Headers,
    jwt: Option<Jwt>,
    refresh: Option<Expression>,
    access_token: Expression,
    rotated: Expression,
    lifetime: Expression,
    keep: Vec<(Arc<str>, Expression)>,
    pub(super) prefix: String,
    /// The query parameter that carries the token, in place of the header.
    pub(super) parameter: Option<Arc<str>>,
    method: Method,
    errors: Errors,
    plain: Errors,
}

#[derive(Debug)]
struct Jwt {
    key: Expression,
    claims: Vec<(Arc<str>, Template)>,
    lifetime: Duration,
}

impl OAuth2 {
    pub(in crate::connector) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: &OAuth2File,
        names: &Names,
    ) -> Option<Self> {
        let asked = names.clone().with_keys("auth", ["assertion", "refresh_token"]);
        let answered = names.clone().with("response");
        let token = at.key("token");
        let keep = file.keep.iter().filter_map(|(name, written)| {
            let at = at.key("keep").key(Arc::clone(&name.0));
            Some((Arc::clone(&name.0), compiler.expression(&at, &written.0, &answered)?))
        });
        let keep = keep.collect();
        let mut read = |key: &str, written, path| compiler.or_default(&at.key(key), written, path, &answered);
        let access_token = read("access_token", file.access_token.as_ref(), "$.response.body.access_token");
        let lifetime = read("lifetime", file.lifetime.as_ref(), "$.response.body.expires_in");
        let rotated = read("refresh", None, "$.response.body.refresh_token");
        let plain = Errors::oauth(compiler, at, &answered);
        Some(Self {
            url: compiler.expression(&token.key("url"), &file.token.url.0, &asked)?,
            form: templates(compiler, &token.key("form"), &file.token.form, &asked),
            headers: Headers::compile(compiler, &token.key("headers"), file.token.headers.as_ref(), &asked),
            jwt: match &file.jwt {
                Some(jwt) => Some(Jwt::compile(compiler, &at.key("jwt"), jwt, names)?),
                None => None,
            },
            refresh: compiler.optional(&at.key("refresh"), file.refresh.as_ref(), names),
            access_token: access_token?,
            rotated: rotated?,
            lifetime: lifetime?,
            keep,
            parameter: file.parameter.as_deref().map(Arc::from),
            method: file.token.method.map_or(Method::POST, Method::from),
            prefix: file.prefix.clone().unwrap_or_else(|| "Bearer".into()),
            errors: Errors::compile(compiler, &at.key("errors"), &file.errors, &answered),
            plain,
        })
    }

    /// The refresh token that the settings give.
    pub(super) fn first_refresh(&self, context: &Context) -> Option<Secret> {
        let token = self.refresh.as_ref()?.eval(context).ok()?.to_text()?;
        Some(Secret::from(&*token)).filter(|token| !token.expose().is_empty())
    }

    /// The names of what an answer's values are kept under.
    pub(in crate::connector) fn kept(&self) -> impl Iterator<Item = &Arc<str>> {
        self.keep.iter().map(|(name, _)| name)
    }

    /// True when a refresh token is used, which the endpoint may replace at any time.
    pub(in crate::connector) fn refreshes(&self) -> bool {
        self.refresh.is_some()
    }

    /// The request for a token.
    pub(super) fn ask(
        &self,
        refresh: Option<&Secret>,
        context: &Context,
        now: Timestamp,
    ) -> Result<Outgoing, Failure> {
        let mut auth = Map::new();
        if let Some(refresh) = refresh {
            auth.insert("refresh_token".into(), refresh.expose().into());
        }
        if let Some(jwt) = &self.jwt {
            auth.insert("assertion".into(), jwt.sign(context, now)?.into());
        }
        let context = context.with("auth", auth.into());
        let url = self.url.eval(&context)?.to_text().unwrap_or_default();
        let url = Url::parse(&url)
            .map_err(|error| Failure::permanent(format!("the token endpoint has no address: {error}")))?;
        let mut form = Map::new();
        for (name, template) in &self.form {
            form.insert(Arc::clone(name), template.eval(&context)?);
        }
        let mut outgoing = Outgoing::bare(self.method.clone(), url, TIMEOUT);
        self.headers.add_to(&mut outgoing.headers, &context)?;
        if self.method == Method::GET {
            outgoing.add_query(&form.into())?;
        } else {
            outgoing.set_body(encode::body(Encoding::Form, &form.into())?);
        }
        Ok(outgoing)
    }

    /// What the endpoint granted, and the refresh token that it replaced the old one with.
    ///
    /// A refusal is connection-wide: no call can succeed before a person has acted. Only what will pass by itself
    /// (too many requests, a fault of the server) keeps its class.
    pub(super) fn read(
        &self,
        answer: &Answer,
        context: &Context,
        now: Timestamp,
    ) -> Result<(Grant, Option<Secret>), Failure> {
        let context = context.with("response", answer.to_value());
        let token = self.access_token.read(&context).to_text().filter(|token| !token.is_empty());
        let Some(token) = token.filter(|_| answer.is_success()) else {
            let circumstances = Circumstances {
                repeatable: true,
                keyed: false,
                renewable: false,
                about_record: false,
                readable: true,
                now,
            };
            let (failure, _) = classify(answer, &context, &[&self.errors, &self.plain], circumstances);
            let passing = matches!(failure.class, Class::Transient | Class::Throttled | Class::Locked);
            let class = if passing { failure.class } else { Class::ConnectionDown };
            return Err(Failure {
                class,
                // The call itself was not sent.
                done: Done::No,
                message: format!("no access token: {}", failure.message),
                ..failure
            });
        };
        let kept = self.keep.iter().map(|(name, expression)| (Arc::clone(name), expression.read(&context)));
        let lifetime = self.lifetime.read(&context).to_text().and_then(|text| text.parse().ok());
        let rotated = self.rotated.read(&context).to_text().filter(|token| !token.is_empty());
        let grant = Grant {
            access: Secret::from(&*token),
            kept: Value::map(kept),
            lifetime: lifetime.and_then(answer::wait),
        };
        Ok((grant, rotated.map(|token| Secret::from(&*token))))
    }
}

impl Jwt {
    fn compile(compiler: &mut Compiler, at: &Path, file: &JwtFile, names: &Names) -> Option<Self> {
        Some(Self {
            key: compiler.expression(&at.key("key"), &file.key.0, names)?,
            claims: templates(compiler, &at.key("claims"), &file.claims, names),
            lifetime: file.lifetime.map_or(JWT_LIFETIME, |Span(lifetime)| lifetime),
        })
    }

    fn sign(&self, context: &Context, now: Timestamp) -> Result<String, Failure> {
        let mut claims = Map::new();
        for (name, template) in &self.claims {
            claims.insert(Arc::clone(name), template.eval(context)?);
        }
        let key = self.key.eval(context)?.to_text().unwrap_or_default();
        jwt::sign(&key, &claims.into(), now, self.lifetime)
            .map_err(|error| Failure::new(Class::ConnectionDown, error.to_string()))
    }
}
