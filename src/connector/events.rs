//! How a system's events read: the same for a delivery, a listing and a stored event.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::abilities::EventFacts;
use super::compile::Compiler;
use super::expression::{Check, Expression};
use super::file::{EventTypeFile, EventsFile, OperationFile, StagesFile};
use super::operation::{Operation, Role};
use crate::diagnostic::Path;
use crate::expr::{Context, Frame, Names};
use crate::value::{Map, Value};

/// Where a type stands in a record's life when the manifest does not say.
const RANK: u8 = 50;

/// An event that cannot be read: it is none of this system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It has no id.
    #[error("the event has no id")]
    NoId,
    /// It has no type.
    #[error("the event has no type")]
    NoType,
    /// It has no time, or one that cannot be read.
    #[error("the event has no time of creation")]
    NoTime,
}

/// What every event tells, whatever its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// What makes two deliveries the same event.
    pub id: Arc<str>,
    /// Its type: `invoice.paid`.
    pub kind: Arc<str>,
    /// When it happened.
    pub created: Timestamp,
    /// The record it is about.
    pub object: Value,
    /// That record's id.
    pub object_id: Option<Arc<str>>,
    /// The name of that kind of record among the manifest's objects.
    pub object_type: Option<Arc<str>>,
    /// The old values of what changed; a map, or nothing.
    pub previous: Value,
    /// What runs are kept in order by.
    pub order_key: Arc<str>,
    /// Where its type stands in a record's life: lower comes first within one moment.
    pub rank: u8,
    /// How far the record itself says it is, where the manifest knows: from 1; 0 when nothing tells.
    pub stage: u8,
    /// True when it tells of an occurrence rather than of a record's state.
    pub occurrence: bool,
    /// Whether it is about real money.
    pub livemode: Option<bool>,
    /// The account it belongs to.
    pub account: Option<Arc<str>>,
    /// The version of the API whose shape it has.
    pub api_version: Option<Arc<str>>,
    /// The idempotency key of the request that caused it.
    pub mark: Option<Arc<str>>,
    /// True when there is no record in it, only the address of one.
    pub thin: bool,
}

impl Envelope {
    /// Where it stands among events of one moment: by its type, then by how far the record itself is.
    pub fn standing(&self) -> u32 {
        u32::from(self.rank) << 8 | u32::from(self.stage)
    }
}

/// What a connection expects of its events; nothing where its settings do not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    livemode: Option<bool>,
    account: Option<Arc<str>>,
    api_version: Option<Arc<str>>,
}

impl Expected {
    /// Why an event cannot be used as it is: it is thin, or not one that the connection expects.
    pub fn unfit(&self, envelope: &Envelope) -> Option<String> {
        if envelope.thin {
            let thin = "a thin event: it holds no record, only the address of one; subscribe the endpoint to snapshot events";
            return Some(thin.to_owned());
        }
        let mode = |live| if live { "live" } else { "test" };
        if let Some((wanted, found)) = differ(self.livemode.as_ref(), envelope.livemode.as_ref()) {
            return Some(format!("a {} mode event on a {} mode connection", mode(*found), mode(*wanted)));
        }
        if let Some((wanted, found)) = differ(self.account.as_ref(), envelope.account.as_ref()) {
            return Some(format!("an event of the account {found}, and the connection is {wanted}'s"));
        }
        let (wanted, found) = differ(self.api_version.as_ref(), envelope.api_version.as_ref())?;
        Some(format!("an event of API version {found}, and the mappings are written for {wanted}"))
    }
}

/// What is wanted and what is found, where both are known and are not the same.
fn differ<T: PartialEq>(wanted: Option<T>, found: Option<T>) -> Option<(T, T)> {
    wanted.zip(found).filter(|(wanted, found)| wanted != found)
}

/// How the events of a connector read.
#[derive(Debug)]
pub struct Events {
    each: Option<Expression>,
    read_back: bool,
    types: IndexMap<Arc<str>, EventType>,
    id: Expression,
    kind: Expression,
    created: Expression,
    object: Expression,
    object_id: Expression,
    object_type: Option<Expression>,
    previous: Option<Expression>,
    order_key: Option<Expression>,
    livemode: Option<Expression>,
    account: Option<Expression>,
    api_version: Option<Expression>,
    mark: Option<Expression>,
    thin: Option<Check>,
    expect: Expect,
    occurrences: Vec<String>,
    ranks: Vec<(Vec<String>, u8)>,
    stages: Vec<StagesFile>,
    pub(super) list: Option<Operation>,
}

/// One type of event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventType {
    /// What it tells.
    pub description: Option<String>,
    /// The kind of record that it is about.
    pub object: Option<Arc<str>>,
    /// True when the record is not there any more.
    pub gone: bool,
}

impl EventType {
    fn of(file: &EventTypeFile) -> Self {
        let object = file.object.as_deref().map(Arc::from);
        Self { description: file.description.clone(), object, gone: file.gone }
    }
}

