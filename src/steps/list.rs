//! `list`: many records, whole or not at all.

use std::sync::Arc;

use super::calls::{At, Before, fingerprint};
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::lower::Lowering;
use super::mapping::Mapping;
use super::target::Target;
use super::uses::Role;
use crate::config::step::ListStep;
use crate::connector::{Action, ActionKind, Call, Fields, Select};
use crate::diagnostic::Path;
use crate::failpoint::failpoint;
use crate::value::Value;

/// `list`, ready to be performed.
#[derive(Debug)]
pub(super) struct List {
    pub(super) target: Target,
    pub(super) filter: Mapping,
    /// How many there may be; one more is a conflict.
    pub(super) limit: u32,
    pub(super) params: Mapping,
    /// The fields that later expressions read of them.
    pub(super) select: Select,
}

impl List {
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let fingerprint = fingerprint(&["list", &self.target.to_string()]);
        if let Before::Done(given) = run.before(at, fingerprint)? {
            return Ok(given);
        }
        let mut filter = Fields::new();
        for field in self.filter.eval(at, run)? {
            if field.value.is_nothing() {
                // Without this condition the list would be another one, perhaps everything.
                let words = format!("{} of {} is empty: nothing to list by", field.name, self.target);
                return Err(run.conflict(at, None, words, Vec::new()));
            }
            filter.insert(field.name, field.value);
        }
        let records = self.pages(at, run, filter).await?;
        let given = Given::new(Outcome::Found).object(&self.target).with("records", Value::from(records));
        run.remember(at, fingerprint, given.into()).await
    }

    /// Reads page after page, until the last one or one record too many.
    async fn pages(&self, at: &At<'_>, run: &mut Execution<'_>, filter: Fields) -> Result<Vec<Value>, Stop> {
        let params = self.params.eval_params(at, run)?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut records: Vec<Value> = Vec::new();
        let mut cursor = None;
        loop {
            let action = Action::List {
                job: None,
                object: Arc::clone(&self.target.object),
                filter: filter.clone(),
                since: None,
                select: self.select.clone(),
                limit: self.limit.saturating_add(1),
                cursor: cursor.take(),
            };
            let call =
                Call { params: params.clone(), ..Call::new(Arc::clone(&self.target.connection), action) };
            let page = run
                .send(&at.step.label, &call)
                .await
                .map_err(|failure| at.fail(failure, Some(&self.target.connection)))?;
            let empty = page.records.is_empty();
            for record in &page.records {
                let fields = self.target.record(record);
                if let Some(id) = &record.id {
                    run.reads.keep(&self.target, id, &fields, &self.select);
                }
                records.push(fields);
            }
            if records.len() > limit {
                let words = format!("more than {limit} {}: a list is whole or not at all", self.target);
                return Err(run.conflict(at, None, words, Vec::new()));
            }
            match page.next {
                Some(_) if empty => {
                    return Err(at.refuse(format!("{} gave an empty page that is not the last", self.target)));
                }
                Some(next) => {
                    failpoint!("between-pages");
                    cursor = Some(next);
                }
                None => return Ok(records),
            }
        }
    }
}

impl Lowering<'_> {
    pub(super) fn list_step(&mut self, path: &Path, written: &ListStep) -> Option<List> {
        let target = self.target(&path.key("object"), &written.object, ActionKind::List);
        let filter = self.mapping(&path.key("match"), &written.matching, Role::Value);
        let params = self.mapping(&path.key("params"), &written.params, Role::Value);
        if let Some(target) = target.as_ref().filter(|_| !written.params.is_empty()) {
            self.list_reads_params(&path.key("params"), target);
        }
        Some(List {
            target: target?,
            filter: filter?,
            limit: written.limit,
            params: params?,
            select: Select::All,
        })
    }
}
