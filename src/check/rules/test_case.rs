#![doc = include_str!("test-case.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::config::test_file::{ExpectedWrite, TestCase, TestEvent};
use crate::config::{DraftFile, PipelineFile, TestFile, TriggerFile};
use crate::connector::{Abilities, matches_type};
use crate::diagnostic::{Code, Path, Place};
use crate::nearest::did_you_mean;
use crate::words::ObjectRef;

pub(super) const RULE: Rule = Rule { code: Code::TestCase, check };

fn check(view: &View, found: &mut Found) {
    for file in &view.draft.tests {
        let Some(test) = &file.content else { continue };
        let mut cases = Cases { view, file, pipeline: pipeline(view, test), found };
        for (index, case) in test.cases.iter().enumerate() {
            cases.case(case, &Path::root().key("cases").index(index));
        }
    }
}

/// The pipeline under test; nothing when it is not there or could not be read, which is told elsewhere.
fn pipeline<'a>(view: &View<'a>, test: &TestFile) -> Option<&'a PipelineFile> {
    view.draft.pipelines.iter().find(|file| file.stem == test.pipeline.0)?.content.as_ref()
}

struct Cases<'a> {
    view: &'a View<'a>,
    file: &'a DraftFile<TestFile>,
    pipeline: Option<&'a PipelineFile>,
    found: &'a mut Found,
}

impl<'a> Cases<'a> {
    fn case(&mut self, case: &TestCase, at: &Path) {
        let schedule = self.pipeline.map(|pipeline| pipeline.trigger.schedule());
        match schedule.map(|schedule| schedule.is_some_and(|schedule| schedule.list.is_some())) {
            Some(true) => self.polls(case, at),
            Some(false) => self.events(case, at),
            // Nobody knows what starts it until its own mistake is mended.
            None => {}
        }
        if let Some(event) = &case.event {
            self.event(event, &at.key("event"));
        }
        for (index, event) in case.events.iter().enumerate() {
            self.event(event, &at.key("events").index(index));
        }
        for object in case.given.keys() {
            self.object(object, &at.key("given").key(object.to_string()), true);
        }
        for (index, write) in case.expect.writes.iter().flatten().enumerate() {
            self.write(write, &at.key("expect").key("writes").index(index));
        }
    }

    /// What happens, of a pipeline that starts by events.
    fn events(&mut self, case: &TestCase, at: &Path) {
        match (&case.event, case.events.is_empty()) {
            (Some(_), false) => {
                self.report(&at.key("events"), true, "a case has `event` or `events`, not both");
            }
            (None, true) => self.report(at, false, "the case has no event: add `event` or `events`"),
            _ => {}
        }
        let polled = [
            ("listing", case.listing.is_some(), at.key("listing")),
            ("polls", !case.polls.is_empty(), at.key("polls")),
            ("records", !case.expect.records.is_empty(), at.key("expect").key("records")),
        ];
        for (key, _, at) in polled.into_iter().filter(|(_, given, _)| *given) {
            self.report(&at, true, &format!("`{key}` is of pipelines with a schedule that lists something"));
        }
    }

    /// What happens, of a pipeline that lists something.
    fn polls(&mut self, case: &TestCase, at: &Path) {
        match (&case.listing, case.polls.is_empty()) {
            (Some(_), false) => {
                self.report(&at.key("polls"), true, "a case has `listing` or `polls`, not both");
            }
            (None, true) if case.event.is_none() && case.events.is_empty() => {
                self.report(at, false, "the case lists nothing: add `listing` or `polls`, what a poll lists");
            }
            _ => {}
        }
        if case.converge {
            let fact =
                "`converge` is of cases with events: polls see what is there, whatever happened before";
            self.report(&at.key("converge"), true, fact);
        }
    }

