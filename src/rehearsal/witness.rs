//! Who watches runs: which step wrote what, which ways were taken, what was asked for and how values came about.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::crm::{Crm, Write};
use crate::connector::{Action, Call, Failure, Fields, Reply};
use crate::expr::Trace;
use crate::steps::{Observer, Sight, Way};
use crate::value::{Map, Value};

/// A way that was taken: the label of its step, and the way.
pub type Taken = (Arc<str>, Way);

/// A write, and the step that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// What was written.
    pub write: Write,
    /// The label of the step.
    pub step: Arc<str>,
}

/// A question that was asked of a system.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The label of the step.
    pub step: Arc<str>,
    /// The connection.
    pub connection: Arc<str>,
    /// The object.
    pub object: Arc<str>,
    /// What was asked for.
    pub by: By,
    /// The id of what was found, when it was one record.
    pub found: Option<Arc<str>>,
    /// How many records were found.
    pub count: usize,
}

/// What a system was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum By {
    /// Records with these values.
    Identity(Fields),
    /// The record of this id.
    Id(Arc<str>),
    /// A listing.
    Filter(Fields),
}

/// How a value, or a condition's answer, came about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evaluated {
    /// The label of the step.
    pub(super) step: Arc<str>,
    /// The field; nothing for a condition.
    pub(super) field: Option<Arc<str>>,
    /// The expression as it is written.
    pub(super) written: Value,
    /// True when its value is what stands at its path, and nothing was made of it.
    pub(super) is_plain: bool,
    /// The paths that it reads, with what was there.
    pub(super) reads: Vec<(String, Value)>,
}

/// Watches what is done with systems in memory.
pub(super) struct Witness<'a> {
    crm: &'a Crm,
    seen: Mutex<Seen>,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    /// What was written, in order.
    pub(super) made: Vec<Made>,
    pub(super) taken: BTreeSet<Taken>,
    /// What was looked for, in order.
    pub(super) asked: Vec<Asked>,
    /// How values came about, in order.
    pub(super) evaluated: Vec<Evaluated>,
    /// The step of each write, in order; nothing where its call has not come back yet.
    steps: Vec<Option<Arc<str>>>,
}

impl<'a> Witness<'a> {
    pub(super) fn new(crm: &'a Crm) -> Self {
        Self { crm, seen: Mutex::default() }
    }

    /// All that was seen.
    pub(super) fn told(self) -> Seen {
        let mut seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let steps = std::mem::take(&mut seen.steps);
        let made = self.crm.writes().into_iter().zip(steps);
        seen.made = made.filter_map(|(write, step)| Some(Made { write, step: step? })).collect();
        seen
    }
}

impl Seen {
    /// A write becomes the step's whose call has made it. Calls that go together are all carried out before the first of
    /// them is told of, so the newest write need not be this one's.
    fn claim(&mut self, step: &str, call: &Call, reply: &Reply, crm: &Crm) {
        let first = self.steps.iter().position(Option::is_none).unwrap_or(self.steps.len());
        let writes = crm.writes_from(first);
        self.steps.resize(first + writes.len(), None);
        let mut free = self.steps[first..].iter_mut().zip(&writes);
        if let Some((whose, _)) = free.find(|(whose, write)| whose.is_none() && made_by(write, call, reply)) {
            *whose = Some(step.into());
        }
    }
}

/// True when this is what the call has written, by what it asked for and what came of it.
fn made_by(write: &Write, call: &Call, reply: &Reply) -> bool {
    let is = |verb: &str, object: &Arc<str>, id: Option<&Arc<str>>| {
        write.verb == verb && write.object == *object && write.id.as_ref() == id
    };
    let links = |verb, object, id, of: &Arc<str>, to: &Value| {
        is(verb, object, Some(id))
            && write.relation.as_ref() == Some(of)
            && write.fields.get("to") == Some(to)
    };
    write.connection == call.connection
        && match &call.action {
            Action::Create { object, .. } => is("create", object, reply.id.as_ref()),
            Action::Upsert { object, .. } => {
                let verb = if reply.created == Some(true) { "create" } else { "update" };
                is(verb, object, reply.id.as_ref())
            }
            Action::Update { object, id, .. } => is("update", object, Some(id)),
            Action::Delete { object, id } => is("delete", object, Some(id)),
            Action::Link { object, id, relation, to, .. } => links("link", object, id, relation, to),
            Action::Unlink { object, id, relation, to } => links("unlink", object, id, relation, to),
            Action::Operation { name, params } => {
                is("call", name, None) && params.as_map().unwrap_or(&Map::new()) == &write.fields
            }
            Action::Find { .. } | Action::Get { .. } | Action::List { .. } | Action::Events { .. } => false,
        }
}

impl Observer for Witness<'_> {
    fn saw(&self, step: &str, sight: &Sight<'_>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match sight {
            Sight::Called { call, answer } => {
                if let Ok(reply) = answer {
                    seen.claim(step, call, reply, self.crm);
                }
                seen.asked.extend(asked(step, call, answer));
            }
            Sight::Took(way) => drop(seen.taken.insert((step.into(), *way))),
            Sight::Mapped { field, trace } => seen.evaluated.push(mapped(step, field, trace)),
            Sight::Condition { text, values, .. } => seen.evaluated.push(Evaluated {
                step: step.into(),
                field: None,
                written: Value::from(text.trim()),
                is_plain: false,
                reads: values.to_vec(),
            }),
            Sight::Gave { .. } => {}
        }
    }
}

fn asked(step: &str, call: &Call, answer: &Result<Reply, Failure>) -> Option<Asked> {
    let (object, by) = match &call.action {
        Action::Find { object, identity, .. } => (object, By::Identity(identity.clone())),
        Action::Get { object, id, .. } => (object, By::Id(Arc::clone(id))),
        Action::List { object, filter, .. } => (object, By::Filter(filter.clone())),
        _ => return None,
    };
    let reply = answer.as_ref().ok();
    let one = reply.and_then(|reply| reply.record.is_some().then(|| reply.id.clone()).flatten());
    let several = reply.map(|reply| reply.records.as_slice()).unwrap_or_default();
    let found = match several {
        [] => one,
        [record] => record.id.clone(),
        _ => None,
    };
    let count = several.len().max(usize::from(found.is_some()));
    let (step, connection, object) = (step.into(), Arc::clone(&call.connection), Arc::clone(object));
    Some(Asked { step, connection, object, by, found, count })
}

fn mapped(step: &str, field: &str, trace: &Trace) -> Evaluated {
    Evaluated {
        step: step.into(),
        field: Some(field.into()),
        written: trace.written.clone(),
        is_plain: trace.is_plain,
        reads: trace.reads.clone(),
    }
}
