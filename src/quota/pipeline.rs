//! The calls of one pipeline.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::calls::{Calls, Counts};
use super::walk::Walk;
use crate::config::{DraftFile, PartFile, PipelineFile};
use crate::connector::Abilities;

/// The calls that one event of a pipeline leads to, when its condition holds. `items`: how many elements a `for_each` has.
pub fn per_event(
    pipeline: &PipelineFile,
    parts: &[&DraftFile<PartFile>],
    abilities: &IndexMap<Arc<str>, Arc<Abilities>>,
    items: u64,
) -> Counts {
    let mut walk =
        Walk { abilities, parts, items, read: BTreeMap::new(), inside: Vec::new(), ends: Vec::new() };
    let mut before = Counts::default();
    if let Some(listening) = pipeline.trigger.listening() {
        let read_back =
            abilities.get(&listening.connection.0).is_some_and(|abilities| abilities.events().read_back);
        if let Some(read) = listening.read {
            before.add(&read.object.connection, Calls::new(1, 1));
        } else if read_back {
            before.add(&listening.connection.0, Calls::new(1, 1));
        }
    }
    let mut all = before.clone();
    all.add_all(walk.steps(&pipeline.steps, &before));
    for (connection, calls) in &mut all.0 {
        let ended = walk.ends.iter().map(|end| end.0.get(connection).map_or(0, |calls| calls.least));
        calls.least = ended.fold(calls.least, u64::min);
    }
    all
}
