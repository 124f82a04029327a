#![doc = include_str!("duplicate-name.md")]

use std::collections::HashMap;

use super::super::view::{Found, View};
use super::Rule;
use crate::config::{DraftFile, TestFile};
use crate::diagnostic::{Code, Path};

pub(super) const RULE: Rule = Rule { code: Code::DuplicateName, check };

fn check(view: &View, found: &mut Found) {
    for part in &view.draft.parts {
        if let Some(other) = view.shared.parts.iter().find(|shared| shared.stem == part.stem) {
            let fact = format!("there are two parts `{}`", part.stem);
            let finding = found
                .at(part.whole(), fact)
                .label("this one would hide the other")
                .related(other.whole(), "the shared one")
                .help("give one of the two another name");
            found.push(finding);
        }
    }
    for file in &view.draft.tests {
        cases(file, found);
    }
}

fn cases(file: &DraftFile<TestFile>, found: &mut Found) {
    let mut seen = HashMap::new();
    for (index, case) in file.content.iter().flat_map(|test| &test.cases).enumerate() {
        let path = Path::root().key("cases").index(index).key("name");
        if let Some(first) = seen.insert(case.name.as_str(), path.clone()) {
            let fact = format!("there are two cases `{}`", case.name);
            let finding = found
                .at(file.value(path), fact)
                .label("a failure would not say which")
                .related(file.value(first), "first used here")
                .help("give one of the two another name");
            found.push(finding);
        }
    }
}
