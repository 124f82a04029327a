//! A compiled operation: its request, how its answer reads, how it fails, and what may be relied on.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::abilities::{AfterUnknown, OperationFacts, ParamFacts, Repeat, SinceFacts};
use super::batch::Batches;
use super::call::{Action, ActionKind};
use super::classify::Errors;
use super::compile::Compiler;
use super::failure::Failure;
use super::fault::Fault;
use super::file::{IdempotencyFile, OperationFile, RepeatFile, RowFormat, Transport};
use super::job::Job;
use super::prelude;
use super::request::Defaults;
use super::response::Response;
use super::sends::Sends;
use crate::diagnostic::Path;
use crate::expr::Names;
use crate::value::Value;
use crate::words::{Identifier, Rate};

/// For how long a change may be listed late, unless the manifest says otherwise.
const OVERLAP: Duration = Duration::from_mins(2);

/// No system is so late.
const OVERLAP_MAX: Duration = Duration::from_hours(24);

/// A compiled operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) sends: Sends,
    pub(super) response: Response,
    pub(super) errors: Errors,
    pub(super) facts: OperationFacts,
    /// The fields that a find can look up by; `None` for any.
    pub(super) by: Option<Vec<Arc<str>>>,
    pub(super) rate: Option<Rate>,
    /// How the system lists in the background.
    pub(super) job: Option<Box<Job>>,
    /// How several calls of it go out as one request.
    pub(super) batch: Option<Arc<str>>,
    /// The preludes that its request or its answer reads.
    pub(super) needs: Vec<Arc<str>>,
    /// What tells this operation's rate limit from another's: objects of one shape share its limits.
    pub(super) place: Arc<str>,
    /// What tells this operation of this object from any other.
    pub(super) own: Arc<str>,
}

/// What an operation is compiled for.
pub(super) struct Role<'a> {
    /// The object's name; empty for what belongs to none.
    pub(super) object: &'a str,
    /// The action of an object; `None` for a named operation.
    pub(super) kind: Option<ActionKind>,
    /// What expressions of the request see.
    pub(super) names: &'a Names,
    /// How the system is reached.
    pub(super) transport: Transport,
    /// What every request begins with.
    pub(super) defaults: &'a Defaults,
    /// How the system knows a repeated request.
    pub(super) idempotency: Option<&'a IdempotencyFile>,
    /// How several calls go out as one request.
    pub(super) batches: &'a Batches,
    /// Which of these it is for an operation that names none.
    pub(super) batch: Option<&'a Identifier>,
}

impl Operation {
    pub(super) fn compile(
        compiler: &mut Compiler,
        at: &Path,
        file: &OperationFile,
        role: &Role<'_>,
    ) -> Option<Self> {
        Self::check_words(compiler, at, file, role.kind);
        let declared = file.params.keys().map(String::as_str);
        let names = match role.kind {
            Some(_) => role.names.clone(),
            None => role.names.clone().with_keys("params", declared),
        };
        let sends = Sends::compile(compiler, at, file, (role.transport, role.defaults), &names);
        let names = names.with("response").with("record");
        let response = Response::compile(compiler, &at.key("response"), &file.response, &names);
        let errors = Errors::compile(compiler, &at.key("errors"), &file.errors, &names.with("last"));
        let mut facts = facts(file, role);
        let batch = Self::batch(compiler, at, file, role, &facts);
        facts.batch = batch.as_ref().and_then(|name| Some(role.batches.get(name)?.max));
        let job = file.job.as_ref().filter(|_| role.kind == Some(ActionKind::List));
        let job = job.and_then(|job| Job::compile(compiler, &at.key("job"), (job, file), role));
        facts.job = job.as_ref().map(|job| Arc::clone(&job.facts));
        let by = file.by.as_ref().map(|by| by.iter().map(|name| Arc::from(name.as_str())).collect());
        Some(Self {
            sends: sends?,
            response,
            errors,
            facts,
            by,
            rate: file.rate,
            job: job.map(Box::new),
            batch,
            needs: prelude::named_in(written(file)),
            place: at.to_string().into(),
            own: format!("{} {at}", role.object).into(),
        })
    }

