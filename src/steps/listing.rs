//! What a schedule lists: its object, conditions and parameters, and what must be unique among the records.

use std::sync::Arc;
use std::time::Duration;

use super::compilation::Compilation;
use super::lower::{ClientScope, Lowering};
use super::run::ClientFacts;
use super::target::Target;
use super::uses::Role;
use crate::config::{Compared, Keep, ListFile, SinceFile, UniqueFile};
use crate::connector::{ActionKind, Fields, JobFacts, Record, Select, SinceFacts};
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::expr::{Context, EvalError, Expr, Frame, Names};
use crate::nearest::did_you_mean;
use crate::value::{Map, Value};

/// What a poll lists, with every name resolved and every expression compiled.
#[derive(Debug)]
pub struct Listing {
    target: Target,
    conditions: Vec<(Arc<str>, Expr)>,
    params: Vec<(Arc<str>, Expr)>,
    /// The field that tells when a record changed, and how late a change may be listed.
    pub since: Option<(Arc<str>, Duration)>,
    /// What no two of the records may have.
    pub unique: Option<Unique>,
    /// The fields that are asked for.
    pub select: Select,
    /// What is known of the job by which the system lists, where it is to do so.
    job: Option<Arc<JobFacts>>,
}

/// A value that no two records may have.
#[derive(Debug)]
pub struct Unique {
    by: Expr,
    /// How values compare.
    pub compared: Compared,
    /// Which of those who share one goes on.
    pub keep: Keep,
}

impl Listing {
    /// The connection.
    pub fn connection(&self) -> &Arc<str> {
        &self.target.connection
    }

    /// The object's name in that system.
    pub fn object(&self) -> &Arc<str> {
        &self.target.object
    }

    /// What is known of the job by which the system lists, where it is to do so.
    pub fn by_job(&self) -> Option<&Arc<JobFacts>> {
        self.job.as_ref()
    }

    /// As the YAML names it: `salesforce.Opportunity`.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The field of a record that says when it was made, where the connector knows it.
    pub fn created_field(&self) -> Option<&Arc<str>> {
        self.target.facts()?.created.as_ref()
    }

    /// The field of a record that holds its id.
    pub fn id_field(&self) -> &str {
        self.target.id_field()
    }

    /// The keys of a record, when they are named; none when anything may be there.
    pub fn keys(&self) -> Vec<Arc<str>> {
        match &self.select {
            Select::All => Vec::new(),
            Select::Fields(fields) => {
                let id = Arc::from(self.id_field());
                fields.iter().map(top).map(Arc::from).chain([id]).collect()
            }
        }
    }

    /// The id of a record, as it stands in it.
    pub fn id_of(&self, record: &Value) -> Option<Arc<str>> {
        let path: Vec<&str> = self.id_field().split('.').collect();
        record.at(&path).and_then(Value::to_text)
    }

    /// The record as pipelines read it: its fields, and its id under the system's own name for it.
    pub fn record(&self, record: &Record) -> Value {
        self.target.record(record)
    }

    /// The conditions and parameters of a poll at `now`, or the key whose value cannot be computed and why.
    pub fn ask(
        &self,
        client: &ClientFacts,
        now: jiff::Timestamp,
    ) -> Result<(Fields, Value), (Arc<str>, EvalError)> {
        let root =
            Value::map([("vars", client.vars.clone()), ("client", Value::from(Arc::clone(&client.name)))]);
        let context = Context::new(root, Frame::new(now, client.zone.clone()));
        let all = |list: &[(Arc<str>, Expr)]| {
            let mut map = Map::new();
            for (name, expression) in list {
                let value = expression.eval(&context).map_err(|error| (Arc::clone(name), error))?;
                map.insert(Arc::clone(name), value);
            }
            Ok(map)
        };
        let params = all(&self.params)?;
        let params: Map = params.into_iter().filter(|(_, value)| !value.is_nothing()).collect();
        let params = if params.is_empty() { Value::Null } else { params.into() };
        Ok((all(&self.conditions)?, params))
    }
}

/// The key of a record under which a field is: `Owner.Email` is in `Owner`.
fn top(field: &Arc<str>) -> &str {
    field.split('.').next().unwrap_or(field)
}

