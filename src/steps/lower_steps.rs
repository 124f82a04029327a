//! Lists of steps: ids, order, scopes; and what is settled once all of a pipeline is known.

use std::sync::Arc;

use indexmap::IndexMap;

use super::choose::{Branch, Choose};
use super::for_each::ForEach;
use super::gives;
use super::lower::{All, Lowering, finding_of};
use super::mapping::Operand;
use super::program::{Step, Verb};
use super::use_part::Use;
use super::uses::{Role, Uses};
use crate::config::step::{self, ChooseStep, ForEachStep, StepFile, UseStep};
use crate::config::{self, PartFile};
use crate::connector::Select;
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::expr::Known;
use crate::nearest::did_you_mean;

impl Lowering<'_> {
    /// Steps in order; all of them are looked at, whatever is wrong with one.
    pub(super) fn steps(&mut self, path: &Path, written: &[StepFile]) -> Option<Vec<Step>> {
        let mut steps = Some(Vec::with_capacity(written.len()));
        for (index, step) in written.iter().enumerate() {
            match (self.step(&path.index(index), step), &mut steps) {
                (Some(step), Some(steps)) => steps.push(step),
                _ => steps = None,
            }
        }
        steps
    }

    fn step(&mut self, path: &Path, written: &StepFile) -> Option<Step> {
        let when = self.when(path, written.when.as_ref());
        let verb = self.verb(&path.key(written.verb.name()), &written.verb);
        if let Some(verb) = &verb {
            self.dangers(path, written, verb);
        }
        let id = written.id.as_ref().map(|id| Arc::clone(&id.0));
        if let Some(id) = &id {
            self.declare(&path.key("id"), id, gives::of(written));
            self.origins.step(id, &written.verb);
        }
        let label = self.label(&path.key(written.verb.name()), id.as_deref());
        let script = matches!(written.verb, config::Verb::Script(_));
        let ways = self.ways(path, written);
        Some(Step {
            id,
            label,
            when: when.ok()?,
            retry: written.retry,
            on_error: written.on_error,
            remembered: script,
            ways,
            verb: verb?,
        })
    }

    fn verb(&mut self, path: &Path, written: &config::Verb) -> Option<Verb> {
        Some(match written {
            config::Verb::Find(verb) => Verb::Find(self.find_step(path, verb)?),
            config::Verb::Get(verb) => Verb::Get(self.get_step(path, verb)?),
            config::Verb::List(verb) => Verb::List(self.list_step(path, verb)?),
            config::Verb::Create(verb) => Verb::Create(self.create_step(path, verb)?),
            config::Verb::Update(verb) => Verb::Update(self.update_step(path, verb)?),
            config::Verb::Upsert(verb) => Verb::Upsert(self.upsert_step(path, verb)?),
            config::Verb::Delete(verb) => Verb::Delete(self.delete_step(path, verb)?),
            config::Verb::Link(verb) => {
                Verb::Link(self.link_step(path, verb, super::link::Direction::Link)?)
            }
            config::Verb::Unlink(verb) => {
                Verb::Link(self.link_step(path, verb, super::link::Direction::Unlink)?)
            }
            config::Verb::Call(verb) => Verb::Call(self.call_step(path, verb)?),
            config::Verb::Script(script) => Verb::Script(self.script_step(path, script)?),
            config::Verb::Set(fields) => Verb::Set(self.set_step(path, fields)?),
            config::Verb::ForEach(verb) => Verb::ForEach(self.for_each(path, verb)?),
            config::Verb::Choose(verb) => Verb::Choose(self.choose(path, verb)?),
            config::Verb::Check(verb) => Verb::Check(self.check_step(path, verb)?),
            config::Verb::Use(verb) => Verb::Use(self.use_part(path, verb)?),
        })
    }

    /// For people: `steps[1].create (task)`, of a part with its file before it.
    fn label(&self, path: &Path, id: Option<&str>) -> Arc<str> {
        let part = self.parts.last().map(|part| format!("{part}: ")).unwrap_or_default();
        match id {
            Some(id) => format!("{part}{path} ({id})").into(),
            None => format!("{part}{path}").into(),
        }
    }

    /// Makes the id of a step known to the later ones.
    fn declare(&mut self, path: &Path, id: &Arc<str>, gives: Known) {
        if let Some(fault) = self.scope.engine.reserved(id) {
            let finding = finding_of(&self.file, path, fault);
            self.find(finding);
        }
        let here = self.value(path);
        let place = self.used_at.clone().unwrap_or_else(|| here.clone());
        match self.declared.get(id) {
            Some(first) => {
                let fact = format!("the step id `{id}` is used twice");
                let finding = Diagnostic::new(Code::DuplicateStep, place, fact)
                    .label("a later step could not tell which one is meant")
                    .related(first.clone(), "the first one");
                self.find(finding);
                // One of the two was meant to have another id: what reads that one is not reported again.
                self.names.all.incomplete = true;
            }
            None => drop(self.declared.insert(Arc::clone(id), here)),
        }
        self.names.done.add_step(id, Arc::new(gives));
    }

    /// Steps of one iteration see each other; the steps after the loop see none of them.
    fn for_each(&mut self, path: &Path, written: &ForEachStep) -> Option<ForEach> {
        let list = self.expression(&path.key("in"), &written.list.0, Role::Branch);
        if let Some(fault) = self.scope.engine.reserved(&written.name.0) {
            let finding = finding_of(&self.file, &path.key("as"), fault);
            self.find(finding);
        }
        let outside = self.names.clone();
        self.names.locals.push(Arc::clone(&written.name.0));
        let origin = list.as_ref().and_then(|list| self.origins.of_all(list.references()));
        self.origins.enter(&written.name.0, origin);
        let steps = self.steps(&path.key("steps"), &written.steps);
        self.origins.leave();
        let inside = std::mem::replace(&mut self.names, outside);
        let (outer, inner) = (&self.names.done, &inside.done);
        let All { steps: all_steps, set: all_set, .. } = &mut self.names.all;
        all_steps.retain(|id| outer.steps.contains_key(id) || !inner.steps.contains_key(id));
        all_set.retain(|name| outer.set.contains(name) || !inner.set.contains(name));
        Some(ForEach {
            list: Operand::Written(list?),
            name: Arc::clone(&written.name.0),
            steps: steps?,
            batch: written.batch,
        })
    }

    /// Only one branch runs, so two branches may give one id, and none sees the steps of another.
    fn choose(&mut self, path: &Path, written: &ChooseStep) -> Option<Choose> {
        let (before, declared) = (self.names.done.clone(), self.declared.clone());
        let (mut after, mut declared_after) = (before.clone(), declared.clone());
        let mut branches = Some(Vec::new());
        for (index, branch) in written.0.iter().enumerate() {
            let path = path.index(index);
            if branch.when.is_none() && index + 1 < written.0.len() {
                let fact = "a branch without `when` always holds, so the branches below it never run";
                let finding = Diagnostic::new(Code::UnreachableBranch, self.value(&path), fact)
                    .help("give it a `when`, or make it the last branch");
                self.find(finding);
            }
            self.names.done.clone_from(&before);
            self.declared.clone_from(&declared);
            let when = self.when(&path, branch.when.as_ref());
            let steps = self.steps(&path.key("steps"), &branch.steps);
            after.add(std::mem::take(&mut self.names.done), &before);
            declared_after.append(&mut self.declared);
            match (when, steps, &mut branches) {
                (Ok(when), Some(steps), Some(branches)) => branches.push(Branch { when, steps }),
                _ => branches = None,
            }
        }
        self.names.done = after;
        self.declared = declared_after;
        branches.map(Choose)
    }

    /// The steps of a part, as if they stood here, with what it takes.
    fn use_part(&mut self, path: &Path, written: &UseStep) -> Option<Use> {
        let name = &written.part.0;
        let at = path.key("part");
        let scope = self.scope;
        let Some(part) = scope.parts.get(name).copied() else {
            let known = scope.parts.keys().map(|name| &**name);
            let fact = format!("there is no part `{name}`");
            let finding = Diagnostic::new(Code::UnknownPart, self.value(&at), fact)
                .label(format!("neither `{name}.part.yaml` beside this file nor in `pipelines/`"))
                .help_maybe(did_you_mean(name, known));
            self.find(finding);
            return None;
        };
        if self.parts.contains(name) {
            let fact = format!("the part `{name}` uses itself: {} -> {name}", self.parts.join(" -> "));
            let finding = Diagnostic::new(Code::PartCycle, self.value(&at), fact);
            self.find(finding);
            return None;
        }
        let Some(content) = &part.content else {
            // What is wrong with its file is told already.
            self.failed = true;
            return None;
        };
        self.arguments(path, written, content);
        let with = self.mapping(&path.key("with"), named(&written.with), Role::Named);
        let given = with.iter().flat_map(|with| &with.0);
        let given = given.map(|field| (Arc::clone(&field.name), self.origins.of_operand(&field.value)));
        let given = given.collect();
        let outer = self.origins.with(given);
        let steps = self.inlined(path, name, &part.path, content);
        self.origins.with(outer);
        Some(Use { with: with?, steps: steps? })
    }

    fn inlined(
        &mut self,
        path: &Path,
        name: &Arc<str>,
        file: &Arc<str>,
        part: &PartFile,
    ) -> Option<Vec<Step>> {
        let keys = part.takes.keys().map(|key| Arc::clone(&key.0)).collect();
        let used_at = self.used_at.clone().unwrap_or_else(|| self.value(&path.key("part")));
        let outer_used_at = self.used_at.replace(used_at);
        let outer_with = self.names.with.replace(keys);
        let outer_file = std::mem::replace(&mut self.file, Arc::clone(file));
        self.parts.push(Arc::clone(name));
        let steps = self.steps(&Path::root().key("steps"), &part.steps);
        self.parts.pop();
        self.file = outer_file;
        self.names.with = outer_with;
        self.used_at = outer_used_at;
        steps
    }

    /// What a part takes and what it is given must be the same names.
    fn arguments(&mut self, path: &Path, written: &UseStep, part: &PartFile) {
        for (name, what) in &part.takes {
            if !written.with.contains_key(name) {
                let fact = format!("the part `{}` needs `{}`: {what}", written.part.0, name.0);
                let finding = Diagnostic::new(Code::PartArguments, self.value(&path.key("part")), fact)
                    .help(format!("add `with: {{ {}: ... }}`", name.0));
                self.find(finding);
            }
        }
        for name in written.with.keys().filter(|name| !part.takes.contains_key(*name)) {
            let at = path.key("with").key(Arc::clone(&name.0));
            let known = part.takes.keys().map(|name| &*name.0);
            let fact = format!("the part `{}` takes no `{}`", written.part.0, name.0);
            let finding = Diagnostic::new(Code::PartArguments, self.key(&at), fact)
                .help_maybe(did_you_mean(&name.0, known));
            self.find(finding);
        }
    }
}

