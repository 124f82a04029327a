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
type Records = HashMap<Key, Option<Seen>>;

/// What this execution has read.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// `None` for a record of which it is not known what it holds now.
    own: Records,
    /// What was read before iterations began side by side: each sees it, and none changes it.
    before: Arc<Records>,
}

#[derive(Debug, Clone)]
struct Seen {
    record: Map,
    select: Select,
}

impl Reads {
    /// Keeps a record that was read with `select`.
    pub(super) fn keep(&mut self, target: &Target, id: &Arc<str>, record: &Value, select: &Select) {
        if self.own.len() >= RECORDS_MAX {
            *self = Self::default();
        }
        let record = record.as_map().cloned().unwrap_or_default();
        self.own.insert(key(target, id), Some(Seen { record, select: select.clone() }));
    }

    /// The record, when it was read and all of `needed` with it.
    pub(super) fn get<'a>(
        &self,
        target: &Target,
        id: &Arc<str>,
        needed: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> Option<Value> {
        let seen = self.seen(&key(target, id))?;
        let whole = match &seen.select {
            Select::All => true,
            Select::Fields(fields) => needed.into_iter().all(|name| fields.contains(name)),
        };
        whole.then(|| seen.record.clone().into())
    }

    /// Lays what was written over a record that was read.
    pub(super) fn wrote(&mut self, target: &Target, id: &Arc<str>, fields: &Fields) {
        let key = key(target, id);
        if let Some(mut seen) = self.seen(&key).cloned() {
            seen.record.extend(fields.iter().map(|(name, value)| (Arc::clone(name), value.clone())));
            self.own.insert(key, Some(seen));
        }
    }

    /// Forgets a record of which it is not known what it holds now.
    pub(super) fn forget(&mut self, target: &Target, id: &Arc<str>) {
        self.own.insert(key(target, id), None);
    }

    fn seen(&self, key: &Key) -> Option<&Seen> {
        self.own.get(key).or_else(|| self.before.get(key))?.as_ref()
    }

    /// What an iteration begins with: all that was read so far.
    pub(super) fn beside(&mut self) -> Self {
        if !self.own.is_empty() {
            Arc::make_mut(&mut self.before).extend(std::mem::take(&mut self.own));
        }
        Self { own: Records::new(), before: Arc::clone(&self.before) }
    }

    /// Forgets what an iteration has read anew or written: it knows that better.
    pub(super) fn outdated(&mut self, iteration: Self) {
        let Self { own, before } = iteration;
        drop(before);
        if !own.is_empty() && !self.before.is_empty() {
            let known = Arc::make_mut(&mut self.before);
            for key in own.keys() {
                known.remove(key);
            }
        }
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
