#![doc = include_str!("name-differs.md")]

use super::super::view::{Found, View};
use super::Rule;
use crate::diagnostic::{Code, Path, Place};

pub(super) const RULE: Rule = Rule { code: Code::NameDiffers, check };

fn check(view: &View, found: &mut Found) {
    let at = Path::root().key("name");
    compare(found, view.draft.file.value(at.clone()), &view.client.name.0, &view.draft.folder, "folder");
    for file in &view.draft.pipelines {
        if let Some(pipeline) = &file.content {
            compare(found, file.value(at.clone()), &pipeline.name.0, &file.stem, "file");
        }
    }
}

fn compare(found: &mut Found, place: Place, name: &str, expected: &str, what: &str) {
    if name != expected {
        let fact = format!("`{name}` is not the name of its {what}, `{expected}`");
        let help = format!("write `name: {expected}`, or rename the {what}");
        found.push(
            found.at(place, fact).label("commands and addresses find it by the name of both").help(help),
        );
    }
}
