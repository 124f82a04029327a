//! An account's own field names behind words of the client: `fields: { Account: { stripe_id: Stripe_Customer_Id__c } }`.

use std::borrow::Cow;
use std::sync::Arc;

use indexmap::IndexMap;

use super::call::{Action, Call, Fields, Record, Reply, Select};
use crate::value::{Map, Value};

/// The words of one connection: object -> word -> field.
#[derive(Debug, Default)]
pub(super) struct FieldNames(IndexMap<String, IndexMap<String, String>>);

impl FieldNames {
    pub(super) fn new(names: IndexMap<String, IndexMap<String, String>>) -> Self {
        Self(names)
    }

    /// The call in the system's names, and the object whose words were used, if any.
    pub(super) fn outward<'a>(&self, call: &'a Call) -> (Cow<'a, Call>, Option<Arc<str>>) {
        let object = call.action.object().filter(|object| self.0.contains_key(&***object));
        let Some(words) = object.and_then(|object| self.0.get(&**object)) else {
            return (Cow::Borrowed(call), None);
        };
        let object = object.cloned();
        let mut call = call.clone();
        let rename = |fields: &mut Fields| {
            *fields = fields
                .iter()
                .map(|(name, value)| {
                    let field =
                        words.get(&**name).map_or_else(|| Arc::clone(name), |field| field.as_str().into());
                    (field, value.clone())
                })
                .collect();
        };
        let reselect = |select: &mut Select| {
            if let Select::Fields(names) = select {
                for name in names {
                    if let Some(field) = words.get(&**name) {
                        *name = field.as_str().into();
                    }
                }
            }
        };
        match &mut call.action {
            Action::Find { identity, select, .. } => {
                rename(identity);
                reselect(select);
            }
            Action::List { filter, since, select, .. } => {
                rename(filter);
                if let Some(since) = since
                    && let Some(field) = words.get(&*since.field)
                {
                    since.field = field.as_str().into();
                }
                reselect(select);
            }
            Action::Get { select, .. } => reselect(select),
            Action::Create { fields, .. } | Action::Update { fields, .. } | Action::Link { fields, .. } => {
                rename(fields);
            }
            Action::Upsert { key, fields, .. } => {
                rename(key);
                rename(fields);
            }
            Action::Delete { .. }
            | Action::Unlink { .. }
            | Action::Operation { .. }
            | Action::Events { .. } => {}
        }
        (Cow::Owned(call), object)
    }

    /// The reply with the client's words beside the system's names.
    pub(super) fn inward(&self, mut reply: Reply, object: Option<&str>) -> Reply {
        let Some(words) = object.and_then(|object| self.0.get(object)) else { return reply };
        reply.record = reply.record.map(|record| named(words, &record));
        for Record { fields, .. } in &mut reply.records {
            *fields = named(words, fields);
        }
        reply
    }
}

fn named(words: &IndexMap<String, String>, record: &Value) -> Value {
    let Some(fields) = record.as_map() else { return record.clone() };
    let mut named: Map = fields.clone();
    for (word, field) in words {
        if let Some(value) = fields.get(field.as_str()) {
            named.insert(word.as_str().into(), value.clone());
        }
    }
    named.into()
}
