#![doc = include_str!("unknown-pipeline.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::diagnostic::{Code, Path};
use crate::nearest::did_you_mean;

pub(super) const RULE: Rule = Rule { code: Code::UnknownPipeline, check };

fn check(view: &View, found: &mut Found) {
    let names = || view.draft.pipelines.iter().map(|file| &*file.stem);
    for file in &view.draft.tests {
        let Some(test) = &file.content else { continue };
        let name = &*test.pipeline.0;
        if names().any(|known| known == name) {
            continue;
        }
        let place = file.value(Path::root().key("pipeline"));
        let fact = format!("the client has no pipeline `{name}`");
        found.push(
            found.at(place, fact).label("these tests test nothing").help_maybe(did_you_mean(name, names())),
        );
    }
}
