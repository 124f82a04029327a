#![doc = include_str!("disabled-pipeline.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::diagnostic::{Code, Path};

pub(super) const RULE: Rule = Rule { code: Code::DisabledPipeline, check };

fn check(view: &View, found: &mut Found) {
    for file in &view.draft.pipelines {
        if file.content.as_ref().is_some_and(|pipeline| !pipeline.enabled && pipeline.description.is_none()) {
            let place = file.value(Path::root().key("enabled"));
            let fact = format!("`{}` is switched off, and nothing says why", file.stem);
            let help = "say in `description` why, and when it comes back; or delete the file";
            found.push(found.at(place, fact).label("it never runs").help(help));
        }
    }
}
