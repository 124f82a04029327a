//! Which objects of a connection a client's files name: those whose fields are worth knowing.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::walk;
use crate::config::step::{FindStep, StepFile};
use crate::config::{ClientDraft, ObjectRef, Shared, Verb};
use crate::connector::Abilities;
use crate::diagnostic::Path;

/// `salesforce.find("Contact", ...)` in a script.
static CALLED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\b([A-Za-z_]\w*)\.[a-z_]+\(\s*["`]([\w.]+)["`]"#).ok());

/// The objects of `connection` that the client's pipelines and parts, and the parts that all clients share, name: in
/// triggers, in steps and in scripts.
pub fn objects_named(
    client: &ClientDraft,
    shared: &Shared,
    connection: &str,
    abilities: &Abilities,
) -> BTreeSet<Arc<str>> {
    let mut named = Named { connection, abilities, objects: BTreeSet::new() };
    for pipeline in client.pipelines.iter().filter_map(|file| file.content.as_ref()) {
        if let Some(listening) = pipeline.trigger.listening() {
            named.take_all(listening.read.iter().map(|read| &read.object));
            if *listening.connection.0 == *connection {
                named.heard(listening.events);
            }
        }
        let list = pipeline.trigger.schedule().and_then(|schedule| schedule.list.as_ref());
        named.take_all(list.map(|list| &list.object));
        named.steps(&pipeline.steps);
    }
    for part in client.parts.iter().chain(&shared.parts).filter_map(|file| file.content.as_ref()) {
        named.steps(&part.steps);
    }
    named.objects
}

struct Named<'a> {
    connection: &'a str,
    abilities: &'a Abilities,
    objects: BTreeSet<Arc<str>>,
}

impl Named<'_> {
    fn take_all<'b>(&mut self, objects: impl IntoIterator<Item = &'b ObjectRef>) {
        for object in objects {
            if *object.connection == *self.connection {
                self.objects.insert(Arc::clone(&object.object));
            }
        }
    }

    /// The objects that events are about.
    fn heard(&mut self, patterns: &[String]) {
        let events = self.abilities.events();
        let types = patterns.iter().flat_map(|pattern| events.matching(pattern));
        self.objects.extend(types.filter_map(|(_, event)| event.object.clone()));
    }

    fn steps(&mut self, steps: &[StepFile]) {
        walk::steps(steps, &Path::root(), &mut |_, step| match &step.verb {
            Verb::Find(FindStep { object, any, .. }) => {
                self.take_all(object.iter().chain(any.iter().map(|place| &place.object)));
            }
            Verb::Get(step) => self.take_all([&step.object]),
            Verb::List(step) => self.take_all([&step.object]),
            Verb::Create(step) => self.take_all([&step.object]),
            Verb::Update(step) => self.take_all([&step.object]),
            Verb::Upsert(step) => self.take_all([&step.object]),
            Verb::Delete(step) => self.take_all([&step.object]),
            Verb::Link(step) | Verb::Unlink(step) => self.take_all([&step.object]),
            Verb::Script(script) => self.script(&script.0),
            Verb::Call(_)
            | Verb::Set(_)
            | Verb::ForEach(_)
            | Verb::Choose(_)
            | Verb::Check(_)
            | Verb::Use(_) => {}
        });
    }

    fn script(&mut self, script: &str) {
        let Some(pattern) = &*CALLED else { return };
        for found in pattern.captures_iter(script) {
            // What a connection does not know may be an operation, or no call of a connection at all.
            if found[1] == *self.connection && self.abilities.object(&found[2]).is_some() {
                self.objects.insert(found[2].into());
            }
        }
    }
}
