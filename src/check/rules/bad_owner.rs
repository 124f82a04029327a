#![doc = include_str!("bad-owner.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::config::{Identifier, ObjectRef, Owner};
use crate::diagnostic::{Code, Path, Place};
use crate::nearest::did_you_mean;

pub(super) const RULE: Rule = Rule { code: Code::BadOwner, check };

fn check(view: &View, found: &mut Found) {
    for (object, fields) in &view.client.ownership {
        let at = Path::root().key("ownership").key(object.to_string());
        target(view, object, &at, found);
        for (field, owner) in fields {
            let at = at.key(field.as_str());
            match owner {
                Owner::One(name) => connection(view, name, view.value(&at), found),
                Owner::Both(shared) => {
                    for (index, name) in shared.both.iter().enumerate() {
                        connection(view, name, view.value(&at.key("both").index(index)), found);
                    }
                    if !shared.both.contains(&shared.tie) {
                        let fact = format!("`{}` decides a tie between others", shared.tie.0);
                        let names: Vec<&str> = shared.both.iter().map(|name| &*name.0).collect();
                        let finding = found
                            .at(view.value(&at.key("tie")), fact)
                            .label("it is not one of `both`")
                            .help(format!("write one of {}", names.join(", ")));
                        found.push(finding);
                    }
                }
            }
        }
    }
}

/// The connection and object whose fields are owned.
fn target(view: &View, object: &ObjectRef, at: &Path, found: &mut Found) {
    let name = Identifier(object.connection.clone());
    let Some(connection) = view.client.connections.get(&name) else {
        unknown(view, &object.connection, view.key(at), found);
        return;
    };
    let Some(manifest) = view.manifest(connection) else { return };
    if manifest.abilities().object(&object.object).is_none() {
        let known = manifest.abilities().objects().map(|(name, _)| name);
        let fact = format!("`{}` has no object `{}`", object.connection, object.object);
        let help = did_you_mean(&object.object, known);
        found.push(found.at(view.key(at), fact).help_maybe(help));
    }
}

fn connection(view: &View, name: &Identifier, place: Place, found: &mut Found) {
    if !view.client.connections.contains_key(name) {
        unknown(view, &name.0, place, found);
    }
}

fn unknown(view: &View, name: &str, place: Place, found: &mut Found) {
    let names = view.client.connections.keys().map(|name| &*name.0);
    let fact = format!("the client has no connection `{name}`");
    found.push(found.at(place, fact).help_maybe(did_you_mean(name, names)));
}
