//! Written steps become steps that can be performed: every name is resolved, every expression compiled, and every
//! mistake found, all at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::map::Entry;
use indexmap::{IndexMap, IndexSet};

use super::compilation::{Compilation, Compiled};
use super::mapping::{Field, Mapping, Operand};
use super::ownership::{Heard, Origins, Right};
use super::target::Target;
use super::uses::{Role, Uses};
use crate::config::{DraftFile, Identifier, ObjectRef, Owner, PartFile};
use crate::connector::{Abilities, ActionKind};
use crate::diagnostic::{Code, Diagnostic, Path, Place, Seg};
use crate::expr::{
    Condition, Engine, Expr, Fault, FaultKind, FaultSeg, Known, Names, Reference, Script, asks_what_changed,
    pci,
};
use crate::nearest::did_you_mean;
use crate::value::Value;
use crate::written;

/// What of a client its pipelines are compiled against.
#[derive(Debug, Clone, Copy)]
pub struct ClientScope<'a> {
    /// The client's name.
    pub client: &'a Arc<str>,
    /// The expression engine, with the client's library.
    pub engine: &'a Engine,
    /// The connections that are right, with what each can do.
    pub connections: &'a Arc<IndexMap<Arc<str>, Arc<Abilities>>>,
    /// Connections that are named in `client.yaml` and are wrong there: what uses them is not reported again.
    pub broken: &'a [Arc<str>],
    /// The names of the client's variables, in any environment.
    pub vars: &'a [Arc<str>],
    /// The keys of the event that starts the pipeline at hand; none when they are not known.
    pub event: &'a [Arc<str>],
    /// The keys of the object of the pipeline at hand, when its schedule names them; none when anything may be there.
    pub object: &'a [Arc<str>],
    /// The parts it can use, by name: its own before those of all clients.
    pub parts: &'a IndexMap<Arc<str>, &'a DraftFile<PartFile>>,
    /// Who may write a field.
    pub ownership: &'a IndexMap<ObjectRef, IndexMap<String, Owner>>,
    /// What its pipelines hear of.
    pub heard: &'a Arc<Heard>,
}

/// Something that may be left out was written, and is wrong: a finding tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrong;

/// The top-level names that every expression of a pipeline sees, and below which anything may be.
const ROOTS: [&str; 3] = ["object", "previous", "before"];

/// Lowers the steps of one pipeline.
pub(super) struct Lowering<'a> {
    pub(super) scope: ClientScope<'a>,
    out: &'a mut Compilation,
    /// True when something is wrong, also where another part of `check` tells it.
    pub(super) failed: bool,
    /// The file at hand: the pipeline's, or a part's.
    pub(super) file: Arc<str>,
    pub(super) names: NamesHere,
    /// Where the values of these names are from.
    pub(super) origins: Origins,
    /// The names that are the same everywhere in the pipeline.
    pub(super) everywhere: Names,
    pub(super) uses: Uses,
    /// The parts that are being inlined, outermost first.
    pub(super) parts: Vec<Arc<str>>,
    /// Where each step id of the run was given.
    pub(super) declared: BTreeMap<Arc<str>, Place>,
    /// Where the outermost `use` stands, while a part is inlined.
    pub(super) used_at: Option<Place>,
}

/// What expressions see where the lowering is.
#[derive(Debug, Clone, Default)]
pub(super) struct NamesHere {
    /// What has run here.
    pub(super) done: Done,
    /// All that the pipeline names, wherever it stands.
    pub(super) all: All,
    /// Loop variables.
    pub(super) locals: Vec<Arc<str>>,
    /// What the part at hand takes; `None` outside of parts.
    pub(super) with: Option<Vec<Arc<str>>>,
}

/// What the steps that have run make known.
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    /// The steps that have an id, with what each gives.
    pub(super) steps: IndexMap<Arc<str>, Arc<Known>>,
    /// What `set` named.
    pub(super) set: IndexSet<Arc<str>>,
}

impl Done {
    /// Adds a step; one of several with the same id may be any of them.
    pub(super) fn add_step(&mut self, id: &Arc<str>, gives: Arc<Known>) {
        match self.steps.entry(Arc::clone(id)) {
            Entry::Vacant(entry) => drop(entry.insert(gives)),
            Entry::Occupied(mut entry) => {
                let either = Arc::new(entry.get().or(&gives));
                entry.insert(either);
            }
        }
    }

    /// Adds what is known after another way was taken.
    pub(super) fn add(&mut self, other: Self, before: &Self) {
        for (id, gives) in other.steps {
            if !before.steps.contains_key(&id) {
                self.add_step(&id, gives);
            }
        }
        self.set.extend(other.set);
    }
}

