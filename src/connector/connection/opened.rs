//! One connection: a manifest, its settings, and the door by which calls come in and answers leave.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indexmap::IndexMap;
use jiff::tz::TimeZone;
use reqwest::Url;
use reqwest::header::HeaderMap;

use crate::clock::SharedClock;
use crate::connector::answer::Answer;
use crate::connector::auth::{Credential, OAuth2, Tokens, Vault};
use crate::connector::call::{Action, Call, JobState, Record, Reply};
use crate::connector::commons::{Commons, Slots};
use crate::connector::failure::Failure;
use crate::connector::fault::Fault;
use crate::connector::http::{HostPattern, Http, Reach};
use crate::connector::limit::Pace;
use crate::connector::manifest::{Manifest, Plan, Usage};
use crate::connector::names::FieldNames;
use crate::connector::prelude::Preludes;
use crate::connector::preview::PreparedRequest;
use crate::connector::settings::Settings;
use crate::diagnostic::Path;
use crate::expr::{Context, Frame, pci};
use crate::secret::Redactor;
use crate::value::{Map, Value};
use crate::words::Rate;

/// What a connection is made of.
pub struct ConnectionParts {
    /// The client it belongs to.
    pub client: Arc<str>,
    /// The name that pipelines use.
    pub name: Arc<str>,
    /// What it is a connection of.
    pub manifest: Arc<Manifest>,
    /// Its settings, with secrets in clear.
    pub config: Map,
    /// Tighter than the connector's own rate limit.
    pub rate_limit: Option<Rate>,
    /// How many calls may be under way at once; tighter than the connector's own.
    pub concurrency: Option<u32>,
    /// How long to wait for an answer, in place of the connector's own time.
    pub timeout: Option<Duration>,
    /// True when nothing may be written: what would is refused unsent.
    pub read_only: bool,
    /// This account's field names behind words of ours: object -> word -> field.
    pub fields: IndexMap<String, IndexMap<String, String>>,
}

/// What the connections of a process share.
#[derive(Clone)]
pub struct Surroundings {
    /// The one HTTP client.
    pub http: Http,
    /// Tells the time.
    pub clock: SharedClock,
    /// Blots out secrets.
    pub redactor: Redactor,
    /// Where refresh tokens outlive a restart.
    pub vault: Arc<dyn Vault>,
    /// What is to be agreed with other processes, where there may be some.
    pub commons: Option<Arc<dyn Commons>>,
}

/// One connection: it carries calls out.
pub struct Connection {
    pub(super) client: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) manifest: Arc<Manifest>,
    pub(super) config: Value,
    /// `base_url` where no token's answer has a say in it, as it is written and as it is read.
    pub(super) base: Option<(Arc<str>, Url)>,
    pub(super) names: FieldNames,
    pub(super) read_only: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) reach: Reach,
    pub(super) pace: Pace,
    /// The rate limits that operations have of their own, by their place in the manifest.
    pub(super) operation_paces: IndexMap<Arc<str>, Pace>,
    /// What holds a single operation back, after the system has: by what tells it from any other.
    pub(super) gates: IndexMap<Arc<str>, Pace>,
    pub(super) slots: Slots,
    /// How often those who wait for their turn were called off.
    pub(super) called_off: AtomicU64,
    pub(super) tokens: Tokens,
    pub(super) preludes: Preludes,
    /// What is kept of the last good answer of each operation, by what tells it from any other.
    pub(super) last: Mutex<HashMap<Arc<str>, Value>>,
    /// The quota as the system told it last; 0 of 0 before it has.
    pub(super) used: AtomicU64,
    pub(super) quota: AtomicU64,
    pub(super) around: Surroundings,
}

/// Names only: the settings may be secret (invariant 5).
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}/{}: {})", self.client, self.name, self.manifest.name())
    }
}

