#![doc = include_str!("name-differs.md")]

use std::str::FromStr;

use super::super::view::{Found, View};
use super::Rule;
use crate::config::structure::repaired;
use crate::diagnostic::{Code, Path, Place};
use crate::words::Name;

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
    if name != expected && Name::from_str(expected).is_err() {
        let fact = format!("the {what} `{expected}` has no name that `name` could be");
        let better = repaired(Name::FORMAT, expected).unwrap_or_else(|| name.to_owned());
        let help = format!("rename the {what} to `{better}`, and write `name: {better}`");
        let label = "lower-case letters, digits and hyphens, beginning with a letter";
        found.push(found.at(place, fact).label(label).help(help));
    } else if name != expected {
        let fact = format!("`{name}` is not the name of its {what}, `{expected}`");
        let help = format!("write `name: {expected}`, or rename the {what}");
        found.push(
            found.at(place, fact).label("commands and addresses find it by the name of both").help(help),
        );
    }
}