impl Unique {
    /// The value of a record that no other may have; nothing when it has none.
    pub fn value(
        &self,
        record: &Value,
        client: &ClientFacts,
        now: jiff::Timestamp,
    ) -> Result<Value, EvalError> {
        let root = Value::map([
            ("object", record.clone()),
            ("vars", client.vars.clone()),
            ("client", Value::from(Arc::clone(&client.name))),
        ]);
        self.by.eval(&Context::new(root, Frame::new(now, client.zone.clone())))
    }
}

/// Compiles what a schedule lists. Everything that is wrong with it is added to `out`; nothing is given when something
/// is.
pub fn listing(
    scope: ClientScope<'_>,
    file: &Arc<str>,
    path: &Path,
    (list, unique): (&ListFile, Option<&UniqueFile>),
    out: &mut Compilation,
) -> Option<Listing> {
    let mut lowering = Lowering::new(scope, file, out);
    let vars = || scope.vars.iter().map(|name| &**name);
    lowering.everywhere = Names::new([])
        .with_plain("client", "the client's name")
        .with_plain("now", "a time in Unix seconds")
        .with_keys("vars", vars());
    let at = path.key("list");
    let target = lowering.target(&at.key("object"), &list.object, ActionKind::List);
    let conditions = lowering.entries(&at.key("where"), &list.conditions);
    let params = lowering.entries(&at.key("params"), &list.params);
    let job = match &target {
        Some(target) if list.bulk => lowering.job(&at, list, target).map(Some),
        _ => Some(None),
    };
    if let Some(target) = target.as_ref().filter(|_| !list.params.is_empty() && !list.bulk) {
        lowering.list_reads_params(&at.key("params"), target);
    }
    let since = match (&list.since, &target) {
        (Some(since), Some(target)) => lowering.since(&at.key("since"), since, target).map(Some),
        (Some(_), None) => None,
        (None, _) => Some(None),
    };
    let select = match &target {
        Some(target) => lowering.select(&at.key("fields"), list, unique, target),
        None => Some(Select::All),
    };
    let names = lowering.everywhere.clone();
    lowering.everywhere = match (&select, &target) {
        (Some(Select::Fields(fields)), Some(target)) => {
            names.with_keys("object", fields.iter().map(top).chain([target.id_field()]))
        }
        _ => names.with("object"),
    };
    let unique = match unique {
        Some(unique) => {
            let path = path.key("unique");
            let by = lowering.expression(&path.key("by"), &unique.by.0, Role::Value);
            if let Some(target) = &target {
                lowering.keep(&path.key("keep"), unique.keep, target);
            }
            Some(Some(Unique { by: by?, compared: unique.compared, keep: unique.keep }))
        }
        None => Some(None),
    };
    let failed = lowering.failed;
    let listing = Listing {
        target: target?,
        conditions: conditions?,
        params: params?,
        since: since?,
        unique: unique?,
        select: select?,
        job: job?,
    };
    (!failed).then_some(listing)
}

