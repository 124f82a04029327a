//! What a pipeline writes: its steps in order, parts inlined.

use std::sync::Arc;

use super::super::view::View;
use super::model::{Identity, Order, WriteTo};
use crate::config::step::StepFile;
use crate::config::{DraftFile, NoneFound, PipelineFile, Verb};
use crate::diagnostic::Path;

pub(super) fn of<'a>(
    view: &View<'a>,
    file: &'a DraftFile<PipelineFile>,
    written: &'a PipelineFile,
) -> Vec<WriteTo<'a>> {
    let order = if written.when.is_some() { Order::Perhaps } else { Order::Always };
    let mut walk = Walk { view, parts: Vec::new(), writes: Vec::new() };
    walk.steps(&file.path, &Path::root().key("steps"), &written.steps, order);
    walk.writes
}

struct Walk<'v, 'a> {
    view: &'v View<'a>,
    /// The parts that are being walked, so that a part that uses itself ends here.
    parts: Vec<&'a str>,
    writes: Vec<WriteTo<'a>>,
}

impl<'a> Walk<'_, 'a> {
    /// Walks a list of steps; true when one of them may end the run.
    fn steps(&mut self, file: &'a Arc<str>, at: &Path, list: &'a [StepFile], order: Order) -> bool {
        let mut may_have_ended = false;
        for (index, step) in list.iter().enumerate() {
            let depends = may_have_ended || step.when.is_some();
            let here = if depends { Order::Perhaps } else { order };
            let path = at.index(index).key(step.verb.name());
            may_have_ended |= self.step(file, &path, &step.verb, here);
        }
        may_have_ended
    }

    fn step(&mut self, file: &'a Arc<str>, path: &Path, verb: &'a Verb, order: Order) -> bool {
        match verb {
            Verb::ForEach(each) => self.steps(file, &path.key("steps"), &each.steps, Order::Perhaps),
            Verb::Choose(choose) => choose.0.iter().enumerate().fold(false, |ends, (index, branch)| {
                self.steps(file, &path.index(index).key("steps"), &branch.steps, Order::Perhaps) || ends
            }),
            Verb::Use(used) => self.part(&used.part.0, order),
            verb => {
                self.writes.extend(write(file, path, verb, order));
                may_end(verb)
            }
        }
    }

    fn part(&mut self, name: &'a Arc<str>, order: Order) -> bool {
        let part = self.view.parts().find(|part| part.stem == *name);
        let Some((part, content)) = part.and_then(|part| Some((part, part.content.as_ref()?))) else {
            return false;
        };
        if self.parts.contains(&&**name) {
            return false;
        }
        self.parts.push(name);
        let ends = self.steps(&part.path, &Path::root().key("steps"), &content.steps, order);
        self.parts.pop();
        ends
    }
}

/// True when a step is there to end some runs. That several records are found is no reason that anybody counts on.
fn may_end(verb: &Verb) -> bool {
    match verb {
        Verb::Check(_) => true,
        Verb::Find(find) => find.none != NoneFound::Continue,
        Verb::Get(get) => get.none != NoneFound::Continue,
        Verb::Upsert(upsert) => upsert.guard.is_some(),
        _ => false,
    }
}

fn write<'a>(file: &'a Arc<str>, path: &Path, verb: &'a Verb, order: Order) -> Option<WriteTo<'a>> {
    let (object, fields, identity) = match verb {
        Verb::Create(step) => (&step.object, Some(&step.fields), Identity::Key(step.key.as_ref())),
        Verb::Update(step) => (&step.object, Some(&step.fields), Identity::Id),
        Verb::Upsert(step) => (&step.object, Some(&step.fields), Identity::Match(&step.matching)),
        Verb::Delete(step) => (&step.object, None, Identity::Id),
        Verb::Link(step) | Verb::Unlink(step) => (&step.object, None, Identity::Id),
        _ => return None,
    };
    Some(WriteTo { verb: verb.name(), object, fields, identity, file, path: path.clone(), order })
}
