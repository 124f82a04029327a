//! `delete`: one record by its id. One that is gone already is fine.

use std::sync::Arc;

use super::calls::{At, Before, PERHAPS_DONE, Written, audit, fingerprint};
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::journal::Durability;
use super::lower::Lowering;
use super::mapping::{Mapping, Operand};
use super::target::Target;
use super::uses::Role;
use crate::config::step::DeleteStep;
use crate::connector::{Action, ActionKind, Call, Class};
use crate::diagnostic::Path;
use crate::value::Value;

/// `delete`, ready to be performed.
#[derive(Debug)]
pub(super) struct Delete {
    pub(super) target: Target,
    pub(super) record: Operand,
    pub(super) params: Mapping,
}

impl Delete {
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let target = &self.target;
        let Some(id) = run.eval_id(at, "record", &self.record)? else {
            return Err(at.refuse(format!("no {target} to delete: `record` gave nothing")));
        };
        let fingerprint = fingerprint(&["delete", &target.to_string(), target.id_core(&id)]);
        if let Before::Done(given) = run.before(at, fingerprint)? {
            return Ok(given);
        }
        let action = Action::Delete { object: Arc::clone(&target.object), id: Arc::clone(&id) };
        let call = Call {
            params: self.params.eval_params(at, run)?,
            idempotency_key: Some(run.idempotency_key(at)),
            ..Call::new(Arc::clone(&target.connection), action)
        };
        let outcome = match run.send(&at.step.label, &call).await {
            Ok(_) => Outcome::Deleted,
            Err(failure) if failure.class == Class::Missing => Outcome::Missing,
            Err(failure) => return Err(at.fail(failure, Some(&target.connection))),
        };
        run.reads.forget(target, &id);
        let given = Given::new(outcome).id(Some(&id)).object(target).into();
        // Whether an earlier execution has deleted it or somebody else is not known: the audit would rather say too much.
        if outcome == Outcome::Missing && !run.run.resumed {
            return run.remember(at, fingerprint, given).await;
        }
        let mut entry = audit(at, "delete", &target.connection, &target.object, Some(&id), Vec::new());
        entry.note = (outcome == Outcome::Missing).then(|| PERHAPS_DONE.into());
        run.record(Written {
            fingerprint,
            given,
            audit: Some(entry),
            identified: Vec::new(),
            agreed: Vec::new(),
            durability: Durability::WithNextCommit,
            at,
        })
        .await
    }
}

impl Lowering<'_> {
    pub(super) fn delete_step(&mut self, path: &Path, written: &DeleteStep) -> Option<Delete> {
        let target = self.target(&path.key("object"), &written.object, ActionKind::Delete);
        let record = self.operand(&path.key("record"), &written.record);
        let params = self.mapping(&path.key("params"), &written.params, Role::Value);
        Some(Delete { target: target?, record: record?, params: params? })
    }
}