    /// The batch in which its calls go. A list is read page by page, and what a key identifies goes alone with it.
    fn batch(
        compiler: &mut Compiler,
        at: &Path,
        file: &OperationFile,
        role: &Role<'_>,
        facts: &OperationFacts,
    ) -> Option<Arc<str>> {
        let list = role.kind == Some(ActionKind::List);
        let keyed = matches!(facts.repeat, Repeat::HarmlessWithKey(_));
        let Some(name) = &file.batch else {
            let name = role.batch.filter(|_| !list && !keyed && file.request.is_some());
            return name.map(|name| Arc::clone(&name.0));
        };
        let at = at.key("batch");
        if list {
            compiler.fault(&at, "a list is read page by page, not together with others");
        } else if keyed {
            compiler.fault(&at, "a call that is known again by an idempotency key goes alone with it");
        } else if !role.batches.contains_key(&name.0) {
            let fault = Fault::new(at, format!("`{}` is not one of `batches`", name.0));
            compiler.push(fault.nearest(&name.0, role.batches.keys().map(|known| &**known)));
        }
        Some(Arc::clone(&name.0))
    }

    /// Refuses parameters that the operation does not know, and missing ones that it cannot do without.
    pub(super) fn check_params(&self, action: &Action) -> Result<(), Failure> {
        let Action::Operation { name, params } = action else { return Ok(()) };
        for param in self.facts.params.iter().filter(|param| param.required) {
            if params.get(&param.name).is_none_or(Value::is_blank) {
                return Err(Failure::permanent(format!("`{name}` needs the parameter `{}`", param.name)));
            }
        }
        let known = |name: &Arc<str>| self.facts.params.iter().any(|param| param.name == *name);
        let mut given = params.as_map().into_iter().flat_map(|params| params.keys());
        match given.find(|given| !self.facts.open && !known(given)) {
            Some(unknown) => Err(Failure::permanent(format!("`{name}` has no parameter `{unknown}`"))),
            None => Ok(()),
        }
    }

    /// Keys that mean nothing where they stand.
    fn check_words(compiler: &mut Compiler, at: &Path, file: &OperationFile, kind: Option<ActionKind>) {
        if file.by.is_some() && kind != Some(ActionKind::Find) {
            compiler.fault(&at.key("by"), "only a find looks `by` fields");
        }
        if file.single && !matches!(kind, Some(ActionKind::Find | ActionKind::Upsert)) {
            compiler.fault(&at.key("single"), "only a find or an upsert looks by a `single` field");
        }
        if !file.params.is_empty() && kind.is_some() {
            compiler.fault(&at.key("params"), "only a named operation declares `params`");
        }
        if let Some(since) = &file.since {
            if kind != Some(ActionKind::List) {
                compiler.fault(&at.key("since"), "only a list is narrowed to what changed");
            } else if !uses(file, "since") {
                compiler.fault(&at.key("since"), "the request does not use `since`");
            }
            if since.overlap.is_some_and(|overlap| overlap.0 > OVERLAP_MAX) {
                compiler.fault(&at.key("since").key("overlap"), "more than a day");
            }
        }
        if file.job.is_some() && kind != Some(ActionKind::List) {
            compiler.fault(&at.key("job"), "only a list is made by a job");
        }
        if file.response.types.is_some() && file.response.format != Some(RowFormat::Csv) {
            compiler.fault(
                &at.key("response").key("types"),
                "only the values of `format: csv` come without a type",
            );
        }
        if file.response.exact && kind != Some(ActionKind::Find) {
            compiler.fault(&at.key("response").key("exact"), "only a find compares what it found");
        }
        if file.response.partial && kind != Some(ActionKind::Find) {
            compiler.fault(&at.key("response").key("partial"), "only a find reads the rest of what it found");
        }
    }
}