impl Connection {
    /// Opens a connection; nothing is sent yet. Fails when its settings are not what the manifest asks for.
    pub fn open(parts: ConnectionParts, around: Surroundings) -> Result<Self, Vec<Fault>> {
        let manifest = parts.manifest;
        let faults = manifest.check_config(&parts.config);
        if !faults.is_empty() {
            return Err(faults);
        }
        let config = manifest.settings.complete(&parts.config);
        around.redactor.learn_all(manifest.settings.secrets(&config).iter().map(|secret| &**secret));
        let hosts = manifest.settings.hosts(&config).into_iter().map(|host| HostPattern::exact(&host));
        let mut hosts: Vec<HostPattern> = hosts.chain(manifest.hosts.iter().cloned()).collect();
        let allow_http = Settings::allows_http(&config);
        let concurrency = parts.concurrency.unwrap_or(u32::MAX).clamp(1, manifest.limits.concurrency);
        let rates = manifest.limits.rates.iter().copied().chain(parts.rate_limit);
        let clock = &around.clock;
        let pace = |operation: &str, rates: Vec<Rate>| {
            let pace = Pace::new(rates, Arc::clone(clock));
            pace.in_common(around.commons.as_ref(), [&parts.client, &parts.name, operation])
        };
        let paced =
            manifest.all_operations().filter_map(|operation| Some((&operation.place, operation.rate?)));
        let operation_paces =
            paced.map(|(place, rate)| (Arc::clone(place), pace(place, vec![rate]))).collect();
        let own = manifest.all_operations().map(|operation| Arc::clone(&operation.own));
        let gates = own.map(|own| {
            let gate = pace(&format!("held:{own}"), Vec::new());
            (own, gate)
        });
        let gates = gates.collect();
        let pace = pace("", rates.collect());
        let config = Value::from(config);
        let base = fixed_base(&manifest, &config);
        // An address that does not come from an answer is the author's or the client's own, and so is its host.
        hosts.extend(base.as_ref().and_then(|(_, url)| url.host_str()).map(HostPattern::exact));
        let connection = Self {
            client: parts.client,
            name: parts.name,
            names: FieldNames::new(parts.fields),
            read_only: parts.read_only,
            timeout: parts.timeout,
            reach: Reach::new(hosts, allow_http),
            pace,
            operation_paces,
            gates,
            slots: Slots::new(concurrency),
            called_off: AtomicU64::new(0),
            tokens: Tokens::new(Arc::clone(&around.vault)),
            preludes: Preludes::new(Arc::clone(clock)),
            last: Mutex::default(),
            used: AtomicU64::new(0),
            quota: AtomicU64::new(0),
            manifest,
            config,
            base,
            around,
        };
        match connection.prove() {
            Ok(()) => Ok(connection),
            Err(message) => Err(vec![Fault::new(Path::root(), message)]),
        }
    }

