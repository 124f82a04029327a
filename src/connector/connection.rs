//! One connection: a manifest, its settings, and the way of a call through it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use indexmap::IndexMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Url;
use reqwest::header::HeaderMap;

use super::abilities::Repeat;
use super::answer::Answer;
use super::auth::{Asking, Auth, Credential, Grant, OAuth2, Tokens, Vault, Way};
use super::call::{Action, ActionKind, Call, Fields, Record, Reply, Select};
use super::classify::{self, Circumstances, classify};
use super::commons::{Commons, Slots};
use super::expression::Expression;
use super::failure::{Class, Done, Failure};
use super::file::{Holds, Method};
use super::http::{HostPattern, Http, Reach};
use super::limit::Pace;
use super::manifest::{Manifest, Plan, Usage};
use super::names::FieldNames;
use super::object::Object;
use super::operation::Operation;
use super::prelude::{self, Freshness, Prelude, Preludes};
use super::preview::PreparedRequest;
use super::redirect::REDIRECTS_MAX;
use super::rename::Renaming;
use super::request::Outgoing;
use super::response::NEXT_URL;
use super::settings::Settings;
use super::wire::{Wire, Words};
use crate::clock::SharedClock;
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
    client: Arc<str>,
    name: Arc<str>,
    manifest: Arc<Manifest>,
    config: Value,
    names: FieldNames,
    read_only: bool,
    timeout: Option<Duration>,
    reach: Reach,
    pace: Pace,
    /// The rate limits that operations have of their own, by their place in the manifest.
    operation_paces: IndexMap<Arc<str>, Pace>,
    /// What holds a single operation back, after the system has: by what tells it from any other.
    gates: IndexMap<Arc<str>, Pace>,
    slots: Slots,
    /// How often those who wait for their turn were called off.
    called_off: AtomicU64,
    tokens: Tokens,
    preludes: Preludes,
    /// What is kept of the last good answer of each operation, by what tells it from any other.
    last: Mutex<HashMap<Arc<str>, Value>>,
    /// The quota as the system told it last; 0 of 0 before it has.
    used: AtomicU64,
    quota: AtomicU64,
    around: Surroundings,
}

/// Names only: the settings may be secret (invariant 5).
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({}/{}: {})", self.client, self.name, self.manifest.name())
    }
}

