//! What starts a pipeline, event by event.

use std::sync::Arc;

use super::super::view::View;
use super::model::{Happening, Heard};
use crate::config::{Identifier, Listening, ObjectRef, PipelineFile, TriggerFile};

pub(super) fn of<'a>(view: &View<'a>, written: &'a PipelineFile) -> Vec<Heard<'a>> {
    let narrowed = written.when.is_some();
    match &written.trigger {
        TriggerFile::Stripe(trigger) => {
            let catalog = view.catalog(&trigger.connection);
            let events = trigger.events.iter().flat_map(|pattern| catalog.events_matching(pattern));
            let heard = |name: &'static str, object: &String| Heard {
                object: Some(on(&trigger.connection, object)),
                name,
                happening: Happening::of(name, false),
                narrowed,
            };
            events
                .flat_map(|event| event.objects.iter().map(move |object| (event.name.as_str(), object)))
                .map(|(name, object)| heard(name, object))
                .collect()
        }
        TriggerFile::Webhook(_) => {
            written.trigger.listening().map_or_else(Vec::new, |it| posted(view, it, narrowed))
        }
        TriggerFile::Schedule(schedule) => {
            let heard = |list: &'a crate::config::ListFile| Heard {
                object: Some(list.object.clone()),
                name: "listed",
                happening: Happening::Listed,
                narrowed: narrowed || !list.conditions.is_empty() || !list.params.is_empty(),
            };
            schedule.list.iter().map(heard).collect()
        }
        TriggerFile::Lockstep(trigger) => {
            let heard = |name| Heard { object: None, name, happening: Happening::Other, narrowed };
            trigger.events.iter().map(|event| heard(event.as_str())).collect()
        }
    }
}

/// What another system posts, as far as its manifest tells of what kind of record an event is about.
fn posted<'a>(view: &View<'a>, listening: Listening<'a>, narrowed: bool) -> Vec<Heard<'a>> {
    let connection = view.client.connections.get(listening.connection);
    let manifest = connection.and_then(|connection| view.manifest(connection));
    let known = manifest.map(|manifest| manifest.abilities().events());
    let mut heard = Vec::new();
    for pattern in listening.events {
        let before = heard.len();
        for (name, event) in known.into_iter().flat_map(|known| known.matching(pattern)) {
            let object = event.object.as_ref().map(|object| on(listening.connection, object));
            heard.push(Heard { object, name, happening: Happening::of(name, event.gone), narrowed });
        }
        if heard.len() == before {
            heard.push(Heard { object: None, name: pattern, happening: Happening::Other, narrowed });
        }
    }
    heard
}

fn on(connection: &Identifier, object: &str) -> ObjectRef {
    ObjectRef { connection: Arc::clone(&connection.0), object: object.into() }
}