/// The entries of a map with identifiers as keys, by their text.
fn named(
    written: &IndexMap<config::Identifier, config::Written>,
) -> impl Iterator<Item = (&Arc<str>, &config::Written)> {
    written.iter().map(|(name, value)| (&name.0, value))
}

/// All that steps name, those of parts too, so that a reference to a later one can be told from a wrong one.
pub(super) fn all_named(
    written: &[StepFile],
    parts: &IndexMap<Arc<str>, &config::DraftFile<PartFile>>,
) -> All {
    let mut all = All::default();
    collect(written, parts, &mut Vec::new(), &mut all);
    all
}

fn collect(
    written: &[StepFile],
    parts: &IndexMap<Arc<str>, &config::DraftFile<PartFile>>,
    inside: &mut Vec<Arc<str>>,
    all: &mut All,
) {
    for step in written {
        if let Some(id) = step.id.as_ref().filter(|id| !all.steps.contains(&id.0)) {
            all.steps.push(Arc::clone(&id.0));
        }
        match &step.verb {
            step::Verb::ForEach(verb) => collect(&verb.steps, parts, inside, all),
            step::Verb::Choose(verb) => {
                verb.0.iter().for_each(|branch| collect(&branch.steps, parts, inside, all));
            }
            step::Verb::Set(names) => {
                for name in names.keys() {
                    if all.set.iter().all(|known| **known != **name) {
                        all.set.push(name.as_str().into());
                    }
                }
            }
            step::Verb::Use(verb) => {
                let part = parts.get(&verb.part.0).and_then(|part| part.content.as_ref());
                match part.filter(|_| !inside.contains(&verb.part.0)) {
                    Some(part) => {
                        inside.push(Arc::clone(&verb.part.0));
                        collect(&part.steps, parts, inside, all);
                        inside.pop();
                    }
                    None => all.incomplete = true,
                }
            }
            _ => {}
        }
    }
}

