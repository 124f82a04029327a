//! A compiled manifest: everything that a connection of this connector can do.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use regex::Regex;
use reqwest::header::HeaderName;

use super::abilities::{Abilities, IdForm};
use super::auth::Auth;
use super::batch::{Batch, Batches};
use super::call::Action;
use super::classify::Errors;
use super::compile::Compiler;
use super::endpoints::Endpoints;
use super::events::Events;
use super::expression::Expression;
use super::failure::Failure;
use super::fault::Fault;
use super::file::{DefaultsFile, IdempotencyFile, LimitsFile, ManifestFile};
use super::http::HostPattern;
use super::object::Object;
use super::operation::{Operation, Role};
use super::prelude::Prelude;
use super::redirect::Redirects;
use super::request::{Defaults, Headers};
use super::settings::Settings;
use super::webhook::Webhook;
use crate::diagnostic::{Diagnostic, Path, SourceFile, Spot};
use crate::expr::{Engine, Names};
use crate::value::Map;
use crate::words::{Identifier, Rate};
use crate::yaml;

/// Answers are read up to this size unless the manifest says otherwise, and never beyond `RESPONSE_LIMIT`.
const RESPONSE_MAX: usize = 8 * 1024 * 1024;
const RESPONSE_LIMIT: u32 = 64 * 1024 * 1024;

/// How long a request may take unless the manifest says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many requests may be under way at once unless the manifest says otherwise.
const CONCURRENCY: u32 = 16;

/// What expressions of a request see, besides `config`, `auth` and `vars`.
const REQUEST_NAMES: [&str; 18] = [
    "object",
    "id",
    "fields",
    "identity",
    "filter",
    "since",
    "types",
    "key",
    "name",
    "value",
    "params",
    "rest",
    "select",
    "limit",
    "cursor",
    "relation",
    "to",
    "idempotency_key",
];

/// A connector: how one kind of system is talked to. Made by [`Manifest::compile`], from a built-in file or one of
/// the project's; both have the same powers.
#[derive(Debug)]
pub struct Manifest {
    name: Arc<str>,
    title: String,
    description: Option<String>,
    pub(super) settings: Settings,
    pub(super) base_url: Expression,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) redirects: Redirects,
    pub(super) auth: Auth,
    pub(super) defaults: Defaults,
    pub(super) limits: Limits,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) errors: Arc<Errors>,
    pub(super) preludes: IndexMap<Arc<str>, Prelude>,
    batches: Batches,
    objects: IndexMap<Arc<str>, Object>,
    operations: IndexMap<Arc<str>, Operation>,
    pub(super) health: Option<Operation>,
    pub(super) describe: Option<Operation>,
    webhook: Option<Webhook>,
    events: Option<Events>,
    endpoints: Option<Endpoints>,
    abilities: Arc<Abilities>,
}

/// How much a system takes.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) rates: Vec<Rate>,
    pub(super) concurrency: u32,
    /// How many calls it takes in a day, for estimates.
    pub(super) daily: Option<u64>,
    pub(super) usage: Option<UsageSource>,
    /// What is kept of an operation's last good answer.
    pub(super) remember: Option<Expression>,
}

/// Where a system says how much of a quota is used up.
#[derive(Debug)]
pub(super) struct UsageSource {
    pub(super) header: HeaderName,
    pub(super) pattern: Regex,
}

/// The header by which a system knows a repeated request, and the methods for which it does.
#[derive(Debug)]
pub(super) struct Idempotency {
    pub(super) header: HeaderName,
    pub(super) methods: Vec<super::file::Method>,
}

/// What an action is carried out with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) operation: &'a Operation,
    pub(super) object: Option<&'a Object>,
}

impl Manifest {
    /// Gives a manifest file its meaning, or says everything that is wrong with it.
    pub fn compile(file: &ManifestFile, engine: &Engine) -> Result<Self, Vec<Fault>> {
        let mut compiler = Compiler::new(engine.clone());
        let manifest = Self::compile_with(&mut compiler, file);
        let faults = compiler.finish();
        match manifest {
            Some(manifest) if faults.is_empty() => Ok(manifest),
            _ => Err(faults),
        }
    }

