//! A request: the manifest's data and a call's values become something that can be sent.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::address::{self, PathTemplate};
use super::compile::Compiler;
use super::encode::{self, Body};
use super::failure::Failure;
use super::file::{self, Encoding, RequestFile};
use super::mail::Mailing;
use super::template::Template;
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::Value;
use crate::written::{Fields, Written};

/// A compiled request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: file::Method,
    path: PathTemplate,
    query: Option<Template>,
    headers: Headers,
    body: Option<Template>,
    encoding: Encoding,
    timeout: Duration,
}

/// Headers: a template that gives a map.
#[derive(Debug, Default)]
pub(super) struct Headers(Option<Template>);

/// What every request of a manifest begins with.
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) headers: Headers,
    pub(super) encoding: Encoding,
    pub(super) timeout: Duration,
    pub(super) max_response: usize,
}

/// A request that is ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Body>,
    pub(super) timeout: Duration,
    /// What a mail is sent by.
    pub(super) mailing: Option<Arc<Mailing>>,
}

impl Request {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: &RequestFile,
        defaults: &Defaults,
        names: &Names,
    ) -> Option<Self> {
        // All of it, so that a mistake in one part does not hide those in another.
        let mut template = |key: &str, written: &Option<Written>| {
            written.as_ref().map(|written| Template::compile(compiler, &at.key(key), &written.0, names))
        };
        let (query, body) = (template("query", &file.query), template("body", &file.body));
        let headers = Headers::compile(compiler, &at.key("headers"), file.headers.as_ref(), names);
        let path = PathTemplate::compile(compiler, &at.key("path"), &file.path.0, names);
        Some(Self {
            method: file.method,
            path: path?,
            query: match query {
                Some(query) => Some(query?),
                None => None,
            },
            headers,
            body: match body {
                Some(body) => Some(body?),
                None => None,
            },
            encoding: file.encoding.unwrap_or(defaults.encoding),
            timeout: file.timeout.map_or(defaults.timeout, |timeout| timeout.0),
        })
    }

    /// The request for one call, without what shows who sends it.
    pub(super) fn build(
        &self,
        base: &Url,
        defaults: &Defaults,
        context: &Context,
    ) -> Result<Outgoing, Failure> {
        let path = self.path.eval(context)?;
        let query = self.query.as_ref().map_or(Ok(Value::Null), |query| query.eval(context))?;
        let url = address::join(base, &path, &encode::query(&query)?)?;
        let mut outgoing = Outgoing::bare(self.method.into(), url, self.timeout);
        defaults.headers.add_to(&mut outgoing.headers, context)?;
        self.headers.add_to(&mut outgoing.headers, context)?;
        if let Some(body) = &self.body {
            outgoing.set_body(encode::body(self.encoding, &body.eval(context)?)?);
        }
        Ok(outgoing)
    }

    /// What it is made of, for a batch that wraps it: `method`, `path`, `query`, `url` (path and query), `body`, and `form`, the
    /// body as a form.
    pub(super) fn parts(&self, context: &Context) -> Result<Value, Failure> {
        let path = self.path.eval(context)?;
        let query = self.query.as_ref().map_or(Ok(Value::Null), |query| query.eval(context))?;
        let query = encode::query(&query)?;
        let body = self.body.as_ref().map_or(Ok(Value::Null), |body| body.eval(context))?;
        let form = match &body {
            Value::Map(_) => encode::body(Encoding::Form, &body)?.text,
            _ => String::new(),
        };
        let url = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let method = Method::from(self.method).as_str().to_owned();
        let texts = [("method", method), ("path", path), ("query", query), ("url", url), ("form", form)];
        let texts = texts.map(|(name, text)| (name, Value::from(text)));
        Ok(Value::map(texts.into_iter().chain([("body", body)])))
    }

    /// The request for the page at `url`.
    pub(super) fn follow(
        &self,
        url: Url,
        defaults: &Defaults,
        context: &Context,
    ) -> Result<Outgoing, Failure> {
        let mut outgoing = Outgoing::bare(Method::GET, url, self.timeout);
        defaults.headers.add_to(&mut outgoing.headers, context)?;
        self.headers.add_to(&mut outgoing.headers, context)?;
        Ok(outgoing)
    }
}

/// Templates by name.
pub(super) fn templates(
    compiler: &mut Compiler,
    at: &Path,
    fields: &Fields,
    names: &Names,
) -> Vec<(Arc<str>, Template)> {
    let templates = fields.iter().filter_map(|(name, written)| {
        let template = Template::compile(compiler, &at.key(name.as_str()), &written.0, names)?;
        Some((Arc::from(name.as_str()), template))
    });
    templates.collect()
}

impl Headers {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        written: Option<&Written>,
        names: &Names,
    ) -> Self {
        let Some(Written(written)) = written else { return Self(None) };
        let unusual = |name: &&Arc<str>| HeaderName::try_from(&***name).is_err();
        for name in written.as_map().into_iter().flat_map(|map| map.keys()).filter(unusual) {
            compiler.fault(&at.key(Arc::clone(name)), format!("`{name}` is not a header's name"));
        }
        Self(Template::compile(compiler, at, written, names))
    }

    /// Adds the headers that have a value.
    pub(super) fn add_to(&self, headers: &mut HeaderMap, context: &Context) -> Result<(), Failure> {
        let Some(template) = &self.0 else { return Ok(()) };
        let values = template.eval(context)?;
        for (name, value) in values.as_map().into_iter().flatten().filter(|(_, value)| !value.is_nothing()) {
            let header = HeaderName::try_from(&**name).map_err(|_| {
                Failure::permanent(format!("`{}` is not a header's name", name.escape_debug()))
            })?;
            let text = value
                .to_text()
                .ok_or_else(|| Failure::permanent(format!("the header {name} cannot be {}", value.kind())))?;
            let value = header_value(&header, &text)?;
            headers.insert(header, value);
        }
        Ok(())
    }
}

/// A header's value. Line breaks are refused, not removed: they would begin another header.
pub(super) fn header_value(name: &HeaderName, text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text)
        .map_err(|_| Failure::permanent(format!("the header {name} holds characters that a header cannot")))
}

impl Outgoing {
    pub(super) fn bare(method: Method, url: Url, timeout: Duration) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self { method, url, headers, body: None, timeout, mailing: None }
    }

    pub(super) fn set_body(&mut self, body: Body) {
        self.headers.entry(CONTENT_TYPE).or_insert_with(|| HeaderValue::from_static(body.content_type));
        self.body = Some(body);
    }

    /// Sets `Authorization`, out of sight of anything that prints headers.
    pub(super) fn authorize(&mut self, text: &str) -> Result<(), Failure> {
        let mut value = header_value(&AUTHORIZATION, text)?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    /// Adds query parameters to those that are there.
    pub(super) fn add_query(&mut self, parameters: &Value) -> Result<(), Failure> {
        let more = encode::query(parameters)?;
        let query = match self.url.query() {
            Some(query) if !query.is_empty() && !more.is_empty() => format!("{query}&{more}"),
            Some(query) if more.is_empty() => query.to_owned(),
            _ => more,
        };
        self.url.set_query(Some(&query).filter(|query| !query.is_empty()).map(String::as_str));
        Ok(())
    }
}

impl From<file::Method> for Method {
    fn from(method: file::Method) -> Self {
        match method {
            file::Method::Get => Self::GET,
            file::Method::Post => Self::POST,
            file::Method::Put => Self::PUT,
            file::Method::Patch => Self::PATCH,
            file::Method::Delete => Self::DELETE,
        }
    }
}
