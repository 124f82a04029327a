//! One event, carried out over records that are given: what it came to, what it wrote and what it asked for.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::case::{Rehearsal, systems, told};
use super::crm::ObjectName;
use super::event::Occasion;
use super::journal::Memory;
use super::witness::{Asked, Evaluated, Made, Witness};
use crate::config::test_file::ExpectedOutcome;
use crate::project::{Client, Pipeline};
use crate::value::Map;

/// What systems hold: records by connection and object, then by id.
pub type Records = IndexMap<ObjectName, IndexMap<Arc<str>, Map>>;

/// What an event came to.
#[derive(Debug, Clone)]
pub struct Played {
    /// How the run ended.
    pub outcome: ExpectedOutcome,
    /// Why, where the ending has words.
    pub reason: Option<String>,
    /// What was written, in order.
    pub made: Vec<Made>,
    /// What was looked for, in order.
    pub asked: Vec<Asked>,
    /// How values came about.
    pub(super) evaluated: Vec<Evaluated>,
}

/// Carries `occasion` out at `now`, over systems that hold `records`.
pub async fn play(
    client: &Client,
    pipeline: &Pipeline,
    occasion: &Occasion,
    now: Timestamp,
    records: &Records,
) -> Played {
    let (crm, memory) = (systems(client), Memory::default());
    for ((connection, object), records) in records {
        for record in records.values() {
            crm.give(connection, object, record);
        }
    }
    let witness = Witness::new(&crm);
    let rehearsal = Rehearsal { client, pipeline, crm: &crm, memory: &memory, observer: Some(&witness) };
    let ending = rehearsal.run("run-1".into(), Arc::clone(&occasion.event), now).await;
    let (outcome, reason) = told(ending);
    let seen = witness.told();
    Played { outcome, reason, made: seen.made, asked: seen.asked, evaluated: seen.evaluated }
}
