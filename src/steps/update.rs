//! `update`: read, compare, send only what differs.

use std::sync::Arc;

use super::calls::{At, Before, FOUND_AFTER_LOSS, PERHAPS_WRITTEN, Written, audit, fingerprint, noted};
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::journal::{AuditEntry, Durability, FieldChange, Identity};
use super::look_up::Hit;
use super::lower::Lowering;
use super::mapping::{Difference, Mapping, Operand};
use super::reads;
use super::target::Target;
use super::uses::{self, Role};
use crate::config::step::UpdateStep;
use crate::connector::{Action, ActionKind, Call, Class, Select};
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::expr::Write;
use crate::value::Value;

/// `update`, ready to be performed.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) target: Target,
    pub(super) record: Operand,
    pub(super) fields: Mapping,
    pub(super) blind: bool,
    pub(super) params: Mapping,
    /// The fields that later expressions read of it.
    pub(super) select: Select,
}

impl Update {
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let target = &self.target;
        let Some(id) = run.eval_id(at, "record", &self.record)? else {
            return Err(at.refuse(format!("no {target} to update: `record` gave nothing")));
        };
        let fingerprint = fingerprint(&["update", &target.to_string(), target.id_core(&id)]);
        if let Before::Done(given) = run.before(at, fingerprint)? {
            return Ok(given);
        }
        let mapped = self.fields.eval(at, run)?;
        let params = self.params.eval_params(at, run)?;
        let (hit, difference) = if self.blind {
            (Hit { id, record: Value::Null }, Difference::blind(target, mapped))
        } else {
            let hit = self.current(at, run, &id).await?;
            let agreements = run.agreements(target, &id, &self.fields).await?;
            let named = (&*id, &*run.world.client.name);
            let difference = Difference::from(target, named, mapped, &hit.record, &agreements);
            (hit, difference)
        };
        let change = Change {
            target,
            fingerprint,
            params,
            hit,
            difference,
            outcome: Outcome::Updated,
            identified: Vec::new(),
            lost: None,
            open: false,
        };
        change.perform(at, run).await
    }

    /// The record as it is: as read in this execution, else read now.
    async fn current(&self, at: &At<'_>, run: &mut Execution<'_>, id: &Arc<str>) -> Result<Hit, Stop> {
        let select = reads::both(&self.select, self.fields.names());
        let needed: Vec<Arc<str>> = match &select {
            Select::All => self.fields.names().collect(),
            Select::Fields(fields) => fields.clone(),
        };
        if let Some(record) = run.reads.get(&self.target, id, &needed) {
            return Ok(Hit { id: Arc::clone(id), record });
        }
        match run.fetch(at, &self.target, id, &select, Value::Null).await? {
            Some(hit) => Ok(hit),
            None => Err(at.refuse(format!("{} {id} is not there", self.target))),
        }
    }
}

/// A record that exists, and what of it has to be written.
pub(super) struct Change<'a> {
    pub(super) target: &'a Target,
    pub(super) fingerprint: u64,
    pub(super) params: Value,
    pub(super) hit: Hit,
    pub(super) difference: Difference,
    /// What it is called when something was written.
    pub(super) outcome: Outcome,
    pub(super) identified: Vec<(Identity, Arc<str>)>,
    /// The create whose answer was lost, and whose record this is.
    pub(super) lost: Option<Difference>,
    /// True when an intent of this call is open, so that its outcome must be recorded in any case.
    pub(super) open: bool,
}

