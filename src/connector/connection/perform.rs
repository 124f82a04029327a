//! The calls that one call needs: what the system calls its fields and options, the record as it is, the rest of what was found.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::opened::Connection;
use super::scene::describe_action;
use crate::connector::call::{Action, ActionKind, Call, Fields, Record, Reply, Select};
use crate::connector::expression::Expression;
use crate::connector::failure::{Class, Failure};
use crate::connector::manifest::Plan;
use crate::connector::object::Object;
use crate::connector::prelude::{self, Freshness, Prelude};
use crate::connector::rename::Renaming;
use crate::connector::wire::Words;
use crate::value::{Map, Value};

/// A call in the words of the account, and what it is carried out with.
pub(super) struct Prepared<'a> {
    pub(super) call: Cow<'a, Call>,
    pub(super) plan: Plan<'a>,
    /// What the account calls the fields and options of its object, where they are not written as they are.
    words: Option<Words>,
}

impl Connection {
    pub(super) async fn perform(&self, call: &Call) -> Result<Reply, Failure> {
        self.alone(&self.prepared(call).await?).await
    }

    /// A call that may be made, translated.
    pub(super) async fn prepared<'a>(&'a self, call: &'a Call) -> Result<Prepared<'a>, Failure> {
        let plan = self.manifest.plan(&call.action)?;
        plan.operation.check_params(&call.action)?;
        let reads = call.action.kind().map_or_else(|| plan.operation.sends.reads(), ActionKind::is_read);
        if self.read_only && !reads {
            return Err(Failure::permanent(format!("the connection `{}` is read-only", self.name)));
        }
        match plan.object.filter(|object| !object.wire.is_plain()) {
            Some(object) => self.translated(call, plan, object).await,
            None => Ok(Prepared { call: Cow::Borrowed(call), plan, words: None }),
        }
    }

    /// Carries a call out by itself.
    pub(super) async fn alone(&self, prepared: &Prepared<'_>) -> Result<Reply, Failure> {
        let reply = self.carry_out(&prepared.call, prepared.plan).await?;
        self.finished(prepared, reply).await
    }

    /// A reply with the rest of what was found, in the words of pipelines.
    pub(super) async fn finished(&self, prepared: &Prepared<'_>, reply: Reply) -> Result<Reply, Failure> {
        let reply = self.rest(&prepared.call, prepared.plan, reply).await?;
        Ok(match (&prepared.words, prepared.plan.object) {
            (Some(words), Some(object)) => object.wire.inward(reply, words),
            _ => reply,
        })
    }

