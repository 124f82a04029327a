#![doc = include_str!("no-events.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::diagnostic::Code;

pub(super) const RULE: Rule = Rule { code: Code::NoEvents, check };

fn check(view: &View, found: &mut Found) {
    for file in &view.draft.pipelines {
        let Some(pipeline) = &file.content else { continue };
        let Some(listening) = pipeline.trigger.listening() else { continue };
        let polled = pipeline.trigger.polled().is_some();
        let sends = |connector: &str| {
            view.connectors.get(connector).is_some_and(|it| match it.events() {
                Some(events) if polled => events.lists(),
                Some(_) => it.webhook().is_some(),
                None => false,
            })
        };
        let Some(connection) = view.client.connections.get(listening.connection) else { continue };
        if view.manifest(connection).is_none() || sends(&connection.connector) {
            continue;
        }
        let path = listening.path().key("connection");
        let fact = format!(
            "`{}` is a connection of `{}`, which sends no events",
            listening.connection.0, connection.connector
        );
        let able = view.client.connections.iter().find(|(_, other)| sends(&other.connector));
        let finding = found
            .at(file.value(path), fact)
            .label("the pipeline would never run")
            .help_maybe(able.map(|(name, _)| format!("did you mean `{}`?", name.0)));
        found.push(finding);
    }
}