impl Change<'_> {
    /// Sends what differs; nothing at all when nothing does.
    pub(super) async fn perform(self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        if self.difference.fields.is_empty() {
            return self.unchanged(at, run).await;
        }
        let (target, id) = (self.target, &self.hit.id);
        let content = Value::from(self.difference.fields.clone());
        let action = Action::Update {
            object: Arc::clone(&target.object),
            id: Arc::clone(id),
            fields: self.difference.fields.clone(),
        };
        let call = Call {
            params: self.params.clone(),
            idempotency_key: Some(run.idempotency_key_for(at, &content)),
            ..Call::new(Arc::clone(&target.connection), action)
        };
        if let Err(failure) = run.send(&at.step.label, &call).await {
            run.reads.forget(target, id);
            if self.open {
                // An update is read and compared again in any case: the intent of the create is over.
                run.withdrawn(at).await?;
            }
            return Err(match failure.class {
                Class::Missing => at.refuse(format!("{target} {id} is not there: {failure}")),
                Class::Duplicate => {
                    let words =
                        format!("{target} {id} cannot take a value that another record has: {failure}");
                    let other = failure.other.as_ref().map(|other| Value::from(Arc::clone(other)));
                    run.conflict(at, None, words, failure.candidates.into_iter().chain(other).collect())
                }
                _ => at.fail(failure, Some(&target.connection)),
            });
        }
        run.reads.wrote(target, id, &self.difference.fields);
        self.written(at, run).await
    }

    async fn written(self, at: &At<'_>, run: &Execution<'_>) -> Result<Value, Stop> {
        let target = self.target;
        let agreed = self.difference.agreed(target, &run.world.client.name, Some(&self.hit.id));
        let mut record = self.hit.record.as_map().cloned().unwrap_or_default();
        record.extend(self.difference.fields.iter().map(|(name, value)| (Arc::clone(name), value.clone())));
        let given = Given::new(self.outcome)
            .id(Some(&self.hit.id))
            .object(target)
            .record(target.with_id(&Value::from(record), Some(&self.hit.id)));
        let id = &self.hit.id;
        let Difference { changes, left_alone, notes, .. } = self.difference;
        let entry = if let Some(lost) = self.lost {
            // As it was created and is now: that it took two writes is nobody's concern.
            let note = noted(Some(FOUND_AFTER_LOSS), notes);
            entry(at, target, id, "create", lost.changes, lost.left_alone, note)
        } else {
            entry(at, target, id, "update", changes, left_alone, noted(None, notes))
        };
        run.record(Written {
            fingerprint: self.fingerprint,
            given: given.into(),
            audit: Some(entry),
            identified: self.identified,
            agreed,
            durability: Durability::WithNextCommit,
            at,
        })
        .await
    }

    async fn unchanged(self, at: &At<'_>, run: &Execution<'_>) -> Result<Value, Stop> {
        // A create whose answer was lost is a create, also when nothing is left to write.
        let outcome = match self.outcome {
            Outcome::Created => Outcome::Created,
            _ => Outcome::Unchanged,
        };
        let given: Value =
            Given::new(outcome).id(Some(&self.hit.id)).object(self.target).record(self.hit.record).into();
        let (target, id) = (self.target, &self.hit.id);
        let agreed = self.difference.agreed(target, &run.world.client.name, Some(id));
        let Difference { same, left_alone, notes, .. } = self.difference;
        let audit = match self.lost {
            Some(lost) => {
                let note = noted(Some(FOUND_AFTER_LOSS), notes);
                Some(entry(at, target, id, "create", lost.changes, lost.left_alone, note))
            }
            // Nothing is intended before an update: it reads the same whether an earlier execution wrote it or somebody
            // else. The audit would rather say too much than miss a write.
            None if run.run.resumed && !same.is_empty() => {
                Some(entry(at, target, id, "update", same, left_alone, noted(Some(PERHAPS_WRITTEN), notes)))
            }
            // Nothing was written, and the audit says why.
            None if !notes.is_empty() => {
                Some(entry(at, target, id, "update", Vec::new(), left_alone, noted(None, notes)))
            }
            None => None,
        };
        if audit.is_none() && !self.open && self.identified.is_empty() && agreed.is_empty() {
            return run.remember(at, self.fingerprint, given).await;
        }
        run.record(Written {
            fingerprint: self.fingerprint,
            given,
            audit,
            identified: self.identified,
            agreed,
            durability: Durability::WithNextCommit,
            at,
        })
        .await
    }
}

/// What the audit says of it.
fn entry(
    at: &At<'_>,
    target: &Target,
    id: &Arc<str>,
    verb: &'static str,
    changes: Vec<FieldChange>,
    left_alone: Vec<Arc<str>>,
    note: Option<Arc<str>>,
) -> AuditEntry {
    let entry = audit(at, verb, &target.connection, &target.object, Some(id), changes);
    AuditEntry { left_alone, note, ..entry }
}

impl Lowering<'_> {
    pub(super) fn update_step(&mut self, path: &Path, written: &UpdateStep) -> Option<Update> {
        let target = self.target(&path.key("object"), &written.object, ActionKind::Update);
        let record = self.operand(&path.key("record"), &written.record);
        let fields = self.mapping(&path.key("fields"), &written.fields, Role::Value);
        let params = self.mapping(&path.key("params"), &written.params, Role::Value);
        let (target, record) = (target?, record?);
        let fields = self.with_rights(&target, fields?);
        if !written.blind && target.action(ActionKind::Get).is_none() {
            let fact = format!("`{target}` cannot be read, so nothing can be compared");
            let finding = Diagnostic::new(Code::UnsupportedAction, self.key(path), fact)
                .help("say `blind: true` to send all fields each time");
            self.find(finding);
            return None;
        }
        if written.blind {
            self.not_blind(&path.key("fields"), &fields);
        }
        if let Operand::Written(expression) = &record
            && let Some(id) = uses::record_of(expression.references())
        {
            self.uses.compares(id, target.to_string(), fields.names().collect());
        }
        let blind = written.blind;
        Some(Update { target, record, fields, blind, params: params?, select: Select::All })
    }

    /// Whether a field is empty, or the record new, is not known of a record that is not read.
    pub(super) fn not_blind(&mut self, path: &Path, fields: &Mapping) {
        for field in fields.0.iter().filter(|field| field.value.write() != Write::Always) {
            let at = path.key(Arc::clone(&field.name));
            let fact = "`blind` does not read the record, so `write` cannot be obeyed";
            let finding = Diagnostic::new(Code::BlindPolicy, self.value(&at), fact)
                .help("take `blind` away, or write the field always");
            self.find(finding);
        }
    }
}