    /// A call whose object has fields that are not written as they are.
    async fn translated<'a>(
        &'a self,
        call: &Call,
        plan: Plan<'a>,
        object: &Object,
    ) -> Result<Prepared<'a>, Failure> {
        let wire = &object.wire;
        let mut words = self.words(call, plan, object, Freshness::Kept).await?;
        let action = if let Ok(action) = words.chosen(&call.action) {
            action
        } else {
            words = self.words(call, plan, object, Freshness::Renewed).await?;
            words.chosen(&call.action)?
        };
        let mut call = Call { action, ..call.clone() };
        let present = words.names.worded(&self.present(&call, wire.changed(&call.action)).await?);
        let context = self.context(&call, plan, &Value::Null, &Value::Null);
        wire.spell(&mut call.action, &present, &context)?;
        words.names.outward(&mut call.action);
        Ok(Prepared { call: Cow::Owned(call), plan, words: Some(words) })
    }

    /// What the account calls the fields and options of a call's object.
    pub(super) async fn words(
        &self,
        call: &Call,
        plan: Plan<'_>,
        object: &Object,
        freshness: Freshness,
    ) -> Result<Words, Failure> {
        let wire = &object.wire;
        let preludes = self.preludes(&wire.needs, call, plan, freshness).await?;
        let context =
            self.bare_context(Value::Null).with("prelude", preludes).with("vars", object.vars.clone());
        let of =
            |written: &Option<Expression>| written.as_ref().map_or(Ok(Value::Null), |it| it.eval(&context));
        Ok(Words { options: of(&wire.options)?, names: Renaming(of(&wire.names)?) })
    }

    /// Reads the rest of records that a find gave only in part.
    async fn rest(&self, call: &Call, plan: Plan<'_>, mut reply: Reply) -> Result<Reply, Failure> {
        let Action::Find { object, identity, select, .. } = &call.action else { return Ok(reply) };
        let response = &plan.operation.response;
        if !response.partial {
            return Ok(reply);
        }
        let select = &if response.exact { with_names(select, identity) } else { select.clone() };
        for record in std::mem::take(&mut reply.records) {
            let Some(id) = record.id.clone().filter(|_| lacks(&record.fields, select)) else {
                reply.records.push(record);
                continue;
            };
            let get = Action::Get { object: Arc::clone(object), id, select: select.clone() };
            let get = Call::new(Arc::clone(&self.name), get);
            match self.carry_out(&get, self.manifest.plan(&get.action)?).await {
                Ok(read) => reply.records.push(Record { fields: read.record.unwrap_or_default(), ..record }),
                // It went between the two calls.
                Err(failure) if failure.class == Class::Missing => {}
                Err(failure) => return Err(failure),
            }
        }
        if let (true, Some(object)) = (response.exact, plan.object) {
            reply.records.retain(|record| object.wire.has(&record.fields, identity));
        }
        Ok(reply)
    }

    /// The record that an update changes, as the system gives it, when `fields` of it have to be known first.
    pub(super) async fn present<'a>(
        &self,
        call: &Call,
        fields: impl Iterator<Item = &'a Arc<str>>,
    ) -> Result<Value, Failure> {
        let fields: Vec<Arc<str>> = fields.cloned().collect();
        let Action::Update { object, id, .. } = &call.action else { return Ok(Value::Null) };
        if fields.is_empty() {
            return Ok(Value::Null);
        }
        let select = Select::Fields(fields);
        let action = Action::Get { object: Arc::clone(object), id: Arc::clone(id), select };
        let get = Call::new(Arc::clone(&self.name), action);
        let reply = self.carry_out(&get, self.manifest.plan(&get.action)?).await?;
        Ok(reply.record.unwrap_or_default())
    }

    /// What expressions see as `prelude`: the answers of the preludes of these names.
    pub(super) async fn preludes(
        &self,
        needs: &[Arc<str>],
        call: &Call,
        plan: Plan<'_>,
        freshness: Freshness,
    ) -> Result<Value, Failure> {
        let mut answers = Vec::with_capacity(needs.len());
        let mut seen = Map::new();
        if !needs.is_empty() {
            describe_action(&mut seen, &call.action, plan.operation);
        }
        for name in needs {
            let Some(prelude) = self.manifest.preludes.get(name) else { continue };
            let of = prelude
                .by
                .iter()
                .map(|param| (Arc::clone(param), seen.get(param).cloned().unwrap_or_default()));
            let of = Value::map(of);
            let fetch = || self.ask_prelude(name, prelude, &of, plan.object);
            answers.push((Arc::clone(name), self.preludes.get(name, prelude, &of, freshness, fetch).await?));
        }
        Ok(prelude::as_value(answers))
    }

    /// Boxed: a prelude is a call, which might need a prelude. It never does.
    pub(super) fn ask_prelude<'a>(
        &'a self,
        name: &'a Arc<str>,
        prelude: &'a Prelude,
        of: &'a Value,
        object: Option<&'a Object>,
    ) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            let action = Action::Operation { name: Arc::clone(name), params: of.clone() };
            let call = Call::new(Arc::clone(&self.name), action);
            let look = Plan { operation: &prelude.operation, object };
            let found = self.carry_out(&call, look).await?.result;
            let Some(create) = prelude.create.as_ref().filter(|_| found.is_nothing()) else {
                return Ok(found);
            };
            let created = self.carry_out(&call, Plan { operation: create, object }).await;
            // Whatever the answer was: somebody else may have made it meanwhile, or the answer was lost.
            let found = self.carry_out(&call, look).await?.result;
            if found.is_nothing() { created.map(|_| found) } else { Ok(found) }
        })
    }
}

/// `select`, and the names of `fields`.
fn with_names(select: &Select, fields: &Fields) -> Select {
    match select {
        Select::All => Select::All,
        Select::Fields(names) => {
            let more = fields.keys().filter(|name| !names.contains(name));
            Select::Fields(names.iter().chain(more).cloned().collect())
        }
    }
}

/// Whether a record has not all the fields that are asked for.
fn lacks(record: &Value, select: &Select) -> bool {
    match select {
        Select::All => true,
        Select::Fields(names) => names.iter().any(|name| record.get(name).is_none()),
    }
}
