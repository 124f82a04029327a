//! `call`: any other operation that a connection's connector names.

use std::sync::Arc;

use super::calls::{At, Before, Written, audit, fingerprint};
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::journal::{Durability, FieldChange, Identity};
use super::lower::{Lowering, Wrong};
use super::mapping::{Mapping, Operand};
use super::uses::Role;
use crate::config::step::{AcceptedClass, CallStep};
use crate::connector::{self, Action, Class, Failure, OperationFacts, Repeat, Reply};
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::nearest::did_you_mean;
use crate::value::{Map, Value};

/// `call`, ready to be performed.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) connection: Arc<str>,
    pub(super) operation: Arc<str>,
    pub(super) facts: OperationFacts,
    pub(super) params: Mapping,
    pub(super) key: Option<Operand>,
    pub(super) accept: Vec<AcceptedClass>,
}

impl Call {
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let identity = self.identity(at, run)?;
        let key = identity.as_ref().map_or("", |identity| &*identity.key);
        let fingerprint = fingerprint(&["call", &self.connection, &self.operation, key]);
        let before = match run.before(at, fingerprint)? {
            Before::Done(given) => return Ok(given),
            before => before,
        };
        let operation = Operation {
            connection: &self.connection,
            name: &self.operation,
            facts: &self.facts,
            params: self.params.eval_params(at, run)?,
            fingerprint,
            identity,
            accept: &self.accept,
        };
        operation.perform(at, run, before).await
    }

    fn identity(&self, at: &At<'_>, run: &Execution<'_>) -> Result<Option<Identity>, Stop> {
        let Some(key) = &self.key else { return Ok(None) };
        let value = run.eval(at, "key", key)?;
        if value.is_blank() {
            let words = format!("the key of {}.{} is empty", self.connection, self.operation);
            return Err(run.conflict(at, None, words, Vec::new()));
        }
        Ok(Some(Identity::of_call(&self.connection, &self.operation, &value)))
    }
}

/// One call of an operation, by a step or a script.
pub(super) struct Operation<'a> {
    pub(super) connection: &'a Arc<str>,
    pub(super) name: &'a Arc<str>,
    pub(super) facts: &'a OperationFacts,
    pub(super) params: Value,
    pub(super) fingerprint: u64,
    pub(super) identity: Option<Identity>,
    pub(super) accept: &'a [AcceptedClass],
}

