//! What is known of the events that start a client's pipelines: the keys of the envelope, `event` in expressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::view::View;
use crate::config::TriggerFile;

/// What every event has, whoever sent it.
const SOURCE: &str = "source";

/// What lockstep's own reports have.
const REPORT: [&str; 5] = ["id", "type", "created", "object", SOURCE];

/// What a listed record has.
const LISTED: [&str; 7] = ["id", "type", "created", "record", "object", "previous", SOURCE];

/// The keys of events, by who sends them.
pub(super) struct Events {
    by_connection: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    reports: Vec<Arc<str>>,
    listed: Vec<Arc<str>>,
}

impl Events {
    /// The events of all connections that pipelines of a client listen to.
    pub(super) fn of(view: &View) -> Self {
        let mut by_connection = BTreeMap::new();
        for pipeline in view.draft.pipelines.iter().filter_map(|file| file.content.as_ref()) {
            // Of other systems' events the keys are not known.
            if let TriggerFile::Stripe(trigger) = &pipeline.trigger {
                let name = Arc::clone(&trigger.connection.0);
                by_connection.entry(name).or_insert_with(|| {
                    let shape = view.catalog(&trigger.connection).object("event");
                    let keys = shape.into_iter().flat_map(|shape| shape.fields().keys());
                    keys.map(|key| key.as_str().into()).chain(shape.map(|_| SOURCE.into())).collect()
                });
            }
        }
        Self {
            by_connection,
            reports: REPORT.map(Into::into).to_vec(),
            listed: LISTED.map(Into::into).to_vec(),
        }
    }

    /// The keys of the events that a trigger brings; none when they are not known.
    pub(super) fn keys(&self, trigger: &TriggerFile) -> &[Arc<str>] {
        match trigger {
            TriggerFile::Stripe(trigger) => {
                self.by_connection.get(&trigger.connection.0).map_or(&[], Vec::as_slice)
            }
            TriggerFile::Webhook(_) => &[],
            TriggerFile::Schedule(_) => &self.listed,
            TriggerFile::Lockstep(_) => &self.reports,
        }
    }
}
