//! `get`: one record by its id.

use super::calls::{At, Before, fingerprint};
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::lower::Lowering;
use super::mapping::{Mapping, Operand};
use super::target::Target;
use super::uses::Role;
use crate::config::step::GetStep;
use crate::connector::ActionKind;
use crate::connector::Select;
use crate::diagnostic::Path;
use crate::expr::Expr;
use crate::value::Value;
use crate::words::NoneFound;

/// `get`, ready to be performed.
#[derive(Debug)]
pub(super) struct Get {
    pub(super) target: Target,
    pub(super) record: Operand,
    pub(super) none: NoneFound,
    pub(super) reason: Option<Expr>,
    pub(super) params: Mapping,
    /// The fields that later expressions read of it.
    pub(super) select: Select,
}

impl Get {
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let fingerprint = fingerprint(&["get", &self.target.to_string()]);
        if let Before::Done(given) = run.before(at, fingerprint)? {
            return Ok(given);
        }
        let hit = match run.eval_id(at, "record", &self.record)? {
            Some(id) => {
                let params = self.params.eval_params(at, run)?;
                let hit = run.fetch(at, &self.target, &id, &self.select, params).await?;
                hit.ok_or_else(|| format!("no {} {id}", self.target))
            }
            None => Err(format!("no {} to read: `record` gave nothing", self.target)),
        };
        let given = match hit {
            Ok(hit) => {
                Given::new(Outcome::Found).id(Some(&hit.id)).object(&self.target).record(hit.record).into()
            }
            Err(words) => run.none_found(at, self.none, self.reason.as_ref(), words)?,
        };
        run.remember(at, fingerprint, given).await
    }
}

impl Lowering<'_> {
    pub(super) fn get_step(&mut self, path: &Path, written: &GetStep) -> Option<Get> {
        let target = self.target(&path.key("object"), &written.object, ActionKind::Get);
        let record = self.operand(&path.key("record"), &written.record);
        let reason = self.reason(path, written.reason.as_ref());
        let params = self.mapping(&path.key("params"), &written.params, Role::Value);
        Some(Get {
            target: target?,
            record: record?,
            none: written.none,
            reason: reason.ok()?,
            params: params?,
            select: Select::All,
        })
    }
}
