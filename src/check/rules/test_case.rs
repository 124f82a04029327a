#![doc = include_str!("test-case.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::catalog::Catalog;
use crate::config::test_file::{ExpectedWrite, TestCase, TestEvent};
use crate::config::{DraftFile, TestFile, TriggerFile};
use crate::diagnostic::{Code, Path};
use crate::nearest::did_you_mean;
use crate::words::ObjectRef;

pub(super) const RULE: Rule = Rule { code: Code::TestCase, check };

fn check(view: &View, found: &mut Found) {
    for file in &view.draft.tests {
        let Some(test) = &file.content else { continue };
        let mut cases = Cases { view, file, catalog: catalog(view, test), found };
        for (index, case) in test.cases.iter().enumerate() {
            cases.case(case, &Path::root().key("cases").index(index));
        }
    }
}

/// What is known of the events that the pipeline under test can get; nothing when it gets none of Stripe's.
fn catalog(view: &View, test: &TestFile) -> Option<&'static Catalog> {
    let pipeline = view.draft.pipelines.iter().find(|file| file.stem == test.pipeline.0)?;
    match &pipeline.content.as_ref()?.trigger {
        TriggerFile::Stripe(trigger) => Some(view.catalog(&trigger.connection)),
        TriggerFile::Lockstep(_) => None,
    }
}

struct Cases<'a> {
    view: &'a View<'a>,
    file: &'a DraftFile<TestFile>,
    catalog: Option<&'static Catalog>,
    found: &'a mut Found,
}

impl Cases<'_> {
    fn case(&mut self, case: &TestCase, at: &Path) {
        match (&case.event, case.events.is_empty()) {
            (Some(_), false) => {
                self.report(&at.key("events"), true, "a case has `event` or `events`, not both");
            }
            (None, true) => self.report(at, false, "the case has no event: add `event` or `events`"),
            _ => {}
        }
        if let Some(event) = &case.event {
            self.event(event, &at.key("event"));
        }
        for (index, event) in case.events.iter().enumerate() {
            self.event(event, &at.key("events").index(index));
        }
        for object in case.given.keys() {
            self.connection(object, &at.key("given").key(object.to_string()), true);
        }
        for (index, write) in case.expect.writes.iter().flatten().enumerate() {
            self.write(write, &at.key("expect").key("writes").index(index));
        }
    }

    fn event(&mut self, event: &TestEvent, at: &Path) {
        let (TestEvent::Given(given), Some(catalog)) = (event, self.catalog) else { return };
        if catalog.knows_events() && catalog.event(&given.event_type).is_none() {
            let near = catalog.nearest_event(&given.event_type);
            let fact = format!("Stripe has no event `{}`", given.event_type);
            let finding = self
                .found
                .at(self.file.value(at.key("type")), fact)
                .help_maybe(near.map(|near| format!("did you mean `{near}`?")));
            self.found.push(finding);
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
            [(verb, object)] => self.connection(object, &at.key(*verb), false),
            [] => {
                self.report(at, false, "the write has no verb: create, update, delete, link, unlink or call");
            }
            [_, (second, _), ..] => self.report(&at.key(*second), true, "a write has one verb"),
        }
    }

    fn connection(&mut self, object: &ObjectRef, at: &Path, is_key: bool) {
        let names = || self.view.client.connections.keys().map(|name| &*name.0);
        if names().any(|name| name == &*object.connection) {
            return;
        }
        let fact = format!("the client has no connection `{}`", object.connection);
        let place = if is_key { self.file.key(at.clone()) } else { self.file.value(at.clone()) };
        let finding = self.found.at(place, fact).help_maybe(did_you_mean(&object.connection, names()));
        self.found.push(finding);
    }

    fn report(&mut self, at: &Path, is_key: bool, fact: &str) {
        let place = if is_key { self.file.key(at.clone()) } else { self.file.value(at.clone()) };
        self.found.push(self.found.at(place, fact));
    }
}