impl Operation<'_> {
    /// Carries it out, unless a call with its key was carried out already.
    pub(super) async fn perform(
        self,
        at: &At<'_>,
        run: &mut Execution<'_>,
        before: Before,
    ) -> Result<Value, Stop> {
        let intends = self.identity.is_some() || self.facts.repeat != Repeat::Harmless;
        if intends {
            // Also what was intended before: a run that ended and is tried again has lost its hold on the identity.
            run.intend(at, self.fingerprint, self.identity.iter().cloned().collect()).await?;
        }
        if let Some(identity) = &self.identity
            && let Some(id) = run.known(identity).await?
        {
            let given = Given::new(Outcome::Found).id(Some(&id)).into();
            return self.record(at, run, given, Sent::No, Some(&id)).await;
        }
        let again = before == Before::Intended;
        let note = if again { run.again(at, self.facts)? } else { None };
        let action = Action::Operation { name: Arc::clone(self.name), params: self.params.clone() };
        let call = connector::Call {
            idempotency_key: Some(run.idempotency_key(at)),
            ..connector::Call::new(Arc::clone(self.connection), action)
        };
        match run.send(&at.step.label, &call).await {
            Ok(reply) => self.done(at, run, reply, note).await,
            Err(failure) if self.accepts(failure.class) => {
                // Somebody has done it, perhaps not us: only a record that the answer names is what the key stands for.
                let id = failure.other.clone().filter(|_| failure.class == Class::Duplicate);
                let given = Given::word(failure.class.word()).id(id.as_ref()).with("error", told(&failure));
                self.record(at, run, given.into(), Sent::No, id.as_ref()).await
            }
            Err(failure) => {
                // When an earlier attempt may have done it, this one's failure does not say that it did not.
                if intends && !again {
                    run.withdraw(at, &failure).await?;
                }
                Err(at.fail(failure, Some(self.connection)))
            }
        }
    }

    async fn done(
        &self,
        at: &At<'_>,
        run: &Execution<'_>,
        reply: Reply,
        note: Option<&'static str>,
    ) -> Result<Value, Stop> {
        let given = Given::new(Outcome::Done).id(reply.id.as_ref()).with("result", reply.result);
        let id = reply.id.unwrap_or_else(|| DONE.into());
        self.record(at, run, given.into(), Sent::Yes { note }, Some(&id)).await
    }

    /// Keeps what came of it. `known`: the record that its key stands for from now on.
    async fn record(
        &self,
        at: &At<'_>,
        run: &Execution<'_>,
        given: Value,
        sent: Sent,
        known: Option<&Arc<str>>,
    ) -> Result<Value, Stop> {
        let entry = match sent {
            Sent::No => None,
            Sent::Yes { note } => {
                let mut entry = audit(
                    at,
                    "call",
                    self.connection,
                    self.name,
                    known.filter(|id| &***id != DONE),
                    self.changes(),
                );
                entry.note = note.map(Arc::from);
                Some(entry)
            }
        };
        // What has no record to be looked up by must be on disk, or a crash would do it again.
        let durability = match self.facts.repeat {
            Repeat::Harmless => Durability::WithNextCommit,
            Repeat::HarmlessWithKey(_) | Repeat::Doubles => Durability::BeforeGoingOn,
        };
        let identified =
            self.identity.iter().zip(known).map(|(identity, id)| (identity.clone(), Arc::clone(id)));
        run.record(Written {
            fingerprint: self.fingerprint,
            given,
            audit: entry,
            identified: identified.collect(),
            agreed: Vec::new(),
            durability,
            at,
        })
        .await
    }

    fn changes(&self) -> Vec<FieldChange> {
        let params = self.params.as_map().into_iter().flat_map(Map::iter);
        params
            .map(|(name, value)| FieldChange {
                field: Arc::clone(name),
                before: Value::Null,
                after: value.clone(),
            })
            .collect()
    }

    fn accepts(&self, class: Class) -> bool {
        self.accept.iter().any(|accepted| match accepted {
            AcceptedClass::Duplicate => class == Class::Duplicate,
            AcceptedClass::Missing => class == Class::Missing,
            AcceptedClass::Permanent => class == Class::Permanent,
        })
    }
}

/// Whether a call did something, which the audit tells.
enum Sent {
    No,
    Yes { note: Option<&'static str> },
}

/// Stands for the id of a call that gave none: what counts is that it was done.
const DONE: &str = "done";

fn told(failure: &Failure) -> Value {
    Value::map([("message", Value::from(failure.message.as_str())), ("code", failure.code.clone().into())])
}

impl Lowering<'_> {
    pub(super) fn call_step(&mut self, path: &Path, written: &CallStep) -> Option<Call> {
        let facts = self.operation(path, written);
        let params = self.mapping(&path.key("params"), &written.params, Role::Value);
        let key = match &written.key {
            Some(key) => self.operand(&path.key("key"), key).map(Some).ok_or(Wrong),
            None => Ok(None),
        };
        let (connection, facts) = facts?;
        if !self.takes(path, written, &facts) {
            return None;
        }
        Some(Call {
            connection,
            operation: written.operation.as_str().into(),
            facts,
            params: params?,
            key: key.ok()?,
            accept: written.accept.clone(),
        })
    }

    fn operation(&mut self, path: &Path, written: &CallStep) -> Option<(Arc<str>, OperationFacts)> {
        let (connection, abilities) = self.connection(&path.key("connection"), &written.connection.0)?;
        let name = written.operation.as_str();
        let Some(facts) = abilities.operation(name) else {
            let known: Vec<&str> = abilities.operations().map(|(name, _)| name).collect();
            let fact = format!("`{connection}` has no operation `{name}`");
            let at = path.key("operation");
            let finding = Diagnostic::new(Code::UnknownOperation, self.value(&at), fact)
                .help_maybe(did_you_mean(name, known));
            self.find(finding);
            return None;
        };
        Some((connection, facts.clone()))
    }
}
