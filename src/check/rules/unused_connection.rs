#![doc = include_str!("unused-connection.md")]

use super::super::view::{Found, View};
use super::super::walk::Uses;
use super::Rule;
use crate::diagnostic::{Code, Path};

pub(super) const RULE: Rule = Rule { code: Code::UnusedConnection, check };

fn check(view: &View, found: &mut Found) {
    // What cannot be read could use anything; a client without pipelines is being set up.
    let all_read = view.draft.pipelines.iter().all(|file| file.content.is_some())
        && view.parts().all(|file| file.content.is_some());
    if !view.draft.whole || !all_read || view.draft.pipelines.is_empty() {
        return;
    }
    let uses = Uses::of(view);
    // A name that no connection has is a finding of its own, and was most likely meant to be one of these.
    let all_there =
        uses.connections.iter().all(|name| view.client.connections.keys().any(|it| it.0 == *name));
    if !all_there {
        return;
    }
    for name in view.client.connections.keys().filter(|name| !uses.connections.contains(&name.0)) {
        let place = view.key(&Path::root().key("connections").key(name.0.clone()));
        let fact = format!("no pipeline uses the connection `{}`", name.0);
        found.push(
            found.at(place, fact).label("its credentials are asked for, for nothing").help("remove it"),
        );
    }
}