    fn event(&mut self, event: &TestEvent, at: &Path) {
        let (TestEvent::Given(given), Some(pipeline)) = (event, self.pipeline) else { return };
        let kind = given.event_type.as_str();
        let place = self.file.value(at.key("type"));
        let (listens, patterns) = match &pipeline.trigger {
            TriggerFile::Stripe(trigger) => {
                let catalog = self.view.catalog(&trigger.connection);
                if catalog.knows_events() && catalog.event(kind).is_none() {
                    let near = super::unknown_event::meant(catalog, kind);
                    let fact = format!("Stripe has no event `{kind}`");
                    self.found.push(self.found.at(place, fact).help_maybe(near));
                    return;
                }
                let brings =
                    |pattern: &String| catalog.events_matching(pattern).any(|event| event.name == kind);
                // A pattern that matches nothing is told where it stands.
                let unknown = |pattern: &String| catalog.events_matching(pattern).next().is_none();
                let listens = !catalog.knows_events()
                    || trigger.events.iter().any(|pattern| brings(pattern) || unknown(pattern));
                (listens, trigger.events.iter().map(String::as_str).collect::<Vec<_>>())
            }
            TriggerFile::Webhook(trigger) => {
                let fits = |pattern: &String| matches_type(pattern, kind);
                let patterns = trigger.events.iter().map(String::as_str).collect();
                (trigger.events.iter().any(fits), patterns)
            }
            TriggerFile::Schedule(schedule) if schedule.list.is_none() => (kind == "time", vec!["time"]),
            TriggerFile::Schedule(_) => {
                let fact = format!("the pipeline `{}` starts by a schedule, not by events", pipeline.name);
                let help = "write `listing: [...]`: the records that a poll lists";
                self.found.push(self.found.at(place, fact).label("nothing would run").help(help));
                return;
            }
            TriggerFile::Lockstep(trigger) => {
                let events: Vec<&str> = trigger.events.iter().map(|event| event.as_str()).collect();
                (events.contains(&kind), events)
            }
        };
        if !listens {
            let fact = format!("`{kind}` does not start the pipeline `{}`", pipeline.name);
            let help = format!("its trigger listens for {}", patterns.join(", "));
            self.found.push(self.found.at(place, fact).label("nothing would run").help(help));
        }
    }

    fn write(&mut self, write: &ExpectedWrite, at: &Path) {
        let verbs = [
            ("create", &write.create),
            ("update", &write.update),
            ("delete", &write.delete),
            ("link", &write.link),
            ("unlink", &write.unlink),
            ("call", &write.call),
        ];
        let written: Vec<_> =
            verbs.iter().filter_map(|(verb, object)| Some((*verb, object.as_ref()?))).collect();
        match written.as_slice() {
            [("call", operation)] => self.operation(operation, &at.key("call")),
            [(verb, object)] => {
                self.object(object, &at.key(*verb), false);
                if let Some(relation) = &write.relation {
                    self.relation(object, relation, &at.key("relation"));
                }
            }
            [] => {
                self.report(at, false, "the write has no verb: create, update, delete, link, unlink or call");
            }
            [_, (second, _), ..] => self.report(&at.key(*second), true, "a write has one verb"),
        }
    }

    fn object(&mut self, object: &ObjectRef, at: &Path, is_key: bool) {
        let Some(abilities) = self.connection(object, at, is_key) else { return };
        if abilities.object(&object.object).is_none() {
            let fact = format!("`{}` has no object `{}`", object.connection, object.object);
            let known = did_you_mean(&object.object, abilities.objects().map(|(name, _)| name));
            self.found.push(self.found.at(self.place(at, is_key), fact).help_maybe(known));
        }
    }

    fn relation(&mut self, object: &ObjectRef, relation: &str, at: &Path) {
        let mut connections = self.view.client.connections.iter();
        let connection = connections.find(|(name, _)| name.0 == object.connection);
        let manifest = connection.and_then(|(_, connection)| self.view.manifest(connection));
        let Some(facts) = manifest.and_then(|manifest| manifest.abilities().object(&object.object)) else {
            return;
        };
        if !facts.relations.contains_key(relation) {
            let fact = format!("`{object}` has no relation `{relation}`");
            let known = did_you_mean(relation, facts.relations.keys().map(|name| &**name));
            self.found.push(self.found.at(self.place(at, false), fact).help_maybe(known));
        }
    }

    fn operation(&mut self, operation: &ObjectRef, at: &Path) {
        let Some(abilities) = self.connection(operation, at, false) else { return };
        if abilities.operation(&operation.object).is_none() {
            let fact = format!("`{}` has no operation `{}`", operation.connection, operation.object);
            let known = did_you_mean(&operation.object, abilities.operations().map(|(name, _)| name));
            self.found.push(self.found.at(self.place(at, false), fact).help_maybe(known));
        }
    }

    /// What the connection can do; nothing when there is none of this name, or its connector is wrong.
    fn connection(&mut self, object: &ObjectRef, at: &Path, is_key: bool) -> Option<&'a Abilities> {
        let connections = &self.view.client.connections;
        if let Some((_, connection)) = connections.iter().find(|(name, _)| name.0 == object.connection) {
            return self.view.manifest(connection).map(|manifest| &**manifest.abilities());
        }
        let fact = format!("the client has no connection `{}`", object.connection);
        let known = did_you_mean(&object.connection, connections.keys().map(|name| &*name.0));
        self.found.push(self.found.at(self.place(at, is_key), fact).help_maybe(known));
        None
    }

    fn place(&self, at: &Path, is_key: bool) -> Place {
        if is_key { self.file.key(at.clone()) } else { self.file.value(at.clone()) }
    }

    fn report(&mut self, at: &Path, is_key: bool, fact: &str) {
        self.found.push(self.found.at(self.place(at, is_key), fact));
    }
}
