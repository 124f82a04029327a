#![doc = include_str!("read-only.md")]

use std::sync::Arc;

use super::super::view::{Found, View};
use super::super::walk::{self, connection_of};
use super::Rule;
use crate::config::step::StepFile;
use crate::config::{Identifier, Verb};
use crate::diagnostic::{Code, Path, Place};

pub(super) const RULE: Rule = Rule { code: Code::ReadOnly, check };

fn check(view: &View, found: &mut Found) {
    let pipelines = view.draft.pipelines.iter();
    let pipelines = pipelines.filter_map(|file| Some((&file.path, &file.content.as_ref()?.steps)));
    let parts = view.parts().filter_map(|file| Some((&file.path, &file.content.as_ref()?.steps)));
    for (file, list) in pipelines.chain(parts) {
        steps(view, file, list, found);
    }
}

fn steps(view: &View, file: &Arc<str>, list: &[StepFile], found: &mut Found) {
    walk::steps(list, &Path::root().key("steps"), &mut |path, step| {
        let Some((verb, key)) = written_by(&step.verb) else { return };
        let Some(name) = connection_of(&step.verb).map(Identifier) else { return };
        if view.client.connections.get(&name).is_some_and(|connection| connection.read_only) {
            let rule = Path::root().key("connections").key(Arc::clone(&name.0)).key("read_only");
            let finding = found
                .at(
                    Place::value(Arc::clone(file), path.key(verb).key(key)),
                    format!("`{verb}` writes to `{}`", name.0),
                )
                .label("which is read-only")
                .related(view.value(&rule), "it says so")
                .help("take the step away, or `read_only` where both sides are written");
            found.push(finding);
        }
    });
}

/// The word of a verb that changes something, and the key that names what.
fn written_by(verb: &Verb) -> Option<(&'static str, &'static str)> {
    Some(match verb {
        Verb::Create(_) => ("create", "object"),
        Verb::Update(_) => ("update", "object"),
        Verb::Upsert(_) => ("upsert", "object"),
        Verb::Delete(_) => ("delete", "object"),
        Verb::Link(_) => ("link", "object"),
        Verb::Unlink(_) => ("unlink", "object"),
        Verb::Call(_) => ("call", "connection"),
        Verb::Find(_)
        | Verb::Get(_)
        | Verb::List(_)
        | Verb::Script(_)
        | Verb::Set(_)
        | Verb::ForEach(_)
        | Verb::Choose(_)
        | Verb::Check(_)
        | Verb::Use(_) => return None,
    })
}
