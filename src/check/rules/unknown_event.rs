#![doc = include_str!("unknown-event.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::catalog::Catalog;
use crate::config::{DraftFile, Listening, PipelineFile, StaleFile, StripeTrigger, TriggerFile};
use crate::diagnostic::{Code, Path};
use crate::nearest::{Hint, Meant, did_you_mean};

pub(super) const RULE: Rule = Rule { code: Code::UnknownEvent, check };

fn check(view: &View, found: &mut Found) {
    for file in &view.draft.pipelines {
        let Some(pipeline) = &file.content else { continue };
        if let Some(listening) = pipeline.trigger.listening() {
            of_manifest(view, file, &listening, found);
        }
        let TriggerFile::Stripe(trigger) = &pipeline.trigger else { continue };
        let catalog = view.catalog(&trigger.connection);
        if catalog.knows_events() {
            events(file, trigger, catalog, found);
            stale(file, pipeline, trigger, catalog, found);
        }
    }
}

/// The types that a connector names.
fn of_manifest(view: &View, file: &DraftFile<PipelineFile>, listening: &Listening<'_>, found: &mut Found) {
    let connection = view.client.connections.get(listening.connection);
    let Some(manifest) = connection.and_then(|connection| view.manifest(connection)) else { return };
    let known = manifest.abilities().events();
    if known.types.is_empty() {
        return;
    }
    for (index, pattern) in listening.events.iter().enumerate() {
        if known.matching(pattern).next().is_none() {
            let place = file.value(listening.path().key("events").index(index));
            let names = known.types.keys().map(|name| &**name);
            let near = did_you_mean(&pattern.to_uppercase(), names.clone())
                .or_else(|| did_you_mean(pattern, names))
                .map(|Hint { text, meant }| {
                    // Asked for in capital letters, and written as it is.
                    let meant = meant.map(|meant| Meant { written: pattern.clone(), ..meant });
                    Hint { text, meant }
                });
            let fact = format!("{} has no event `{pattern}`", manifest.title());
            let more = format!("`lockstep connectors {}` lists those it has", manifest.name());
            let finding = found.at(place, fact).label("the pipeline would never run");
            found.push(finding.help(more).help_maybe(near));
        }
    }
}

fn events(file: &DraftFile<PipelineFile>, trigger: &StripeTrigger, catalog: &Catalog, found: &mut Found) {
    let list = Path::root().key("trigger").key("stripe").key("events");
    for (index, pattern) in trigger.events.iter().enumerate() {
        if catalog.events_matching(pattern).next().is_some() {
            continue;
        }
        let place = file.value(list.index(index));
        let finding = if pattern.contains('*') {
            let head = pattern.split('*').next().unwrap_or_default().trim_end_matches('.');
            let near = catalog.nearest_event(head).and_then(|event| event.rsplit_once('.'));
            found
                .at(place, format!("no event of Stripe is called like `{pattern}`"))
                .label("it matches nothing")
                .help_maybe(near.map(|(prefix, _)| format!("did you mean `{prefix}.*`?")))
        } else {
            let near = meant(catalog, pattern);
            found
                .at(place, format!("Stripe has no event `{pattern}`"))
                .label(format!("API version {} does not know it", catalog.api_version()))
                .help_maybe(near)
        };
        found.push(finding);
    }
}

/// The type that was most likely meant.
pub(super) fn meant(catalog: &Catalog, written: &str) -> Option<Hint> {
    let near = catalog.nearest_event(written)?;
    let slip = Meant::among(written, catalog.events().map(|event| event.name.as_str()));
    let clear = slip.is_some_and(|slip| slip.clear && slip.meant == near);
    Some(Meant { written: written.to_owned(), meant: near.to_owned(), clear }.asked())
}

/// `order.stale` by event type: a type that the trigger never brings decides nothing.
fn stale(
    file: &DraftFile<PipelineFile>,
    pipeline: &PipelineFile,
    trigger: &StripeTrigger,
    catalog: &Catalog,
    found: &mut Found,
) {
    let Some(StaleFile::ByType(words)) = pipeline.order.as_ref().and_then(|order| order.stale.as_ref())
    else {
        return;
    };
    let brought = || trigger.events.iter().flat_map(|pattern| catalog.events_matching(pattern));
    for name in words.keys().filter(|name| *name != "*") {
        if !catalog.events_matching(name).any(|event| brought().any(|other| other.name == event.name)) {
            let place = file.key(Path::root().key("order").key("stale").key(name.as_str()));
            let fact = format!("the trigger brings no event `{name}`");
            let names = brought().map(|event| event.name.as_str());
            let help = did_you_mean(name, names);
            found.push(found.at(place, fact).label("this line decides nothing").help_maybe(help));
        }
    }
}
