//! What class a failed answer is: the one place where this is decided.
//!
//! An operation's rules come first, then the manifest's, then the status. Whether a lost or 5xx answer leaves it
//! open that something was done is not a rule's business: it follows from what a repeat of the call would do.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;
use reqwest::Url;
use reqwest::header::{HeaderName, LOCATION};

use super::answer::{self, Answer};
use super::compile::Compiler;
use super::expression::{Check, Expression};
use super::failure::{Class, Done, Failure};
use super::file::{BodyKind, ErrorsFile, Holds, RuleFile, Statuses};
use crate::diagnostic::Path;
use crate::expr::{Context, Names};
use crate::value::Value;
use crate::words::Span;

/// No message is kept that is longer, in characters.
const MESSAGE_MAX: usize = 500;

/// One layer of reading failures: an operation's, or the manifest's.
#[derive(Debug, Default)]
pub(super) struct Errors {
    code: Option<Expression>,
    message: Option<Expression>,
    fields: Option<Expression>,
    other: Option<Expression>,
    candidates: Option<Expression>,
    wait: Option<Expression>,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    status: Option<Statuses>,
    code: Option<Vec<String>>,
    message: Option<Regex>,
    text: Option<Regex>,
    body: Option<BodyKind>,
    header: Vec<(HeaderName, Regex)>,
    when: Option<Check>,
    class: Class,
    wait: Option<Wait>,
    wait_until: Option<Expression>,
    holds: Holds,
    other: Option<Expression>,
    candidates: Option<Expression>,
    untouched: bool,
}

#[derive(Debug)]
enum Wait {
    Fixed(Duration),
    Seconds(Expression),
}

/// What a failed call was about, as far as its class depends on it.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each read by its name")]
pub(super) struct Circumstances {
    /// True when doing the call twice is as good as doing it once.
    pub(super) repeatable: bool,
    /// True when the call carries a key by which the system knows a repeat.
    pub(super) keyed: bool,
    /// True when the credential can be renewed.
    pub(super) renewable: bool,
    /// True when the call is about one record that has an id. Only then can something be missing; elsewhere a 404
    /// means that the address is wrong.
    pub(super) about_record: bool,
    /// False when the body is not of the kind that the system answers with: somebody else's, or cut short.
    pub(super) readable: bool,
    /// The time, for waits until a date.
    pub(super) now: Timestamp,
}

impl Circumstances {
    /// The class of a call whose answer never came, or says nothing about what was done.
    pub(super) fn lost(self) -> Class {
        if self.repeatable { Class::Transient } else { Class::Unknown }
    }

    /// Whether a call that was answered like this may have been carried out all the same.
    fn done(self, class: Class, status: u16) -> Done {
        match (class, status) {
            (Class::Unknown, _) | (Class::Transient | Class::Permanent, 500..) => Done::Perhaps,
            (Class::Transient, 200..300) if !self.readable => Done::Perhaps,
            // An earlier try with this key is still under way.
            (Class::Locked, 409) if self.keyed => Done::Perhaps,
            _ => Done::No,
        }
    }
}

impl Errors {
    pub(super) fn compile(compiler: &mut Compiler, at: &Path, file: &ErrorsFile, names: &Names) -> Self {
        let mut part = |key: &str, written| compiler.optional(&at.key(key), written, names);
        let (code, message) = (part("code", file.code.as_ref()), part("message", file.message.as_ref()));
        let (fields, other) = (part("fields", file.fields.as_ref()), part("other", file.other.as_ref()));
        let candidates = part("candidates", file.candidates.as_ref());
        let wait = part("wait", file.wait.as_ref());
        let rules = file.rules.iter().enumerate();
        let rules = rules
            .map(|(index, rule)| Rule::compile(compiler, &at.key("rules").index(index), rule, names))
            .collect();
        Self { code, message, fields, other, candidates, wait, rules }
    }
}

