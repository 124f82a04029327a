//! Echoes: events that only report what lockstep itself has written.

use std::sync::Arc;

use super::runnable::{Cause, Runnable};
use crate::steps::{EventInput, FieldKey};
use crate::store::{Change, RunBody, RunId, Store, StoreError};

/// The run whose write this event reports back, when it reports nothing else: all that has changed holds what we wrote, and
/// nobody was heard to change it since. What followed from our write (another field, another record) is news.
pub(super) async fn echo(
    store: &Arc<dyn Store>,
    pipeline: &dyn Runnable,
    body: &RunBody,
    event: &EventInput,
) -> Result<Option<RunId>, StoreError> {
    let Some(changed) = pipeline.changed(body, event).filter(|changed| !changed.fields.is_empty()) else {
        return Ok(None);
    };
    let caused_by_us = match &changed.cause {
        Cause::Untold => true,
        Cause::Key(key) => {
            let own = format!("lockstep-{}-", store.mark());
            key.as_ref().is_some_and(|key| key.starts_with(&own))
        }
    };
    let known = store.agreed(changed.fields.iter().map(|now| now.field).collect()).await?;
    let last = |field: FieldKey| known.iter().find(|row| row.agreed.field == field);
    let is_echo = |now: &crate::steps::Agreed| {
        last(now.field).is_some_and(|row| row.agreed.ours && row.agreed.value == now.value)
    };
    if caused_by_us && changed.fields.iter().all(is_echo) {
        return Ok(known.iter().map(|row| row.run).max());
    }
    let others = changed
        .fields
        .iter()
        .filter(|now| last(now.field).is_some_and(|row| row.agreed.ours && row.agreed.value != now.value));
    let others: Vec<FieldKey> = others.map(|now| now.field).collect();
    if !others.is_empty() {
        // Queued before anything that this run does; lost by a crash, it is found out again.
        drop(store.commit(vec![Change::NotOurs(others)]));
    }
    Ok(None)
}
