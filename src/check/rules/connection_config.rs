#![doc = include_str!("connection-config.md")]

use super::super::connectors;
use super::super::view::{Found, View};
use super::Rule;
use crate::diagnostic::{Code, Path, Seg};
use crate::project::map_of;

pub(super) const RULE: Rule = Rule { code: Code::ConnectionConfig, check };

fn check(view: &View, found: &mut Found) {
    for (name, connection) in &view.client.connections {
        let Some(manifest) = view.manifest(connection) else { continue };
        let below = Path::root().key("connections").key(name.0.clone()).key("config");
        let config = map_of(connection.config.iter().map(|(key, value)| (key.as_str(), value)));
        let Some(config) = config.as_map() else { continue };
        for fault in manifest.check_config(config) {
            let path = fault.path.segs().iter().cloned().fold(below.clone(), |path, seg: Seg| path.with(seg));
            let is_unknown_key = fault.path.segs().len() == 1
                && fault.path.last_key().is_some_and(|key| manifest.settings().get(key).is_none());
            let is_missing = fault.path.segs().is_empty();
            let more = format!("lockstep connectors {} tells what it asks for", connection.connector);
            let finding = connectors::finding(Code::ConnectionConfig, fault, |_| {
                if is_unknown_key || is_missing { view.key(&path) } else { view.value(&path) }
            });
            let has_help = finding.help.is_some();
            found.push(if has_help { finding } else { finding.help(more) });
        }
    }
}
