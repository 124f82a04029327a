//! What the expressions of a manifest see of a call.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::opened::Connection;
use crate::connector::call::{Action, Call, Fields, JobStep, Select};
use crate::connector::manifest::Plan;
use crate::connector::operation::Operation;
use crate::expr::{Context, Frame};
use crate::value::{Map, Value};

impl Connection {
    pub(super) fn bare_context(&self, auth: Value) -> Context {
        let root = Value::map([("config", self.config.clone()), ("auth", auth)]);
        Context::new(root, Frame::new(self.around.clock.now(), TimeZone::UTC))
    }

    /// What the expressions of the request see.
    pub(super) fn context(&self, call: &Call, plan: Plan<'_>, auth: &Value, preludes: &Value) -> Context {
        let mut root = Map::with_capacity(16);
        root.insert("config".into(), self.config.clone());
        root.insert("auth".into(), auth.clone());
        root.insert("vars".into(), plan.object.map(|object| object.vars.clone()).unwrap_or_default());
        root.insert("params".into(), call.params.clone());
        root.insert("prelude".into(), preludes.clone());
        root.insert("idempotency_key".into(), Value::from(call.idempotency_key.clone()));
        describe_action(&mut root, &call.action, plan.operation);
        Context::new(root.into(), Frame::new(self.around.clock.now(), TimeZone::UTC))
    }
}

/// Adds what an action is about to the names that expressions see.
pub(super) fn describe_action(root: &mut Map, action: &Action, operation: &Operation) {
    let mut put = |name: &str, value: Value| root.insert(name.into(), value);
    if let Some(object) = action.object() {
        put("object", Arc::clone(object).into());
    }
    match action {
        Action::Find { identity, select, limit, .. } => {
            put("identity", identity.clone().into());
            put("select", selected(select));
            put("limit", i64::from(*limit).into());
            put_single(root, identity, operation);
        }
        Action::Get { id, select, .. } => {
            put("id", Arc::clone(id).into());
            put("select", selected(select));
        }
        Action::List { filter, since, select, limit, cursor, job, .. } => {
            put("job", Value::from(job.as_ref().and_then(JobStep::id).cloned()));
            put("filter", filter.clone().into());
            put("since", since.as_ref().map_or(Value::Null, |since| moment(Some(&since.field), since.at)));
            put("select", selected(select));
            put("limit", i64::from(*limit).into());
            put("cursor", cursor.clone().unwrap_or_default());
        }
        Action::Events { types, since, limit, cursor } => {
            put("types", Value::list(types.iter().map(|name| Arc::clone(name).into())));
            put("since", since.map_or(Value::Null, |since| moment(None, since)));
            put("limit", i64::from(*limit).into());
            put("cursor", cursor.clone().unwrap_or_default());
        }
        Action::Create { fields, .. } => {
            put("fields", fields.clone().into());
        }
        Action::Update { id, fields, .. } => {
            put("id", Arc::clone(id).into());
            put("fields", fields.clone().into());
        }
        Action::Delete { id, .. } => {
            put("id", Arc::clone(id).into());
        }
        Action::Upsert { key, fields, .. } => {
            put("key", key.clone().into());
            put("fields", fields.clone().into());
            put_single(root, key, operation);
        }
        Action::Link { id, relation, to, fields, .. } => {
            put("id", Arc::clone(id).into());
            put("relation", Arc::clone(relation).into());
            put("to", to.clone());
            put("fields", fields.clone().into());
        }
        Action::Unlink { id, relation, to, .. } => {
            put("id", Arc::clone(id).into());
            put("relation", Arc::clone(relation).into());
            put("to", to.clone());
        }
        Action::Operation { params, .. } => {
            let declared = &operation.facts.params;
            let rest = params.as_map().into_iter().flatten();
            let rest = rest.filter(|(name, _)| !declared.iter().any(|param| param.name == **name));
            put("rest", Value::map(rest.map(|(name, value)| (Arc::clone(name), value.clone()))));
            put("params", params.clone());
        }
    }
}

/// Names the one field that is looked for, where there is exactly one.
fn put_single(root: &mut Map, fields: &Fields, operation: &Operation) {
    let mut entries = fields.iter();
    if let (true, Some((name, value)), None) = (operation.facts.single, entries.next(), entries.next()) {
        root.insert("name".into(), Arc::clone(name).into());
        root.insert("value".into(), value.clone());
    }
}

/// A moment as the expressions of a request see it.
fn moment(field: Option<&Arc<str>>, at: Timestamp) -> Value {
    let at = Value::from(Timestamp::from_second(at.as_second()).unwrap_or(at).to_string());
    let from = Value::map(field.map(|field| (Arc::clone(field), at.clone())));
    Value::map([("field", Value::from(field.cloned())), ("at", at), ("from", from)])
}

fn selected(select: &Select) -> Value {
    match select {
        Select::All => Value::Null,
        Select::Fields(names) => Value::list(names.iter().map(|name| Arc::clone(name).into())),
    }
}