impl Rule {
    fn compile(compiler: &mut Compiler, at: &Path, file: &RuleFile, names: &Names) -> Self {
        let header = file.header.iter().filter_map(|(name, pattern)| {
            let at = at.key("header").key(name.as_str());
            let Ok(header) = HeaderName::try_from(name.as_str()) else {
                compiler.fault(&at, "not a header's name");
                return None;
            };
            Some((header, compiler.regex(&at, pattern)?))
        });
        let header = header.collect();
        let mut regex = |key: &str, pattern: &Option<String>| {
            pattern.as_ref().and_then(|pattern| compiler.regex(&at.key(key), pattern))
        };
        let (message, text) = (regex("message", &file.message), regex("text", &file.text));
        Self {
            status: file.status.clone(),
            code: file.code.as_ref().map(|code| code.all().to_vec()),
            message,
            text,
            body: file.body,
            header,
            when: compiler.check(&at.key("when"), file.when.as_ref(), names),
            class: file.class,
            wait: file
                .wait
                .as_ref()
                .and_then(|wait| Wait::compile(compiler, &at.key("wait"), &wait.0, names)),
            wait_until: compiler.optional(&at.key("wait_until"), file.wait_until.as_ref(), names),
            holds: file.holds,
            other: compiler.optional(&at.key("other"), file.other.as_ref(), names),
            candidates: compiler.optional(&at.key("candidates"), file.candidates.as_ref(), names),
            untouched: file.untouched,
        }
    }

    /// How long it is until the moment that the rule names.
    fn wait_until(&self, context: &Context, now: Timestamp) -> Option<Duration> {
        let until = self.wait_until.as_ref()?.read(context).as_decimal()?;
        let seconds = until.to_string().parse::<f64>().ok()? - now.as_duration().as_secs_f64();
        answer::wait(seconds).filter(|wait| !wait.is_zero())
    }

    fn fits(&self, answer: &Answer, code: Option<&str>, message: &str, context: &Context) -> bool {
        self.status.as_ref().is_none_or(|statuses| statuses.contains(answer.status))
            && self.code.as_ref().is_none_or(|codes| codes.iter().any(|known| Some(known.as_str()) == code))
            && self.message.as_ref().is_none_or(|regex| regex.is_match(message))
            && self.text.as_ref().is_none_or(|regex| regex.is_match(&answer.text))
            && self.body.is_none_or(|kind| kind == answer.kind)
            && self.header.iter().all(|(name, regex)| {
                let value = answer.headers.get(name).map(|value| value.to_str().unwrap_or_default());
                value.is_some_and(|value| regex.is_match(value))
            })
            && self.when.as_ref().is_none_or(|when| when.holds(context))
    }
}

impl Wait {
    fn compile(compiler: &mut Compiler, at: &Path, written: &Value, names: &Names) -> Option<Self> {
        let span = written.as_str().and_then(|text| text.parse::<Span>().ok());
        match span {
            Some(span) => Some(Self::Fixed(span.0)),
            None => compiler.expression(at, written, names).map(Self::Seconds),
        }
    }

    fn read(&self, context: &Context) -> Option<Duration> {
        match self {
            Self::Fixed(wait) => Some(*wait),
            Self::Seconds(expression) => seconds(&expression.read(context)),
        }
    }
}

fn seconds(value: &Value) -> Option<Duration> {
    answer::wait(value.to_text()?.parse::<f64>().ok()?)
}