    /// Reads and compiles a manifest's text, without functions of a project's own. Mistakes of the YAML itself are
    /// told by their line.
    pub fn read(path: &str, text: &str) -> Result<Self, Vec<Fault>> {
        let engine = Engine::new(&[]).map_err(|faults| {
            faults.into_iter().map(|fault| Fault::of_expression(&Path::root(), fault)).collect::<Vec<_>>()
        })?;
        let file = Arc::new(SourceFile::new(path, text));
        let (document, findings) = yaml::parse(&file);
        let told = |finding: Diagnostic| match finding.place.spot {
            Spot::Bytes(span) => format!("line {}: {}", file.position(span.start).line, finding.message),
            Spot::File | Spot::Node { .. } => finding.message,
        };
        let faults: Vec<Fault> =
            findings.into_iter().map(|finding| Fault::new(Path::root(), told(finding))).collect();
        let Some(document) = document.filter(|_| faults.is_empty()) else { return Err(faults) };
        match yaml::from_node::<ManifestFile>(&document.root) {
            Ok(file) => Self::compile(&file, &engine),
            Err((at, message)) => Err(vec![Fault::new(at, message)]),
        }
    }

    fn compile_with(compiler: &mut Compiler, file: &ManifestFile) -> Option<Self> {
        let root = Path::root();
        compiler.languages(&root.key("languages"), &file.languages);
        let settings = Settings::compile(compiler, &root.key("config"), &file.config);
        let config = Names::default().with_keys("config", settings.iter().map(|(name, _)| name));
        let auth = Auth::compile(compiler, &root.key("auth"), &file.auth, file, &config);
        let authed = config.clone().with("auth");
        let names = REQUEST_NAMES.iter().fold(authed.clone().with("vars"), |names, name| names.with(name));
        let defaults = Defaults::compile(compiler, &root.key("defaults"), &file.defaults, &names);
        let names = names.with_keys("prelude", file.preludes.keys().map(|name| &*name.0));
        let answered = names.clone().with("response").with("last");
        let errors = Errors::compile(compiler, &root.key("errors"), &file.errors, &answered);
        let idempotency = file.idempotency.as_ref();
        let transport = file.transport;
        let batches = Batch::compile_all(compiler, &root.key("batches"), &file.batches, &defaults, &names);
        let batch = default_batch(compiler, &root, file);
        let alone = Role {
            object: "",
            kind: None,
            names: &names,
            transport,
            defaults: &defaults,
            idempotency,
            batches: &batches,
            batch: None,
        };
        let role = Role { batch, ..alone };
        let preludes = file.preludes.iter().filter_map(|(name, prelude)| {
            let at = root.key("preludes").key(Arc::clone(&name.0));
            Some((Arc::clone(&name.0), Prelude::compile(compiler, &at, prelude, &alone)?))
        });
        let preludes: IndexMap<Arc<str>, Prelude> = preludes.collect();
        let objects = file.objects.iter().map(|(name, object)| {
            let at = root.key("objects").key(name.as_str());
            let role = Role { object: name, ..role };
            (Arc::from(name.as_str()), Object::compile(compiler, &at, object, file, &role))
        });
        let objects: IndexMap<Arc<str>, Object> = objects.collect();
        let operations = file.operations.iter().filter_map(|(name, operation)| {
            let at = root.key("operations").key(name.as_str());
            Some((Arc::from(name.as_str()), Operation::compile(compiler, &at, operation, &role)?))
        });
        let operations: IndexMap<Arc<str>, Operation> = operations.collect();
        let mut single = |key: &str, written: &Option<super::file::OperationFile>| {
            Operation::compile(compiler, &root.key(key), written.as_ref()?, &alone)
        };
        let (health, describe) = (single("health", &file.health), single("describe", &file.describe));
        let base_url = compiler.expression(&root.key("base_url"), &file.base_url.0, &authed);
        let redirects = Redirects::new(hosts(compiler, &root.key("redirects"), &file.redirects));
        let hosts = hosts(compiler, &root.key("hosts"), &file.hosts);
        let limits = Limits::compile(compiler, &root.key("limits"), &file.limits, &answered);
        let idempotency = Idempotency::compile(compiler, &root.key("idempotency"), idempotency);
        let webhook = Webhook::compile(compiler, &root.key("webhook"), file.webhook.as_ref(), &config);
        let events = Events::compile(compiler, &root.key("events"), file.events.as_ref(), &config, &alone);
        let endpoints =
            Endpoints::compile(compiler, &root.key("endpoints"), file.endpoints.as_ref(), file, &config);
        check_endpoints(compiler, &root.key("endpoints"), endpoints.as_ref(), &objects);
        let ids = ids(compiler, &root.key("ids"), file.ids.as_deref());
        let abilities = Abilities {
            objects: objects.iter().map(|(name, object)| (Arc::clone(name), object.facts())).collect(),
            operations: operations.iter().map(|(name, op)| (Arc::clone(name), op.facts.clone())).collect(),
            events: events.as_ref().map(Events::facts).unwrap_or_default(),
            amounts: file.amounts,
            ids,
            ..Abilities::default()
        };
        Some(Self {
            name: Arc::clone(&file.name.0),
            title: file.title.clone(),
            description: file.description.clone(),
            settings,
            base_url: base_url?,
            hosts,
            redirects,
            auth: auth?,
            defaults,
            limits,
            idempotency,
            errors: Arc::new(errors),
            preludes,
            batches,
            objects,
            operations,
            health,
            describe,
            webhook,
            events,
            endpoints,
            abilities: Arc::new(abilities),
        })
    }

