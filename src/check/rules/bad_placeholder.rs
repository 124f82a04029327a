#![doc = include_str!("bad-placeholder.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::config::env::Template;
use crate::diagnostic::{Code, Path};
use crate::value::Value;

pub(super) const RULE: Rule = Rule { code: Code::BadPlaceholder, check };

fn check(view: &View, found: &mut Found) {
    let vars = Path::root().key("vars");
    for (name, value) in &view.client.vars {
        texts(view, &vars.key(name.0.clone()), value, found);
    }
    let connections = Path::root().key("connections");
    for (name, connection) in &view.client.connections {
        let config = connections.key(name.0.clone()).key("config");
        for (key, value) in &connection.config {
            texts(view, &config.key(key.as_str()), value, found);
        }
    }
}

fn texts(view: &View, path: &Path, value: &Value, found: &mut Found) {
    match value {
        Value::Text(text) => {
            if let Err(fault) = Template::parse(text) {
                let place = view.value(path).within(fault.range);
                let help = "write `${NAME}`, `${NAME:default}` or `${file:/run/secrets/name}`; \
                            `$${` stands for a plain `${`";
                let finding = found.at(place, fault.message).label("this cannot be replaced").help(help);
                found.push(finding);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                texts(view, &path.index(index), item, found);
            }
        }
        Value::Map(map) => {
            for (key, value) in map.iter() {
                texts(view, &path.key(key.clone()), value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Decimal(_) => {}
    }
}