#[derive(Debug)]
struct Expect {
    livemode: Option<Expression>,
    account: Option<Expression>,
    api_version: Option<Expression>,
}

impl Events {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: Option<&EventsFile>,
        config: &Names,
        role: &Role<'_>,
    ) -> Option<Self> {
        let file = file?;
        let names = config.clone().with("event");
        let list = file.list.as_ref().and_then(|list: &OperationFile| {
            let role = Role { kind: Some(super::ActionKind::List), ..*role };
            Operation::compile(compiler, &at.key("list"), list, &role)
        });
        let thin = compiler.check(&at.key("thin"), file.thin.as_ref(), &names);
        let expect = at.key("expect");
        let mut wanted = |key: &str, written| compiler.optional(&expect.key(key), written, config);
        let expect = Expect {
            livemode: wanted("livemode", file.expect.livemode.as_ref()),
            account: wanted("account", file.expect.account.as_ref()),
            api_version: wanted("api_version", file.expect.api_version.as_ref()),
        };
        let mut part = |key: &str, written| compiler.optional(&at.key(key), written, &names);
        let types = file.types.iter().map(|(name, file)| (Arc::from(name.as_str()), EventType::of(file)));
        Some(Self {
            each: part("each", file.each.as_ref()),
            read_back: file.read_back,
            types: types.collect(),
            id: part("id", Some(&file.id))?,
            kind: part("type", Some(&file.kind))?,
            created: part("created", Some(&file.created))?,
            object: part("object", Some(&file.object))?,
            object_id: part("object_id", Some(&file.object_id))?,
            object_type: part("object_type", file.object_type.as_ref()),
            previous: part("previous", file.previous.as_ref()),
            order_key: part("order_key", file.order_key.as_ref()),
            livemode: part("livemode", file.livemode.as_ref()),
            account: part("account", file.account.as_ref()),
            api_version: part("api_version", file.api_version.as_ref()),
            mark: part("mark", file.mark.as_ref()),
            thin,
            expect,
            occurrences: file.occurrences.clone(),
            ranks: file.ranks.iter().map(|entry| (entry.types.clone(), entry.rank)).collect(),
            stages: file.stages.clone(),
            list,
        })
    }

    /// The events of one delivery.
    pub fn each(&self, body: &Value) -> Vec<Value> {
        let several = self.each.as_ref().map(|each| each.read(&context([("event", body.clone())])));
        let several = several.as_ref().unwrap_or(body);
        several.as_list().map_or_else(|| vec![several.clone()], <[Value]>::to_vec)
    }

    /// What can be known of its events beforehand.
    pub(super) fn facts(&self) -> EventFacts {
        EventFacts { types: self.types.clone(), read_back: self.read_back }
    }

    /// An event as expressions see it: beside what the system says, its `id`, `type` and `created` under these very names, and the
    /// `object_id` where that is all it tells.
    pub fn told(&self, event: Value, envelope: &Envelope) -> Value {
        if self.is_told(&event) {
            return event;
        }
        let Value::Map(map) = event else { return event };
        let mut map = Arc::unwrap_or_clone(map);
        let mut tell = |name: &str, value: Value| {
            map.entry(name.into()).or_insert(value);
        };
        tell("id", Value::from(Arc::clone(&envelope.id)));
        tell("type", Value::from(Arc::clone(&envelope.kind)));
        tell("created", Value::Int(envelope.created.as_second()));
        if self.read_back {
            tell("object_id", Value::from(envelope.object_id.clone()));
        }
        map.into()
    }

    /// An event that was read before: as expressions see it, its record, and the old values of what changed.
    pub fn read_again(&self, event: Value) -> Result<(Value, Value, Value), EnvelopeError> {
        if self.is_told(&event) {
            let context = context([("event", event.clone())]);
            let (object, previous) = (self.object.read(&context), self.previous_of(&context));
            return Ok((event, object, previous));
        }
        let envelope = self.envelope(&event)?;
        Ok((self.told(event, &envelope), envelope.object, envelope.previous))
    }

    /// True when an event says by itself what expressions see of every event.
    fn is_told(&self, event: &Value) -> bool {
        !self.read_back && ["id", "type", "created"].iter().all(|name| event.get(name).is_some())
    }

    fn previous_of(&self, context: &Context) -> Value {
        self.previous.as_ref().map(|part| part.read(context)).unwrap_or_default()
    }

    /// True when past events can be listed.
    pub fn lists(&self) -> bool {
        self.list.is_some()
    }

    /// For how long an event may be listed late.
    pub fn overlap(&self) -> Duration {
        self.list
            .as_ref()
            .and_then(|list| list.facts.since.as_ref())
            .map_or(Duration::ZERO, |since| since.overlap)
    }

    /// Reads one event.
    pub fn envelope(&self, event: &Value) -> Result<Envelope, EnvelopeError> {
        let context = context([("event", event.clone())]);
        let text = |part: &Expression| part.read(&context).to_text().filter(|text| !text.is_empty());
        let maybe = |part: &Option<Expression>| part.as_ref().and_then(text);
        let id = text(&self.id).ok_or(EnvelopeError::NoId)?;
        let kind = text(&self.kind).ok_or(EnvelopeError::NoType)?;
        let created = time(&self.created.read(&context)).ok_or(EnvelopeError::NoTime)?;
        let object_id = text(&self.object_id);
        let order_key =
            maybe(&self.order_key).or_else(|| object_id.clone()).unwrap_or_else(|| Arc::clone(&id));
        let of_type = || self.types.get(&kind)?.object.clone();
        let (object, object_type) = (self.object.read(&context), maybe(&self.object_type).or_else(of_type));
        Ok(Envelope {
            stage: self.stage(object_type.as_deref(), &object),
            previous: self.previous_of(&context),
            object_type,
            rank: self.rank(&kind),
            occurrence: self.is_occurrence(&kind),
            livemode: self.livemode.as_ref().and_then(|part| part.read(&context).as_bool()),
            account: maybe(&self.account),
            api_version: maybe(&self.api_version),
            mark: maybe(&self.mark),
            // An event that has its record is no address of one.
            thin: object.as_map().is_none() && self.thin.as_ref().is_some_and(|thin| thin.holds(&context)),
            object,
            id,
            kind,
            created,
            object_id,
            order_key,
        })
    }

    /// True when its events tell which request caused them.
    pub fn tells_marks(&self) -> bool {
        self.mark.is_some()
    }

    /// The idempotency key of the request that caused an event, where it had one.
    pub fn mark(&self, event: &Value) -> Option<Arc<str>> {
        let mark = self.mark.as_ref()?.read(&context([("event", event.clone())]));
        mark.to_text().filter(|mark| !mark.is_empty())
    }

    /// What a connection of this `config` expects of its events.
    pub fn expected(&self, config: &Map) -> Expected {
        let context = context([("config", Value::from(config.clone()))]);
        let wanted =
            |part: &Option<Expression>| part.as_ref().map(|part| part.read(&context)).unwrap_or_default();
        let text = |part| wanted(part).to_text().filter(|text| !text.trim().is_empty());
        Expected {
            livemode: wanted(&self.expect.livemode).as_bool(),
            account: text(&self.expect.account),
            api_version: text(&self.expect.api_version),
        }
    }

    /// Where a type stands in a record's life.
    pub fn rank(&self, kind: &str) -> u8 {
        let fits = |types: &[String]| types.iter().any(|pattern| matches_type(pattern, kind));
        self.ranks.iter().find(|(types, _)| fits(types)).map_or(RANK, |(_, rank)| *rank)
    }

    /// How far a record says it is, from 1; 0 when nothing tells.
    fn stage(&self, kind: Option<&str>, object: &Value) -> u8 {
        let stages = self.stages.iter().find(|stages| Some(&*stages.object) == kind);
        let place = stages.and_then(|stages| {
            let told = object.get(&stages.field)?.as_str()?;
            stages.order.iter().position(|values| values.iter().any(|value| value == told))
        });
        place.and_then(|place| u8::try_from(place + 1).ok()).unwrap_or(0)
    }

    /// True when a type tells of an occurrence rather than of a record's state.
    pub fn is_occurrence(&self, kind: &str) -> bool {
        self.occurrences.iter().any(|pattern| matches_type(pattern, kind))
    }
}