    /// The connector's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The system's name, for people.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What the system is, and what to know before using it.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// True when it can tell which fields an account has.
    pub fn describes(&self) -> bool {
        self.describe.is_some()
    }

    /// What a connection has to be told.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is wrong with a connection's `config`; paths begin below it.
    pub fn check_config(&self, config: &Map) -> Vec<Fault> {
        let mut faults = self.settings.check(config.iter().map(|(name, value)| (&**name, value)));
        if faults.is_empty() && self.auth.way(&self.settings.complete(config)).is_none() {
            let fault = Fault::new(Path::root(), "the settings are not enough to log in with");
            faults.push(fault.help(format!("give {}", self.auth.wanted())));
        }
        faults
    }

    /// So many requests in so long; all of them hold.
    pub fn rates(&self) -> &[Rate] {
        &self.limits.rates
    }

    /// How many requests may be under way at once.
    pub fn concurrency(&self) -> u32 {
        self.limits.concurrency
    }

    /// How many calls a usual account may make in a day, where no rate says it.
    pub fn daily(&self) -> Option<u64> {
        self.limits.daily
    }

    /// What it can do.
    pub fn abilities(&self) -> &Arc<Abilities> {
        &self.abilities
    }

    /// How its deliveries are known to be its own; `None` when it sends none.
    pub fn webhook(&self) -> Option<&Webhook> {
        self.webhook.as_ref()
    }

    /// How its events read; `None` when it has none.
    pub fn events(&self) -> Option<&Events> {
        self.events.as_ref()
    }

    /// Where it is told to send its events; `None` when it cannot be told by its API.
    pub fn endpoints(&self) -> Option<&Endpoints> {
        self.endpoints.as_ref()
    }

    /// All operations that a call can use.
    pub(super) fn all_operations(&self) -> impl Iterator<Item = &Operation> {
        let of_objects = self.objects.values().flat_map(Object::operations);
        let of_preludes = self
            .preludes
            .values()
            .flat_map(|prelude| std::iter::once(&prelude.operation).chain(&prelude.create));
        of_objects.chain(self.operations.values()).chain(of_preludes)
    }

    /// How several calls of an operation go out as one request, where they do.
    pub(super) fn batch(&self, operation: &Operation) -> Option<&Batch> {
        self.batches.get(operation.batch.as_ref()?)
    }

    /// What `action` is carried out with, or why it cannot be.
    pub(super) fn plan(&self, action: &Action) -> Result<Plan<'_>, Failure> {
        if let Action::Operation { name, .. } = action {
            let operation = self.operations.get(name);
            let operation = operation
                .ok_or_else(|| Failure::permanent(format!("{} has no operation `{name}`", self.title)))?;
            return Ok(Plan { operation, object: None });
        }
        if let Action::Events { .. } = action {
            let list = self.events().and_then(|events| events.list.as_ref());
            let operation = list
                .ok_or_else(|| Failure::permanent(format!("{} cannot list its past events", self.title)))?;
            return Ok(Plan { operation, object: None });
        }
        let name = action.object().map_or("", |name| name);
        let object = self.objects.get(name).or_else(|| self.objects.get(super::ANY_OBJECT));
        let object =
            object.ok_or_else(|| Failure::permanent(format!("{} has no object `{name}`", self.title)))?;
        let operation = match action {
            Action::Find { identity, .. } => object.finder(identity),
            Action::Link { relation, .. } => object.link.get(relation),
            Action::Unlink { relation, .. } => object.unlink.get(relation),
            Action::List { job: Some(step), .. } => object.job().and_then(|job| job.operation(step)),
            _ => action.kind().and_then(|kind| object.actions.get(&kind)),
        };
        let operation = operation.ok_or_else(|| Failure::permanent(self.cannot(action, name)))?;
        Ok(Plan { operation, object: Some(object) })
    }

    fn cannot(&self, action: &Action, object: &str) -> String {
        match action {
            Action::Find { identity, .. } => {
                let fields: Vec<&str> = identity.keys().map(|name| &**name).collect();
                format!("{} cannot look up {object} by {}", self.title, fields.join(" and "))
            }
            Action::Link { relation, .. } | Action::Unlink { relation, .. } => {
                format!("{} has no relation `{relation}` of {object}", self.title)
            }
            Action::List { job: Some(_), .. } => {
                format!("{} does not list {object} by a job that this could be done with", self.title)
            }
            _ => {
                let word = action.kind().map_or("do", super::call::ActionKind::word);
                format!("{} cannot {word} {object}", self.title)
            }
        }
    }
}