impl Connection {
    /// Opens a connection; nothing is sent yet. Fails when its settings are not what the manifest asks for.
    pub fn open(parts: ConnectionParts, around: Surroundings) -> Result<Self, Vec<super::Fault>> {
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
        let gates = own.map(|own| (own, Pace::new([], Arc::clone(clock)))).collect();
        let pace = pace("", rates.collect());
        let config = Value::from(config);
        let base = fixed_base(&manifest, &config);
        // An address that does not come from an answer is the author's or the client's own, and so is its host.
        hosts.extend(base.as_ref().and_then(Url::host_str).map(HostPattern::exact));
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
            around,
        };
        match connection.prove(base.as_ref()) {
            Ok(()) => Ok(connection),
            Err(message) => Err(vec![super::Fault::new(Path::root(), message)]),
        }
    }

    /// What can be known before the first call: that nothing secret would travel in clear, and that a token that is
    /// replaced could be kept. Learns what the credentials look like on their way.
    fn prove(&self, base: Option<&Url>) -> Result<(), String> {
        if let Some(base) = base {
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

    async fn perform(&self, call: &Call) -> Result<Reply, Failure> {
        let plan = self.manifest.plan(&call.action)?;
        plan.operation.check_params(&call.action)?;
        let reads =
            call.action.kind().map_or(plan.operation.request.method == Method::Get, ActionKind::is_read);
        if self.read_only && !reads {
            return Err(Failure::permanent(format!("the connection `{}` is read-only", self.name)));
        }
        match plan.object.filter(|object| !object.wire.is_plain()) {
            Some(object) => self.translated(call, plan, object).await,
            None => self.whole(call, plan).await,
        }
    }

    /// Carries a call out whose object has fields that are not written as they are.
    async fn translated(&self, call: &Call, plan: Plan<'_>, object: &Object) -> Result<Reply, Failure> {
        let wire = &object.wire;
        let mut words = self.words(call, plan, object, Freshness::Kept).await?;
        let action = if let Ok(action) = words.chosen(&call.action) {
            action
        } else {
            words = self.words(call, plan, object, Freshness::Renewed).await?;
            words.chosen(&call.action)?
        };
        let mut call = Call { action, ..call.clone() };
        let present = words.names.worded(&self.present(&call, wire.changed(&call.action)).await?);
        let context = self.context(&call, plan, &Value::Null, &Value::Null);
        wire.spell(&mut call.action, &present, &context)?;
        words.names.outward(&mut call.action);
        let reply = self.whole(&call, plan).await?;
        Ok(wire.inward(reply, &words))
    }

    /// What the account calls the fields and options of a call's object.
    async fn words(
        &self,
        call: &Call,
        plan: Plan<'_>,
        object: &Object,
        freshness: Freshness,
    ) -> Result<Words, Failure> {
        let wire = &object.wire;
        let preludes = self.preludes(&wire.needs, call, plan, freshness).await?;
        let context =
            self.bare_context(Value::Null).with("prelude", preludes).with("vars", object.vars.clone());
        let of =
            |written: &Option<Expression>| written.as_ref().map_or(Ok(Value::Null), |it| it.eval(&context));
        Ok(Words { options: of(&wire.options)?, names: Renaming(of(&wire.names)?) })
    }

    /// Carries a call out, and reads the rest of records that a find gave only in part.
    async fn whole(&self, call: &Call, plan: Plan<'_>) -> Result<Reply, Failure> {
        let mut reply = self.carry_out(call, plan).await?;
        let Action::Find { object, select, .. } = &call.action else { return Ok(reply) };
        if !plan.operation.response.partial {
            return Ok(reply);
        }
        for record in std::mem::take(&mut reply.records) {
            let Some(id) = record.id.clone().filter(|_| lacks(&record.fields, select)) else {
                reply.records.push(record);
                continue;
            };
            let get = Action::Get { object: Arc::clone(object), id, select: select.clone() };
            let get = Call::new(Arc::clone(&self.name), get);
            match self.carry_out(&get, self.manifest.plan(&get.action)?).await {
                Ok(read) => reply.records.push(Record { fields: read.record.unwrap_or_default(), ..record }),
                // It went between the two calls.
                Err(failure) if failure.class == Class::Missing => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(reply)
    }

    /// The record that an update changes, as the system gives it, when `fields` of it have to be known first.
    async fn present<'a>(
        &self,
        call: &Call,
        fields: impl Iterator<Item = &'a Arc<str>>,
    ) -> Result<Value, Failure> {
        let fields: Vec<Arc<str>> = fields.cloned().collect();
        let Action::Update { object, id, .. } = &call.action else { return Ok(Value::Null) };
        if fields.is_empty() {
            return Ok(Value::Null);
        }
        let select = Select::Fields(fields);
        let action = Action::Get { object: Arc::clone(object), id: Arc::clone(id), select };
        let get = Call::new(Arc::clone(&self.name), action);
        let reply = self.carry_out(&get, self.manifest.plan(&get.action)?).await?;
        Ok(reply.record.unwrap_or_default())
    }

    /// What expressions see as `prelude`: the answers of the preludes of these names.
    async fn preludes(
        &self,
        needs: &[Arc<str>],
        call: &Call,
        plan: Plan<'_>,
        freshness: Freshness,
    ) -> Result<Value, Failure> {
        let mut answers = Vec::with_capacity(needs.len());
        let mut seen = Map::new();
        if !needs.is_empty() {
            describe_action(&mut seen, &call.action, plan.operation);
        }
        for name in needs {
            let Some(prelude) = self.manifest.preludes.get(name) else { continue };
            let of = prelude
                .by
                .iter()
                .map(|param| (Arc::clone(param), seen.get(param).cloned().unwrap_or_default()));
            let of = Value::map(of);
            let fetch = || self.ask_prelude(name, prelude, &of, plan.object);
            answers.push((Arc::clone(name), self.preludes.get(name, prelude, &of, freshness, fetch).await?));
        }
        Ok(prelude::as_value(answers))
    }

    /// Boxed: a prelude is a call, which might need a prelude. It never does.
    fn ask_prelude<'a>(
        &'a self,
        name: &'a Arc<str>,
        prelude: &'a Prelude,
        of: &'a Value,
        object: Option<&'a Object>,
    ) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            let action = Action::Operation { name: Arc::clone(name), params: of.clone() };
            let call = Call::new(Arc::clone(&self.name), action);
            let look = Plan { operation: &prelude.operation, object };
            let found = self.carry_out(&call, look).await?.result;
            let Some(create) = prelude.create.as_ref().filter(|_| found.is_nothing()) else {
                return Ok(found);
            };
            let created = self.carry_out(&call, Plan { operation: create, object }).await;
            // Whatever the answer was: somebody else may have made it meanwhile, or the answer was lost.
            let found = self.carry_out(&call, look).await?.result;
            if found.is_nothing() { created.map(|_| found) } else { Ok(found) }
        })
    }

    /// An outcome as it leaves here: in the client's own words, without what is secret.
    fn told(&self, reply: Result<Reply, Failure>, object: Option<&str>) -> Result<Reply, Failure> {
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

    /// The fields of `object` as the account has them: a list of `{name, label, type, required, writable, unique,
    /// options}`. `None` when the connector cannot tell, or not of this object.
    pub async fn describe(&self, object: &str) -> Result<Option<Value>, Failure> {
        let Some(operation) = &self.manifest.describe else { return Ok(None) };
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

    async fn carry_out(&self, call: &Call, plan: Plan<'_>) -> Result<Reply, Failure> {
        let needs = &plan.operation.needs;
        let preludes = self.preludes(needs, call, plan, Freshness::Kept).await?;
        let mut refused: Option<Arc<Grant>> = None;
        loop {
            let credential = self.credential(refused.as_ref()).await?;
            let failure = match self.attempt(call, plan, &preludes, &credential).await {
                Err(failure) if failure.class == Class::Expired => failure,
                other => return other,
            };
            match credential {
                // Once: a credential that is refused when it is new will be refused again.
                Credential::Granted(grant) if refused.is_none() => refused = Some(grant),
                _ => return Err(failure),
            }
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        plan: Plan<'_>,
        preludes: &Value,
        credential: &Credential,
    ) -> Result<Reply, Failure> {
        let kept = match credential {
            Credential::Granted(grant) => grant.kept.clone(),
            Credential::Settings => Value::default(),
        };
        let context = self.context(call, plan, &kept, preludes);
        let outgoing = self.request(call, plan, &context, credential)?;
        let circumstances = self.circumstances(call, plan.operation);
        let answer = self.send(outgoing, plan.operation, circumstances).await?;
        if let Some(usage) = self.manifest.limits.usage.as_ref().and_then(|usage| usage.read(&answer.headers))
        {
            self.used.store(usage.used, Ordering::Relaxed);
            self.quota.store(usage.of, Ordering::Relaxed);
        }
        self.read(call, plan, &context, &answer, circumstances)
    }

    /// What an answer says when it is a good one, else what went wrong.
    fn read(
        &self,
        call: &Call,
        plan: Plan<'_>,
        context: &Context,
        answer: &Answer,
        circumstances: Circumstances,
    ) -> Result<Reply, Failure> {
        let context = context.with("response", answer.to_value());
        if plan.operation.response.is_success(answer, &context) {
            if let Some(remember) = &self.manifest.limits.remember {
                self.last().insert(Arc::clone(&plan.operation.own), remember.read(&context));
            }
            let (id, wire) = (["id".to_owned()], Wire::default());
            let object = plan.object.map_or((&id[..], &wire), |object| (&object.id[..], &object.wire));
            return plan.operation.response.read(&call.action, object, answer, &context, circumstances);
        }
        let last = self.last().get(&plan.operation.own).cloned();
        let context = context.with("last", last.unwrap_or_default());
        let circumstances =
            Circumstances { readable: plan.operation.response.is_readable(answer), ..circumstances };
        let layers = classify::layers(&plan.operation.errors, &self.manifest.errors);
        let (failure, holds) = classify(answer, &context, &layers, circumstances);
        self.judge(failure, holds, call, plan.operation)
    }

    /// What follows from a failure here: a look-up by address that meets nothing has found nothing, and a throttled call holds the
    /// others back. That a set is as it should be already is the step's to tell from a change.
    fn judge(
        &self,
        failure: Failure,
        holds: Holds,
        call: &Call,
        operation: &Operation,
    ) -> Result<Reply, Failure> {
        match failure.class {
            Class::Missing if call.action.kind() == Some(ActionKind::Find) => Ok(Reply::default()),
            Class::Throttled => {
                let wait = self.pace_of(operation, holds).hold(failure.wait);
                Err(Failure { wait: Some(wait), ..failure })
            }
            _ => Err(failure),
        }
    }

    /// What a throttled answer holds back: the operation when it has a rate of its own or the rule says so, else the connection.
    fn pace_of(&self, operation: &Operation, holds: Holds) -> &Pace {
        let own = match holds {
            Holds::Operation => self.gates.get(&operation.own),
            Holds::Connection => self.operation_paces.get(&operation.place),
        };
        own.unwrap_or(&self.pace)
    }

    fn last(&self) -> MutexGuard<'_, HashMap<Arc<str>, Value>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(
        &self,
        outgoing: Outgoing,
        operation: &Operation,
        circumstances: Circumstances,
    ) -> Result<Answer, Failure> {
        self.reach.check(&outgoing.url)?;
        let called_off = self.called_off.load(Ordering::Acquire);
        let commons = self.around.commons.as_deref();
        let slot = self.slots.take(commons.map_or(1, Commons::callers)).await;
        let mut outgoing = Outgoing { timeout: self.timeout.unwrap_or(outgoing.timeout), ..outgoing };
        let mut redirects = if self.manifest.redirects.any() { REDIRECTS_MAX } else { 0 };
        let answer = loop {
            for pace in
                self.gates.get(&operation.own).iter().chain(&self.operation_paces.get(&operation.place))
            {
                pace.turn().await?;
            }
            self.pace.turn().await?;
            if self.called_off.load(Ordering::Acquire) != called_off {
                return Err(Failure::new(Class::Throttled, "the connection went down before its turn came"));
            }
            // It may have stood in line for long.
            if let Some(commons) = commons {
                commons.is_sure().await;
            }
            let again = (redirects > 0).then(|| outgoing.clone());
            let sent = self.around.http.send(outgoing, self.manifest.defaults.max_response).await;
            let answer = sent.map_err(|lost| {
                let (class, done) = if lost.sent {
                    (circumstances.lost(), Done::Perhaps)
                } else {
                    (Class::Transient, Done::No)
                };
                Failure { done, ..Failure::new(class, lost.message) }
            })?;
            match again.and_then(|again| self.manifest.redirects.next(again, &answer, &self.reach)) {
                Some(next) => outgoing = next,
                None => break answer,
            }
            redirects -= 1;
        };
        drop(slot);
        Ok(answer)
    }

    fn way(&self) -> Option<&Way> {
        let auth: &Auth = &self.manifest.auth;
        auth.way(self.config())
    }

    async fn credential(&self, refused: Option<&Arc<Grant>>) -> Result<Credential, Failure> {
        let Some(oauth2) = self.way().and_then(Way::oauth2) else { return Ok(Credential::Settings) };
        let context = self.bare_context(Value::Null);
        let asking = Asking {
            oauth2,
            http: &self.around.http,
            reach: &self.reach,
            clock: &self.around.clock,
            redactor: &self.around.redactor,
            timeout: self.timeout,
            context: &context,
            client: &self.client,
            connection: &self.name,
        };
        self.tokens.get(&asking, refused).await.map(Credential::Granted)
    }

    /// What a token's answer would keep, for a preview: the address that the client logs in at stands for the
    /// one that its answer would name.
    fn likely_auth(&self) -> Value {
        let Some(oauth2) = self.way().and_then(Way::oauth2) else { return Value::Null };
        let url = self.manifest.settings.first_url(self.config()).unwrap_or_default();
        Value::map(oauth2.kept().map(|name| (Arc::clone(name), Value::from(url))))
    }

    fn circumstances(&self, call: &Call, operation: &Operation) -> Circumstances {
        let by_address = call.action.kind() == Some(ActionKind::Find) && operation.facts.single;
        let about_record = matches!(
            call.action,
            Action::Get { .. }
                | Action::Update { .. }
                | Action::Delete { .. }
                | Action::Link { .. }
                | Action::Unlink { .. }
        );
        let (repeat, has_key) = (operation.facts.repeat, call.idempotency_key.is_some());
        Circumstances {
            repeatable: repeat.is_harmless(has_key),
            keyed: has_key && matches!(repeat, Repeat::HarmlessWithKey(_)),
            renewable: self.way().and_then(Way::oauth2).is_some(),
            about_record: about_record || by_address,
            readable: true,
            now: self.around.clock.now(),
        }
    }

    fn request(
        &self,
        call: &Call,
        plan: Plan<'_>,
        context: &Context,
        credential: &Credential,
    ) -> Result<Outgoing, Failure> {
        let base = self.base(context)?;
        let request = &plan.operation.request;
        let defaults = &self.manifest.defaults;
        let mut outgoing = match next_url(&call.action) {
            Some(next) => {
                let url = base.join(&next).map_err(|error| Failure::permanent(error.to_string()))?;
                request.follow(url, defaults, context)?
            }
            None => request.build(&base, defaults, context)?,
        };
        if let (Some(idempotency), Some(key)) = (&self.manifest.idempotency, &call.idempotency_key)
            && idempotency.methods.contains(&request.method)
        {
            let value = super::request::header_value(&idempotency.header, key)?;
            outgoing.headers.insert(idempotency.header.clone(), value);
        }
        if let Some(way) = self.way() {
            way.apply(&mut outgoing, credential, context)?;
        }
        Ok(outgoing)
    }

    fn base(&self, context: &Context) -> Result<Url, Failure> {
        let text = self.manifest.base_url.eval(context)?.to_text().unwrap_or_default();
        Url::parse(&text).ok().filter(Url::has_host).ok_or_else(|| {
            Failure::permanent(format!("`base_url` gave no address that begins with https:// (`{text}`)"))
        })
    }

    fn bare_context(&self, auth: Value) -> Context {
        let root = Value::map([("config", self.config.clone()), ("auth", auth)]);
        Context::new(root, Frame::new(self.around.clock.now(), TimeZone::UTC))
    }

    /// What the expressions of the request see.
    fn context(&self, call: &Call, plan: Plan<'_>, auth: &Value, preludes: &Value) -> Context {
        let mut root = Map::with_capacity(16);
        root.insert("config".into(), self.config.clone());
        root.insert("auth".into(), auth.clone());
        root.insert("vars".into(), plan.object.map(|object| object.vars.clone()).unwrap_or_default());
        root.insert("params".into(), call.params.clone());
        root.insert("prelude".into(), preludes.clone());
        root.insert("idempotency_key".into(), Value::from(call.idempotency_key.clone()));
        describe_action(&mut root, &call.action, plan.operation);
        Context::new(root.into(), Frame::new(self.around.clock.now(), TimeZone::UTC))
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
fn fixed_base(manifest: &Manifest, config: &Value) -> Option<Url> {
    let root = Value::map([("config", config.clone()), ("auth", Value::map::<&str>([]))]);
    let context = Context::new(root, Frame::new(jiff::Timestamp::UNIX_EPOCH, TimeZone::UTC));
    let text = manifest.base_url.read(&context).to_text()?;
    Url::parse(&text).ok().filter(Url::has_host)
}

/// The address of the page that is asked for, when the cursor is one.
fn next_url(action: &Action) -> Option<Arc<str>> {
    match action {
        Action::List { cursor: Some(cursor), .. } | Action::Events { cursor: Some(cursor), .. } => {
            cursor.get(NEXT_URL)?.to_text()
        }
        _ => None,
    }
}

/// Whether a record has not all the fields that are asked for.
fn lacks(record: &Value, select: &Select) -> bool {
    match select {
        Select::All => true,
        Select::Fields(names) => names.iter().any(|name| record.get(name).is_none()),
    }
}

/// Adds what an action is about to the names that expressions see.
fn describe_action(root: &mut Map, action: &Action, operation: &Operation) {
    let mut put = |name: &str, value: Value| root.insert(name.into(), value);
    if let Some(object) = action.object() {
        put("object", Arc::clone(object).into());
    }
    match action {
        Action::Find { identity, select, limit, .. } => {
            put("identity", identity.clone().into());
            put("select", selected(select));
            put("limit", i64::from(*limit).into());
            put_single(root, identity, operation);
        }
        Action::Get { id, select, .. } => {
            put("id", Arc::clone(id).into());
            put("select", selected(select));
        }
        Action::List { filter, since, select, limit, cursor, .. } => {
            put("filter", filter.clone().into());
            put("since", since.as_ref().map_or(Value::Null, |since| moment(Some(&since.field), since.at)));
            put("select", selected(select));
            put("limit", i64::from(*limit).into());
            put("cursor", cursor.clone().unwrap_or_default());
        }
        Action::Events { types, since, limit, cursor } => {
            put("types", Value::list(types.iter().map(|name| Arc::clone(name).into())));
            put("since", since.map_or(Value::Null, |since| moment(None, since)));
            put("limit", i64::from(*limit).into());
            put("cursor", cursor.clone().unwrap_or_default());
        }
        Action::Create { fields, .. } => {
            put("fields", fields.clone().into());
        }
        Action::Update { id, fields, .. } => {
            put("id", Arc::clone(id).into());
            put("fields", fields.clone().into());
        }
        Action::Delete { id, .. } => {
            put("id", Arc::clone(id).into());
        }
        Action::Upsert { key, fields, .. } => {
            put("key", key.clone().into());
            put("fields", fields.clone().into());
            put_single(root, key, operation);
        }
        Action::Link { id, relation, to, fields, .. } => {
            put("id", Arc::clone(id).into());
            put("relation", Arc::clone(relation).into());
            put("to", to.clone());
            put("fields", fields.clone().into());
        }
        Action::Unlink { id, relation, to, .. } => {
            put("id", Arc::clone(id).into());
            put("relation", Arc::clone(relation).into());
            put("to", to.clone());
        }
        Action::Operation { params, .. } => {
            let declared = &operation.facts.params;
            let rest = params.as_map().into_iter().flatten();
            let rest = rest.filter(|(name, _)| !declared.iter().any(|param| param.name == **name));
            put("rest", Value::map(rest.map(|(name, value)| (Arc::clone(name), value.clone()))));
            put("params", params.clone());
        }
    }
}

/// Names the one field that is looked for, where there is exactly one.
fn put_single(root: &mut Map, fields: &Fields, operation: &Operation) {
    let mut entries = fields.iter();
    if let (true, Some((name, value)), None) = (operation.facts.single, entries.next(), entries.next()) {
        root.insert("name".into(), Arc::clone(name).into());
        root.insert("value".into(), value.clone());
    }
}

/// A moment as the expressions of a request see it.
fn moment(field: Option<&Arc<str>>, at: Timestamp) -> Value {
    let at = Value::from(Timestamp::from_second(at.as_second()).unwrap_or(at).to_string());
    let from = Value::map(field.map(|field| (Arc::clone(field), at.clone())));
    Value::map([("field", Value::from(field.cloned())), ("at", at), ("from", from)])
}

fn selected(select: &Select) -> Value {
    match select {
        Select::All => Value::Null,
        Select::Fields(names) => Value::list(names.iter().map(|name| Arc::clone(name).into())),
    }
}