impl Lowering<'_> {
    fn entries(
        &mut self,
        path: &Path,
        written: &indexmap::IndexMap<String, crate::written::Written>,
    ) -> Option<Vec<(Arc<str>, Expr)>> {
        let mut entries = Some(Vec::new());
        for (name, value) in written {
            let value = self.expression(&path.key(name.as_str()), &value.0, Role::Value);
            match (value, &mut entries) {
                (Some(value), Some(entries)) => entries.push((name.as_str().into(), value)),
                _ => entries = None,
            }
        }
        entries
    }

    fn since(&mut self, path: &Path, written: &SinceFile, target: &Target) -> Option<(Arc<str>, Duration)> {
        let Some(SinceFacts { fields, overlap }) =
            target.action(ActionKind::List).and_then(|facts| facts.since.as_ref())
        else {
            let fact = format!("`{target}` cannot be listed by when it changed");
            let help = "leave `since` out and write `only_changed: true`: everything is listed, and what changed runs";
            let finding = Diagnostic::new(Code::PollUnable, self.value(path), fact).help(help);
            self.find(finding);
            return None;
        };
        let field = target.field(written.field());
        if !fields.is_empty() && fields.iter().all(|known| **known != *field) {
            let known: Vec<&str> = fields.iter().map(|field| &**field).collect();
            let place = match written {
                SinceFile::Field(_) => self.value(path),
                SinceFile::Late(_) => self.value(&path.key("field")),
            };
            let fact = format!("`{field}` does not tell when a record of `{target}` changed");
            let help = did_you_mean(field, known.iter().copied());
            let finding = Diagnostic::new(Code::PollUnable, place, fact);
            self.find(finding.help(format!("these do: {}", known.join(", "))).help_maybe(help));
            return None;
        }
        let overlap = written.overlap().map_or(*overlap, |overlap| overlap.0);
        Some((written.field().into(), overlap))
    }

    /// Refuses `params` of a list that has none: they would do nothing.
    pub(super) fn list_reads_params(&mut self, path: &Path, target: &Target) {
        if target.action(ActionKind::List).is_some_and(|facts| !facts.reads_params) {
            let fact = format!("the list of `{target}` takes no parameters");
            let finding = Diagnostic::new(Code::CallParams, self.key(path), fact);
            self.find(finding.help("leave `params` out; which records are listed is said by fields: `where`, or `match` of a step"));
        }
    }

    /// The job by which the system lists, when it can do so what is asked for.
    fn job(&mut self, path: &Path, list: &ListFile, target: &Target) -> Option<Arc<JobFacts>> {
        let Some(job) = target.action(ActionKind::List).and_then(|facts| facts.job.clone()) else {
            let fact = format!("`{target}` cannot be listed in the background");
            let finding = Diagnostic::new(Code::PollUnable, self.key(&path.key("bulk")), fact)
                .label("its connector knows no job that lists it")
                .help("leave `bulk` out: it is then listed page by page");
            self.find(finding);
            return None;
        };
        if job.named && list.fields.is_empty() {
            let fact = format!("in the background, `{target}` is listed only with the fields that are named");
            let finding = Diagnostic::new(Code::PollUnable, self.key(&path.key("bulk")), fact)
                .label("`fields` is left out, and stands for all of them")
                .help("write `fields: [...]` with those that the pipeline reads");
            self.find(finding);
        }
        if !list.params.is_empty() && !job.reads_params {
            let fact = format!("the job that lists `{target}` takes no parameters");
            let finding = Diagnostic::new(Code::CallParams, self.key(&path.key("params")), fact);
            self.find(
                finding.help("leave `params` out; which records are listed is said by fields, in `where`"),
            );
        }
        Some(job)
    }

    /// The fields that are named, and those that the poll itself reads.
    fn select(
        &mut self,
        path: &Path,
        list: &ListFile,
        unique: Option<&UniqueFile>,
        target: &Target,
    ) -> Option<Select> {
        if list.fields.is_empty() {
            return Some(Select::All);
        }
        let selects = target.action(ActionKind::List).is_some_and(|facts| match &facts.job {
            Some(job) if list.bulk => job.selects,
            _ => facts.selects,
        });
        if !selects {
            let fact = format!("`{target}` is always listed with all of its fields");
            let finding = Diagnostic::new(Code::PollUnable, self.value(path), fact);
            self.find(finding.help("leave `fields` out"));
            return None;
        }
        let dated = unique.filter(|unique| unique.keep != Keep::None);
        let created = dated.and(target.facts()).and_then(|facts| facts.created.clone());
        let read = list.since.iter().map(|since| Arc::from(since.field())).chain(created);
        let mut fields: Vec<Arc<str>> = list.fields.iter().map(|name| name.as_str().into()).collect();
        for name in read {
            if !fields.contains(&name) {
                fields.push(name);
            }
        }
        Some(Select::Fields(fields))
    }

    /// Which is the oldest can be told only where records say when they were made.
    fn keep(&mut self, path: &Path, keep: Keep, target: &Target) {
        let known = target.facts().is_some_and(|facts| facts.created.is_some());
        if keep == Keep::None || known {
            return;
        }
        let fact = format!("when a record of `{target}` was made is not known");
        let finding = Diagnostic::new(Code::PollUnable, self.value(path), fact)
            .label("so none of them is the oldest or the newest")
            .help("write `keep: none`, or tell the connector's manifest: `created: <field>`");
        self.find(finding);
    }
}
