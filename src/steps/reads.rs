//! The records that this execution has read: they count as read, so that an update need not read them again.
//!
//! Only what was read in this execution is here, never what an earlier attempt journalled: that may be hours old,
//! and comparing with it could leave out a write that is needed.

use std::collections::HashMap;
use std::sync::Arc;

use super::target::Target;
use crate::connector::{Fields, Select};
use crate::value::{Map, Value};

/// Bounds the memory of a run that loops over many records (invariant 7).
const RECORDS_MAX: usize = 1_000;

type Key = (Arc<str>, Arc<str>, Arc<str>);

/// Records by connection, object and id.
#[derive(Debug, Default)]
pub(super) struct Reads(HashMap<Key, Seen>);

#[derive(Debug)]
struct Seen {
    record: Map,
    select: Select,
}

impl Reads {
    /// Keeps a record that was read with `select`.
    pub(super) fn keep(&mut self, target: &Target, id: &Arc<str>, record: &Value, select: &Select) {
        if self.0.len() >= RECORDS_MAX {
            self.0.clear();
        }
        let record = record.as_map().cloned().unwrap_or_default();
        self.0.insert(key(target, id), Seen { record, select: select.clone() });
    }

    /// The record, when it was read and all of `needed` with it.
    pub(super) fn get<'a>(
        &self,
        target: &Target,
        id: &Arc<str>,
        needed: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> Option<Value> {
        let seen = self.0.get(&key(target, id))?;
        let whole = match &seen.select {
            Select::All => true,
            Select::Fields(fields) => needed.into_iter().all(|name| fields.contains(name)),
        };
        whole.then(|| seen.record.clone().into())
    }

    /// Lays what was written over a record that was read.
    pub(super) fn wrote(&mut self, target: &Target, id: &Arc<str>, fields: &Fields) {
        if let Some(seen) = self.0.get_mut(&key(target, id)) {
            seen.record.extend(fields.iter().map(|(name, value)| (Arc::clone(name), value.clone())));
        }
    }

    /// Forgets a record of which it is not known what it holds now.
    pub(super) fn forget(&mut self, target: &Target, id: &Arc<str>) {
        self.0.remove(&key(target, id));
    }
}

fn key(target: &Target, id: &Arc<str>) -> Key {
    (Arc::clone(&target.connection), Arc::clone(&target.object), Arc::clone(id))
}

/// What `a` and `b` together select.
pub(super) fn both(a: &Select, b: impl IntoIterator<Item = Arc<str>>) -> Select {
    match a {
        Select::All => Select::All,
        Select::Fields(fields) => {
            let mut fields = fields.clone();
            for name in b {
                if !fields.contains(&name) {
                    fields.push(name);
                }
            }
            Select::Fields(fields)
        }
    }
}
