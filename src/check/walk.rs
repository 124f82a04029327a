//! A walk over steps as they are written, those inside of other steps included.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::view::View;
use crate::config::step::{FindStep, StepFile};
use crate::config::{ObjectRef, Verb};
use crate::diagnostic::Path;

/// Hands every step of a list to `visit`, outer before inner, with its path; `at` is the path of the list.
pub(super) fn steps<'a>(list: &'a [StepFile], at: &Path, visit: &mut impl FnMut(&Path, &'a StepFile)) {
    for (index, step) in list.iter().enumerate() {
        let path = at.index(index);
        visit(&path, step);
        match &step.verb {
            Verb::ForEach(each) => steps(&each.steps, &path.key("for_each").key("steps"), visit),
            Verb::Choose(choose) => {
                for (index, branch) in choose.0.iter().enumerate() {
                    steps(&branch.steps, &path.key("choose").index(index).key("steps"), visit);
                }
            }
            _ => {}
        }
    }
}

/// The names that a client's pipelines and parts use.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// The connections.
    pub(super) connections: BTreeSet<Arc<str>>,
    /// The parts.
    pub(super) parts: BTreeSet<Arc<str>>,
}

impl Uses {
    /// What all pipelines of a client use, directly or through parts.
    pub(super) fn of(view: &View) -> Self {
        let mut uses = Self::default();
        let connections: Vec<Arc<str>> =
            view.client.connections.keys().map(|name| Arc::clone(&name.0)).collect();
        for pipeline in view.draft.pipelines.iter().filter_map(|file| file.content.as_ref()) {
            if let Some(listening) = pipeline.trigger.listening() {
                uses.connections.insert(Arc::clone(&listening.connection.0));
                uses.connections.extend(listening.read.iter().map(|read| read.object.connection.clone()));
            }
            if let Some(list) = pipeline.trigger.schedule().and_then(|schedule| schedule.list.as_ref()) {
                uses.connections.insert(list.object.connection.clone());
            }
            uses.take(&pipeline.steps, &connections);
        }
        for part in view.parts().filter_map(|file| file.content.as_ref()) {
            uses.take(&part.steps, &connections);
        }
        uses
    }

    fn take(&mut self, list: &[StepFile], connections: &[Arc<str>]) {
        steps(list, &Path::root(), &mut |_, step| match &step.verb {
            Verb::Find(FindStep { object, any, .. }) => {
                let objects = object.iter().chain(any.iter().map(|place| &place.object));
                self.connections.extend(objects.map(|object| object.connection.clone()));
            }
            Verb::Script(script) => {
                let named = connections.iter().filter(|name| names(&script.0, name)).cloned();
                self.connections.extend(named);
            }
            Verb::Use(part) => {
                self.parts.insert(Arc::clone(&part.part.0));
            }
            verb => self.connections.extend(connection_of(verb)),
        });
    }
}

/// The one connection that a verb acts on.
pub(super) fn connection_of(verb: &Verb) -> Option<Arc<str>> {
    match verb {
        Verb::Call(step) => Some(Arc::clone(&step.connection.0)),
        verb => object_of(verb).map(|object| Arc::clone(&object.connection)),
    }
}

/// The one object that a verb acts on.
pub(super) fn object_of(verb: &Verb) -> Option<&ObjectRef> {
    Some(match verb {
        Verb::Get(step) => &step.object,
        Verb::List(step) => &step.object,
        Verb::Create(step) => &step.object,
        Verb::Update(step) => &step.object,
        Verb::Upsert(step) => &step.object,
        Verb::Delete(step) => &step.object,
        Verb::Link(step) | Verb::Unlink(step) => &step.object,
        Verb::Find(_)
        | Verb::Call(_)
        | Verb::Script(_)
        | Verb::Set(_)
        | Verb::ForEach(_)
        | Verb::Choose(_)
        | Verb::Check(_)
        | Verb::Use(_) => return None,
    })
}

/// True when `script` has `name` as a word: scripts know each connection as a variable.
fn names(script: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    script.match_indices(name).any(|(at, _)| {
        let before = script[..at].chars().next_back();
        let after = script[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_names_a_connection_as_a_word() {
        assert!(names("let c = crm.find(\"x\")", "crm"));
        assert!(names("crm", "crm"));
        assert!(!names("crm2.find()", "crm"));
        assert!(!names("my_crm.find()", "crm"));
    }
}