fn facts(file: &OperationFile, role: &Role<'_>) -> OperationFacts {
    let set_by_kind = role.kind.is_some_and(|kind| kind != ActionKind::Create);
    let method = file.request.as_ref().map(|request| request.method);
    let keyed = role
        .idempotency
        .filter(|idempotency| method.is_some_and(|method| idempotency.methods.contains(&method)));
    let repeat = match file.repeat {
        Some(RepeatFile::Harmless) => Repeat::Harmless,
        Some(RepeatFile::Doubles) => Repeat::Doubles,
        None if set_by_kind || method == Some(super::file::Method::Get) => Repeat::Harmless,
        None => keyed.map_or(Repeat::Doubles, |idempotency| Repeat::HarmlessWithKey(idempotency.valid.0)),
    };
    let unknown = if file.message { AfterUnknown::SendAgain } else { AfterUnknown::LookUp };
    let params = file.params.iter().map(|(name, param)| ParamFacts {
        name: name.as_str().into(),
        description: param.description.as_str().into(),
        required: param.required,
        kind: param.kind,
    });
    OperationFacts {
        description: file.description.as_deref().map(Arc::from),
        repeat,
        consistent: file.consistent,
        after_unknown: file.after_unknown.unwrap_or(unknown),
        message: file.message,
        dangerous: file.dangerous.as_deref().map(Arc::from),
        single: file.single,
        params: params.collect(),
        batch: None,
        job: None,
        open: role.kind.is_some() || uses(file, "rest"),
        partial: file.response.partial,
        selects: uses(file, "select"),
        reads_params: uses(file, "params"),
        since: file.since.as_ref().map(|since| SinceFacts {
            fields: since.fields.iter().map(|field| field.as_str().into()).collect(),
            overlap: since.overlap.map_or(OVERLAP, |overlap| overlap.0),
        }),
    }
}

/// All that is written of an operation's request and answer.
fn written(file: &OperationFile) -> impl Iterator<Item = &Value> {
    let response = &file.response;
    let parts = [&response.id, &response.record, &response.records, &response.result, &response.created];
    let parts = parts.into_iter().chain([&response.types]);
    let told = parts.flatten().chain(&response.next).chain(&response.next_url);
    asked(file).chain(told.map(|written| &written.0))
}

/// All that is written of what an operation sends.
fn asked(file: &OperationFile) -> impl Iterator<Item = &Value> {
    let request = file.request.iter().flat_map(|request| {
        let parts = request.headers.iter().chain(&request.query).chain(&request.body);
        parts.chain(std::iter::once(&request.path))
    });
    let mail = file.mail.iter().flat_map(|mail| {
        let parts = [&mail.cc, &mail.bcc, &mail.reply_to, &mail.id, &mail.headers];
        [&mail.from, &mail.to, &mail.subject, &mail.text].into_iter().chain(parts.into_iter().flatten())
    });
    request.chain(mail).map(|written| &written.0)
}

/// True when an expression of what is sent names `word`: `rest`, the parameters that the operation does not declare.
pub(super) fn uses(file: &OperationFile, word: &str) -> bool {
    let Ok(word) = Regex::new(&format!(r"\b{word}\b")) else { return false };
    asked(file).any(|written| word.is_match(&written.to_json()))
}

impl Repeat {
    /// True when doing the call once more is as good as doing it once, with or without an idempotency key.
    pub fn is_harmless(self, has_key: bool) -> bool {
        match self {
            Self::Harmless => true,
            Self::HarmlessWithKey(_) => has_key,
            Self::Doubles => false,
        }
    }

    /// How long an idempotency key is remembered, where there is one.
    pub fn key_valid(self) -> Option<Duration> {
        match self {
            Self::HarmlessWithKey(valid) => Some(valid),
            Self::Harmless | Self::Doubles => None,
        }
    }
}
