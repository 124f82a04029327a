#![doc = include_str!("unknown-api-version.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::catalog::Catalog;
use crate::diagnostic::{Code, Path};

pub(super) const RULE: Rule = Rule { code: Code::UnknownApiVersion, check };

fn check(view: &View, found: &mut Found) {
    for (name, connection) in &view.client.connections {
        let Some(version) = connection.config.get("api_version").and_then(|version| version.as_str()) else {
            continue;
        };
        let is_stripe = connection.connector == "stripe";
        if !is_stripe || version.contains("${") || Catalog::of(version).is_some() {
            continue;
        }
        let path = Path::root().key("connections").key(name.0.clone()).key("config").key("api_version");
        let known: Vec<&str> = Catalog::api_versions().collect();
        let finding = found
            .at(view.value(&path), format!("nothing is known of the API version `{version}`"))
            .label(format!("events are checked as those of {}", Catalog::newest().api_version()))
            .help(format!("known versions: {}", known.join(", ")));
        found.push(finding);
    }
}
