//! `link` and `unlink`: sets and groups. Doing it twice does nothing.

use std::sync::Arc;

use super::calls::{At, Before, PERHAPS_DONE, Written, audit, fingerprint};
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::journal::{Durability, FieldChange};
use super::lower::Lowering;
use super::mapping::{Mapping, Operand};
use super::target::Target;
use super::uses::Role;
use crate::config::step::LinkStep;
use crate::connector::{Action, ActionKind, Call, Class, Fields};
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::nearest::did_you_mean;
use crate::value::Value;

/// `link` or `unlink`, ready to be performed.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) direction: Direction,
    pub(super) target: Target,
    pub(super) record: Operand,
    pub(super) relation: Arc<str>,
    pub(super) to: Operand,
    pub(super) fields: Mapping,
    pub(super) params: Mapping,
}

/// Into the set, or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Link,
    Unlink,
}

impl Direction {
    pub(super) fn kind(self) -> ActionKind {
        match self {
            Self::Link => ActionKind::Link,
            Self::Unlink => ActionKind::Unlink,
        }
    }
}

impl Link {
    /// One call for each thing that is linked, each journalled by itself: half of a list is not done twice.
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let verb = self.direction.kind().word();
        let Some(id) = run.eval_id(at, "record", &self.record)? else {
            return Err(at.refuse(format!("no {} to {verb}: `record` gave nothing", self.target)));
        };
        let to = run.eval(at, "to", &self.to)?;
        if to.is_blank() {
            return Err(at.refuse(format!("nothing to {verb} {} {id} with: `to` gave nothing", self.target)));
        }
        let several = to.as_list().map_or_else(|| vec![to.clone()], <[Value]>::to_vec);
        let mut outcome = Outcome::Unchanged;
        for (number, one) in several.into_iter().enumerate() {
            if self.one(&at.nth(number), run, &id, one).await? {
                outcome = Outcome::Updated;
            }
        }
        Ok(Given::new(outcome).id(Some(&id)).object(&self.target).into())
    }

    /// True when something was changed.
    async fn one(
        &self,
        at: &At<'_>,
        run: &mut Execution<'_>,
        id: &Arc<str>,
        to: Value,
    ) -> Result<bool, Stop> {
        let (target, verb) = (&self.target, self.direction.kind().word());
        let (record, other) = (target.id_core(id), to.to_string());
        let fingerprint =
            fingerprint(&[verb, &target.to_string(), record, &self.relation, target.id_core(&other)]);
        if let Before::Done(given) = run.before(at, fingerprint)? {
            return Ok(given == Value::from(true));
        }
        let call = Call {
            params: self.params.eval_params(at, run)?,
            idempotency_key: Some(run.idempotency_key(at)),
            ..Call::new(Arc::clone(&target.connection), self.action(at, run, id, to.clone())?)
        };
        let changed = match run.send(&at.step.label, &call).await {
            Ok(_) => true,
            // It is as it should be already.
            Err(failure) if failure.class == self.already() => false,
            Err(failure) => return Err(at.fail(failure, Some(&target.connection))),
        };
        let change = match self.direction {
            Direction::Link => {
                FieldChange { field: Arc::clone(&self.relation), before: Value::Null, after: to }
            }
            Direction::Unlink => {
                FieldChange { field: Arc::clone(&self.relation), before: to, after: Value::Null }
            }
        };
        let mut entry = audit(at, verb, &target.connection, &target.object, Some(id), vec![change]);
        // Whether an earlier execution did it or somebody else is not known: the audit would rather say too much.
        let perhaps = !changed && run.run.resumed;
        entry.note = perhaps.then(|| PERHAPS_DONE.into());
        run.record(Written {
            fingerprint,
            given: Value::from(changed),
            audit: (changed || perhaps).then_some(entry),
            identified: Vec::new(),
            agreed: Vec::new(),
            durability: Durability::WithNextCommit,
            at,
        })
        .await?;
        Ok(changed)
    }

    fn action(&self, at: &At<'_>, run: &Execution<'_>, id: &Arc<str>, to: Value) -> Result<Action, Stop> {
        let (object, id) = (Arc::clone(&self.target.object), Arc::clone(id));
        let relation = Arc::clone(&self.relation);
        Ok(match self.direction {
            Direction::Link => {
                let fields = self.fields.eval(at, run)?.into_iter().filter(|field| !field.value.is_nothing());
                let fields: Fields = fields.map(|field| (field.name, field.value)).collect();
                Action::Link { object, id, relation, to, fields }
            }
            Direction::Unlink => Action::Unlink { object, id, relation, to },
        })
    }

    fn already(&self) -> Class {
        match self.direction {
            Direction::Link => Class::Duplicate,
            Direction::Unlink => Class::Missing,
        }
    }
}

impl Lowering<'_> {
    pub(super) fn link_step(
        &mut self,
        path: &Path,
        written: &LinkStep,
        direction: Direction,
    ) -> Option<Link> {
        let target = self.target(&path.key("object"), &written.object, direction.kind());
        if let Some(target) = &target {
            self.relation(&path.key("relation"), target, &written.relation);
        }
        let record = self.operand(&path.key("record"), &written.record);
        let to = self.operand(&path.key("to"), &written.to);
        let fields = self.mapping(&path.key("fields"), &written.fields, Role::Value);
        let params = self.mapping(&path.key("params"), &written.params, Role::Value);
        Some(Link {
            direction,
            target: target?,
            record: record?,
            relation: written.relation.as_str().into(),
            to: to?,
            fields: fields?,
            params: params?,
        })
    }

    fn relation(&mut self, path: &Path, target: &Target, relation: &str) {
        let known: Vec<&str> = target
            .facts()
            .map(|facts| facts.relations.keys().map(|name| &**name).collect())
            .unwrap_or_default();
        if !known.contains(&relation) {
            let fact = format!("`{target}` has no relation `{relation}`");
            let finding = Diagnostic::new(Code::UnknownRelation, self.value(path), fact)
                .help_maybe(did_you_mean(relation, known));
            self.find(finding);
        }
    }
}
