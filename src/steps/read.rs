//! The trigger's `read:`: what `object` is, when it is not the event's own object.

use std::sync::Arc;

use super::ending::Ending;
use super::execute::{Execution, Stop, TRIGGER, trigger_failed};
use super::lower::Lowering;
use super::target::Target;
use super::uses::Role;
use crate::config::ReadFile;
use crate::connector::{Action, ActionKind, Call, Class, Select};
use crate::diagnostic::Path;
use crate::expr::Expr;
use crate::value::{Map, Value};

/// `read:`, ready to be performed.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) target: Target,
    pub(super) record: Expr,
    pub(super) params: Vec<(Arc<str>, Expr)>,
}

impl Read {
    /// Reads the object anew in each attempt: the present state is what the pipeline asked for.
    pub(super) async fn perform(&self, run: &mut Execution<'_>) -> Result<(), Stop> {
        let target = &self.target;
        let id = self.record.eval(&run.context).map_err(|error| trigger_failed(&error))?;
        let Some(id) = id.to_text().filter(|id| !id.trim().is_empty()) else {
            return Err(skipped(format!("the event names no {target} to read")));
        };
        let mut params = Map::new();
        for (name, value) in &self.params {
            let value = value.eval(&run.context).map_err(|error| trigger_failed(&error))?;
            if !value.is_nothing() {
                params.insert(Arc::clone(name), value);
            }
        }
        let action =
            Action::Get { object: Arc::clone(&target.object), id: Arc::clone(&id), select: Select::All };
        let params = if params.is_empty() { Value::Null } else { params.into() };
        let call = Call { params, ..Call::new(Arc::clone(&target.connection), action) };
        match run.send(TRIGGER, &call).await {
            Ok(reply) => {
                let object = reply.record.unwrap_or_default();
                run.context = run.context.with("object", object);
                Ok(())
            }
            Err(failure) if failure.class == Class::Missing => {
                Err(skipped(format!("{target} {id}, which the event is about, is not there any more")))
            }
            Err(failure) => Err(Box::new(Ending::Failed {
                step: TRIGGER.into(),
                failure,
                connection: Some(Arc::clone(&target.connection)),
                retry: None,
            })),
        }
    }
}

fn skipped(reason: String) -> Stop {
    Box::new(Ending::Skipped { reason })
}

impl Lowering<'_> {
    pub(super) fn trigger_read(&mut self, path: &Path, written: &ReadFile) -> Option<Read> {
        let target = self.target(&path.key("object"), &written.object, ActionKind::Get);
        let record = self.expression(&path.key("record"), &written.record.0, Role::Value);
        let mut params = Some(Vec::new());
        for (name, value) in &written.params {
            let value = self.expression(&path.key("params").key(name.as_str()), &value.0, Role::Value);
            match (value, &mut params) {
                (Some(value), Some(params)) => params.push((name.as_str().into(), value)),
                _ => params = None,
            }
        }
        Some(Read { target: target?, record: record?, params: params? })
    }
}
