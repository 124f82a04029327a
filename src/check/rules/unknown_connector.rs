#![doc = include_str!("unknown-connector.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::diagnostic::{Code, Path};
use crate::nearest::did_you_mean;

pub(super) const RULE: Rule = Rule { code: Code::UnknownConnector, check };

fn check(view: &View, found: &mut Found) {
    for (name, connection) in &view.client.connections {
        if view.connectors.has(&connection.connector) {
            continue;
        }
        let path = Path::root().key("connections").key(name.0.clone()).key("connector");
        let fact = format!("there is no connector `{}`", connection.connector);
        let help = did_you_mean(&connection.connector, view.connectors.names());
        let finding = found
            .at(view.value(&path), fact)
            .label("neither built in nor a file of `connectors`")
            .help_maybe(help);
        found.push(finding);
    }
}
