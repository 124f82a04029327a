#![doc = include_str!("unused-result.md")]

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::view::{Found, View};
use super::super::walk;
use super::Rule;
use crate::config::step::{ManyFound, StepFile};
use crate::config::{DraftFile, NoneFound, Verb};
use crate::diagnostic::{Code, Path};

pub(super) const RULE: Rule = Rule { code: Code::UnusedResult, check };

/// The step ids that texts read.
#[derive(Default)]
struct Read<'a> {
    ids: BTreeSet<&'a str>,
    /// `steps` is read as a whole somewhere, so each of them may be.
    everything: bool,
}

fn check(view: &View, found: &mut Found) {
    // A part may read the steps of its users, and they the steps of it.
    let parts: Vec<&str> = view.parts().map(|part| &**part.file.text()).collect();
    let in_parts = Read::of(parts.iter().copied());
    for file in &view.draft.pipelines {
        let Some(pipeline) = &file.content else { continue };
        let read = Read::of([&**file.file.text()]);
        look(file, &pipeline.steps, &[&read, &in_parts], found);
    }
    let in_all = Read::of(view.draft.pipelines.iter().map(|file| &**file.file.text()));
    // Shared parts have users that are not here.
    for part in &view.draft.parts {
        let Some(content) = &part.content else { continue };
        look(part, &content.steps, &[&in_all, &in_parts], found);
    }
}

fn look<T>(file: &DraftFile<T>, list: &[StepFile], read: &[&Read<'_>], found: &mut Found) {
    walk::steps(list, &Path::root().key("steps"), &mut |path, step| {
        let is_read = |id: &Arc<str>| read.iter().any(|read| read.everything || read.ids.contains(&**id));
        let path = path.key(step.verb.name());
        let Some(id) = step.id.as_ref().filter(|id| !is_read(&id.0)) else { return };
        if !only_reads(file, &path, &step.verb) {
            return;
        }
        let finding = found
            .at(file.key(path), format!("nothing reads what this `{}` finds", step.verb.name()))
            .label("it costs a call and changes nothing");
        found.push(finding.help(format!("read `$.steps.{}` in a later step, or take the step away", id.0)));
    });
}

/// True for a step that neither changes anything nor decides whether the run goes on. What is written decides: that
/// there are several is a conflict of any look-up, and no purpose by itself unless the author says so.
fn only_reads<T>(file: &DraftFile<T>, path: &Path, verb: &Verb) -> bool {
    match verb {
        Verb::Find(find) => {
            let is_guard = find.many != ManyFound::First && file.has(&path.key("many"));
            find.none == NoneFound::Continue && !is_guard
        }
        Verb::Get(get) => get.none == NoneFound::Continue,
        Verb::List(_) => !file.has(&path.key("limit")),
        _ => false,
    }
}

impl<'a> Read<'a> {
    fn of(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut read = Self::default();
        for text in texts {
            for (at, word) in text.match_indices("steps") {
                read.take(text, at + word.len());
            }
        }
        read
    }

    /// What follows the word `steps`: a name behind a dot or in a bracket, the colon of the key, or nothing known.
    fn take(&mut self, text: &'a str, from: usize) {
        let rest = text.get(from..).unwrap_or_default();
        let is_name = |char: char| char.is_alphanumeric() || char == '_';
        let name = |rest: &'a str| rest.split(|char| !is_name(char)).next().unwrap_or_default();
        if let Some(rest) = rest.strip_prefix('.').or_else(|| rest.strip_prefix("?.")) {
            self.ids.insert(name(rest));
        } else if let Some(rest) = rest.strip_prefix('[') {
            match rest.strip_prefix(['"', '\'']) {
                Some(rest) => drop(self.ids.insert(name(rest))),
                None => self.everything = true,
            }
        } else if rest.starts_with([')', '}']) {
            self.everything = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn ids_are_read_however_they_are_written() {
        for (text, ids, everything) in [
            ("a: $.steps.account.id", &["account"][..], false),
            ("a: \"${steps.one.id + steps?.two.id}\"", &["one", "two"], false),
            ("a: $.steps['one'].id\nb: $[\"steps\"]", &["one"], false),
            ("a: ${steps[x]}", &[], true),
            ("a: ${tidy(steps)}", &[], true),
            ("steps:\n  - set: {}", &[], false),
        ] {
            let read = Read::of([text]);
            assert_eq!(read.ids.into_iter().collect::<Vec<_>>(), ids, "{text}");
            assert_eq!(read.everything, everything, "{text}");
        }
    }
}