/// An endpoint is looked for, made and changed like any record.
fn check_endpoints(
    compiler: &mut Compiler,
    at: &Path,
    endpoints: Option<&Endpoints>,
    objects: &IndexMap<Arc<str>, Object>,
) {
    let object = endpoints.and_then(|endpoints| objects.get(endpoints.object()));
    for kind in object.iter().flat_map(|_| Endpoints::needs()) {
        if object.is_some_and(|object| !object.actions.contains_key(&kind)) {
            compiler.fault(&at.key("object"), format!("it has no `{}`", kind.word()));
        }
    }
}

/// The batch of operations that name none.
fn default_batch<'a>(compiler: &mut Compiler, root: &Path, file: &'a ManifestFile) -> Option<&'a Identifier> {
    let name = file.defaults.batch.as_ref()?;
    if !file.batches.contains_key(name) {
        let fault =
            Fault::new(root.key("defaults").key("batch"), format!("`{}` is not one of `batches`", name.0));
        compiler.push(fault.nearest(&name.0, file.batches.keys().map(|known| &*known.0)));
        return None;
    }
    Some(name)
}

/// How ids may be written.
fn ids(compiler: &mut Compiler, at: &Path, pattern: Option<&str>) -> Option<IdForm> {
    let form = compiler.whole_regex(at, pattern?)?;
    if form.captures_len() < 2 {
        compiler.fault(at, "a group has to say which part of an id counts: `(...)`");
        return None;
    }
    Some(IdForm(form))
}

fn hosts(compiler: &mut Compiler, at: &Path, files: &[String]) -> Vec<HostPattern> {
    let hosts = files.iter().enumerate().filter_map(|(index, text)| {
        let pattern = HostPattern::parse(text);
        if pattern.is_none() {
            compiler.fault(&at.index(index), "expected a host: `api.example.com`, or `*.example.com`");
        }
        pattern
    });
    hosts.collect()
}

impl Defaults {
    fn compile(compiler: &mut Compiler, at: &Path, file: &DefaultsFile, names: &Names) -> Self {
        let max_response = file.max_response.map_or(RESPONSE_MAX, |bytes| bytes.min(RESPONSE_LIMIT) as usize);
        Self {
            headers: Headers::compile(compiler, &at.key("headers"), file.headers.as_ref(), names),
            encoding: file.encoding,
            timeout: file.timeout.map_or(TIMEOUT, |timeout| timeout.0),
            max_response,
        }
    }
}

impl Limits {
    fn compile(compiler: &mut Compiler, at: &Path, file: &LimitsFile, names: &Names) -> Self {
        let remember = compiler.optional(&at.key("remember"), file.remember.as_ref(), names);
        let usage = file.usage.as_ref().and_then(|usage| {
            let at = at.key("usage");
            let pattern = compiler.regex(&at.key("pattern"), &usage.pattern)?;
            if pattern.captures_len() != 3 {
                compiler.fault(&at.key("pattern"), "expected two groups: what is used, and of how much");
            }
            let Ok(header) = HeaderName::try_from(usage.header.as_str()) else {
                compiler.fault(&at.key("header"), "not a header's name");
                return None;
            };
            Some(UsageSource { header, pattern })
        });
        let concurrency = file.concurrency.unwrap_or(CONCURRENCY).max(1);
        Self { rates: file.rates.clone(), concurrency, daily: file.daily, usage, remember }
    }
}

impl Idempotency {
    fn compile(compiler: &mut Compiler, at: &Path, file: Option<&IdempotencyFile>) -> Option<Self> {
        let file = file?;
        let Ok(header) = HeaderName::try_from(file.header.as_str()) else {
            compiler.fault(&at.key("header"), "not a header's name");
            return None;
        };
        Some(Self { header, methods: file.methods.clone() })
    }
}

/// How much of a system's quota is used up, as it said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// What is used.
    pub used: u64,
    /// Of how much.
    pub of: u64,
}

impl UsageSource {
    pub(super) fn read(&self, headers: &reqwest::header::HeaderMap) -> Option<Usage> {
        let captures = self.pattern.captures(headers.get(&self.header)?.to_str().ok()?)?;
        let number = |group| captures.get(group)?.as_str().parse().ok();
        Some(Usage { used: number(1)?, of: number(2)? })
    }
}