    /// What can be known before the first call: that nothing secret would travel in clear, and that a token that is
    /// replaced could be kept. Learns what the credentials look like on their way.
    fn prove(&self) -> Result<(), String> {
        if let Some((_, base)) = &self.base {
            self.reach.check_encryption(base).map_err(|failure| failure.message)?;
        }
        let Some(way) = self.way() else { return Ok(()) };
        let context = self.bare_context(Value::Null);
        if let Some(pair) = way.basic_pair(&context) {
            self.around.redactor.learn(&pair);
        }
        if way.oauth2().is_some_and(OAuth2::refreshes) {
            self.around.vault.ready().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The name that pipelines use.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What it is a connection of.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Its settings, defaults included; a map, with secrets in clear.
    pub fn config(&self) -> &Map {
        static NONE: std::sync::LazyLock<Map> = std::sync::LazyLock::new(Map::new);
        self.config.as_map().unwrap_or(&NONE)
    }

    /// `value` without the secrets of this process that it holds; `None` when it holds none.
    pub fn without_secrets(&self, value: &Value) -> Option<Value> {
        self.around.redactor.redact_value(value)
    }

    /// How much of the system's quota is used up, as it said last.
    pub fn usage(&self) -> Option<Usage> {
        let of = self.quota.load(Ordering::Relaxed);
        (of > 0).then(|| Usage { used: self.used.load(Ordering::Relaxed), of })
    }

    /// Carries `call` out: one attempt, but for one renewal of a refused credential.
    pub async fn call(&self, call: &Call) -> Result<Reply, Failure> {
        let (call, object) = self.names.outward(call);
        let reply = self.perform(&call).await;
        self.told(reply, object.as_deref())
    }

    /// An outcome as it leaves here: in the client's own words, without what is secret.
    pub(super) fn told(&self, reply: Result<Reply, Failure>, object: Option<&str>) -> Result<Reply, Failure> {
        match reply {
            Ok(reply) => Ok(self.names.inward(self.clean(reply), object)),
            Err(failure) => Err(self.redacted(failure)),
        }
    }

    /// Gives back, unsent, the calls that still wait for their turn: the system turned out to be down.
    pub fn call_off(&self) {
        self.called_off.fetch_add(1, Ordering::AcqRel);
    }

    /// Proves that the connection works by a harmless request; nothing to prove is fine.
    pub async fn check_health(&self) -> Result<(), Failure> {
        let Some(operation) = &self.manifest.health else { return Ok(()) };
        let call = Call::new(Arc::clone(&self.name), operation_action("health"));
        let plan = Plan { operation, object: None };
        self.carry_out(&call, plan).await.map(drop).map_err(|failure| self.redacted(failure))
    }

    /// The fields of `object` as the account has them: a list of maps, as `describe` of the manifest's format says. `None` when
    /// the connector cannot tell, or not of this object.
    pub async fn describe(&self, object: &str) -> Result<Option<Value>, Failure> {
        let Some(operation) = &self.manifest.describe else { return Ok(None) };
        if !self.manifest.abilities().object(object).is_some_and(|facts| facts.described) {
            return Ok(None);
        }
        let params = Value::map([("object", object)].map(|(key, value)| (key, Value::from(value))));
        let action = Action::Operation { name: "describe".into(), params };
        let call = Call::new(Arc::clone(&self.name), action);
        let reply = self.carry_out(&call, Plan { operation, object: None }).await;
        let result = reply.map(|reply| self.clean(reply).result).map_err(|failure| self.redacted(failure))?;
        Ok(Some(result).filter(|fields| !fields.is_nothing()))
    }

    /// The request that `call` would send first, with secrets blotted out. Nothing is sent, no token is asked for.
    pub fn preview(&self, call: &Call) -> Result<PreparedRequest, Failure> {
        let (call, _) = self.names.outward(call);
        let preview = || {
            let plan = self.manifest.plan(&call.action)?;
            let call = self.spelled(&call, plan)?;
            let context = self.context(&call, plan, &self.likely_auth(), &Value::Null);
            let outgoing = self.request(&call, plan, &context, &Credential::Settings);
            outgoing.map(|outgoing| PreparedRequest::of(&outgoing, &self.around.redactor))
        };
        preview().map_err(|failure| self.redacted(failure))
    }

    /// What this answer to `call` would be taken for. Hidden: it is the way of bytes to a reply without a system that
    /// sends them, which only a fuzzer has a use for.
    #[doc(hidden)]
    pub fn read_answer(
        &self,
        call: &Call,
        status: u16,
        headers: HeaderMap,
        body: &[u8],
    ) -> Result<Reply, Failure> {
        let (call, object) = self.names.outward(call);
        let read = || {
            let plan = self.manifest.plan(&call.action)?;
            let context = self.context(&call, plan, &self.likely_auth(), &Value::Null);
            let circumstances = self.circumstances(&call, plan.operation);
            self.read(&call, plan, &context, &Answer::read(status, headers, body), circumstances)
        };
        self.told(read(), object.as_deref())
    }

    /// `call` as it would be written over a record of which nothing is known.
    fn spelled(&self, call: &Call, plan: Plan<'_>) -> Result<Call, Failure> {
        let mut call = call.clone();
        if let Some(object) = plan.object.filter(|object| !object.wire.is_plain()) {
            let context = self.context(&call, plan, &Value::Null, &Value::Null);
            object.wire.spell(&mut call.action, &Value::Null, &context)?;
        }
        Ok(call)
    }

    fn redacted(&self, failure: Failure) -> Failure {
        let redactor = &self.around.redactor;
        let redact = |text: String| match self.clean_value(Value::from(redactor.redact(&text))).as_str() {
            Some(clean) => clean.to_owned(),
            None => text,
        };
        Failure {
            message: redact(failure.message),
            code: failure.code.map(redact),
            fields: failure.fields.into_iter().map(redact).collect(),
            other: failure.other.map(|other| redactor.redact(&other).into()),
            candidates: failure.candidates.into_iter().map(|record| self.clean_value(record)).collect(),
            ..failure
        }
    }

    /// A reply without secrets and card data: what a system gives back goes into the journal (invariant 5).
    fn clean(&self, reply: Reply) -> Reply {
        let records = reply.records.into_iter();
        Reply {
            record: reply.record.map(|record| self.clean_value(record)),
            records: records.map(|it| Record { fields: self.clean_value(it.fields), ..it }).collect(),
            result: self.clean_value(reply.result),
            job: reply.job.map(|job| match job {
                JobState::Failed { word, why } => {
                    let why = why.map(|why| self.around.redactor.redact(&why).into());
                    JobState::Failed { word, why }
                }
                JobState::UnderWay | JobState::Done => job,
            }),
            ..reply
        }
    }

    fn clean_value(&self, value: Value) -> Value {
        let value = pci::strip(value);
        self.without_secrets(&value).unwrap_or(value)
    }
}

fn operation_action(name: &str) -> Action {
    Action::Operation { name: name.into(), params: Value::Null }
}

/// `base_url` when no token's answer has a say in it.
fn fixed_base(manifest: &Manifest, config: &Value) -> Option<(Arc<str>, Url)> {
    let root = Value::map([("config", config.clone()), ("auth", Value::map::<&str>([]))]);
    let context = Context::new(root, Frame::new(jiff::Timestamp::UNIX_EPOCH, TimeZone::UTC));
    let text = manifest.base_url.read(&context).to_text()?;
    let url = Url::parse(&text).ok().filter(Url::has_host)?;
    Some((text, url))
}