/// What class a failed answer is, what it says, and what waits when it throttles. `layers` are asked in order.
pub(super) fn classify(
    answer: &Answer,
    context: &Context,
    layers: &[&Errors],
    circumstances: Circumstances,
) -> (Failure, Holds) {
    let first = |part: fn(&Errors) -> Option<&Expression>| {
        let values = layers.iter().filter_map(|layer| part(layer)).map(|expression| expression.read(context));
        values.into_iter().find(|value| !value.is_blank()).unwrap_or_default()
    };
    let code = first(|layer| layer.code.as_ref()).to_text();
    let said = first(|layer| layer.message.as_ref());
    let message = said.to_text().map_or_else(|| excerpt(answer), |text| cut(&text));
    let rule = layers
        .iter()
        .flat_map(|layer| &layer.rules)
        .find(|rule| rule.fits(answer, code.as_deref(), &message, context));
    let class = rule.map_or_else(|| class_of_status(answer, circumstances), |rule| rule.class);
    let untouched = rule.is_some_and(|rule| rule.untouched);
    // What the rule knows better than the layers, where it says so.
    let better = |of_rule: Option<&Expression>, of_layers: fn(&Errors) -> Option<&Expression>| {
        let value = of_rule.map(|expression| expression.read(context)).unwrap_or_default();
        if value.is_blank() { first(of_layers) } else { value }
    };
    let other = better(rule.and_then(|rule| rule.other.as_ref()), |layer| layer.other.as_ref());
    let candidates =
        better(rule.and_then(|rule| rule.candidates.as_ref()), |layer| layer.candidates.as_ref());
    let wait = answer
        .retry_after(circumstances.now)
        .or_else(|| rule?.wait_until(context, circumstances.now))
        .or_else(|| rule?.wait.as_ref()?.read(context))
        .or_else(|| seconds(&first(|layer| layer.wait.as_ref())));
    let class = match class {
        Class::Transient if !untouched && answer.status >= 500 => circumstances.lost(),
        Class::Missing if !circumstances.about_record => Class::Permanent,
        class => class,
    };
    let holds = rule.map(|rule| rule.holds).unwrap_or_default();
    let failure = Failure {
        class,
        done: if untouched { Done::No } else { circumstances.done(class, answer.status) },
        message,
        code: code.map(|code| code.to_string()),
        fields: texts(&first(|layer| layer.fields.as_ref())),
        other: other.to_text(),
        candidates: candidates.as_list().unwrap_or_default().to_vec(),
        wait,
        status: Some(answer.status),
    };
    (failure, holds)
}

/// The class of an answer that no rule fits.
fn class_of_status(answer: &Answer, circumstances: Circumstances) -> Class {
    match answer.status {
        401 if circumstances.renewable => Class::Expired,
        401 => Class::ConnectionDown,
        404 | 410 => Class::Missing,
        408 | 425 | 429 => Class::Throttled,
        409 | 423 => Class::Locked,
        500.. => Class::Transient,
        200..300 if !circumstances.readable => circumstances.lost(),
        _ => Class::Permanent,
    }
}

/// What an answer says when the manifest does not know where it says it.
fn excerpt(answer: &Answer) -> String {
    if let Some(location) = answer.headers.get(LOCATION).filter(|_| (300..400).contains(&answer.status)) {
        let url = location.to_str().ok().and_then(|url| Url::parse(url).ok());
        let host = url.as_ref().and_then(Url::host_str).unwrap_or("another address");
        return format!("redirects to {host}, which is not followed");
    }
    match answer.kind {
        BodyKind::Html => "answered with a page for people".into(),
        BodyKind::Empty => "answered with an empty body".into(),
        BodyKind::Json | BodyKind::Text => cut(answer.text.trim()),
    }
}

/// At most [`MESSAGE_MAX`] characters, on one line.
pub(super) fn cut(text: &str) -> String {
    let mut out: String =
        text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(MESSAGE_MAX).collect();
    if text.chars().nth(MESSAGE_MAX).is_some() {
        out.push_str("...");
    }
    out
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::List(items) => items.iter().filter_map(Value::to_text).map(|text| text.to_string()).collect(),
        scalar => scalar.to_text().iter().map(ToString::to_string).collect(),
    }
}

/// The layers of an operation: its own, then the manifest's.
pub(super) fn layers<'a>(own: &'a Errors, manifest: &'a Arc<Errors>) -> [&'a Errors; 2] {
    [own, manifest]
}

impl Errors {
    /// How the failures of a token endpoint read when nothing else is said (RFC 6749, 5.2).
    pub(super) fn oauth(compiler: &mut Compiler, at: &Path, names: &Names) -> Self {
        Self {
            code: compiler.or_default(at, None, "$.response.body.error", names),
            message: compiler.or_default(at, None, "$.response.body.error_description", names),
            ..Self::default()
        }
    }
}