/// Tells each step what is read of it, now that all expressions are known.
pub(super) fn settle(steps: &mut [Step], uses: &Uses) {
    for step in steps {
        step.remembered |= uses.remembers(step.id.as_ref());
        let select = |target: &super::target::Target| uses.select(step.id.as_ref(), &target.to_string());
        match &mut step.verb {
            Verb::Find(verb) => verb.settle(&select),
            Verb::Get(verb) => verb.select = select(&verb.target),
            Verb::List(verb) => verb.select = select(&verb.target),
            Verb::Create(verb) => verb.select = select(&verb.target),
            Verb::Update(verb) => verb.select = select(&verb.target),
            Verb::Upsert(verb) => verb.settle(&select),
            Verb::ForEach(verb) => settle(&mut verb.steps, uses),
            Verb::Choose(verb) => verb.0.iter_mut().for_each(|branch| settle(&mut branch.steps, uses)),
            Verb::Use(verb) => settle(&mut verb.steps, uses),
            Verb::Delete(_)
            | Verb::Link(_)
            | Verb::Call(_)
            | Verb::Script(_)
            | Verb::Set(_)
            | Verb::Check(_) => {}
        }
    }
}

/// How a verb asks what is read of its record.
pub(super) type Selecting<'a> = &'a dyn Fn(&super::target::Target) -> Select;
