//! What a connector warns of: steps that mail a person, or that nothing undoes, say in a word that they are meant.

use std::sync::Arc;

use super::lower::Lowering;
use super::program::Verb;
use super::target::Target;
use crate::config::step::StepFile;
use crate::connector::{Abilities, ActionKind};
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::expr::WrittenCall;

/// Something dangerous: what it is, and why.
struct Danger {
    what: String,
    why: Arc<str>,
    /// Where in a script it stands.
    within: Option<std::ops::Range<usize>>,
}

impl Lowering<'_> {
    /// Warns of what a step does without saying that it is meant, and of the word where it means nothing.
    pub(super) fn dangers(&mut self, path: &Path, written: &StepFile, verb: &Verb) {
        let dangers = of(verb);
        if written.dangerous.is_some() {
            if dangers.is_empty() && !is_open(verb) {
                let at = path.key("dangerous");
                let fact = "no connector warns of what this step does";
                let finding = Diagnostic::new(Code::DangerousStep, self.value(&at), fact)
                    .help("take `dangerous` away; on a step that holds others it says nothing of those");
                self.warn(finding);
            }
            return;
        }
        let word = written.verb.name();
        for Danger { what, why, within } in dangers {
            let place = match within {
                Some(range) => self.value(&path.key(word)).within(range),
                None => self.key(&path.key(word)),
            };
            let finding = Diagnostic::new(Code::DangerousStep, place, format!("{what} is dangerous: {why}"))
                .label("nothing says that this is meant")
                .help(format!("when it is, write `dangerous: meant` beside `{word}`"));
            self.warn(finding);
        }
    }
}

/// True when it does more than is known before it runs.
fn is_open(verb: &Verb) -> bool {
    let Verb::Script(script) = verb else { return false };
    let unknown = |call: &WrittenCall| call.object.is_none() || (is_link(call) && call.relation.is_none());
    script.text.calls().iter().any(unknown)
}

fn is_link(call: &WrittenCall) -> bool {
    matches!(call.verb, "link" | "unlink")
}

fn of(verb: &Verb) -> Vec<Danger> {
    let one = |target: &Target, kinds: &[ActionKind]| {
        let found =
            kinds.iter().find_map(|kind| Some((*kind, of_action(&target.abilities, &target.object, *kind)?)));
        found.map(|(kind, why)| (format!("`{}` of `{target}`", kind.word()), why))
    };
    let found = match verb {
        Verb::Create(step) => one(&step.target, &[ActionKind::Create]),
        Verb::Update(step) => one(&step.target, &[ActionKind::Update]),
        Verb::Upsert(step) if step.blind => one(&step.target, &[ActionKind::Upsert]),
        Verb::Upsert(step) => one(&step.target, &[ActionKind::Create, ActionKind::Update]),
        Verb::Delete(step) => one(&step.target, &[ActionKind::Delete]),
        Verb::Link(step) => {
            of_relation(&step.target.abilities, &step.target.object, step.direction.kind(), &step.relation)
                .map(|why| {
                    (
                        format!(
                            "`{}` of `{}` with `{}`",
                            step.direction.kind().word(),
                            step.target,
                            step.relation
                        ),
                        why,
                    )
                })
        }
        Verb::Call(step) => {
            let why = step.facts.dangerous.clone();
            why.map(|why| (format!("`{}` of `{}`", step.operation, step.connection), why))
        }
        Verb::Script(script) => {
            let connections = &script.connections;
            let calls = script.text.calls().iter();
            return calls.filter_map(|call| of_call(call, connections.get(&call.connection)?)).collect();
        }
        Verb::Find(_)
        | Verb::Get(_)
        | Verb::List(_)
        | Verb::Set(_)
        | Verb::ForEach(_)
        | Verb::Choose(_)
        | Verb::Check(_)
        | Verb::Use(_) => None,
    };
    found.map(|(what, why)| Danger { what, why, within: None }).into_iter().collect()
}

fn of_call(call: &WrittenCall, abilities: &Abilities) -> Option<Danger> {
    let object = call.object.as_ref()?;
    let kind = ActionKind::ALL.into_iter().find(|kind| kind.word() == call.verb);
    let why = match kind {
        None => abilities.operation(object)?.dangerous.clone(),
        Some(kind @ (ActionKind::Link | ActionKind::Unlink)) => {
            of_relation(abilities, object, kind, call.relation.as_ref()?)
        }
        Some(ActionKind::Upsert) => of_action(abilities, object, ActionKind::Create)
            .or_else(|| of_action(abilities, object, ActionKind::Update)),
        Some(kind) => of_action(abilities, object, kind),
    };
    let what = match kind {
        None => format!("`{object}` of `{}`", call.connection),
        Some(kind) => format!("`{}` of `{}.{object}`", kind.word(), call.connection),
    };
    Some(Danger { what, why: why?, within: Some(call.range.clone()) })
}

fn of_action(abilities: &Abilities, object: &str, kind: ActionKind) -> Option<Arc<str>> {
    abilities.object(object)?.action(kind)?.dangerous.clone()
}

/// What is warned of is putting something into a set, not taking it out.
fn of_relation(abilities: &Abilities, object: &str, kind: ActionKind, relation: &str) -> Option<Arc<str>> {
    if kind != ActionKind::Link {
        return None;
    }
    abilities.object(object)?.relations.get(relation)?.clone()
}