/// True when `kind` is what `pattern` stands for: `customer.*` for every type that begins with `customer.`.
pub fn matches_type(pattern: &str, kind: &str) -> bool {
    let Some((begin, mut rest)) = pattern.split_once('*') else { return pattern == kind };
    let Some(mut kind) = kind.strip_prefix(begin) else { return false };
    while let Some((part, after)) = rest.split_once('*') {
        match kind.find(part) {
            Some(at) => kind = &kind[at + part.len()..],
            None => return false,
        }
        rest = after;
    }
    kind.ends_with(rest)
}

fn context<const N: usize>(entries: [(&'static str, Value); N]) -> Context {
    Context::new(Value::map(entries), Frame::new(Timestamp::UNIX_EPOCH, TimeZone::UTC))
}

/// Unix seconds, or milliseconds where the number is too great for them: the year 5138 is far.
fn moment(count: i64) -> Option<Timestamp> {
    const GREATEST: i64 = 100_000_000_000;
    if count < GREATEST {
        Timestamp::from_second(count).ok()
    } else {
        Timestamp::from_millisecond(count).ok()
    }
}

/// A moment: unix seconds or milliseconds, also as text, or RFC 3339.
fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Int(count) => moment(*count),
        Value::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => moment(text.parse().ok()?),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}