/// What a pipeline names with all of its steps, those of parts too.
#[derive(Debug, Clone, Default)]
pub(super) struct All {
    /// Step ids.
    pub(super) steps: Vec<Arc<str>>,
    /// What `set` names.
    pub(super) set: Vec<Arc<str>>,
    /// A part could not be read, so there may be more.
    pub(super) incomplete: bool,
}

/// The names that are the same everywhere in a pipeline.
fn everywhere(scope: ClientScope<'_>) -> Names {
    let names = Names::new(ROOTS)
        .with_plain("client", "the client's name")
        .with_plain("now", "a time in Unix seconds")
        .with_keys("run", ["id", "pipeline", "attempt"])
        .with_keys("vars", scope.vars.iter().map(|name| &**name));
    let names = match scope.object {
        [] => names,
        keys => ROOTS.iter().fold(names, |names, root| names.with_keys(root, keys.iter().map(|key| &**key))),
    };
    if scope.event.is_empty() {
        names.with("event")
    } else {
        names.with_keys("event", scope.event.iter().map(|key| &**key))
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn new(scope: ClientScope<'a>, file: &Arc<str>, out: &'a mut Compilation) -> Self {
        Self {
            scope,
            out,
            failed: false,
            file: Arc::clone(file),
            names: NamesHere::default(),
            origins: Origins::default(),
            everywhere: everywhere(scope),
            uses: Uses::default(),
            parts: Vec::new(),
            declared: BTreeMap::new(),
            used_at: None,
        }
    }

    /// The names that an expression sees here.
    pub(super) fn names(&self) -> Names {
        let NamesHere { done, all, locals, with } = &self.names;
        let known = done.steps.iter().map(|(id, gives)| (Arc::clone(id), Arc::clone(gives)));
        let later = all.steps.iter().filter(|id| !done.steps.contains_key(*id)).cloned();
        let set_later = all.set.iter().filter(|name| !done.set.contains(*name)).cloned();
        let names = self.everywhere.clone().with_steps(known, later);
        let mut names = names.with_keys_so_far("set", done.set.iter().cloned(), set_later);
        if all.incomplete {
            names = names.incomplete();
        }
        for local in locals {
            names = names.with(local);
        }
        match with {
            // A part is for pipelines of other triggers, too.
            Some(keys) => names.with_keys("with", keys.iter().map(|key| &**key)),
            None => names,
        }
    }

    pub(super) fn find(&mut self, finding: Diagnostic) {
        self.failed = true;
        self.out.findings.push(finding);
    }

    /// A finding that stops nothing.
    pub(super) fn warn(&mut self, finding: Diagnostic) {
        self.out.findings.push(finding);
    }

    pub(super) fn value(&self, path: &Path) -> Place {
        Place::value(Arc::clone(&self.file), path.clone())
    }

    pub(super) fn key(&self, path: &Path) -> Place {
        Place::key(Arc::clone(&self.file), path.clone())
    }

    /// A value expression.
    pub(super) fn expression(&mut self, path: &Path, written: &Value, role: Role) -> Option<Expr> {
        self.expression_with(path, written, role, &[])
    }

    /// A value expression that sees `more` names.
    pub(super) fn expression_with(
        &mut self,
        path: &Path,
        written: &Value,
        role: Role,
        more: &[&str],
    ) -> Option<Expr> {
        let names = more.iter().fold(self.names(), |names, name| names.with(name));
        let compiled = self.scope.engine.expression(written, &names);
        let expression = self.without_faults(path, compiled)?;
        for suspicion in expression.suspicions() {
            let finding = finding_of(&self.file, path, suspicion.clone());
            self.warn(finding);
        }
        self.refuse_card_data(path, expression.references());
        self.uses.add(expression.references(), role);
        self.heed(&written.to_json());
        self.out.expressions.push(Compiled::new(&self.file, path, expression.outline(written)));
        Some(expression)
    }

    /// An expression whose value a step works with.
    pub(super) fn operand(&mut self, path: &Path, written: &written::Written) -> Option<Operand> {
        self.expression(path, &written.0, Role::Value).map(Operand::Written)
    }

    /// The author's words for an ending; they may name the candidates.
    pub(super) fn reason(
        &mut self,
        path: &Path,
        written: Option<&written::Written>,
    ) -> Result<Option<Expr>, Wrong> {
        let Some(written) = written else { return Ok(None) };
        let path = path.key("reason");
        self.expression_with(&path, &written.0, Role::Value, &["candidates"]).map(Some).ok_or(Wrong)
    }

    /// A condition.
    pub(super) fn condition(&mut self, path: &Path, written: &written::Script) -> Option<Condition> {
        self.condition_with(path, written, &[])
    }

    /// A condition that sees `more` names.
    pub(super) fn condition_with(
        &mut self,
        path: &Path,
        written: &written::Script,
        more: &[&str],
    ) -> Option<Condition> {
        let names = more.iter().fold(self.names(), |names, name| names.with(name));
        let compiled = self.scope.engine.condition(&written.0, &names);
        let condition = self.without_faults(path, compiled)?;
        self.refuse_card_data(path, condition.references());
        self.uses.add(condition.references(), Role::Branch);
        self.heed(&written.0);
        self.out.expressions.push(Compiled::new(&self.file, path, condition.outline()));
        Some(condition)
    }

    /// `when:`, where there is one.
    pub(super) fn when(
        &mut self,
        path: &Path,
        written: Option<&written::Script>,
    ) -> Result<Option<Condition>, Wrong> {
        match written {
            Some(written) => self.condition(&path.key("when"), written).map(Some).ok_or(Wrong),
            None => Ok(None),
        }
    }

    /// A script with calls.
    pub(super) fn script(&mut self, path: &Path, written: &written::Script) -> Option<Script> {
        let scope = self.scope;
        let connections: Vec<&str> = scope.connections.keys().map(|name| &**name).collect();
        let compiled = scope.engine.script(&written.0, &self.names(), &connections);
        let script = self.without_faults(path, compiled)?;
        self.refuse_card_data(path, script.references());
        self.uses.add(script.references(), Role::Branch);
        self.heed(&written.0);
        self.out.expressions.push(Compiled::new(&self.file, path, script.outline(&written.0)));
        Some(script)
    }

    /// Card data is stripped before an event is stored: what reads it would never find anything (invariant 5).
    fn refuse_card_data(&mut self, path: &Path, references: &[Reference]) {
        /// Names of the author's own, whatever they sound like.
        const OWN: [&str; 5] = ["vars", "set", "with", "run", "client"];
        for reference in references {
            let names = reference.names();
            if names.first().is_none_or(|root| OWN.contains(root)) || !pci::is_card_data(&names) {
                continue;
            }
            let place = place_of(path, &reference.path);
            let place = self.value(&place).within(reference.range.clone());
            let fact = format!("`{}` is data of a payment card", reference.path_text());
            let finding = Diagnostic::new(Code::CardData, place, fact)
                .label("it is taken out of events and records before anything sees them")
                .help("brand, last four digits and expiry are there: `card.last4`");
            self.find(finding);
        }
    }

    /// `changed("x")` reads the old values without naming them.
    fn heed(&mut self, text: &str) {
        if asks_what_changed(text) {
            self.uses.asks_what_changed();
        }
    }

    /// A mapping: every line of it, so that all its mistakes are found.
    pub(super) fn mapping<'w, K: AsRef<str> + 'w>(
        &mut self,
        path: &Path,
        written: impl IntoIterator<Item = (&'w K, &'w written::Written)>,
        role: Role,
    ) -> Option<Mapping> {
        let mut fields = Some(Vec::new());
        for (name, value) in written {
            let name: Arc<str> = name.as_ref().into();
            let compiled = self.expression(&path.key(Arc::clone(&name)), &value.0, role);
            match (compiled, &mut fields) {
                (Some(value), Some(fields)) => {
                    fields.push(Field { name, value: Operand::Written(value), right: Right::Free });
                }
                _ => fields = None,
            }
        }
        fields.map(Mapping)
    }

    /// Turns the faults of what was compiled into findings at their places below `path`.
    fn without_faults<T>(&mut self, path: &Path, compiled: Result<T, Vec<Fault>>) -> Option<T> {
        match compiled {
            Ok(compiled) => Some(compiled),
            Err(faults) => {
                for fault in faults {
                    let finding = finding_of(&self.file, path, fault);
                    self.find(finding);
                }
                None
            }
        }
    }

    /// The object that a step acts on, when it exists and `kind` can be done with it.
    pub(super) fn target(&mut self, path: &Path, object: &ObjectRef, kind: ActionKind) -> Option<Target> {
        let target = self.object(path, object)?;
        if target.action(kind).is_none() {
            let finding = unsupported(self.value(path), &target, kind);
            self.find(finding);
            return None;
        }
        Some(target)
    }

    fn object(&mut self, path: &Path, object: &ObjectRef) -> Option<Target> {
        let (connection, abilities) = self.connection(path, &object.connection)?;
        if abilities.object(&object.object).is_none() {
            let known: Vec<&str> = abilities.objects().map(|(name, _)| name).collect();
            let fact = format!("`{connection}` has no object `{}`", object.object);
            let finding = Diagnostic::new(Code::UnknownObject, self.value(path), fact)
                .help_maybe(did_you_mean(&object.object, known));
            self.find(finding);
            return None;
        }
        let heard = self.scope.heard.hears(object);
        Some(Target { connection, object: Arc::clone(&object.object), abilities, heard })
    }

    /// A connection of the client, by the name that stands at `path`.
    pub(super) fn connection(&mut self, path: &Path, name: &str) -> Option<(Arc<str>, Arc<Abilities>)> {
        let scope = self.scope;
        if let Some((name, abilities)) = scope.connections.get_key_value(name) {
            return Some((Arc::clone(name), Arc::clone(abilities)));
        }
        self.failed = true;
        if scope.broken.iter().all(|broken| &**broken != name) {
            let known = scope.connections.keys().chain(scope.broken).map(|name| &**name);
            let fact = format!("`{}` has no connection `{name}`", scope.client);
            let finding = Diagnostic::new(Code::UnknownConnection, self.value(path), fact)
                .help_maybe(did_you_mean(name, known));
            self.find(finding);
        }
        None
    }
}

fn unsupported(place: Place, target: &Target, kind: ActionKind) -> Diagnostic {
    let can: Vec<&str> = ActionKind::ALL
        .into_iter()
        .filter(|kind| target.action(*kind).is_some())
        .map(ActionKind::word)
        .collect();
    let fact = format!("`{target}` has no `{}`", kind.word());
    let finding = Diagnostic::new(Code::UnsupportedAction, place, fact);
    if can.is_empty() { finding } else { finding.help(format!("it has {}", can.join(", "))) }
}

/// The expression of an order key: it is evaluated when the event comes in, before any step.
pub fn order_key(
    scope: ClientScope<'_>,
    file: &Arc<str>,
    path: &Path,
    written: &written::Written,
    out: &mut Compilation,
) -> Option<Expr> {
    Lowering::new(scope, file, out).expression(path, &written.0, Role::Value)
}

/// A connection that a trigger names.
pub fn connection(
    scope: ClientScope<'_>,
    file: &Arc<str>,
    path: &Path,
    name: &Identifier,
    out: &mut Compilation,
) -> Option<Arc<Abilities>> {
    let mut lowering = Lowering::new(scope, file, out);
    lowering.connection(path, &name.0).map(|(_, abilities)| abilities)
}

/// A mistake in an expression as a finding, at its exact place.
pub fn finding_of(file: &Arc<str>, path: &Path, fault: Fault) -> Diagnostic {
    let path = place_of(path, &fault.path);
    // A modifier that there is not is a mistake in its key, whatever its value is.
    let at = if fault.kind == FaultKind::UnknownModifier { Place::key } else { Place::value };
    let mut place = at(Arc::clone(file), path);
    if let Some(range) = fault.within {
        place = place.within(range);
    }
    Diagnostic::new(code_of(fault.kind), place, fault.message).help_maybe(fault.help).meant(fault.meant)
}

/// A place inside a written value, from the top of its file.
fn place_of(path: &Path, inside: &[FaultSeg]) -> Path {
    inside.iter().fold(path.clone(), |path, seg| match seg {
        FaultSeg::Key(key) => path.with(Seg::Key(key.as_str().into())),
        FaultSeg::Index(index) => path.with(Seg::Index(*index)),
    })
}

fn code_of(kind: FaultKind) -> Code {
    match kind {
        FaultKind::PathSyntax => Code::PathSyntax,
        FaultKind::ScriptSyntax => Code::ScriptSyntax,
        FaultKind::TemplateSyntax => Code::TemplateSyntax,
        FaultKind::UnknownVariable => Code::UnknownVariable,
        FaultKind::UnknownFunction => Code::UnknownFunction,
        FaultKind::WrongArguments => Code::WrongArguments,
        FaultKind::UnknownStep => Code::UnknownStep,
        FaultKind::LaterStep => Code::LaterStep,
        FaultKind::UnknownResult => Code::StepResult,
        FaultKind::UnknownOutcome => Code::StepOutcome,
        FaultKind::LooksLikeExpression => Code::LooksLikeExpression,
        FaultKind::UnknownModifier => Code::UnknownModifier,
        FaultKind::ModifierValue => Code::ModifierValue,
        FaultKind::ModifierClash => Code::ModifierClash,
        FaultKind::BlankValue => Code::BlankValue,
        FaultKind::BadTransform => Code::BadTransform,
        FaultKind::BadMap => Code::BadMap,
        FaultKind::ReservedName => Code::ReservedName,
        FaultKind::BadForm => Code::BadForm,
        FaultKind::TooComplex => Code::TooComplex,
    }
}
