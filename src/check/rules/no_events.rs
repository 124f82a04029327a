#![doc = include_str!("no-events.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::config::TriggerFile;
use crate::diagnostic::{Code, Path};

pub(super) const RULE: Rule = Rule { code: Code::NoEvents, check };

fn check(view: &View, found: &mut Found) {
    let sends = |connector: &str| {
        view.connectors.get(connector).is_some_and(|it| it.events().is_some() && it.webhook().is_some())
    };
    for file in &view.draft.pipelines {
        let Some(TriggerFile::Stripe(trigger)) = file.content.as_ref().map(|pipeline| &pipeline.trigger)
        else {
            continue;
        };
        let Some(connection) = view.client.connections.get(&trigger.connection) else { continue };
        if view.manifest(connection).is_none() || sends(&connection.connector) {
            continue;
        }
        let path = Path::root().key("trigger").key("stripe").key("connection");
        let fact = format!(
            "`{}` is a connection of `{}`, which sends no events",
            trigger.connection.0, connection.connector
        );
        let able = view.client.connections.iter().find(|(_, other)| sends(&other.connector));
        let finding = found
            .at(file.value(path), fact)
            .label("the pipeline would never run")
            .help_maybe(able.map(|(name, _)| format!("did you mean `{}`?", name.0)));
        found.push(finding);
    }
}
