#![doc = include_str!("unpulled-object.md")]

use std::sync::Arc;

use super::super::view::{Found, View};
use super::super::walk;
use super::Rule;
use crate::config::step::{FindStep, StepFile};
use crate::config::{Identifier, ObjectRef, Verb};
use crate::diagnostic::{Code, Path, Place};
use crate::nearest::nearest;

pub(super) const RULE: Rule = Rule { code: Code::UnpulledObject, check };

fn check(view: &View, found: &mut Found) {
    let pipelines = view.draft.pipelines.iter();
    for (file, pipeline) in pipelines.filter_map(|file| Some((&file.path, file.content.as_ref()?))) {
        if let Some(list) = pipeline.trigger.schedule().and_then(|schedule| schedule.list.as_ref()) {
            let path = Path::root().key("trigger").key("schedule").key("list").key("object");
            look(view, file, path, &list.object, found);
        }
        of_steps(view, file, &pipeline.steps, found);
    }
    for (file, part) in view.draft.parts.iter().filter_map(|file| Some((&file.path, file.content.as_ref()?)))
    {
        of_steps(view, file, &part.steps, found);
    }
}

fn of_steps(view: &View, file: &Arc<str>, steps: &[StepFile], found: &mut Found) {
    walk::steps(steps, &Path::root().key("steps"), &mut |path, step| {
        let path = path.key(step.verb.name());
        if let Verb::Find(FindStep { object, any, .. }) = &step.verb {
            if let Some(object) = object {
                look(view, file, path.key("object"), object, found);
            }
            for (index, place) in any.iter().enumerate() {
                look(view, file, path.key("any").index(index).key("object"), &place.object, found);
            }
        } else if let Some(object) = walk::object_of(&step.verb) {
            look(view, file, path.key("object"), object, found);
        }
    });
}

/// An object that the connector could describe, and that is not among those that were pulled.
fn look(view: &View, file: &Arc<str>, path: Path, object: &ObjectRef, found: &mut Found) {
    let name = Identifier(Arc::clone(&object.connection));
    let Some(schema) = view.schema(&name).filter(|schema| !schema.objects.contains_key(&*object.object))
    else {
        return;
    };
    let manifest = view.client.connections.get(&name).and_then(|connection| view.manifest(connection));
    let facts = manifest.and_then(|manifest| manifest.abilities().object(&object.object));
    if !facts.is_some_and(|facts| facts.described) {
        return;
    }
    let near = nearest(&object.object, schema.objects.keys().map(String::as_str));
    let finding = found
        .at(Place::value(Arc::clone(file), path), format!("nothing is known of {object}"))
        .label("it is not among the objects that were pulled")
        .help(match near {
            Some(near) => format!("did you mean `{name}.{near}`?", name = name.0),
            None => format!("pull it: `lockstep schema pull {} {}`", view.draft.folder, name.0),
        });
    found.push(finding);
}
