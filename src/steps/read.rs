//! The trigger's `read:`: what `object` is, when it is not the event's own object.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ending::Ending;
use super::execute::{Execution, Stop, TRIGGER, trigger_failed};
use super::lower::{Lowering, Wrong};
use super::target::Target;
use super::uses::Role;
use crate::config::{Listening, ObjectRef, ReadFile};
use crate::connector::{Action, ActionKind, Call, Class, Select};
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::expr::Expr;
use crate::value::{Map, Value};
use crate::written::Written;

/// `read:`, ready to be performed.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) target: Target,
    pub(super) record: Expr,
    pub(super) params: Vec<(Arc<str>, Expr)>,
    /// The event types whose record is not there any more: `object` is then what the event tells.
    pub(super) gone: Vec<Arc<str>>,
}

impl Read {
    /// Reads the object anew in each attempt: the present state is what the pipeline asked for.
    pub(super) async fn perform(&self, run: &mut Execution<'_>) -> Result<(), Stop> {
        let target = &self.target;
        let kind = run.run.event.envelope.get("type").and_then(Value::as_str);
        if self.gone.iter().any(|gone| Some(&**gone) == kind) {
            return Ok(());
        }
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
        Some(Read { target: target?, record: record?, params: params?, gone: Vec::new() })
    }

    /// The record that events only name; nothing when they tell it, or the trigger says what to read.
    pub(super) fn read_back(&mut self, listening: &Listening<'_>) -> Result<Option<Read>, Wrong> {
        let path = listening.path();
        // A connection that is not there is told of where it is written.
        let Some(abilities) = self.scope.connections.get(&listening.connection.0).cloned() else {
            return Ok(None);
        };
        let events = abilities.events();
        if !events.read_back || listening.read.is_some() {
            return Ok(None);
        }
        let matching = || listening.events.iter().flat_map(|pattern| events.matching(pattern));
        let objects: BTreeSet<&Arc<str>> =
            matching().filter(|(_, kind)| !kind.gone).filter_map(|(_, kind)| kind.object.as_ref()).collect();
        let mut objects = objects.into_iter();
        let Some(object) = objects.next() else { return Ok(None) };
        if let Some(other) = objects.next() {
            let fact = format!(
                "these events are about `{object}` and about `{other}`, and each only names its record"
            );
            let finding = Diagnostic::new(Code::MixedEvents, self.value(&path.key("events")), fact)
                .help("make a pipeline of each, or say what `object` is with `read:`");
            self.find(finding);
            return Err(Wrong);
        }
        let object =
            ObjectRef { connection: Arc::clone(&listening.connection.0), object: Arc::clone(object) };
        let written = Written(Value::from("$.event.object_id"));
        let target = self.target(&path.key("events"), &object, ActionKind::Get).ok_or(Wrong)?;
        let record = self.expression(&path, &written.0, Role::Value).ok_or(Wrong)?;
        let gone = matching().filter(|(_, kind)| kind.gone).map(|(name, _)| Arc::clone(name)).collect();
        Ok(Some(Read { target, record, params: Vec::new(), gone }))
    }
}
